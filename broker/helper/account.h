/* SPDX-License-Identifier: MIT */
/* What NSS knows of a user: the uid and the names of the groups. Blocks; touches whatever nsswitch.conf names. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Account {
        uint32_t uid;           /* RECORD_NO_UID when NSS does not know the name */
        char **groups;          /* names, the primary group's among them */
        size_t n_groups;
} Account;

/* 0, also for a user that NSS does not know; a negative errno when NSS cannot tell. */
int account_lookup(Account *ret, const char *user);
void account_done(Account *a);
