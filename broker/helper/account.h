/* SPDX-License-Identifier: MIT */
/* What NSS knows of a user: the uid, the names of the groups, and what stands in shadow. Blocks; touches whatever nsswitch.conf names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth-protocol.h"

typedef struct Account {
        uint32_t uid;           /* RECORD_NO_UID when NSS does not know the name */
        char **groups;          /* names, the primary group's among them */
        size_t n_groups;
        AuthAccount state;
        bool local;             /* stands in /etc/passwd: without a change of that file it is the account that it was */
        uint8_t digest[RECORD_TAG_SIZE];        /* of name, uid and shadow entry; all zero where there is no such entry, or no key */
} Account;

/* 0, also for a user that NSS does not know; a negative errno when NSS cannot tell. */
int account_lookup(Account *ret, const char *user, const uint8_t key[static AUTH_KEY_SIZE]);
void account_done(Account *a);
