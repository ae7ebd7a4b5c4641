/* SPDX-License-Identifier: MIT */
/* Full memory in huge pages: a reader gets them, nobody sees anything else of it, and what was put off stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "huge-pages.h"
#include "map-writer.h"
#include "reserve.h"

#define PAGES 8u
#define SIZE (PAGES * MAP_HUGE_PAGE)
#define WORDS (SIZE / sizeof(uint64_t))

typedef struct Memory {
        int fd;
        _Atomic uint64_t *writer, *reader;
        atomic_bool stop;
} Memory;

static void *map_at_huge_page(int fd, size_t size, int protection) {
        void *at = reserve_addresses(0, size, MAP_HUGE_PAGE);

        assert_non_null(at);
        assert_int_equal((uintptr_t) at % MAP_HUGE_PAGE, 0);
        assert_ptr_equal(mmap(at, size, protection, MAP_SHARED | MAP_FIXED, fd, 0), at);
        return at;
}

static void memory_open(Memory *m) {
        *m = (Memory) { .fd = memfd_create("huge", MFD_CLOEXEC) };
        assert_true(m->fd >= 0);
        assert_int_equal(ftruncate(m->fd, (off_t) SIZE), 0);
        m->writer = map_at_huge_page(m->fd, SIZE, PROT_READ | PROT_WRITE);
        m->reader = map_at_huge_page(m->fd, SIZE, PROT_READ);
        for (size_t i = 0; i < WORDS; i++)
                m->writer[i] = i;
}

static void memory_close(Memory *m) {
        munmap(m->writer, SIZE);
        munmap(m->reader, SIZE);
        close(m->fd);
}

/* KiB that the mapping at p has in huge pages. */
static unsigned long huge_kib(const void *p) {
        unsigned long begin, end, kib = 0, n;
        bool inside = false;
        char line[256];
        FILE *f = fopen("/proc/self/smaps", "re");

        assert_non_null(f);
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
                        inside = begin <= (unsigned long) p && (unsigned long) p < end;
                else if (inside && sscanf(line, "ShmemPmdMapped: %lu", &n) == 1)
                        kib += n;
        }
        fclose(f);
        return kib;
}

/* Before the kernel is asked in earnest: does it do so, and has it a page left? */
static bool kernel_can(void) {
        Memory m;
        bool can;

        memory_open(&m);
        can = madvise(m.writer, MAP_HUGE_PAGE, 25) == 0;
        memory_close(&m);
        return can;
}

static HugePages *start(void) {
        HugePages *h = NULL;

        assert_int_equal(huge_pages_new(&h), 0);
        return h;
}

/* Word i only ever grows by WORDS, so that it says where it stands. */
static void *count_up(void *userdata) {
        Memory *m = userdata;

        for (size_t i = 0; !atomic_load_explicit(&m->stop, memory_order_relaxed); i = (i + 4099) % WORDS)
                atomic_store_explicit(&m->writer[i], atomic_load_explicit(&m->writer[i], memory_order_relaxed) + WORDS, memory_order_relaxed);
        return NULL;
}

static void *read_on(void *userdata) {
        Memory *m = userdata;

        for (size_t i = 0; !atomic_load_explicit(&m->stop, memory_order_relaxed); i = (i + 4093) % WORDS)
                if (atomic_load_explicit(&m->reader[i], memory_order_relaxed) % WORDS != i)
                        return m;
        return NULL;
}

static void test_L07_memory_that_is_collapsed_is_read_and_written_all_the_while(void **state) {
        pthread_t writer, reader;
        void *wrong = NULL;
        HugePages *h;
        Memory m;

        if (!kernel_can()) {
                print_message("the kernel gives no huge pages to shared memory\n");
                skip();
        }
        memory_open(&m);
        h = start();
        assert_int_equal(pthread_create(&writer, NULL, count_up, &m), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_on, &m), 0);
        for (size_t i = 0; i < PAGES; i++)
                huge_pages_want(h, (char *) m.writer + i * MAP_HUGE_PAGE, MAP_HUGE_PAGE);
        huge_pages_drain(h);
        atomic_store(&m.stop, true);
        assert_int_equal(pthread_join(writer, NULL), 0);
        assert_int_equal(pthread_join(reader, &wrong), 0);
        assert_null(wrong);
        for (size_t i = 0; i < WORDS; i++)
                assert_int_equal(m.reader[i] % WORDS, i);
        assert_true(huge_kib(m.reader) > 0);    /* not all: the kernel may refuse a page that is busy */
        huge_pages_free(h);
        memory_close(&m);
}

static void test_what_is_forgotten_stays_as_it_is(void **state) {
        HugePages *h = start();
        size_t before;
        Memory m;

        memory_open(&m);
        huge_pages_want(h, m.writer, SIZE);
        huge_pages_forget(h, m.writer, SIZE);
        before = huge_kib(m.writer);    /* on a busy machine some pages' turn has come by now */
        huge_pages_drain(h);
        /* One page may have been under way. */
        assert_true(huge_kib(m.writer) <= before + MAP_HUGE_PAGE / 1024);
        /* Unmapped before its turn comes, and too many: nobody minds. */
        for (size_t i = 0; i < 1000; i++)
                huge_pages_want(h, (char *) m.writer + 2 * (i % 4) * MAP_HUGE_PAGE, MAP_HUGE_PAGE);
        memory_close(&m);
        huge_pages_free(h);
        huge_pages_want(NULL, &m, MAP_HUGE_PAGE);
        huge_pages_forget(NULL, &m, MAP_HUGE_PAGE);
}

/* A map tells of each page once, and only when it is full. */
static void test_map_tells_of_what_is_full(void **state) {
        MapSize size = { .n_buckets = 1u << 15, .n_cells = 1u << 18 };
        uint8_t record[MAP_STUB_SIZE] = {};
        size_t first, more = 0, bytes, whole;
        Lifeline *l = NULL;
        const uint8_t *p;
        Map *map = NULL;
        void *full;
        char *begin;

        if (lifeline_new(&l, offsetof(MapHeader, owner)) == -EOPNOTSUPP)
                skip();
        assert_int_equal(map_new(&map, l, &(MapFacts) {}, 1, &size), 0);
        begin = map_mapping(map, &whole);
        assert_true(map_take_full(map, &full, &first));
        assert_ptr_equal(full, begin + MAP_HUGE_PAGE);                    /* the buckets, behind the header */
        assert_int_equal(first, (size_t) size.n_buckets * sizeof(MapBucket));
        for (uint32_t n = 0; n < (1u << 18) / MAP_RUN_MIN; n++) {
                uint32_t cell = 0;

                memcpy(record + RECORD_ID_AT, &n, sizeof(n));
                if (map_put(map, record, sizeof(record), 0, &cell, &p) < 0)
                        break;
                if (!map_take_full(map, &full, &bytes))
                        continue;
                assert_ptr_equal(full, begin + MAP_HUGE_PAGE + first + more);
                assert_int_equal(bytes, MAP_HUGE_PAGE);
                more += bytes;
                assert_true(more <= map_used_bytes(map) - first);
        }
        assert_int_equal(more, (1u << 18) * MAP_CELL_SIZE);
        assert_int_equal(whole, MAP_HUGE_PAGE + first + more);
        map_free(map);
        lifeline_free(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_L07_memory_that_is_collapsed_is_read_and_written_all_the_while),
                cmocka_unit_test(test_what_is_forgotten_stays_as_it_is),
                cmocka_unit_test(test_map_tells_of_what_is_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
