/* SPDX-License-Identifier: MIT */
/* One timer of the event loop for the whole table. Owns the timer and a store change while it is being filled. */
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "cleanup.h"
#include "log.h"
#include "span.h"
#include "verdict.h"

#define TOUCH_DELAY_USEC (2 * USEC_PER_SEC)     /* how late a touch may be on disk */
#define TOUCHES_PER_CHANGE 512u                 /* and the next of them when these are on disk: creations do not queue up behind all of them */
#define ENDS_PER_CHANGE 256u                    /* ended sessions removed in one go: other work comes in between */
#define RETRY_USEC (5 * USEC_PER_SEC)           /* the store refused: not at once again */

struct Sweep {
        Table *table;
        const Steady *steady;
        sd_event_source *source;
        uint64_t touches_due;           /* CLOCK_BOOTTIME; 0: nothing waits */
        uint64_t not_before;            /* CLOCK_BOOTTIME; after a failure */
        bool is_writing;                /* touches are on their way to the disk … */
        bool has_more;                  /* … and more wait than were taken */
};

DEFINE_CLEANUP(Sweep *, sweep_free)

/* ---- touches ---- */

/* What is committed, with the present last_seen. The record in memory stays as it is: readers look at it. */
static int put_touch(StoreChange *c, const Session *s) {
        size_t size = record_length(s->data);
        _cleanup_free_ uint8_t *copy = malloc(size);
        int r;

        if (!copy)
                return -ENOMEM;
        memcpy(copy, s->data, size);
        r = record_set_last_seen(copy, size, s->last_seen);
        if (r < 0)
                return r;
        return store_change_put(c, &s->id, copy, size);
}

/* A session with a change on its way waits for the next time: a touch of what is committed now would be overtaken by that change, or worse, come
 * behind its removal. */
static size_t fill(Sweep *w, StoreChange *c, size_t max) {
        Table *t = w->table;
        size_t n = 0;
        Ident id;

        for (size_t left = t->touched.n; left > 0 && n < max && touched_take(&t->touched, &id); left--) {
                Session *s = table_find(t, &id);

                if (!s)
                        continue;
                s->is_touched = false;
                if (s->n_staged > 0)
                        table_set_touched(t, s);
                else if (put_touch(c, s) < 0) {
                        table_set_touched(t, s);
                        break;
                } else
                        n++;
        }
        return n;
}

/* How many there were, at most max. */
static size_t write_touches(Sweep *w, size_t max, StoreDone done) {
        StoreChange *c = NULL;
        size_t n;

        w->touches_due = 0;
        if (w->table->touched.n == 0 || store_change_new(&c) < 0)
                return 0;
        n = fill(w, c, max);
        if (n > 0)
                store_submit(w->table->store, c, done, w);
        else
                store_change_free(c);
        return n;
}

static void touches_written(StoreChange *c, int result, void *userdata) {
        Sweep *w = userdata;

        w->is_writing = false;
        /* At once, unless the store is in trouble. */
        w->touches_due = w->has_more && result >= 0;
}

static void write_some_touches(Sweep *w) {
        size_t n = write_touches(w, TOUCHES_PER_CHANGE, touches_written);

        w->is_writing = n > 0;
        w->has_more = n == TOUCHES_PER_CHANGE;
}

void sweep_write_touches(Sweep *w) {
        (void) write_touches(w, SIZE_MAX, NULL);
}

/* ---- ended sessions ---- */

static void swept(int result, void *userdata) {
        Sweep *w = userdata;
        uint64_t now;

        if (result < 0 && sd_event_now(sd_event_source_get_event(w->source), CLOCK_BOOTTIME, &now) >= 0)
                w->not_before = now + RETRY_USEC;
}

/* 1 when the session has been put into the change, 0 when it lives on. */
static int end_if_due(Sweep *w, Change *c, Session *s, uint64_t now) {
        VerdictEnd end;
        Record r;
        int k;

        session_view(s, &r);
        end = verdict_end(&r, now);
        if (end == VERDICT_END_NONE) {
                table_arm(w->table, s, &r);
                return 0;
        }

        /* Armed all the same: if the store refuses, it is tried again. */
        wheel_add(&w->table->wheel, &s->timer, w->table->wheel.now + RETRY_USEC / USEC_PER_SEC);
        if (s->n_removing > 0)
                return 0;

        k = change_remove(c, s, end == VERDICT_END_LIFETIME ? REASON_EXPIRED : REASON_IDLE);
        return k < 0 ? k : 1;
}

static void sweep_ended(Sweep *w, uint64_t now) {
        _cleanup_(change_freep) Change *c = NULL;
        Session *s;
        unsigned n = 0;

        if (table_next_due(w->table) > now || change_new(&c, w->table) < 0)
                return;

        while (n < ENDS_PER_CHANGE && (s = table_pop_due(w->table, now))) {
                int k;

                if (!session_visible(s))
                        continue;       /* on its way in: armed when it is committed */
                k = end_if_due(w, c, s, now);
                if (k < 0) {
                        log_error(k, "Cannot remove an ended session");
                        break;
                }
                n += (unsigned) k;
        }

        if (n > 0)
                change_submit(TAKE_PTR(c), swept, w);
}

/* ---- the timer ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Sweep *w = userdata;
        Now now = steady_now(w->steady);

        (void) change_go_on(w->table);
        if (w->touches_due && now.boottime >= w->touches_due)
                write_some_touches(w);
        if (now.boottime >= w->not_before)
                sweep_ended(w, now.steady);
        table_collect(w->table, now.boottime);
        return 0;
}

/* Before the loop waits: aim at what is due first. */
static int on_prepare(sd_event_source *source, void *userdata) {
        Sweep *w = userdata;
        uint64_t due = table_next_due(w->table), collection, now;
        int r;

        if (due != UINT64_MAX)
                due = due > w->steady->offset ? due - w->steady->offset : 0;
        if (due < w->not_before)
                due = w->not_before;

        if (!w->touches_due && !w->is_writing && w->table->touched.n > 0) {
                r = sd_event_now(sd_event_source_get_event(source), CLOCK_BOOTTIME, &now);
                if (r < 0)
                        return r;
                w->touches_due = now + TOUCH_DELAY_USEC;
        }
        if (w->touches_due && w->touches_due < due)
                due = w->touches_due;
        collection = table_next_collection(w->table);
        if (collection < due)
                due = collection;

        if (!STAILQ_EMPTY(&w->table->finishing))
                due = 0;

        return sd_event_source_set_time(source, due);
}

int sweep_new(Sweep **ret, sd_event *event, Table *table, const Steady *steady) {
        _cleanup_(sweep_freep) Sweep *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;

        w->table = table;
        w->steady = steady;
        r = sd_event_add_time(event, &w->source, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_SEC / 2, on_timer, w);
        if (r < 0)
                return r;
        r = sd_event_source_set_prepare(w->source, on_prepare);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(w->source, SD_EVENT_ON);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

Sweep *sweep_free(Sweep *w) {
        if (!w)
                return NULL;

        sd_event_source_disable_unref(w->source);
        free(w);
        return NULL;
}
