/* SPDX-License-Identifier: MIT */
/* Which record lies where, and when a map makes room for the next. Owns the maps and the records on the heap. */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "cleanup.h"
#include "span.h"

#define BUCKETS_FIRST 128u
#define BUCKETS_MAX (1u << 22)
#define CELLS_PER_BUCKET (MAP_BUCKET_FULL * 16u)        /* at first; what is not used costs no memory */
#define GRACE_USEC USEC_PER_SEC         /* readers under way find the old map whole; those that slept longer find sequence 0, and ask */

/* Made with the map, so that memory that runs out later does not keep it from being given back. */
typedef struct Old {
        STAILQ_ENTRY(Old) link;
        Map *map;
        uint64_t since;                 /* CLOCK_BOOTTIME */
} Old;

struct Space {
        SpaceOptions options;
        Map *map;                       /* NULL: none */
        Old *place;                     /* where the map goes when it is replaced */
        STAILQ_HEAD(, Old) old;
        MapFacts facts;
        char *texts;                    /* the facts' slices point in here */
        uint64_t generation, visible;
        bool incomplete;
        bool own_readers;
        bool left_behind;               /* a session's record could not be moved out of the map before this one */
};

DEFINE_CLEANUP(Space *, space_free)

/* ---- facts ---- */

static char *keep_slice(char *p, Slice *s) {
        if (s->size > 0)
                memcpy(p, s->data, s->size);
        s->data = p;
        return p + s->size;
}

static int keep_facts(Space *sp, const MapFacts *f) {
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

/* ---- maps come and go ---- */

static int make_map(Space *sp, uint32_t n_buckets, uint64_t n_cells, Map **ret, Old **ret_place) {
        _cleanup_free_ Old *place = NULL;
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

static void collapse_full(Space *sp) {
        size_t size;
        void *p;

        if (sp->map && map_take_full(sp->map, &p, &size))
                huge_pages_want(sp->options.huge_pages, p, size);
}

/* A map that still holds a record of ours keeps its memory for good. */
static void retire(Space *sp, Map *m, Old *place, bool still_used, uint64_t now) {
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
        place->map = m;
        place->since = now;
        STAILQ_INSERT_TAIL(&sp->old, place, link);
}

static bool to_heap(Session *s) {
        size_t size = record_length(s->data);
        uint8_t *copy = malloc(size);

        if (!copy)
                return false;
        memcpy(copy, s->data, size);
        s->data = copy;
        s->on_heap = true;
        return true;
}

static void set_incomplete(Space *sp) {
        sp->incomplete = true;
        if (sp->map)
                map_set_flags(sp->map, MAP_INCOMPLETE);
}

/* Fill the present map with a session that is somewhere else: on the heap, or in a map before this one. */
static void move_in(Space *sp, Session *s) {
        const uint8_t *p = NULL, *data = s->data;

        s->cell = 0;
        if (sp->map)
                (void) map_put(sp->map, data, record_length(data), s->last_seen, &s->cell, &p);
        if (p) {
                if (s->on_heap)
                        free((void *) (uintptr_t) data);
                s->data = p;
                s->on_heap = false;
        } else if (!s->on_heap && !to_heap(s))
                sp->left_behind = true;
        if (s->cell == 0)
                set_incomplete(sp);
}

/* Every session moves into a new map; then it takes the old one's place. Without one, the heap does. */
static void replace_map(Space *sp, uint32_t n_buckets, uint64_t n_cells, uint64_t now) {
        Map *old = sp->map, *new = NULL;
        Old *place = TAKE_PTR(sp->place);

        (void) make_map(sp, n_buckets, n_cells, &new, &sp->place);
        sp->map = new;
        sp->incomplete = sp->left_behind = false;
        sp->options.walk(sp->options.userdata, sp, move_in);
        if (new)
                map_publish(new);
        collapse_full(sp);
        retire(sp, old, place, sp->left_behind, now);
}

static uint64_t cells_wanted(const Space *sp, uint32_t n_buckets) {
        uint64_t twice = sp->map ? map_live_cells(sp->map) * 2 : 0, first = (uint64_t) n_buckets * CELLS_PER_BUCKET;

        return twice > first ? twice : first;
}

static bool may_grow(const Space *sp) {
        return !sp->options.max_bytes || map_live_cells(sp->map) * 2 * MAP_CELL_SIZE <= sp->options.max_bytes;
}

static void grow(Space *sp) {
        uint32_t n = map_n_buckets(sp->map) * (map_is_crowded(sp->map) ? 2 : 1);
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        replace_map(sp, n, cells_wanted(sp, n), (uint64_t) ts.tv_sec * USEC_PER_SEC);
}

void space_supersede(Space *sp, const MapFacts *facts, uint64_t now) {
        uint32_t n = sp->map ? map_n_buckets(sp->map) : BUCKETS_FIRST;

        /* without memory for the new facts there is no map: the old ones must not be believed any longer */
        if (keep_facts(sp, facts) < 0)
                sp->options.lifeline = NULL;
        replace_map(sp, n, cells_wanted(sp, n), now);
}

uint64_t space_next_collection(const Space *sp) {
        const Old *o = STAILQ_FIRST(&sp->old);

        return o ? o->since + GRACE_USEC : UINT64_MAX;
}

/* One slice at a time: giving back much memory takes long, and calls are waiting. */
void space_collect(Space *sp, uint64_t now) {
        Old *o = STAILQ_FIRST(&sp->old);

        if (!o || now < o->since + GRACE_USEC || !map_punch(o->map))
                return;
        STAILQ_REMOVE_HEAD(&sp->old, link);
        map_free(o->map);
        free(o);
}

/* ---- life ---- */

int space_new(Space **ret, const SpaceOptions *options, const MapFacts *facts) {
        _cleanup_(space_freep) Space *sp = calloc(1, sizeof(*sp));
        int r;

        if (!sp)
                return -ENOMEM;
        STAILQ_INIT(&sp->old);
        sp->options = *options;
        r = keep_facts(sp, facts);
        if (r < 0)
                return r;
        r = make_map(sp, BUCKETS_FIRST, BUCKETS_FIRST * CELLS_PER_BUCKET, &sp->map, &sp->place);
        if (r < 0 && r != -EOPNOTSUPP)
                return r;
        if (sp->map)
                map_publish(sp->map);

        *ret = TAKE_PTR(sp);
        return 0;
}

void space_close(Space *sp) {
        if (sp->map)
                map_supersede(sp->map);
}

Space *space_free(Space *sp) {
        Old *o;

        if (!sp)
                return NULL;
        while ((o = STAILQ_FIRST(&sp->old))) {
                STAILQ_REMOVE_HEAD(&sp->old, link);
                map_free(o->map);
                free(o);
        }
        map_free(sp->map);
        free(sp->place);
        free(sp->texts);
        free(sp);
        return NULL;
}

/* ---- sessions ---- */

static const uint8_t *put(Space *sp, Session *s, const uint8_t *data, size_t size) {
        const uint8_t *p = NULL;

        if (map_put(sp->map, data, size, s->last_seen, &s->cell, &p) == 0)
                return p;
        if (may_grow(sp)) {
                grow(sp);
                if (!sp->map || map_put(sp->map, data, size, s->last_seen, &s->cell, &p) == 0)
                        return p;
        }
        /* What the map still says of this session is out of date. The flag comes first: to a reader the session must not be missing for a moment. */
        set_incomplete(sp);
        if (s->cell) {
                map_unlink(sp->map, s->cell);
                map_release(sp->map, s->cell);
                s->cell = 0;
        }
        return NULL;
}

void space_put(Space *sp, Session *s, uint8_t *data, size_t size) {
        const uint8_t *p = NULL;

        if (sp->map) {
                if (map_is_crowded(sp->map) && map_n_buckets(sp->map) < BUCKETS_MAX && may_grow(sp))
                        grow(sp);
                p = put(sp, s, data, size);
                collapse_full(sp);
        }

        if (s->on_heap)
                free((void *) (uintptr_t) s->data);
        s->on_heap = !p;
        s->data = p ? p : data;
        if (p)
                free(data);
}

void space_hide(Space *sp, Session *s) {
        if (!s->cell)
                return;
        map_unlink(sp->map, s->cell);
        if (s->on_heap) {
                map_release(sp->map, s->cell);
                s->cell = 0;
        }
}

void space_move_out(Session *s) {
        if (s->data && !s->on_heap)
                (void) to_heap(s);
}

/* A map that was replaced since the session was hidden took the session's cells with it. */
void space_drop(Space *sp, Session *s) {
        if (s->on_heap)
                free((void *) (uintptr_t) s->data);
        else if (s->cell && sp->map && map_contains(sp->map, s->data))
                map_release(sp->map, s->cell);
        s->data = NULL;
        s->cell = 0;
}

void space_touch(Space *sp, const Session *s) {
        if (s->cell)
                map_touch(sp->map, s->cell, s->last_seen);
}

int space_open(Space *sp, bool own, uint64_t now) {
        uint32_t n;

        if (own && sp->map && !sp->own_readers) {
                sp->own_readers = true;
                n = map_n_buckets(sp->map);
                replace_map(sp, n, cells_wanted(sp, n), now);
        }
        return sp->map ? map_open(sp->map) : -EOPNOTSUPP;
}

void space_count(Space *sp, int step) {
        sp->visible += (uint64_t) (int64_t) step;
}

void space_status(const Space *sp, SpaceStatus *out) {
        *out = (SpaceStatus) { .incomplete = sp->incomplete, .visible = sp->visible };
        if (!sp->map)
                return;
        out->has_map = true;
        out->sessions = map_sessions(sp->map);
        out->bytes = map_used_bytes(sp->map);
        out->generation = map_generation(sp->map);
}
