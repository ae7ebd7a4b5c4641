/* SPDX-License-Identifier: MIT */
/* The reader's half of the protocol in websess-map.h, step by step as it is numbered there. Owns nothing. */
#include "map-read.h"

#include <errno.h>
#include <string.h>

#define TRIES 64u               /* a change takes some hundred nanoseconds, unless the broker lost its processor in the middle of it */

/* What one try may come to besides a MapAnswer. */
#define AGAIN (-1)

/* ---- the header ---- */

static bool text_valid(const MapText *t) {
        return t->size <= MAP_TEXT_MAX;
}

static bool layout_valid(const MapHeader *h, size_t size) {
        uint64_t buckets = (uint64_t) h->n_buckets * sizeof(MapBucket), cells = (uint64_t) h->n_cells * MAP_CELL_SIZE;

        return h->magic == MAP_MAGIC && h->layout == MAP_LAYOUT && h->size == size && h->n_buckets > 0 && (h->n_buckets & (h->n_buckets - 1)) == 0 &&
                h->buckets_offset % 8 == 0 && h->cells_offset % MAP_CELL_SIZE == 0 && h->buckets_offset >= MAP_HEADER_SIZE &&
                h->buckets_offset <= size && buckets <= size - h->buckets_offset && h->cells_offset >= h->buckets_offset + buckets &&
                h->cells_offset <= size && cells <= size - h->cells_offset && h->roles_size <= MAP_ROLES_SIZE &&
                text_valid(&h->service) && text_valid(&h->token_prefix) && text_valid(&h->admin_role);
}

int map_view_init(MapView *v, const void *memory, size_t size) {
        const MapHeader *h = memory;

        if (size < MAP_HEADER_SIZE || !layout_valid(h, size))
                return -EBADMSG;
        *v = (MapView) {
                .header = h,
                .buckets = (const MapBucket *) (const void *) ((const char *) memory + h->buckets_offset),
                .cells = (const char *) memory + h->cells_offset,
                .n_buckets = h->n_buckets, .n_cells = h->n_cells,
                .generation = h->generation, .touch_usec = h->touch_usec, .clock_offset = h->clock_offset, .time_namespace = h->time_namespace,
                .token_prefix = h->token_prefix, .service = h->service, .admin_role = h->admin_role,
                .roles_size = h->roles_size,
        };
        memcpy(v->roles, h->roles, h->roles_size);
        return 0;
}

bool map_knows_role(const MapView *v, Slice role) {
        for (size_t i = 0; i < v->roles_size; i += 1 + (size_t) (uint8_t) v->roles[i]) {
                size_t size = (uint8_t) v->roles[i];

                if (size == role.size && size <= v->roles_size - i - 1 && memcmp(v->roles + i + 1, role.data, size) == 0)
                        return true;
        }
        return false;
}

VerdictPolicy map_policy(const MapView *v) {
        return (VerdictPolicy) {
                .service = slice(v->service.text, v->service.size),
                .admin_role = slice(v->admin_role.text, v->admin_role.size),
        };
}

/* ---- looking up ---- */

static const MapSlot *slot_at(const MapView *v, uint32_t link) {
        return (const MapSlot *) (const void *) (v->cells + (size_t) (link - 1) * MAP_CELL_SIZE);
}

/* The slot of id in a chain; NULL at its end. *astray: the chain cannot be one. */
static const MapSlot *walk(const MapView *v, const MapBucket *b, const uint64_t id[static 2], uint32_t *ret_room, bool *astray) {
        uint32_t link = atomic_load_explicit(&b->first, memory_order_relaxed);

        for (unsigned n = 0; link != 0; n++) {
                const MapSlot *s;

                *astray = n == MAP_CHAIN_MAX || link > v->n_cells;
                if (*astray)
                        return NULL;
                s = slot_at(v, link);
                if (atomic_load_explicit(&s->id[0], memory_order_relaxed) == id[0] &&
                    atomic_load_explicit(&s->id[1], memory_order_relaxed) == id[1]) {
                        *ret_room = v->n_cells - (link - 1);
                        return s;
                }
                link = atomic_load_explicit(&s->next, memory_order_relaxed);
        }
        return NULL;
}

/* room: how many cells there are from the slot's first to the end of the map. */
static bool copy_slot(const MapSlot *s, uint32_t room, MapCopy *out) {
        uint32_t size = atomic_load_explicit(&s->record_size, memory_order_relaxed);
        size_t n = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);

        if (size > MAP_RECORD_MAX || MAP_SLOT_HEADER_SIZE + n * sizeof(uint64_t) > (uint64_t) room * MAP_CELL_SIZE)
                return false;
        out->size = size;
        out->last_seen = atomic_load_explicit(&s->last_seen, memory_order_relaxed);
#pragma GCC unroll 8
        for (size_t i = 0; i < n; i++)
                out->words[i] = atomic_load_explicit(&s->record[i], memory_order_relaxed);
        return true;
}

static int try_once(const MapView *v, const MapBucket *b, const uint64_t id[static 2], MapCopy *out) {
        uint32_t sequence = atomic_load_explicit(&b->sequence, memory_order_acquire), room = 0;
        bool astray = false, copied = false;
        const MapSlot *s;

        if (sequence == 0)
                return MAP_ASK;
        if (sequence & 1)
                return AGAIN;
        s = walk(v, b, id, &room, &astray);
        if (s)
                copied = copy_slot(s, room, out);

        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&b->sequence, memory_order_relaxed) != sequence)
                return AGAIN;
        if (s)
                return copied && out->size > 0 ? MAP_FOUND : MAP_ASK;
        if (astray || (atomic_load_explicit(&v->header->flags, memory_order_acquire) & MAP_INCOMPLETE))
                return MAP_ASK;
        return MAP_MISS;
}

static inline void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

MapAnswer map_check(const MapView *v) {
        uint32_t owner = atomic_load_explicit(&v->header->owner, memory_order_acquire);

        if ((owner & MAP_OWNER_DIED) || (owner & MAP_OWNER_TID) == 0 ||
            atomic_load_explicit(&v->header->state, memory_order_acquire) != MAP_LIVE)
                return MAP_GONE;
        return MAP_FOUND;
}

static void words_of(const Ident *id, uint64_t out[static 2]) {
        memcpy(out, id->bytes, IDENT_SIZE);
}

MapAnswer map_read(const MapView *v, const Ident *id, MapCopy *out) {
        const MapBucket *b;
        uint64_t words[2];
        int r = AGAIN;

        words_of(id, words);
        b = &v->buckets[map_bucket(words, v->n_buckets)];
        for (unsigned i = 0; i < TRIES && r == AGAIN; i++) {
                if (i > 0)
                        pause_a_little();
                r = try_once(v, b, words, out);
        }

        /* Last of all: only what was seen before a moment at which the broker lived and meant this map is worth anything. */
        if (map_check(v) == MAP_GONE)
                return MAP_GONE;
        return r == AGAIN ? MAP_ASK : (MapAnswer) r;
}

void map_prefetch(const MapView *v, const Ident *id) {
        const MapBucket *b;
        uint64_t words[2];
        uint32_t link;

        words_of(id, words);
        b = &v->buckets[map_bucket(words, v->n_buckets)];
        link = atomic_load_explicit(&b->first, memory_order_relaxed);
        if (link == 0 || link > v->n_cells)
                return;
        for (size_t i = 0; i < 4; i++)
                __builtin_prefetch((const char *) slot_at(v, link) + i * MAP_CELL_SIZE);
}
