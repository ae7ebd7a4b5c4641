/* SPDX-License-Identifier: MIT */
/* Which record of a session lies where. Owns the records on the heap, and the facts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "space-internal.h"

DEFINE_CLEANUP(Space *, space_free)

/* ---- facts ---- */

static char *keep_slice(char *p, Slice *s) {
        if (s->size > 0)
                memcpy(p, s->data, s->size);
        s->data = p;
        return p + s->size;
}

int space_keep_facts(Space *sp, const MapFacts *f) {
        MapFacts copy = *f;
        char *texts = malloc(f->service.size + f->token_prefix.size + f->admin_role.size + 1);

        if (!texts)
                return -ENOMEM;
        keep_slice(keep_slice(keep_slice(texts, &copy.service), &copy.token_prefix), &copy.admin_role);
        free(sp->texts);
        sp->texts = texts;
        sp->facts = copy;
        return 0;
}

Slice space_service(const Space *sp) {
        return sp->facts.service;
}

/* ---- life ---- */

int space_new(Space **ret, const SpaceOptions *options, const MapFacts *facts) {
        _cleanup_(space_freep) Space *sp = calloc(1, sizeof(*sp));
        int r;

        if (!sp)
                return -ENOMEM;
        STAILQ_INIT(&sp->old);
        sp->options = *options;
        r = space_keep_facts(sp, facts);
        if (r < 0)
                return r;
        r = space_first_map(sp);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(sp);
        return 0;
}

Space *space_free(Space *sp) {
        if (!sp)
                return NULL;
        space_free_maps(sp);
        free(sp->texts);
        free(sp);
        return NULL;
}

/* ---- sessions ---- */

/* The map that the session's cell and data speak of. */
static Map *home(const Space *sp, const Session *s) {
        return space_moved(sp, s) ? sp->next : sp->map;
}

static void take_away(Map *m, uint32_t cell) {
        map_unlink(m, cell);
        map_release(m, cell);
}

/* What the map says of this session is out of date. The flag comes first: to a reader the session must not be missing for a moment. */
static void leave_out(Map *m, uint32_t cell) {
        map_set_flags(m, MAP_INCOMPLETE);
        if (cell)
                take_away(m, cell);
}

/* A session that has moved: in the map in force too, which readers go by. */
static void put_behind(Space *sp, const Session *s, const uint8_t *data, size_t size) {
        uint32_t cell = map_find(sp->map, &s->id);
        const uint8_t *p;

        if (map_put(sp->map, data, size, s->last_seen, &cell, &p) < 0)
                leave_out(sp->map, cell);
}

static bool try_put(Space *sp, Session *s, const uint8_t *data, size_t size, const uint8_t **ret) {
        if (space_moved(sp, s))
                put_behind(sp, s, data, size);
        return map_put(home(sp, s), data, size, s->last_seen, &s->cell, ret) == 0;
}

/* Twice at most is there another map: the one that is being filled already, and a larger one. */
static const uint8_t *put(Space *sp, Session *s, const uint8_t *data, size_t size) {
        const uint8_t *p = NULL;

        for (unsigned maps = 0; sp->map && !try_put(sp, s, data, size, &p); maps++)
                if (maps == 2 || !space_make_room(sp)) {
                        leave_out(home(sp, s), s->cell);
                        s->cell = 0;
                        return NULL;
                }
        return p;
}

void space_put(Space *sp, Session *s, uint8_t *data, size_t size) {
        const uint8_t *p = NULL;

        space_grow_if_due(sp);
        p = put(sp, s, data, size);
        space_collapse_full(sp);

        if (s->on_heap)
                free((void *) (uintptr_t) s->data);
        s->on_heap = !p;
        s->data = p ? p : data;
        if (p)
                free(data);
}

void space_hide(Space *sp, Session *s) {
        uint32_t behind = space_moved(sp, s) ? map_find(sp->map, &s->id) : 0;

        if (behind)
                take_away(sp->map, behind);
        if (!s->cell)
                return;
        map_unlink(home(sp, s), s->cell);
        if (s->on_heap) {
                map_release(home(sp, s), s->cell);
                s->cell = 0;
        }
}

void space_move_out(Session *s) {
        if (s->data && !s->on_heap)
                (void) space_to_heap(s);
}

/* It was hidden before, in the map where its record lies, which may have been replaced since. */
void space_drop(Space *sp, Session *s) {
        Map *m = s->on_heap ? NULL : space_map_of(sp, s->data);

        if (s->on_heap)
                free((void *) (uintptr_t) s->data);
        else if (m && s->cell)
                map_release(m, s->cell);
        s->data = NULL;
        s->cell = 0;
}

void space_touch(Space *sp, const Session *s) {
        uint32_t behind = space_moved(sp, s) ? map_find(sp->map, &s->id) : 0;

        if (behind)
                map_touch(sp->map, behind, s->last_seen);
        if (s->cell)
                map_touch(home(sp, s), s->cell, s->last_seen);
}

void space_count(Space *sp, int step) {
        sp->visible += (uint64_t) (int64_t) step;
}

void space_status(const Space *sp, SpaceStatus *out) {
        *out = (SpaceStatus) { .visible = sp->visible };
        if (!sp->map)
                return;
        out->has_map = true;
        out->incomplete = map_flags(sp->map) & MAP_INCOMPLETE;
        out->sessions = map_sessions(sp->map);
        out->bytes = map_used_bytes(sp->map);
        out->generation = map_generation(sp->map);
}
