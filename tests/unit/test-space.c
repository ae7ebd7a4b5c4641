/* SPDX-License-Identifier: MIT */
/*
 * Sessions of a space while its maps grow, are superseded and filled slice by slice: after each of thousands of random steps the broker reads what was put last, and a reader of the map in force
 * finds just that, and nothing that is gone.
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

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map-read.h"
#include "record-sample.h"
#include "space.h"

#define SESSIONS 6000u
#define STEPS 60000u
#define AGENT_MAX 900u

typedef struct Entry {
        Session session;
        uint8_t *truth;                 /* what was put last; NULL: it is gone */
        bool hidden;                    /* gone, and its record not yet let go of */
} Entry;

typedef struct World {
        Lifeline *lifeline;
        Space *space;
        MapFacts facts;
        uint64_t random;
        Entry entries[SESSIONS];
        unsigned fillings;              /* steps at which a map was being filled */
        /* the reader's */
        MapView view;
        void *memory;
        size_t size;
        uint64_t generation;
} World;

static uint64_t next_random(World *w) {
        w->random ^= w->random << 13;
        w->random ^= w->random >> 7;
        w->random ^= w->random << 17;
        return w->random;
}

static Ident id_of(uint32_t n) {
        Ident id = {};

        n *= 2654435761u;               /* any order */
        memcpy(id.bytes + 12, &n, sizeof(n));
        id.bytes[0] = 1;
        return id;
}

static void walk(void *userdata, Space *space, SpaceEach each) {
        World *w = userdata;

        for (size_t i = 0; i < SESSIONS; i++)
                if (w->entries[i].truth)
                        each(space, &w->entries[i].session);
}

static Session *find(void *userdata, const Ident *id) {
        World *w = userdata;

        for (uint32_t i = 0; i < SESSIONS; i++) {
                Ident other = id_of(i);

                if (memcmp(&other, id, sizeof(other)) == 0)
                        return w->entries[i].truth ? &w->entries[i].session : NULL;
        }
        return NULL;
}

static void put(World *w, uint32_t n) {
        Entry *e = &w->entries[n];
        static char agent[AGENT_MAX];
        Record r = sample_record();
        uint8_t *data;
        size_t size;

        if (e->hidden)
                return;
        if (!e->truth) {
                e->session = (Session) { .id = id_of(n) };
                space_count(w->space, 1);
        }
        memset(agent, 'a' + (int) (n % 26), sizeof(agent));
        r.id = id_of(n);
        r.version = next_random(w);
        /* Now and then one that no map takes. */
        r.user_agent = slice(agent, next_random(w) % 40 == 0 ? AGENT_MAX / 2 : next_random(w) % 60);
        r.n_attributes = next_random(w) % 2 ? 0 : r.n_attributes;
        data = sample_encode(&r, &size);
        free(e->truth);
        e->truth = malloc(size);
        assert_non_null(e->truth);
        memcpy(e->truth, data, size);
        space_put(w->space, &e->session, data, size);
}

static void hide(World *w, uint32_t n) {
        Entry *e = &w->entries[n];

        if (!e->truth)
                return;
        space_hide(w->space, &e->session);
        space_count(w->space, -1);
        e->session.dead = true;
        free(e->truth);
        e->truth = NULL;
        e->hidden = true;
}

static void drop(World *w, uint32_t n) {
        if (!w->entries[n].hidden)
                return;
        space_drop(w->space, &w->entries[n].session);
        w->entries[n].hidden = false;
}

static void touch(World *w, uint32_t n) {
        Session *s = &w->entries[n].session;

        if (!w->entries[n].truth)
                return;
        s->last_seen++;
        space_touch(w->space, s);
}

/* ---- the reader ---- */

static void close_view(World *w) {
        if (w->memory)
                munmap(w->memory, w->size);
        w->memory = NULL;
}

/* As the library does: another map only when the one it has says that it is not in force. */
static bool open_view(World *w) {
        struct stat st;
        int fd;

        if (w->memory && map_check(&w->view) != MAP_GONE)
                return true;
        close_view(w);
        fd = space_open(w->space, false);
        if (fd < 0) {
                assert_true(fd == -EAGAIN || fd == -EOPNOTSUPP);
                return false;
        }
        assert_int_equal(fstat(fd, &st), 0);
        w->size = (size_t) st.st_size;
        w->memory = mmap(NULL, w->size, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(w->memory != MAP_FAILED);
        close(fd);
        assert_int_equal(map_view_init(&w->view, w->memory, w->size), 0);
        return true;
}

static void check(World *w, uint32_t n) {
        const Entry *e = &w->entries[n];
        SpaceStatus status;
        Ident id = id_of(n);
        MapCopy copy;
        MapKey key;

        if (e->truth)
                assert_memory_equal(e->session.data, e->truth, record_length(e->truth));
        if (!open_view(w))
                return;
        space_status(w->space, &status);
        map_seek(&w->view, &id, &key);
        switch (map_read(&w->view, &key, &copy)) {
        case MAP_FOUND:
                assert_non_null(e->truth);
                assert_int_equal(copy.size, record_length(e->truth));
                assert_memory_equal(copy.words, e->truth, copy.size);
                assert_int_equal(copy.last_seen, e->session.last_seen);
                break;
        case MAP_MISS:
                assert_null(e->truth);
                break;
        case MAP_ASK:
                assert_true(status.incomplete || (e->truth && e->session.on_heap));
                break;
        case MAP_GONE:
                fail();
        }
}

static void check_all(World *w) {
        SpaceStatus status;
        uint64_t n = 0;

        for (uint32_t i = 0; i < SESSIONS; i++) {
                check(w, i);
                n += w->entries[i].truth != NULL;
        }
        space_status(w->space, &status);
        assert_int_equal(status.visible, n);
        if (status.has_map && !status.incomplete)
                assert_int_equal(status.sessions, n);
}

/* ---- steps ---- */

static void step(World *w) {
        uint64_t r = next_random(w);
        uint32_t n = (uint32_t) (r >> 32) % SESSIONS;

        switch (r % 16) {
        case 0 ... 7:
                put(w, n);
                break;
        case 8 ... 9:
                hide(w, n);
                break;
        case 10 ... 11:
                drop(w, n);
                break;
        case 12 ... 13:
                touch(w, n);
                break;
        default:
                if (r >> 8 & 3)
                        break;
                space_collect(w->space, r >> 16 & 1 ? UINT64_MAX / 2 : 0);
        }
        if ((r >> 20) % 2000 == 0)
                space_supersede(w->space, &w->facts);
        check(w, n);
        w->fillings += space_next_collection(w->space) == 0;
}

static World *world_new(uint64_t max_bytes) {
        World *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->random = 88172645463325252u + max_bytes;
        w->facts.service = slice_of("shop");
        assert_int_equal(lifeline_new(&w->lifeline, offsetof(MapHeader, owner)), 0);
        assert_int_equal(space_new(&w->space, &(SpaceOptions) {
                .lifeline = w->lifeline, .max_bytes = max_bytes, .walk = walk, .find = find, .userdata = w }, &w->facts), 0);
        return w;
}

static void world_free(World *w) {
        for (uint32_t i = 0; i < SESSIONS; i++) {
                hide(w, i);
                drop(w, i);
        }
        close_view(w);
        space_free(w->space);
        lifeline_free(w->lifeline);
        free(w);
}

static void run(uint64_t max_bytes, uint32_t steps) {
        World *w = world_new(max_bytes);

        for (uint32_t i = 0; i < steps; i++) {
                step(w);
                if (i % (steps / 20) == 0)
                        check_all(w);
        }
        while (space_next_collection(w->space) == 0)
                space_collect(w->space, 0);
        check_all(w);
        if (max_bytes == 0)
                assert_true(w->fillings > steps / 50);  /* else the slices were not tried */
        world_free(w);
}

static void test_R12_a_map_is_right_while_the_next_one_is_filled(void **state) {
        run(0, STEPS);
}

static void test_R12_and_where_memory_is_limited(void **state) {
        run(256 * 1024, STEPS / 4);
        run(1024, STEPS / 40);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_R12_a_map_is_right_while_the_next_one_is_filled),
                cmocka_unit_test(test_R12_and_where_memory_is_limited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
