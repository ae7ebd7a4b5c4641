/* SPDX-License-Identifier: MIT */
/*
 * Writing a map: cells, slots and buckets. Owns the lists of free runs (which are not in the map: readers have no use for them).
 *
 * Every store that a reader may race with is atomic. A bucket's links and what its slots hold are changed between open_bucket() and
 * close_bucket() only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map-internal.h"

#define FREE_CHUNK 256u

static MapSlot *slot(const Map *m, uint32_t cell) {
        return (MapSlot *) (void *) (m->cells + (size_t) (cell - 1) * MAP_CELL_SIZE);
}

/* Of a stub, which has no record, too. */
static uint32_t cells_for(size_t record_size) {
        size_t size = record_size > MAP_STUB_SIZE ? record_size : MAP_STUB_SIZE;

        return (uint32_t) ((MAP_SLOT_HEADER_SIZE + size + MAP_CELL_SIZE - 1) / MAP_CELL_SIZE);
}

/* How many cells a slot has follows from its record, so it need not be kept. */
static uint32_t run_length(const MapSlot *s) {
        return cells_for(atomic_load_explicit(&s->record_size, memory_order_relaxed));
}

/* ---- cells ---- */

static uint32_t take_cells(Map *m, uint32_t n) {
        FreeRuns *f = &m->free[n];
        uint32_t cell;

        if (f->n > 0)
                cell = f->cells[--f->n];
        else if (m->n_cells - (m->next_cell - 1) >= n) {
                cell = m->next_cell;
                m->next_cell += n;
        } else
                return 0;
        m->n_used += n;
        return cell;
}

/* Without memory to remember it the run is lost until the next map. */
static void give_cells(Map *m, uint32_t cell, uint32_t n) {
        FreeRuns *f = &m->free[n];

        m->n_used -= n;
        if (f->n >= f->allocated) {
                size_t k = f->allocated ? f->allocated * 2 : FREE_CHUNK;
                uint32_t *cells = reallocarray(f->cells, k, sizeof(*cells));

                if (!cells)
                        return;
                f->cells = cells;
                f->allocated = k;
        }
        f->cells[f->n++] = cell;
}

/* ---- buckets ---- */

_Static_assert(RECORD_ID_AT == MAP_ID_WORD * sizeof(uint64_t) && RECORD_ID_AT + IDENT_SIZE <= MAP_STUB_SIZE, "a slot is told by its record's id");

static MapBucket *bucket_of(const Map *m, const uint64_t id[static 2]) {
        return &m->buckets[map_bucket(id, m->n_buckets)];
}

static bool is_slot_of(const MapSlot *s, const uint64_t id[static 2]) {
        return atomic_load_explicit(&s->record[MAP_ID_WORD], memory_order_relaxed) == id[0] &&
                atomic_load_explicit(&s->record[MAP_ID_WORD + 1], memory_order_relaxed) == id[1];
}

uint32_t map_bucket_number(const Map *m, const Ident *id) {
        uint64_t words[2];

        memcpy(words, id->bytes, sizeof(words));
        return map_bucket(words, m->n_buckets);
}

static MapBucket *bucket_at(const Map *m, uint32_t cell) {
        const MapSlot *s = slot(m, cell);

        return bucket_of(m, (uint64_t[]) { atomic_load_explicit(&s->record[MAP_ID_WORD], memory_order_relaxed),
                                           atomic_load_explicit(&s->record[MAP_ID_WORD + 1], memory_order_relaxed) });
}

static void open_bucket(MapBucket *b) {
        uint32_t n = atomic_load_explicit(&b->sequence, memory_order_relaxed);

        atomic_store_explicit(&b->sequence, n + 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
}

static void close_bucket(MapBucket *b) {
        uint32_t n = atomic_load_explicit(&b->sequence, memory_order_relaxed) + 1;

        /* 0 means "punched out": after 2^31 changes it is passed over */
        atomic_store_explicit(&b->sequence, n ? n : 2, memory_order_release);
}

/* size: 0 for a stub. */
static void write_slot(MapSlot *s, const void *record, size_t size, uint64_t last_seen) {
        size_t written = size ? size : MAP_STUB_SIZE;
        const uint8_t *bytes = record;
        uint64_t word;

        atomic_store_explicit(&s->last_seen, last_seen, memory_order_relaxed);
        atomic_store_explicit(&s->record_size, (uint32_t) size, memory_order_relaxed);
        for (size_t i = 0; i < written; i += sizeof(word)) {
                size_t n = written - i < sizeof(word) ? written - i : sizeof(word);

                word = 0;
                memcpy(&word, bytes + i, n);
                atomic_store_explicit(&s->record[i / sizeof(word)], word, memory_order_relaxed);
        }
}

/* A free place, from now on with this tag; where there is none, the head of the chain. */
static _Atomic uint32_t *take_link(MapBucket *b, uint8_t tag) {
        for (size_t i = 0; i < MAP_PLACES; i++)
                if (atomic_load_explicit(&b->links[i], memory_order_relaxed) == 0) {
                        atomic_store_explicit(&b->tags[i], tag, memory_order_relaxed);
                        return &b->links[i];
                }
        return &b->more;
}

/* The link that leads to cell. */
static _Atomic uint32_t *find_link(const Map *m, MapBucket *b, uint32_t cell) {
        _Atomic uint32_t *link = &b->more;

        for (size_t i = 0; i < MAP_PLACES; i++)
                if (atomic_load_explicit(&b->links[i], memory_order_relaxed) == cell)
                        return &b->links[i];
        while (atomic_load_explicit(link, memory_order_relaxed) != cell)
                link = &slot(m, atomic_load_explicit(link, memory_order_relaxed))->next;
        return link;
}

uint32_t map_find(const Map *m, const Ident *id) {
        uint64_t words[2];
        const MapBucket *b;
        uint32_t cell;

        memcpy(words, id->bytes, sizeof(words));
        b = bucket_of(m, words);
        for (size_t i = 0; i < MAP_PLACES; i++) {
                cell = atomic_load_explicit(&b->links[i], memory_order_relaxed);
                if (cell && atomic_load_explicit(&b->tags[i], memory_order_relaxed) == map_tag(words) && is_slot_of(slot(m, cell), words))
                        return cell;
        }
        cell = atomic_load_explicit(&b->more, memory_order_relaxed);
        while (cell && !is_slot_of(slot(m, cell), words))
                cell = atomic_load_explicit(&slot(m, cell)->next, memory_order_relaxed);
        return cell;
}

static void tell(const Map *m, uint32_t cell, MapEach each, void *userdata) {
        uint64_t words[2] = { atomic_load_explicit(&slot(m, cell)->record[MAP_ID_WORD], memory_order_relaxed),
                              atomic_load_explicit(&slot(m, cell)->record[MAP_ID_WORD + 1], memory_order_relaxed) };
        Ident id;

        memcpy(id.bytes, words, sizeof(words));
        each(userdata, cell, &id);
}

uint32_t map_each(const Map *m, uint32_t bucket, MapEach each, void *userdata) {
        const MapBucket *b = &m->buckets[bucket];
        uint32_t cell, n = 0;

        for (size_t i = 0; i < MAP_PLACES; i++) {
                cell = atomic_load_explicit(&b->links[i], memory_order_relaxed);
                if (cell) {
                        tell(m, cell, each, userdata);
                        n++;
                }
        }
        for (cell = atomic_load_explicit(&b->more, memory_order_relaxed); cell; cell = atomic_load_explicit(&slot(m, cell)->next, memory_order_relaxed)) {
                tell(m, cell, each, userdata);
                n++;
        }
        return n;
}

static void count(Map *m, int change) {
        atomic_store_explicit(&m->header->n_sessions, atomic_load_explicit(&m->header->n_sessions, memory_order_relaxed) + (uint64_t) (int64_t) change,
                              memory_order_relaxed);
}

static uint32_t put_new(Map *m, const void *record, size_t size, uint64_t last_seen) {
        uint32_t cell = take_cells(m, cells_for(size));
        _Atomic uint32_t *link;
        uint64_t id[2];
        MapBucket *b;

        if (cell == 0)
                return 0;
        memcpy(id, (const uint8_t *) record + RECORD_ID_AT, sizeof(id));
        b = bucket_of(m, id);

        /* The cells may have been another slot, on which a reader of another bucket still stands: it finds its own sequence changed. */
        open_bucket(b);
        write_slot(slot(m, cell), record, size, last_seen);
        link = take_link(b, map_tag(id));
        atomic_store_explicit(&slot(m, cell)->next, atomic_load_explicit(link, memory_order_relaxed), memory_order_relaxed);
        atomic_store_explicit(link, cell, memory_order_relaxed);
        close_bucket(b);
        count(m, 1);
        return cell;
}

static uint32_t put_again(Map *m, const void *record, size_t size, uint64_t last_seen, uint32_t cell) {
        uint32_t had = run_length(slot(m, cell)), wants = cells_for(size), new = cell;
        MapBucket *b = bucket_at(m, cell);
        _Atomic uint32_t *link;

        if (wants != had) {
                new = take_cells(m, wants);
                if (new == 0)
                        return 0;
        }

        open_bucket(b);
        write_slot(slot(m, new), record, size, last_seen);
        if (new != cell) {
                link = find_link(m, b, cell);
                atomic_store_explicit(&slot(m, new)->next, atomic_load_explicit(&slot(m, cell)->next, memory_order_relaxed), memory_order_relaxed);
                atomic_store_explicit(link, new, memory_order_relaxed);
        }
        close_bucket(b);
        if (new != cell)
                give_cells(m, cell, had);
        return new;
}

int map_put(Map *m, const void *record, size_t size, uint64_t last_seen, uint32_t *cell, const uint8_t **ret) {
        bool stub = cells_for(size) > MAP_RUN_MAX;
        size_t kept = stub ? 0 : size;
        uint32_t c;

        c = *cell ? put_again(m, record, kept, last_seen, *cell) : put_new(m, record, kept, last_seen);
        if (c == 0)
                return -ENOSPC;
        *cell = c;
        *ret = stub ? NULL : (const uint8_t *) slot(m, c)->record;
        return 0;
}

void map_unlink(Map *m, uint32_t cell) {
        MapBucket *b = bucket_at(m, cell);
        _Atomic uint32_t *link = find_link(m, b, cell);

        open_bucket(b);
        atomic_store_explicit(link, atomic_load_explicit(&slot(m, cell)->next, memory_order_relaxed), memory_order_relaxed);
        close_bucket(b);
        count(m, -1);
        m->n_unlinked++;
}

void map_release(Map *m, uint32_t cell) {
        m->n_unlinked--;
        give_cells(m, cell, run_length(slot(m, cell)));
}

bool map_is_read(const Map *m) {
        return m->n_unlinked > 0;
}

void map_touch(Map *m, uint32_t cell, uint64_t last_seen) {
        atomic_store_explicit(&slot(m, cell)->last_seen, last_seen, memory_order_relaxed);
}
