/* SPDX-License-Identifier: MIT */
/*
 * Writing a map. Owns the memory, its descriptor, and the lists of free runs (which are not in the map: readers have no use for them).
 *
 * Every store that a reader may race with is atomic. A bucket's links and what its slots hold are changed between open_bucket() and
 * close_bucket() only.
 */
#include "map-writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define FREE_CHUNK 256u
#define PUNCH_SIZE (16u << 20)          /* about two milliseconds' work */

typedef struct FreeRuns {
        uint32_t *cells;
        size_t n, allocated;
} FreeRuns;

struct Map {
        Lifeline *lifeline;
        int fd;
        size_t size;
        MapHeader *header;              /* the mapping */
        MapBucket *buckets;
        char *cells;
        uint32_t n_buckets, n_cells;
        uint32_t next_cell;             /* cells from here on were never used */
        uint64_t n_used;                /* cells in use */
        size_t told;                    /* offset up to which map_take_full() has told of huge pages that are full */
        size_t punched;                 /* offset up to which memory has been given back */
        FreeRuns free[MAP_RUN_MAX + 1];
};

DEFINE_CLEANUP(Map *, map_free)

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

/* ---- making one ---- */

static size_t round_up(size_t n) {
        return (n + 4095) & ~(size_t) 4095;
}

static void set_text(MapText *t, Slice s) {
        t->size = (uint32_t) (s.size < MAP_TEXT_MAX ? s.size : MAP_TEXT_MAX);
        if (t->size > 0)
                memcpy(t->text, s.data, t->size);
}

static int make_memory(Map *m, bool own_readers) {
        void *p;
        int r;

        m->fd = memfd_create("websess-map", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (m->fd < 0)
                return -errno;
        /* The mode is looked at when somebody opens /proc/…/fd/N of it again: nobody may do so for writing but us. */
        if (ftruncate(m->fd, (off_t) m->size) < 0 || fchmod(m->fd, 0400) < 0 ||
            fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;

        r = lifeline_reserve(m->lifeline, m->size, MAP_HUGE_PAGE, &p);
        if (r < 0)
                return r;
        if (mmap(p, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, m->fd, 0) == MAP_FAILED) {
                r = -errno;
                lifeline_release(m->lifeline, p, m->size);
                return r;
        }
        m->header = p;
        if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_SEAL | (own_readers ? F_SEAL_FUTURE_WRITE : 0)) < 0)
                return -errno;
        (void) madvise(p, m->size, MADV_DONTDUMP);
        (void) mlock(p, MAP_HEADER_SIZE);
        return 0;
}

static size_t end_of(const Map *m, uint32_t n_cells) {
        return (size_t) (m->cells - (char *) m->header) + (size_t) n_cells * MAP_CELL_SIZE;
}

static void fill_header(Map *m, const MapFacts *f, uint64_t generation) {
        MapHeader *h = m->header;

        h->layout = MAP_LAYOUT;
        h->n_buckets = m->n_buckets;
        h->n_cells = m->n_cells;
        h->buckets_offset = (uint64_t) ((char *) m->buckets - (char *) h);
        h->cells_offset = (uint64_t) (m->cells - (char *) h);
        h->size = m->size;
        h->generation = generation;
        h->touch_usec = f->touch_usec;
        h->clock_offset = f->clock_offset;
        h->time_namespace = f->time_namespace;
        set_text(&h->service, f->service);
        set_text(&h->token_prefix, f->token_prefix);
        set_text(&h->admin_role, f->admin_role);
        h->roles_size = f->roles_size;
        memcpy(h->roles, f->roles, f->roles_size);
}

int map_new(Map **ret, Lifeline *lifeline, const MapFacts *facts, uint64_t generation, const MapSize *size) {
        _cleanup_(map_freep) Map *m = calloc(1, sizeof(*m));
        size_t buckets = round_up((size_t) size->n_buckets * sizeof(MapBucket)), offset = buckets >= MAP_HUGE_PAGE ? MAP_HUGE_PAGE : MAP_HEADER_SIZE;
        int r;

        if (!m)
                return -ENOMEM;
        m->lifeline = lifeline;
        m->fd = -EBADF;
        m->n_buckets = size->n_buckets;
        m->n_cells = size->n_cells;
        m->next_cell = 1;
        m->punched = offset;
        m->told = MAP_HUGE_PAGE;
        m->size = offset + buckets + round_up((size_t) m->n_cells * MAP_CELL_SIZE);

        r = make_memory(m, size->own_readers);
        if (r < 0)
                return r;
        m->buckets = (MapBucket *) (void *) ((char *) m->header + offset);
        m->cells = (char *) m->buckets + buckets;
        fill_header(m, facts, generation);
        for (uint32_t i = 0; i < m->n_buckets; i++)
                atomic_store_explicit(&m->buckets[i].sequence, 2, memory_order_relaxed);

        *ret = TAKE_PTR(m);
        return 0;
}

Map *map_free(Map *m) {
        if (!m)
                return NULL;

        if (m->header)
                lifeline_release(m->lifeline, m->header, m->size);
        close_fd(m->fd);
        for (size_t i = 0; i <= MAP_RUN_MAX; i++)
                free(m->free[i].cells);
        free(m);
        return NULL;
}

void map_publish(Map *m) {
        lifeline_hold(m->lifeline, m->header);
        atomic_store_explicit(&m->header->state, MAP_LIVE, memory_order_release);
        m->header->magic = MAP_MAGIC;
}

void map_supersede(Map *m) {
        atomic_store_explicit(&m->header->state, MAP_SUPERSEDED, memory_order_seq_cst);
}

/* The header stays: it says what to do. With F_SEAL_FUTURE_WRITE the kernel refuses, and the memory goes when the last reader has unmapped it. */
bool map_punch(Map *m) {
        size_t end = end_of(m, m->next_cell - 1);
        size_t n = end > m->punched ? end - m->punched : 0, slice = PUNCH_SIZE - m->punched % PUNCH_SIZE;

        assert(atomic_load(&m->header->state) == MAP_SUPERSEDED);
        if (n > slice)
                n = slice;
        if (n > 0)
                (void) fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) m->punched, (off_t) round_up(n));
        m->punched += round_up(n);
        return m->punched >= end;
}

void map_set_flags(Map *m, uint32_t flags) {
        atomic_store_explicit(&m->header->flags, flags, memory_order_seq_cst);
}

/* Opened anew by way of /proc, so that the descriptor itself is read-only: it can't be mapped for writing, whatever its holder may do. */
int map_open(const Map *m) {
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
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
}

void map_release(Map *m, uint32_t cell) {
        give_cells(m, cell, run_length(slot(m, cell)));
}

bool map_contains(const Map *m, const void *p) {
        return (const char *) p >= m->cells && (const char *) p < m->cells + (size_t) m->n_cells * MAP_CELL_SIZE;
}

void map_touch(Map *m, uint32_t cell, uint64_t last_seen) {
        atomic_store_explicit(&slot(m, cell)->last_seen, last_seen, memory_order_relaxed);
}

bool map_take_full(Map *m, void **memory, size_t *size) {
        size_t end = end_of(m, m->next_cell - 1) & ~(MAP_HUGE_PAGE - 1);

        if (end <= m->told)
                return false;
        *memory = (char *) m->header + m->told;
        *size = end - m->told;
        m->told = end;
        return true;
}

void *map_mapping(const Map *m, size_t *size) {
        *size = m->size;
        return m->header;
}

/* ---- figures ---- */

uint64_t map_used_bytes(const Map *m) {
        return MAP_HEADER_SIZE + (uint64_t) m->n_buckets * sizeof(MapBucket) + (uint64_t) (m->next_cell - 1) * MAP_CELL_SIZE;
}

uint64_t map_live_cells(const Map *m) {
        return m->n_used;
}

uint64_t map_generation(const Map *m) {
        return m->header->generation;
}

uint64_t map_sessions(const Map *m) {
        return atomic_load_explicit(&m->header->n_sessions, memory_order_relaxed);
}

uint32_t map_n_buckets(const Map *m) {
        return m->n_buckets;
}

bool map_is_crowded(const Map *m) {
        return map_sessions(m) > (uint64_t) m->n_buckets * MAP_BUCKET_FULL;
}
