/* SPDX-License-Identifier: MIT */
/*
 * The store thread: takes what is queued, commits it in groups, hands it back. It alone writes the database; the mutex is
 * never held while the disk is waited for, so neither does the loop.
 */
#include <sys/eventfd.h>
#include <time.h>

#include "store-internal.h"

/* Bounds on one group of several changes: what comes behind waits for one commit more. */
#define GROUP_OPS_MAX 2048u
#define GROUP_BYTES_MAX (4u * 1024 * 1024)

/* A revocation of more sessions than this is committed in slices: all in one transaction, it could need a copy of the whole database, and
 * the reserve would not do. Each slice is good by itself; should a later one fail, the whole is submitted again. */
#define SLICE_OPS 256u

typedef struct Group {
        StoreChangeList changes;
        size_t n_changes;
        StoreNeed need;
        uint64_t bytes;
        Ident last;                     /* what Store.last will be */
} Group;

void store_wake_loop(Store *s) {
        /* Cannot fail but for a full counter, which is readable too. */
        (void) eventfd_write(s->event_fd, 1);
}

void store_move_finished(Store *s, StoreChangeList *from, int result) {
        StoreChange *c;

        STAILQ_FOREACH(c, from, entry) {
                c->result = result;
                s->outstanding--;
        }
        STAILQ_CONCAT(&s->finished, from);
        if (s->outstanding == 0)
                pthread_cond_broadcast(&s->settled);
}

/* ---- one group ---- */

static int apply_op(LmdbTxn *t, const StoreOp *op, Ident *last) {
        LmdbBytes key = { op->id.bytes, sizeof(op->id.bytes) }, value = { op->data, op->size };
        int r;

        if (!op->put) {
                r = lmdb_delete(t, LMDB_SESSIONS, key);
                return r == -ENOENT ? 0 : r;
        }
        if (ident_compare(&op->id, last) <= 0)
                return lmdb_put(t, LMDB_SESSIONS, key, value);
        r = lmdb_append(t, LMDB_SESSIONS, key, value);
        if (r == -EEXIST)
                r = lmdb_put(t, LMDB_SESSIONS, key, value);
        *last = op->id;
        return r;
}

static int apply_change(LmdbTxn *t, const StoreChange *c, Ident *last) {
        StoreOp *op;
        int r;

        STAILQ_FOREACH(op, &c->ops, entry) {
                r = apply_op(t, op, last);
                if (r < 0)
                        return r;
        }
        return c->has_mark ? store_meta_write_mark(t, &c->mark) : 0;
}

static int commit_group(Store *s, Group *group) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        Ident last = s->last;
        LmdbShape shape;
        StoreChange *c;
        int r;

        r = lmdb_begin(s->lmdb, true, &t);
        if (r < 0)
                return r;
        STAILQ_FOREACH(c, &group->changes, entry) {
                r = apply_change(t, c, &last);
                if (r < 0)
                        return r;
        }
        r = store_meta_write_generation(t);
        if (r == 0)
                r = lmdb_shape(t, LMDB_SESSIONS, &shape);
        if (r == 0)
                r = lmdb_commit(TAKE_PTR(t));
        if (r < 0)
                return r;
        s->last = last;
        s->shape = shape;
        return 0;
}

static void count_change(const Store *s, Group *group, const StoreChange *c) {
        size_t page_size = lmdb_page_size(s->lmdb);
        StoreOp *op;

        STAILQ_FOREACH(op, &c->ops, entry) {
                bool append = op->put && ident_compare(&op->id, &group->last) > 0;

                store_need_add(&group->need, op, append, page_size);
                group->bytes += op->size;
                if (append)
                        group->last = op->id;
        }
}

static bool is_long_revocation(const StoreChange *c) {
        return store_change_is_revocation(c) && c->n_ops > SLICE_OPS;
}

/* Take the longest run from the front of what is pending that there is room for; at least one change. Returns the error
 * of that one when there is no room even for it. */
static int take_group(Store *s, Group *group) {
        size_t n_ops = 0;
        StoreChange *c;

        *group = (Group) { .need.revocation = true, .last = s->last };
        STAILQ_INIT(&group->changes);
        while ((c = STAILQ_FIRST(&s->pending))) {
                Group wider = *group;
                int r;

                count_change(s, &wider, c);
                n_ops += c->n_ops;
                if (group->n_changes > 0 && (n_ops > GROUP_OPS_MAX || wider.bytes > GROUP_BYTES_MAX))
                        return 0;
                r = store_room_admit(s, &wider.need);
                if (group->n_changes > 0 && (r < 0 || is_long_revocation(c)))
                        return 0;
                group->need = wider.need;
                group->bytes = wider.bytes;
                group->last = wider.last;
                group->n_changes++;
                STAILQ_REMOVE_HEAD(&s->pending, entry);
                STAILQ_INSERT_TAIL(&group->changes, c, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Take the first operations out of a long revocation and commit them. */
static int commit_slice(Store *s, StoreChange *c) {
        _cleanup_(store_change_freep) StoreChange *slice = NULL;
        Group group = { .need.revocation = true, .last = s->last };
        StoreOp *op;
        int r;

        r = store_change_new(&slice);
        if (r < 0)
                return r;
        while (slice->n_ops < SLICE_OPS && (op = STAILQ_FIRST(&c->ops))) {
                STAILQ_REMOVE_HEAD(&c->ops, entry);
                STAILQ_INSERT_TAIL(&slice->ops, op, entry);
                c->n_ops--;
                slice->n_ops++;
        }
        STAILQ_INIT(&group.changes);
        STAILQ_INSERT_TAIL(&group.changes, slice, entry);
        count_change(s, &group, slice);
        r = store_room_admit(s, &group.need);
        return r < 0 ? r : commit_group(s, &group);
}

/* The next group, ready to be committed; when there is an error, what it befell. */
static int next_group(Store *s, Group *group) {
        StoreChange *first = STAILQ_FIRST(&s->pending);
        int r = 0;

        while (r == 0 && is_long_revocation(first))
                r = commit_slice(s, first);
        if (r == 0)
                return take_group(s, group);
        *group = (Group) { .n_changes = 1 };
        STAILQ_INIT(&group->changes);
        STAILQ_REMOVE_HEAD(&s->pending, entry);
        STAILQ_INSERT_TAIL(&group->changes, first, entry);
        return r;
}

/* ---- what comes of it ---- */

static void note_success(Store *s, const Group *group, uint64_t usec, uint64_t used, bool reserved) {
        s->status.sessions = s->shape.entries;
        s->status.used_bytes = used;
        s->status.file_bytes = s->room.allocated > used ? s->room.allocated : used;
        s->status.reserved = reserved;
        s->status.groups++;
        histogram_add(&s->status.commit_usec, &histogram_commit, usec);
        histogram_add(&s->status.group_changes, &histogram_group, group->n_changes);
        s->status.changes += group->n_changes;
        /* Revoking works on a full disk too: it says nothing of the rest. */
        if (!group->need.revocation)
                s->status.last_error = 0;
}

/* What is queued rests on what did not happen; what will be submitted before the loop has seen it, too. */
static void note_failure(Store *s, int error) {
        s->status.last_error = error;
        s->status.failures++;
        s->failed = true;
        if (error == -EIO || error == -EBADMSG)
                s->dead = true;
        STAILQ_CONCAT(&s->pending, &s->queue);
        store_move_finished(s, &s->pending, s->dead ? -EIO : -ECANCELED);
}

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void run_group(Store *s) {
        uint64_t used = 0, begun = 0, usec = 0;
        bool reserved = false;
        Group group;
        int r;

        r = next_group(s, &group);
        begun = now_usec();
        if (r == 0)
                r = commit_group(s, &group);
        usec = now_usec() - begun;
        if (r == 0) {
                used = lmdb_used_bytes(s->lmdb);
                reserved = store_room_reserved(s);
        }

        pthread_mutex_lock(&s->mutex);
        store_move_finished(s, &group.changes, r);
        if (r == 0)
                note_success(s, &group, usec, used, reserved);
        else
                note_failure(s, r);
        store_wake_loop(s);
        pthread_mutex_unlock(&s->mutex);
}

/* Wait for something to do; false when the store is being freed and nothing is left. */
static bool take_queue(Store *s) {
        bool more;

        pthread_mutex_lock(&s->mutex);
        while (STAILQ_EMPTY(&s->pending) && STAILQ_EMPTY(&s->queue) && !s->stop)
                pthread_cond_wait(&s->wake, &s->mutex);
        STAILQ_CONCAT(&s->pending, &s->queue);
        more = !STAILQ_EMPTY(&s->pending);
        pthread_mutex_unlock(&s->mutex);
        return more;
}

void *store_thread(void *store) {
        Store *s = store;

        while (take_queue(s))
                run_group(s);
        return NULL;
}
