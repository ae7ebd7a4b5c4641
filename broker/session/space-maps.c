/* SPDX-License-Identifier: MIT */
/* Maps of a space: made, filled from the one before, put in its place, given back. Owns them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "space-internal.h"
#include "span.h"

#define BUCKETS_FIRST 128u
#define BUCKETS_MAX (1u << 22)
#define CELLS_PER_BUCKET (MAP_BUCKET_FULL * 16u)        /* at first; what is not used costs no memory */
#define SLICE 256u                      /* sessions that move, and buckets, between two turns of the loop: a third of a millisecond */
#define GRACE_USEC USEC_PER_SEC         /* readers under way find the old map whole; those that slept longer find sequence 0, and ask */

static int make_map(Space *sp, uint32_t n_buckets, uint64_t n_cells, Map **ret, OldMap **ret_place) {
        _cleanup_free_ OldMap *place = NULL;
        uint64_t max = sp->options.max_bytes ? sp->options.max_bytes / MAP_CELL_SIZE : UINT32_MAX - 1;
        int r;

        if (!sp->options.lifeline)
                return -EOPNOTSUPP;
        if (n_buckets > BUCKETS_MAX)
                n_buckets = BUCKETS_MAX;
        place = calloc(1, sizeof(*place));
        if (!place)
                return -ENOMEM;
        r = map_new(ret, sp->options.lifeline, &sp->facts, ++sp->generation, &(MapSize) {
                .n_buckets = n_buckets, .n_cells = (uint32_t) (n_cells < max ? n_cells : max), .own_readers = sp->own_readers });
        if (r < 0)
                return r;
        *ret_place = TAKE_PTR(place);
        return 0;
}

void space_collapse_full(Space *sp) {
        size_t size;
        void *p;

        if (sp->map && map_take_full(sp->map, &p, &size))
                huge_pages_want(sp->options.huge_pages, p, size);
}

/* A map that still holds a record of ours keeps its memory for good. */
static void retire(Space *sp, Map *m, OldMap *place, bool still_used) {
        struct timespec ts;
        size_t size;
        void *p;

        if (!m)
                return;
        map_supersede(m);
        p = map_mapping(m, &size);
        huge_pages_forget(sp->options.huge_pages, p, size);
        if (still_used) {
                free(place);
                return;
        }
        clock_gettime(CLOCK_BOOTTIME, &ts);
        place->map = m;
        place->since = (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
        STAILQ_INSERT_TAIL(&sp->old, place, link);
}

bool space_to_heap(Session *s) {
        size_t size = record_length(s->data);
        uint8_t *copy = malloc(size);

        if (!copy)
                return false;
        memcpy(copy, s->data, size);
        s->data = copy;
        s->on_heap = true;
        return true;
}

/* From the heap or another map into this one; NULL, or no room in it: to the heap. */
static void move(Space *sp, Map *to, Session *s) {
        const uint8_t *p = NULL, *data = s->data;

        s->cell = 0;
        if (to)
                (void) map_put(to, data, record_length(data), s->last_seen, &s->cell, &p);
        if (p) {
                if (s->on_heap)
                        free((void *) (uintptr_t) data);
                s->data = p;
                s->on_heap = false;
        } else if (!s->on_heap && !space_to_heap(s))
                sp->left_behind = true;
        if (to && s->cell == 0)
                map_set_flags(to, MAP_INCOMPLETE);
}

/* ---- in one go: from a map that leaves sessions out, from none, to none, or while nobody is waiting ---- */

void space_fill_at_once(Space *sp, bool at_once) {
        sp->at_once = at_once;
}

static void move_in(Space *sp, Session *s) {
        move(sp, sp->map, s);
}

static void replace(Space *sp, Map *new, OldMap *new_place) {
        Map *old = sp->map;
        OldMap *place = sp->place;

        sp->map = new;
        sp->place = new_place;
        sp->left_behind = false;
        sp->options.walk(sp->options.userdata, sp, move_in);
        if (new)
                map_publish(new);
        space_collapse_full(sp);
        retire(sp, old, place, sp->left_behind);
}

/* ---- slice by slice ---- */

static void move_on(void *userdata, uint32_t cell, const Ident *id) {
        Space *sp = userdata;
        Session *s = sp->options.find(sp->options.userdata, id);

        if (s && session_visible(s) && s->cell == cell)
                move(sp, sp->next, s);
}

static void put_in_place(Space *sp) {
        Map *old = sp->map;
        OldMap *place = sp->place;

        sp->map = TAKE_PTR(sp->next);
        sp->place = TAKE_PTR(sp->next_place);
        map_publish(sp->map);
        space_collapse_full(sp);
        retire(sp, old, place, sp->left_behind);
}

static void fill(Space *sp, uint64_t n) {
        uint32_t end = map_n_buckets(sp->map);

        for (; sp->cursor < end && n > 0; sp->cursor++) {
                uint64_t moved = 1 + map_each(sp->map, sp->cursor, move_on, sp);

                n -= moved < n ? moved : n;
        }
        if (sp->cursor == end)
                put_in_place(sp);
}

static void fill_up(Space *sp) {
        if (sp->next)
                fill(sp, UINT64_MAX);
}

/* A small map is replaced at once: before the first slice is over. */
static void begin(Space *sp, uint32_t n_buckets, uint64_t n_cells) {
        OldMap *place = NULL;
        Map *new = NULL;

        fill_up(sp);
        (void) make_map(sp, n_buckets, n_cells, &new, &place);
        if (!new || !sp->map || sp->at_once || (map_flags(sp->map) & MAP_INCOMPLETE)) {
                replace(sp, new, place);
                return;
        }
        sp->next = new;
        sp->next_place = place;
        sp->cursor = 0;
        sp->left_behind = false;
        fill(sp, SLICE);
}

bool space_moved(const Space *sp, const Session *s) {
        return sp->next && map_bucket_number(sp->map, &s->id) < sp->cursor;
}

/* ---- when ---- */

static uint64_t cells_wanted(const Space *sp, uint32_t n_buckets) {
        uint64_t twice = sp->map ? map_live_cells(sp->map) * 2 : 0, first = (uint64_t) n_buckets * CELLS_PER_BUCKET;

        return twice > first ? twice : first;
}

static bool may_grow(const Space *sp) {
        return !sp->options.max_bytes || map_live_cells(sp->map) * 2 * MAP_CELL_SIZE <= sp->options.max_bytes;
}

static void grow(Space *sp) {
        uint32_t n = map_n_buckets(sp->map) * (map_is_crowded(sp->map) ? 2 : 1);

        begin(sp, n, cells_wanted(sp, n));
}

static bool is_growth_due(const Space *sp) {
        bool crowded = map_is_crowded(sp->map) && map_n_buckets(sp->map) < BUCKETS_MAX;

        return (crowded || map_is_nearly_full(sp->map)) && may_grow(sp);
}

/* Whoever puts something in moves a bucket on: so the next map is in place long before it is crowded itself, whether the loop turns or not. */
void space_grow_if_due(Space *sp) {
        if (sp->next)
                fill(sp, MAP_BUCKET_FULL);
        else if (sp->map && is_growth_due(sp))
                grow(sp);
}

bool space_make_room(Space *sp) {
        if (!sp->next && !may_grow(sp))
                return false;
        if (!sp->next)
                grow(sp);
        fill_up(sp);
        return true;
}

static void renew(Space *sp) {
        uint32_t n = sp->map ? map_n_buckets(sp->map) : BUCKETS_FIRST;

        begin(sp, n, cells_wanted(sp, n));
}

int space_first_map(Space *sp) {
        int r = make_map(sp, BUCKETS_FIRST, BUCKETS_FIRST * CELLS_PER_BUCKET, &sp->map, &sp->place);

        if (r < 0)
                return r == -EOPNOTSUPP ? 0 : r;
        map_publish(sp->map);
        return 0;
}

/* Readers must not go by the old facts any longer, so until the next one is in place they ask the broker. */
void space_supersede(Space *sp, const MapFacts *facts) {
        fill_up(sp);
        if (sp->map)
                map_supersede(sp->map);
        /* without memory for the new facts there is no map: the old ones must not be believed any longer */
        if (space_keep_facts(sp, facts) < 0)
                sp->options.lifeline = NULL;
        renew(sp);
}

int space_open(Space *sp, bool own) {
        if (own && sp->map && !sp->own_readers) {
                sp->own_readers = true;
                renew(sp);
                fill_up(sp);
        }
        if (!sp->map)
                return -EOPNOTSUPP;
        return map_is_live(sp->map) ? map_open(sp->map) : -EAGAIN;
}

uint64_t space_next_collection(const Space *sp) {
        const OldMap *o = STAILQ_FIRST(&sp->old);

        if (sp->next)
                return 0;
        return o ? o->since + GRACE_USEC : UINT64_MAX;
}

Map *space_map_of(const Space *sp, const void *record) {
        OldMap *o;

        if (sp->map && map_contains(sp->map, record))
                return sp->map;
        if (sp->next && map_contains(sp->next, record))
                return sp->next;
        STAILQ_FOREACH(o, &sp->old, link)
                if (map_contains(o->map, record))
                        return o->map;
        return NULL;
}

/* One slice at a time: giving back much memory takes long, and calls are waiting. */
void space_collect(Space *sp, uint64_t now) {
        OldMap *o = STAILQ_FIRST(&sp->old);

        if (sp->next) {
                fill(sp, SLICE);
                return;
        }
        if (!o || now < o->since + GRACE_USEC || !map_punch(o->map))
                return;
        /* While the record of a session that is not quite gone is in it, its addresses must not become another map's. */
        if (map_is_read(o->map)) {
                o->since = now;
                return;
        }
        STAILQ_REMOVE_HEAD(&sp->old, link);
        map_free(o->map);
        free(o);
}

void space_close(Space *sp) {
        if (sp->map)
                map_supersede(sp->map);
}

void space_free_maps(Space *sp) {
        OldMap *o;

        while ((o = STAILQ_FIRST(&sp->old))) {
                STAILQ_REMOVE_HEAD(&sp->old, link);
                map_free(o->map);
                free(o);
        }
        map_free(sp->next);
        map_free(sp->map);
        free(sp->next_place);
        free(sp->place);
}
