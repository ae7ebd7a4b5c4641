/* SPDX-License-Identifier: MIT */
/*
 * Readers against one writer at full speed, as threads (for the thread sanitizer) and as processes (with kill -9 of the writer). Every read is held against what
 * was ever written: records describe themselves, and versions say what was in force when. $WEBSESS_MAP_READS: how many reads, instead of some seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "map-read.h"
#include "map-writer.h"

#define SESSIONS 48u
#define BUCKETS 2u              /* full places, and long chains */
#define CELLS 1400u             /* they soon are used again */
#define MAPS 64u                /* in a round */
#define READERS 3u
#define SECONDS 2u

/* The truth beside the maps, shared by all. Versions of a session count up; a record carries its own. */
typedef struct Truth {
        _Atomic uint64_t begun, acked;
        _Atomic uint64_t absent;        /* the last version begun at which there was no session */
} Truth;

typedef struct World {
        Truth truth[SESSIONS];
        MapView views[MAPS];
        _Atomic uint32_t current;       /* map */
        _Atomic bool stop;
        _Atomic uint64_t reads, found, misses, asked, gone;
        _Atomic uint32_t wrong;
} World;

typedef struct Writer {
        World *world;
        Lifeline *lifeline;
        Map *maps[MAPS];
        uint32_t cell[SESSIONS];
        uint64_t words[SESSIONS][MAP_RUN_MAX * 4 + 8], size[SESSIONS];
        uint64_t random;
        uint32_t current;
} Writer;

static uint64_t next_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static Ident ident_of(uint32_t n) {
        Ident id = {};

        memcpy(id.bytes, &(uint64_t) { n * UINT64_C(0x2545f4914f6cdd1d) }, 8);
        id.bytes[15] = (uint8_t) n;
        return id;
}

/* ---- readers ---- */

static void complain(World *w, const char *what, uint32_t n) {
        if (atomic_fetch_add(&w->wrong, 1) < 5)
                print_message("session %u: %s\n", n, what);
}

static uint64_t filler(uint64_t version, size_t i) {
        return (version * 31 + i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void check_copy(World *w, uint32_t n, const MapCopy *c, uint64_t seen) {
        uint64_t version = c->words[1];

        if (c->size < 48 || c->size % 8 != 0 || c->words[0] != n || c->words[4] != c->size)
                return complain(w, "torn, or another one's", n);
        for (size_t i = 5; i < c->size / 8; i++)
                if (c->words[i] != filler(version, i))
                        return complain(w, "torn", n);
        if (version < seen)
                complain(w, "what was replaced or revoked before", n);
        if (version > atomic_load(&w->truth[n].begun))
                complain(w, "what is not written yet", n);
}

static void read_one(World *w, uint32_t n, MapCopy *copy) {
        const Truth *t = &w->truth[n];
        uint64_t seen = atomic_load(&t->acked);
        const MapView *v = &w->views[atomic_load(&w->current)];
        Ident id = ident_of(n);
        MapKey key;

        map_seek(v, &id, &key);
        switch (map_read(v, &key, copy)) {
        case MAP_FOUND:
                check_copy(w, n, copy, seen);
                atomic_fetch_add_explicit(&w->found, 1, memory_order_relaxed);
                break;
        case MAP_MISS:
                if (atomic_load(&t->absent) < seen)
                        complain(w, "a false miss", n);
                atomic_fetch_add_explicit(&w->misses, 1, memory_order_relaxed);
                break;
        case MAP_GONE:
                atomic_fetch_add_explicit(&w->gone, 1, memory_order_relaxed);
                break;
        default:
                atomic_fetch_add_explicit(&w->asked, 1, memory_order_relaxed);
        }
}

static void *read_on(void *userdata) {
        uint64_t random = 88172645463325252ull ^ (uint64_t) gettid() << 20;
        World *w = userdata;
        MapCopy copy;

        while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
                for (size_t i = 0; i < 256; i++)
                        read_one(w, (uint32_t) (next_random(&random) % SESSIONS), &copy);
                atomic_fetch_add_explicit(&w->reads, 256, memory_order_relaxed);
        }
        return NULL;
}

/* ---- the writer ---- */

static void make_record(Writer *x, uint32_t n, uint64_t version) {
        uint64_t *words = x->words[n], r = next_random(&x->random);
        /* Now and then one that is too large for a map. */
        size_t size = r % 50 == 0 ? MAP_RECORD_MAX + 8 : 48 + r % 60 * 8;
        Ident id = ident_of(n);

        words[0] = n;
        words[1] = version;
        memcpy(&words[MAP_ID_WORD], id.bytes, IDENT_SIZE);
        words[4] = size;
        for (size_t i = 5; i < size / 8; i++)
                words[i] = filler(version, i);
        x->size[n] = size;
}

static void put(Writer *x, uint32_t n);

/* As space.c: fill the new one, then supersede the old one, then go on in the new one alone. */
static bool change_map(Writer *x) {
        Map *old = x->maps[x->current];
        const uint8_t *p;

        if (x->current + 1 == MAPS)
                return false;
        x->current++;
        for (uint32_t i = 0; i < SESSIONS; i++) {
                bool there = x->cell[i] != 0;

                x->cell[i] = 0;
                if (there)
                        assert_int_equal(map_put(x->maps[x->current], x->words[i], x->size[i], 0, &x->cell[i], &p), 0);
        }
        map_publish(x->maps[x->current]);
        map_supersede(old);
        while (!map_punch(old))
                ;
        atomic_store(&x->world->current, x->current);
        return true;
}

static void put(Writer *x, uint32_t n) {
        Truth *t = &x->world->truth[n];
        uint64_t version = atomic_load(&t->begun) + 1;
        const uint8_t *p;

        make_record(x, n, version);
        atomic_store(&t->begun, version);
        /* A map that is full keeps what it had, so the truth of this version is in the next one. */
        if (map_put(x->maps[x->current], x->words[n], x->size[n], version, &x->cell[n], &p) < 0) {
                if (!x->cell[n])
                        x->cell[n] = 1;
                if (!change_map(x))
                        return;
        }
        atomic_store(&t->acked, version);
}

static void take_away(Writer *x, uint32_t n) {
        Truth *t = &x->world->truth[n];
        uint64_t version = atomic_load(&t->begun) + 1;
        Map *m = x->maps[x->current];

        atomic_store(&t->begun, version);
        atomic_store(&t->absent, version);
        map_unlink(m, x->cell[n]);
        map_release(m, x->cell[n]);
        x->cell[n] = 0;
        atomic_store(&t->acked, version);
}

static bool write_on(Writer *x, unsigned n) {
        while (n-- > 0) {
                uint64_t r = next_random(&x->random);
                uint32_t i = (uint32_t) (r >> 8) % SESSIONS;

                if (x->cell[i] && r % 4 == 0)
                        take_away(x, i);
                else if (x->cell[i] && r % 4 == 1)
                        map_touch(x->maps[x->current], x->cell[i], r);
                else
                        put(x, i);
                if (r >> 32 << 52 == 0 && !change_map(x))
                        return false;
        }
        return x->current + 1 < MAPS;
}

static Writer *writer_new(World *w) {
        MapSize size = { .n_buckets = BUCKETS, .n_cells = CELLS };
        Writer *x = calloc(1, sizeof(*x));
        MapFacts facts = {};
        void *memory;

        assert_non_null(x);
        x->world = w;
        x->random = 0x853c49e6748fea9b ^ (uint64_t) getpid() << 32 ^ (uint64_t) clock();
        assert_int_equal(lifeline_new(&x->lifeline, offsetof(MapHeader, owner)), 0);
        for (size_t i = 0; i < MAPS; i++) {
                int fd;

                assert_int_equal(map_new(&x->maps[i], x->lifeline, &facts, i + 1, &size), 0);
                fd = map_open(x->maps[i]);
                assert_true(fd >= 0);
                off_t bytes = lseek(fd, 0, SEEK_END);
                memory = mmap(NULL, (size_t) bytes, PROT_READ, MAP_SHARED, fd, 0);
                assert_true(memory != MAP_FAILED);
                close(fd);
                /* Only a map that was published has its mark: as if it had been opened later. */
                if (i == 0)
                        map_publish(x->maps[0]);
                w->views[i] = (MapView) {
                        .header = memory, .n_buckets = BUCKETS, .n_cells = CELLS,
                        .buckets = (const MapBucket *) (const void *) ((char *) memory + MAP_HEADER_SIZE), .cells = (char *) memory + 2 * MAP_HEADER_SIZE,
                };
        }
        assert_int_equal(map_view_init(&w->views[0], w->views[0].header, MAP_HEADER_SIZE * 2 + (CELLS * MAP_CELL_SIZE + 4095) / 4096 * 4096), 0);
        return x;
}

static void writer_free(Writer *x) {
        for (size_t i = 0; i < MAPS; i++) {
                munmap((void *) (uintptr_t) x->world->views[i].header, MAP_HEADER_SIZE * 2 + (CELLS * MAP_CELL_SIZE + 4095) / 4096 * 4096);
                map_free(x->maps[i]);
        }
        lifeline_free(x->lifeline);
        free(x);
}

/* ---- rounds ---- */

static World *world_new(void) {
        World *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_true(w != MAP_FAILED);
        return w;
}

static void begin_round(World *w) {
        memset(w->truth, 0, sizeof(w->truth));
        atomic_store(&w->current, 0);
        atomic_store(&w->stop, false);
}

static bool enough(const World *w, time_t start) {
        const char *reads = getenv("WEBSESS_MAP_READS");

        return atomic_load(&w->wrong) > 0 || (reads ? atomic_load(&w->reads) >= strtoull(reads, NULL, 10) : time(NULL) >= start + (time_t) SECONDS);
}

static void finish(World *w) {
        print_message("%llu reads: %llu found, %llu misses, %llu asked, %llu of a map that is gone\n", (unsigned long long) w->reads,
                      (unsigned long long) w->found, (unsigned long long) w->misses, (unsigned long long) w->asked, (unsigned long long) w->gone);
        assert_int_equal(w->wrong, 0);
        assert_true(w->found > 1000 && w->misses > 100);
        munmap(w, sizeof(*w));
}

static void test_L07_threads_read_what_was_written(void **state) {
        World *w = world_new();
        time_t start = time(NULL);

        while (!enough(w, start)) {
                pthread_t threads[READERS];
                Writer *x;

                begin_round(w);
                x = writer_new(w);
                for (size_t i = 0; i < READERS; i++)
                        assert_int_equal(pthread_create(&threads[i], NULL, read_on, w), 0);
                while (write_on(x, 1000) && !enough(w, start))
                        ;
                atomic_store(&w->stop, true);
                for (size_t i = 0; i < READERS; i++)
                        pthread_join(threads[i], NULL);
                writer_free(x);
        }
        finish(w);
}

/* Its readers are its children, since they have its mappings. It ends by SIGKILL alone. */
static void run_writer(World *w) {
        Writer *x = writer_new(w);

        for (size_t i = 0; i < READERS; i++)
                if (fork() == 0) {
                        read_on(w);
                        _exit(0);
                }
        while (write_on(x, 1000))
                ;
        for (;;)
                pause();
}

/* On a busy machine the writer may get its turn late: each round is to have had something to read. */
static void wait_for_finds(const World *w) {
        uint64_t before = atomic_load(&w->found);

        for (unsigned i = 0; i < 20000 && atomic_load(&w->found) < before + 1000; i++)
                nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
}

static void test_L07_processes_read_what_was_written_until_the_writer_is_killed(void **state) {
        World *w = world_new();
        time_t start = time(NULL);

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        while (!enough(w, start)) {
                pid_t writer;

                begin_round(w);
                writer = fork();
                assert_true(writer >= 0);
                if (writer == 0) {
                        run_writer(w);
                        _exit(0);
                }
                wait_for_finds(w);
                nanosleep(&(struct timespec) { .tv_nsec = (long) (clock() % 100) * 1000000 }, NULL);
                kill(writer, SIGKILL);
                waitpid(writer, NULL, 0);
                /* The next broker: everything changes and is acknowledged, and this map must not be believed any more. */
                for (size_t i = 0; i < SESSIONS; i++) {
                        uint64_t version = atomic_load(&w->truth[i].begun) + 2;

                        atomic_store(&w->truth[i].begun, version);
                        atomic_store(&w->truth[i].acked, version);
                }
                nanosleep(&(struct timespec) { .tv_nsec = 20000000 }, NULL);
                atomic_store(&w->stop, true);
                for (size_t i = 0; i < READERS; i++)
                        waitpid(-1, NULL, 0);
        }
        assert_true(w->gone > 0);
        finish(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_L07_threads_read_what_was_written),
                cmocka_unit_test(test_L07_processes_read_what_was_written_until_the_writer_is_killed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
