/* SPDX-License-Identifier: MIT */
/*
 * Names of this machine's users, asked of NSS without making the event loop wait: one thread asks, results are kept for two seconds.
 * (NSS may speak to a directory server, which may take its time or be down.)
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

typedef struct Accounts Accounts;
typedef struct AccountLookup AccountLookup;

typedef struct Account {
        const char *name;       /* the canonical one */
        uid_t uid;              /* RECORD_NO_UID: NSS knows no such name */
} Account;

/* result 0 with account (valid during the callback), or a negative errno: NSS could not answer. */
typedef void (*AccountDone)(int result, const Account *account, void *userdata);

int accounts_new(Accounts **ret, sd_event *event);
Accounts *accounts_free(Accounts *a);           /* open look-ups are called back with -ECANCELED */

/* done may be called before this returns (the name was asked for a moment ago). 0 or a negative errno. */
int accounts_look_up(Accounts *a, const char *name, AccountDone done, void *userdata);
