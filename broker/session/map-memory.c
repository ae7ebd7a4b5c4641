/* SPDX-License-Identifier: MIT */
/* The memory of a map: made, published, superseded, given back. Owns it, and its descriptor. */
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
#include "map-internal.h"

#define PUNCH_SIZE (16u << 20)          /* about two milliseconds' work */

DEFINE_CLEANUP(Map *, map_free)

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

uint32_t map_flags(const Map *m) {
        return atomic_load_explicit(&m->header->flags, memory_order_relaxed);
}

bool map_is_live(const Map *m) {
        return atomic_load_explicit(&m->header->state, memory_order_relaxed) == MAP_LIVE;
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

bool map_contains(const Map *m, const void *p) {
        return (const char *) p >= m->cells && (const char *) p < m->cells + (size_t) m->n_cells * MAP_CELL_SIZE;
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

bool map_is_nearly_full(const Map *m) {
        return m->n_used > m->n_cells - m->n_cells / 16;
}
