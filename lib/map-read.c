/* SPDX-License-Identifier: MIT */
/* The reader's half of the protocol in websess-map.h, step by step as it is numbered there. Owns nothing. */
#include "map-read.h"

#include <errno.h>
#include <string.h>

#define TRIES 64u               /* a change takes some hundred nanoseconds, unless the broker lost its processor in the middle of it */

#define CACHE_LINE 64u
#define PREFETCHED 384u         /* of a slot: a usual session */

/* What one try may come to besides a MapAnswer. */
#define AGAIN (-1)

/* ---- the header ---- */

static bool text_valid(const MapText *t) {
        return t->size <= MAP_TEXT_MAX;
}

static bool layout_valid(const MapHeader *h, size_t size) {
        uint64_t buckets = (uint64_t) h->n_buckets * sizeof(MapBucket), cells = (uint64_t) h->n_cells * MAP_CELL_SIZE;

        return h->magic == MAP_MAGIC && h->layout == MAP_LAYOUT && h->size == size && h->n_buckets > 0 && h->n_cells >= MAP_RUN_MIN && (h->n_buckets & (h->n_buckets - 1)) == 0 &&
                h->buckets_offset % sizeof(MapBucket) == 0 && h->cells_offset % MAP_CELL_SIZE == 0 && h->buckets_offset >= MAP_HEADER_SIZE &&
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

/* Every link is held against this before it is followed. */
static bool leads_out(const MapView *v, uint32_t link) {
        return link > v->n_cells - (MAP_RUN_MIN - 1);
}

static bool is_slot_of(const MapSlot *s, const uint64_t id[static 2]) {
        return atomic_load_explicit(&s->record[MAP_ID_WORD], memory_order_relaxed) == id[0] &&
                atomic_load_explicit(&s->record[MAP_ID_WORD + 1], memory_order_relaxed) == id[1];
}

/* The first link with the tag, from place *at on, which moves behind it; 0: none. */
static uint32_t next_tagged(const MapBucket *b, uint8_t tag, unsigned *at) {
        uint32_t link = 0;

        for (; link == 0 && *at < MAP_PLACES; ++*at)
                if (atomic_load_explicit(&b->tags[*at], memory_order_relaxed) == tag)
                        link = atomic_load_explicit(&b->links[*at], memory_order_relaxed);
        return link;
}

/* The link to the slot of the key's id; 0: there is none. *astray: what was followed cannot be links. */
static uint32_t find(const MapView *v, const MapKey *k, bool *astray) {
        uint32_t link;
        unsigned n;

        for (n = 0; (link = next_tagged(k->bucket, k->tag, &n)) != 0; ) {
                *astray = leads_out(v, link);
                if (*astray)
                        return 0;
                if (is_slot_of(slot_at(v, link), k->id))
                        return link;
        }
        link = atomic_load_explicit(&k->bucket->more, memory_order_relaxed);
        for (n = 0; link != 0; n++) {
                *astray = n == MAP_CHAIN_MAX || leads_out(v, link);
                if (*astray)
                        return 0;
                if (is_slot_of(slot_at(v, link), k->id))
                        return link;
                link = atomic_load_explicit(&slot_at(v, link)->next, memory_order_relaxed);
        }
        return 0;
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

static int try_once(const MapView *v, const MapKey *k, MapCopy *out) {
        uint32_t sequence = atomic_load_explicit(&k->bucket->sequence, memory_order_acquire), link;
        bool astray = false, copied = false;

        if (sequence == 0)
                return MAP_ASK;
        if (sequence & 1)
                return AGAIN;
        link = find(v, k, &astray);
        if (link)
                copied = copy_slot(slot_at(v, link), v->n_cells - (link - 1), out);

        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&k->bucket->sequence, memory_order_relaxed) != sequence)
                return AGAIN;
        if (link)
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

void map_seek(const MapView *v, const Ident *id, MapKey *out) {
        memcpy(out->id, id->bytes, IDENT_SIZE);
        out->bucket = &v->buckets[map_bucket(out->id, v->n_buckets)];
        out->tag = map_tag(out->id);
        __builtin_prefetch(out->bucket);
}

void map_prefetch(const MapView *v, const MapKey *k) {
        unsigned at = 0;
        uint32_t link = next_tagged(k->bucket, k->tag, &at);

        if (link == 0 || leads_out(v, link))
                return;
        for (size_t i = 0; i < PREFETCHED; i += CACHE_LINE)
                __builtin_prefetch((const char *) slot_at(v, link) + i);
}

MapAnswer map_read(const MapView *v, const MapKey *k, MapCopy *out) {
        int r = AGAIN;

        for (unsigned i = 0; i < TRIES && r == AGAIN; i++) {
                if (i > 0)
                        pause_a_little();
                r = try_once(v, k, out);
        }

        /* Last of all: only what was seen before a moment at which the broker lived and meant this map is worth anything. */
        if (map_check(v) == MAP_GONE)
                return MAP_GONE;
        return r == AGAIN ? MAP_ASK : (MapAnswer) r;
}
