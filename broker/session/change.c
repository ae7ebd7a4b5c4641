/* SPDX-License-Identifier: MIT */
/* Staging, committing and taking back. Owns the staged records until they are committed. */
#include "change.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"

/* A revocation of more sessions than this is made visible and announced in slices, so that other callers have their turns. */
#define SLICE 256u

typedef enum EffectType { EFFECT_INSERT, EFFECT_REPLACE, EFFECT_REMOVE } EffectType;

typedef struct Effect {
        EffectType type;
        Reason reason;
        Session *session;
        uint8_t *data;          /* staged record: ours until it is committed */
        size_t size;
        uint8_t *below;         /* what was the session's newest staged record before, borrowed; only until the change is submitted */
        bool applied;
} Effect;

struct Change {
        STAILQ_ENTRY(Change) link;      /* in Table.finishing: committed, and too long to be finished in one go */
        Table *table;
        StoreChange *store;
        Effect *effects;
        size_t n_effects, n_allocated;
        size_t n_applied, n_announced;
        bool submitted, retried;
        ChangeDone done;
        void *userdata;
};

int change_new(Change **ret, Table *t) {
        _cleanup_(change_freep) Change *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;

        c->table = t;
        r = store_change_new(&c->store);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

/* Room for one more effect, so that adding it cannot fail once the table knows of it. */
static int reserve(Change *c) {
        size_t n = c->n_allocated ? c->n_allocated * 2 : 2;
        Effect *e;

        if (c->n_effects < c->n_allocated)
                return 0;

        e = reallocarray(c->effects, n, sizeof(*e));
        if (!e)
                return -ENOMEM;

        c->effects = e;
        c->n_allocated = n;
        return 0;
}

static void add(Change *c, Effect e) {
        e.session->n_staged++;
        c->effects[c->n_effects++] = e;
}

/* Encode r and put it into the store's half of the change. */
static int stage_record(Change *c, const Record *r, uint8_t **ret, size_t *ret_size) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = record_size(r);
        int k;

        if (size == 0)
                return -EINVAL;

        data = malloc(size);
        if (!data)
                return -ENOMEM;

        k = record_encode(r, data, size);
        if (k < 0)
                return k;

        k = store_change_put(c->store, &r->id, data, size);
        if (k < 0)
                return k;

        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

/* Put a staged record on top of whatever is staged on the session already. */
static void add_record(Change *c, EffectType type, Session *s, uint8_t *data, size_t size) {
        add(c, (Effect) { .type = type, .session = s, .data = data, .size = size, .below = s->staged });
        s->staged = data;
}

int change_insert(Change *c, const Record *r, Session **ret) {
        _cleanup_free_ uint8_t *data = NULL;
        Session *s;
        size_t size;
        int k;

        k = reserve(c);
        if (k < 0)
                return k;
        k = stage_record(c, r, &data, &size);
        if (k < 0)
                return k;
        k = table_add(c->table, r, &s);
        if (k < 0)
                return k;

        add_record(c, EFFECT_INSERT, s, TAKE_PTR(data), size);
        *ret = s;
        return 0;
}

int change_replace(Change *c, Session *s, const Record *r) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;
        int k;

        assert(!s->dead && s->n_removing == 0);

        k = reserve(c);
        if (k < 0)
                return k;
        k = stage_record(c, r, &data, &size);
        if (k < 0)
                return k;

        add_record(c, EFFECT_REPLACE, s, TAKE_PTR(data), size);
        return 0;
}

int change_remove(Change *c, Session *s, Reason reason) {
        int k;

        k = reserve(c);
        if (k < 0)
                return k;
        k = store_change_delete(c->store, &s->id);
        if (k < 0)
                return k;

        s->n_removing++;
        add(c, (Effect) { .type = EFFECT_REMOVE, .reason = reason, .session = s });
        return 0;
}

/* ---- what becomes of an effect ---- */

static void apply(Table *t, Effect *e) {
        Session *s = e->session;

        if (s->staged == e->data)
                s->staged = NULL;
        if (s->dead)
                return;

        if (e->type == EFFECT_REMOVE)
                table_remove(t, s);
        else if (table_set_record(t, s, TAKE_PTR(e->data), e->size) < 0)
                t->events.failed(t->userdata, -ENOMEM);         /* only a repeated request will not be recognised */
        e->applied = true;
}

static void announce(Table *t, Effect *e) {
        if (e->applied && e->type == EFFECT_INSERT)
                t->events.added(t->userdata, e->session);
        else if (e->applied && e->type == EFFECT_REMOVE)
                t->events.removed(t->userdata, e->session, e->reason);
}

static void release(Effect *e) {
        if (e->type == EFFECT_REMOVE)
                e->session->n_removing--;
        table_release(e->session);
        free(e->data);
}

/* A change that was never submitted leaves what had been staged before it. One that failed leaves nothing: what is newer failed, or will, with
 * it, and so did what is older. */
static void take_back(Table *t, Effect *e, bool submitted) {
        if (e->data && e->session->staged == e->data)
                e->session->staged = submitted ? NULL : e->below;
        if (e->type == EFFECT_INSERT)
                table_remove(t, e->session);
        release(e);
}

Change *change_free(Change *c) {
        if (!c)
                return NULL;

        while (c->n_effects > 0)
                take_back(c->table, &c->effects[--c->n_effects], c->submitted);
        store_change_free(c->store);
        free(c->effects);
        free(c);
        return NULL;
}

static void finished(StoreChange *store, int result, void *userdata);

static void submit(Change *c) {
        c->submitted = true;
        c->table->n_changes++;
        store_submit(c->table->store, TAKE_PTR(c->store), finished, c);
}

/* A revocation must not fail because of what stood beside it: once more, alone. False when there is nothing to try. */
static bool retry(Change *c, bool revocation) {
        if (!revocation || c->retried || c->n_effects == 0 || store_is_dead(c->table->store))
                return false;
        if (store_change_new(&c->store) < 0)
                return false;

        for (size_t i = 0; i < c->n_effects; i++)
                if (store_change_delete(c->store, &c->effects[i].session->id) < 0)
                        return false;

        c->retried = true;
        submit(c);
        return true;
}

static void answer(Change *c, int result) {
        if (c->done)
                c->done(result, c->userdata);
}

/* At most n effects further; true when that was all. The order is the promise: safe on disk, visible to all, answered, announced. */
static bool finish(Change *c, size_t n) {
        Table *t = c->table;

        if (c->n_applied < c->n_effects || c->n_effects == 0) {
                for (; c->n_applied < c->n_effects && n > 0; n--)
                        apply(t, &c->effects[c->n_applied++]);
                if (c->n_applied < c->n_effects)
                        return false;
                answer(c, 0);
        }
        for (; c->n_announced < c->n_effects && n > 0; n--) {
                announce(t, &c->effects[c->n_announced]);
                release(&c->effects[c->n_announced++]);
        }
        if (c->n_announced < c->n_effects)
                return false;
        t->n_changes--;
        c->n_effects = 0;
        change_free(c);
        return true;
}

static void finished(StoreChange *store, int result, void *userdata) {
        Change *c = userdata;
        Table *t = c->table;

        if (result < 0) {
                t->n_changes--;
                t->events.failed(t->userdata, result);
                if (retry(c, store_change_is_revocation(store)))
                        return;
                answer(c, result);
                change_free(c);
                return;
        }

        /* Sessions on their way out take no other change, so that nothing can overtake these slices but another removal. */
        if (c->n_effects > SLICE && store_change_is_revocation(store))
                STAILQ_INSERT_TAIL(&t->finishing, c, link);
        else
                (void) finish(c, SIZE_MAX);
}

bool change_go_on(Table *t) {
        Change *c = STAILQ_FIRST(&t->finishing);

        if (!c)
                return false;
        /* Between two slices its map may be given up, and the record is still to be announced. */
        for (size_t i = c->n_applied; i < c->n_effects && i < c->n_applied + SLICE; i++)
                if (session_visible(c->effects[i].session))
                        space_move_out(c->effects[i].session);
        STAILQ_REMOVE_HEAD(&t->finishing, link);
        if (!finish(c, SLICE))
                STAILQ_INSERT_HEAD(&t->finishing, c, link);
        return !STAILQ_EMPTY(&t->finishing);
}

void change_submit(Change *c, ChangeDone done, void *userdata) {
        c->done = done;
        c->userdata = userdata;
        submit(c);
}
