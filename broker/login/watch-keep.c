/* SPDX-License-Identifier: MIT */
/* Owns the list of sessions for which one of two has spoken, and the timer that goes through it. Touches sessions through Changes. */
#include "watch-keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "amend.h"
#include "cleanup.h"
#include "span.h"

#define NOTES_MAX 1024u
/* Whoever changes a password is about to say so when it can be seen. */
#define SEEN_USEC USEC_PER_SEC
/* What was told is seen at once, unless the machine is busy. */
#define TOLD_USEC (5 * USEC_PER_SEC)

typedef struct Note {
        TAILQ_ENTRY(Note) link;
        Ident id;
        bool told;                      /* else seen, and the two digests count */
        uint8_t before[RECORD_TAG_SIZE], after[RECORD_TAG_SIZE];
        uint64_t until;                 /* CLOCK_BOOTTIME */
} Note;

struct WatchKeep {
        sd_event *event;
        sd_event_source *timer;
        Table *table;
        ChangeDone done;
        void *userdata;
        TAILQ_HEAD(, Note) notes;
        unsigned n_notes;
};

DEFINE_CLEANUP(WatchKeep *, watch_keep_free)

static void forget(WatchKeep *k, Note *n) {
        TAILQ_REMOVE(&k->notes, n, link);
        k->n_notes--;
        free(n);
}

static Note *find(WatchKeep *k, const Session *s) {
        Note *n;

        TAILQ_FOREACH(n, &k->notes, link)
                if (ident_compare(&n->id, &s->id) == 0)
                        return n;
        return NULL;
}

/* The timer stands at the first end there is. */
static void set_timer(WatchKeep *k) {
        uint64_t first = UINT64_MAX;
        Note *n;

        TAILQ_FOREACH(n, &k->notes, link)
                if (n->until < first)
                        first = n->until;
        (void) sd_event_source_set_time(k->timer, first);
        (void) sd_event_source_set_enabled(k->timer, k->n_notes > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static Note *add(WatchKeep *k, const Session *s, uint64_t span_usec) {
        Note *n = k->n_notes < NOTES_MAX ? calloc(1, sizeof(*n)) : NULL;
        uint64_t now = 0;

        if (!n)
                return NULL;
        (void) sd_event_now(k->event, CLOCK_BOOTTIME, &now);
        n->id = s->id;
        n->until = now + span_usec;
        TAILQ_INSERT_TAIL(&k->notes, n, link);
        k->n_notes++;
        set_timer(k);
        return n;
}

/* ---- the two who speak ---- */

WatchKept watch_keep_seen(WatchKeep *k, const Session *s, const uint8_t digest[static RECORD_TAG_SIZE]) {
        Note *n = find(k, s);
        Record r;

        if (n && n->told) {
                forget(k, n);
                return WATCH_KEPT_YES;
        }
        if (!n)
                n = add(k, s, SEEN_USEC);
        if (!n)
                return WATCH_KEPT_NO;
        session_head(s, &r);
        memcpy(n->before, r.account_digest, RECORD_TAG_SIZE);
        memcpy(n->after, digest, RECORD_TAG_SIZE);
        return WATCH_KEPT_ASKED;
}

/* Of the session as it is now, if it is still the one that was seen. */
static bool is_as_seen(const Session *s, const Note *n) {
        Record r;

        if (!s || s->dead || s->n_removing > 0)
                return false;
        session_head(s, &r);
        return memcmp(r.account_digest, n->before, RECORD_TAG_SIZE) == 0;
}

static int renew(WatchKeep *k, Session *s, const Note *n) {
        _cleanup_(change_freep) Change *c = NULL;
        int r = change_new(&c, k->table);

        if (r == 0)
                r = amend_account_digest(c, s, n->after);
        if (r < 0)
                return r;
        change_submit(TAKE_PTR(c), k->done, k->userdata);
        return 0;
}

void watch_keep_told(WatchKeep *k, Session *s) {
        Note *n = find(k, s);

        if (!n)
                n = add(k, s, TOLD_USEC);
        else if (!n->told) {
                /* Without memory it stays as it was seen, and ends: its user logs in again. */
                if (!is_as_seen(s, n) || renew(k, s, n) == 0)
                        forget(k, n);
                return;
        }
        if (n)
                n->told = true;
}

/* ---- nobody spoke ---- */

static int end(WatchKeep *k, Session *s) {
        _cleanup_(change_freep) Change *c = NULL;
        int r = change_new(&c, k->table);

        if (r == 0)
                r = change_remove(c, s, REASON_PASSWORD);
        if (r < 0)
                return r;
        change_submit(TAKE_PTR(c), k->done, k->userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        WatchKeep *k = userdata;
        Note *n, *next;

        for (n = TAILQ_FIRST(&k->notes); n; n = next) {
                Session *s = n->told || n->until > usec ? NULL : table_find(k->table, &n->id);
                int r = 0;

                next = TAILQ_NEXT(n, link);
                if (n->until > usec)
                        continue;
                if (is_as_seen(s, n))
                        r = end(k, s);
                if (r < 0)
                        k->done(r, k->userdata);
                forget(k, n);
        }
        set_timer(k);
        return 0;
}

/* ---- life ---- */

int watch_keep_new(WatchKeep **ret, sd_event *event, Table *table, ChangeDone done, void *userdata) {
        _cleanup_(watch_keep_freep) WatchKeep *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        TAILQ_INIT(&k->notes);
        k->event = sd_event_ref(event);
        k->table = table;
        k->done = done;
        k->userdata = userdata;
        r = sd_event_add_time(event, &k->timer, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_MSEC, on_timer, k);
        if (r >= 0)
                r = sd_event_source_set_enabled(k->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(k);
        return 0;
}

WatchKeep *watch_keep_free(WatchKeep *k) {
        Note *n;

        if (!k)
                return NULL;
        while ((n = TAILQ_FIRST(&k->notes)))
                forget(k, n);
        sd_event_source_disable_unref(k->timer);
        sd_event_unref(k->event);
        free(k);
        return NULL;
}
