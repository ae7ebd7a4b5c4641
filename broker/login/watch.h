/* SPDX-License-Identifier: MIT */
/*
 * What happens to an account happens to its sessions. Watches the files that tell of this machine's users, and asks now and then for those
 * of a directory; the root helper says how the accounts are (a LOOK of auth-protocol.h), watch-judge.h what that means, and a
 * Change makes it so. Only users of whom there are sessions, and who have a uid, are asked about.
 *
 *   a file of /etc is renamed or written     all are looked at, at once
 *   the broker starts, the policy is read    all
 *   CheckSec= has passed                     all
 *   a session begins whose user's shadow     that user, a moment later: CreateSession asks nobody who could say
 *   entry is not known
 *
 * One helper serves a whole pass; one pass runs at a time, and what happens meanwhile makes another one follow.
 */
#pragma once

#include <systemd/sd-event.h>

#include "policy.h"
#include "steady.h"
#include "table.h"

typedef struct Watch Watch;

typedef struct WatchOptions {
        const char *socket_path;                        /* of the helper */
        const uint8_t *account_key;                     /* borrowed */
        Table *table;                                   /* borrowed */
        const Policy *(*policy)(void *userdata);        /* the one in force */
        void *userdata;
} WatchOptions;

int watch_new(Watch **ret, sd_event *event, const WatchOptions *options);
Watch *watch_free(Watch *w);

void watch_all(Watch *w);                       /* something has changed: look at all, as soon as may be */
void watch_added(Watch *w, const Session *s);   /* a session has begun */

/* Does every name and uid of a local account still stand for the account that it stood for when all were looked at? Then whatever else is new of
 * it, nobody else has been given its name. */
bool watch_settled(Watch *w);

/* Root says that this session's user has changed his password from it: it goes on when that is what the watch sees too. */
void watch_password_changed(Watch *w, Session *s);
