/* SPDX-License-Identifier: MIT */
/* Maps of a handle come and go. Owns the mappings. */
#include "map-handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client.h"
#include "reserve.h"

#define OPEN_TIMEOUT_USEC UINT64_C(1000000)
#define PAGE ((size_t) 4096)
#define PAUSE_USEC UINT64_C(5000000)            /* after a refusal */
#define SHORT_PAUSE_USEC UINT64_C(250000)       /* where the map is being filled, which takes a microsecond a session */

struct MapRef {
        MapRef *next;                   /* in the handle's list of all */
        void *memory;
        size_t size;
        atomic_uint generation;         /* of the process for which the time namespace was looked at */
        MapView view;
};

static MapRef *ref_of(const MapView *v) {
        return (MapRef *) (uintptr_t) ((const char *) v - offsetof(MapRef, view));
}

static MapRef *map_ref_free(MapRef *m) {
        if (!m)
                return NULL;
        if (m->memory)
                munmap(m->memory, m->size);
        free(m);
        return NULL;
}
DEFINE_CLEANUP(MapRef *, map_ref_free)

/* Zeros take the place of the map. Where that fails the map stays: it says itself that it is not in force. */
static void map_ref_vacate(MapRef *m) {
        (void) mmap(m->memory, m->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

/* A map's times are those of the broker's boot clock, which another time namespace shifts. Without /proc nobody can tell. */
static bool same_clock(const MapView *v) {
        struct stat st;

        return stat("/proc/self/ns/time", &st) == 0 && st.st_ino == v->time_namespace;
}

/* Where the kernel can use huge pages, if that is what the broker has. */
static void *map_memory(int fd, size_t size) {
        void *at = reserve_addresses(0, (size + PAGE - 1) & ~(PAGE - 1), MAP_HUGE_PAGE), *p;

        if (!at)
                return NULL;
        p = mmap(at, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
        if (p != MAP_FAILED)
                return p;
        (void) munmap(at, size);
        return NULL;
}

static int map_ref_new(MapRef **ret, int fd) {
        _cleanup_(map_ref_freep) MapRef *m = calloc(1, sizeof(*m));
        struct stat st;
        int r;

        if (!m)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < (off_t) MAP_HEADER_SIZE)
                return -EBADMSG;
        m->size = (size_t) st.st_size;
        m->memory = map_memory(fd, m->size);
        if (!m->memory)
                return -ENOMEM;
        (void) madvise(m->memory, m->size, MADV_DONTDUMP);
        r = map_view_init(&m->view, m->memory, m->size);
        if (r < 0)
                return r;
        if (!same_clock(&m->view))
                return -EXDEV;
        atomic_init(&m->generation, process_generation());
        *ret = TAKE_PTR(m);
        return 0;
}

/* ---- the one in force ---- */

/* A child may have entered another time namespace, whereas a process that has begun to use a handle stays where it is. */
static bool still_ours(MapHandle *h, MapRef *m) {
        unsigned now = process_generation();

        if (atomic_load_explicit(&m->generation, memory_order_relaxed) == now)
                return true;
        if (!same_clock(&m->view)) {
                map_handle_give_up(h, &m->view);
                return false;
        }
        atomic_store_explicit(&m->generation, now, memory_order_relaxed);
        return true;
}

const MapView *map_handle_view(MapHandle *h) {
        MapRef *m = atomic_load_explicit(&h->current, memory_order_acquire);

        return m && still_ours(h, m) ? &m->view : NULL;
}

void map_handle_give_up(MapHandle *h, const MapView *v) {
        MapRef *m = ref_of(v);

        if (atomic_compare_exchange_strong(&h->current, &m, NULL))
                map_ref_vacate(m);
}

static void take_over(MapHandle *h, MapRef *m) {
        m->next = atomic_load_explicit(&h->all, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&h->all, &m->next, m, memory_order_release, memory_order_relaxed))
                ;
        atomic_store_explicit(&h->current, m, memory_order_release);
}

int map_handle_adopt(MapHandle *h, int fd) {
        MapRef *m;
        int r;

        r = map_ref_new(&m, fd);
        if (r == 0)
                take_over(h, m);
        return r;
}

void map_handle_done(MapHandle *h) {
        MapRef *m = atomic_exchange(&h->all, NULL), *next;

        atomic_store(&h->current, NULL);
        for (; m; m = next) {
                next = m->next;
                map_ref_free(m);
        }
}

/* ---- asking for one ---- */

static int append_service(sd_bus_message *m, const Call *call) {
        return sd_bus_message_append(m, "s", call->in);
}

/* The descriptor is the message's; a mapping needs none. */
static int read_map(sd_bus_message *m, const Call *call) {
        int fd, r;

        r = sd_bus_message_read(m, "h", &fd);
        return r < 0 ? r : map_ref_new(call->out, fd);
}

static int open_map(websess *w, MapRef **ret) {
        Call call = {
                .member = "OpenMap",
                .timeout_usec = w->timeout_usec < OPEN_TIMEOUT_USEC ? w->timeout_usec : OPEN_TIMEOUT_USEC,
                .append = append_service, .read = read_map, .in = w->service, .out = ret,
        };

        return client_call(w, &call);
}

void map_handle_open(websess *w) {
        MapHandle *h = &w->map;
        unsigned mine = process_generation() + 1, other;
        MapRef *m = NULL;
        ErrorText text;
        int r;

        if (h->off || !*w->service || atomic_load_explicit(&h->current, memory_order_relaxed) ||
            client_now() < atomic_load_explicit(&h->not_before, memory_order_relaxed))
                return;
        /* A mark of another generation is that of a thread which fork() left behind in the parent. */
        other = atomic_load_explicit(&h->opening, memory_order_relaxed);
        if (other == mine || !atomic_compare_exchange_strong(&h->opening, &other, mine))
                return;

        if (!atomic_load_explicit(&h->current, memory_order_relaxed)) {
                error_save(&text);
                r = open_map(w, &m);
                if (r == 0)
                        take_over(h, m);
                else
                        atomic_store_explicit(&h->not_before, client_now() + (r == FAULT_UNAVAILABLE ? SHORT_PAUSE_USEC : PAUSE_USEC), memory_order_relaxed);
                error_restore(&text);
        }
        atomic_store(&h->opening, 0);
}
