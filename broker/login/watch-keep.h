/* SPDX-License-Identifier: MIT */
/*
 * The one session that a new password leaves alone. Two have to say so, in whichever order: the watcher sees that the password of a session's
 * account has changed and nothing else, and root says that the user did it himself, from this session. Then the session takes the new digest over.
 * A session that is not spoken for soon after its account's change is ended.
 */
#pragma once

#include <systemd/sd-event.h>

#include "change.h"
#include "table.h"

typedef struct WatchKeep WatchKeep;

typedef enum WatchKept {
        WATCH_KEPT_ASKED,               /* nobody has spoken for it so far: left alone, and ended when nobody does */
        WATCH_KEPT_YES,                 /* told already: give it the new digest */
        WATCH_KEPT_NO,                  /* too many at once: end it now */
} WatchKept;

/* failed: a change could not be committed. */
int watch_keep_new(WatchKeep **ret, sd_event *event, Table *table, ChangeDone done, void *userdata);
WatchKeep *watch_keep_free(WatchKeep *k);

/* The digest of the account is another one now than the session's. */
WatchKept watch_keep_seen(WatchKeep *k, const Session *s, const uint8_t digest[static RECORD_TAG_SIZE]);

/* The user has changed his password from this session. */
void watch_keep_told(WatchKeep *k, Session *s);
