/* SPDX-License-Identifier: MIT */
/* The map's reader alone: what it accepts for a map, what it answers, and that nothing in the memory leads it out of it. Touches on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "map-read.h"
#include "touch.h"

#define BUCKETS 4u
#define CELLS 128u
#define LAST (CELLS - 1)        /* of two cells, the fewest that a slot has */
#define SIZE (MAP_HEADER_SIZE * 2 + CELLS * MAP_CELL_SIZE)

typedef struct Fixture {
        char *memory;
        MapHeader *header;
        MapBucket *buckets;
        MapView view;
} Fixture;

static MapSlot *cell(Fixture *f, uint32_t n) {
        return (MapSlot *) (void *) (f->memory + 2 * MAP_HEADER_SIZE + (n - 1) * MAP_CELL_SIZE);
}

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->memory = aligned_alloc(4096, SIZE);
        memset(f->memory, 0, SIZE);
        f->header = (MapHeader *) (void *) f->memory;
        *f->header = (MapHeader) {
                .magic = MAP_MAGIC, .layout = MAP_LAYOUT, .n_buckets = BUCKETS, .n_cells = CELLS, .buckets_offset = MAP_HEADER_SIZE,
                .cells_offset = 2 * MAP_HEADER_SIZE, .size = SIZE, .owner = 4711, .state = MAP_LIVE,
                .roles_size = 11, .roles = "\4USER\5ADMIN",
        };
        f->buckets = (MapBucket *) (void *) (f->memory + MAP_HEADER_SIZE);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].sequence = 2;
        assert_int_equal(map_view_init(&f->view, f->memory, SIZE), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        free(f->memory);
        free(f);
        return 0;
}

static MapAnswer read_all_zero_id(Fixture *f, MapCopy *copy) {
        MapKey key;

        map_seek(&f->view, &(Ident) {}, &key);
        map_prefetch(&f->view, &key);
        return map_read(&f->view, &key, copy);
}

static void test_a_header_that_does_not_fit_is_no_map(void **state) {
        Fixture *f = *state;
        MapView v;

#define BAD(member, value)                                                                      \
        do {                                                                                    \
                MapHeader good = *f->header;                                                    \
                f->header->member = (value);                                                    \
                assert_int_equal(map_view_init(&v, f->memory, SIZE), -EBADMSG);                 \
                memcpy(f->header, &good, sizeof(good));                                         \
        } while (0)
        BAD(magic, 0);
        BAD(layout, MAP_LAYOUT + 1);
        BAD(size, SIZE + 1);
        BAD(n_buckets, 0);
        BAD(n_buckets, 3);
        BAD(n_buckets, 1u << 31);
        BAD(n_cells, CELLS + 1);
        BAD(n_cells, UINT32_MAX);
        BAD(n_cells, 1);
        BAD(buckets_offset, 0);
        BAD(buckets_offset, MAP_HEADER_SIZE + 8);
        BAD(buckets_offset, UINT64_MAX - 63);
        BAD(cells_offset, MAP_HEADER_SIZE);
        BAD(cells_offset, UINT64_MAX - 31);
        BAD(cells_offset, 2 * MAP_HEADER_SIZE + 8);
        BAD(roles_size, MAP_ROLES_SIZE + 1);
        BAD(service.size, MAP_TEXT_MAX + 1);
        BAD(token_prefix.size, UINT32_MAX);
        BAD(admin_role.size, MAP_TEXT_MAX + 1);
        assert_int_equal(map_view_init(&v, f->memory, MAP_HEADER_SIZE - 1), -EBADMSG);
        assert_int_equal(map_view_init(&v, f->memory, SIZE), 0);
}

static void test_roles_are_those_of_the_header(void **state) {
        Fixture *f = *state;

        assert_true(map_knows_role(&f->view, slice_of("USER")) && map_knows_role(&f->view, slice_of("ADMIN")));
        assert_false(map_knows_role(&f->view, slice_of("USE")) || map_knows_role(&f->view, slice_of("")) ||
                     map_knows_role(&f->view, slice_of("ADMINS")) || map_knows_role(&f->view, slice_of("\4USE")));
        /* A length that leads out of the list */
        f->view.roles_size = 8;
        assert_false(map_knows_role(&f->view, slice_of("ADMIN")));
}

static void test_L07_answers_by_state(void **state) {
        Fixture *f = *state;
        MapCopy copy;

        assert_int_equal(read_all_zero_id(f, &copy), MAP_MISS);
        f->header->flags = MAP_INCOMPLETE;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        f->header->flags = 0;
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].sequence = 3;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].sequence = 0;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].sequence = 2;
        f->header->state = MAP_SUPERSEDED;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_GONE);
        f->header->state = MAP_LIVE;
        f->header->owner = MAP_OWNER_DIED;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_GONE);
        f->header->owner = 0;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_GONE);
        /* Zeros, as they are mapped over a map that was given up */
        memset(f->memory, 0, SIZE);
        assert_int_equal(read_all_zero_id(f, &copy), MAP_GONE);
}

static void test_L07_what_is_in_the_memory_leads_nowhere(void **state) {
        Fixture *f = *state;
        MapCopy copy;

        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].more = 1;
        /* A circle of others' slots */
        cell(f, 1)->record[MAP_ID_WORD] = 7;
        cell(f, 1)->next = 1;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        cell(f, 1)->next = CELLS;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        cell(f, 1)->next = CELLS + 1;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        cell(f, 1)->next = UINT32_MAX;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        /* The last two cells have room for a record of 48 bytes */
        cell(f, 1)->next = LAST;
        cell(f, LAST)->record_size = 48;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_FOUND);
        assert_int_equal(copy.size, 48);
        for (uint32_t size = 49; size < 3000; size += 61) {
                cell(f, LAST)->record_size = size;
                assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        }
        cell(f, LAST)->record_size = UINT32_MAX;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        /* Too large for a map: ask */
        cell(f, LAST)->record_size = 0;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
}

/* The half of an id is no id; and what is only fetched beforehand is held against the map's end as well. */
static void test_L07_an_id_counts_as_a_whole(void **state) {
        Fixture *f = *state;
        MapCopy copy;

        cell(f, 1)->record[MAP_ID_WORD + 1] = 7;
        cell(f, 1)->record_size = 48;
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].more = 1;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_MISS);

        for (size_t i = 0; i < BUCKETS; i++) {
                f->buckets[i].links[0] = UINT32_MAX;
                f->buckets[i].tags[0] = map_tag((uint64_t[2]) {});
        }
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].links[0] = 1;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_MISS);
}

/* A place is looked into when its tag is the id's, and another id's slot behind the same tag is passed over. */
static void test_L07_places_are_told_by_tags(void **state) {
        Fixture *f = *state;
        uint8_t tag = map_tag((uint64_t[2]) {});
        MapCopy copy;

        cell(f, 1)->record[MAP_ID_WORD] = 7;
        cell(f, 1)->record_size = cell(f, LAST)->record_size = 48;
        for (size_t i = 0; i < BUCKETS; i++)
                for (size_t j = 0; j < MAP_PLACES; j++) {
                        f->buckets[i].links[j] = j == MAP_PLACES - 1 ? LAST : j % 2;
                        f->buckets[i].tags[j] = tag;
                }
        assert_int_equal(read_all_zero_id(f, &copy), MAP_FOUND);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].tags[MAP_PLACES - 1]++;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_MISS);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].links[4] = CELLS;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
        for (size_t i = 0; i < BUCKETS; i++)
                f->buckets[i].links[4] = UINT32_MAX;
        assert_int_equal(read_all_zero_id(f, &copy), MAP_ASK);
}

static Ident numbered(uint32_t n) {
        Ident id = {};

        memcpy(id.bytes + 4, &n, sizeof(n));
        return id;
}

static void test_R5_touches_are_kept_once_and_taken_once(void **state) {
        Touches *t = calloc(1, sizeof(*t));
        Ident id = numbered(1), out[TOUCHES_MAX];
        uint64_t when;

        assert_int_equal(touches_take(t, out, TOUCHES_MAX), 0);
        assert_int_equal(touches_add(t, &id, 1000, 100, &when), TOUCH_ADDED);
        assert_int_equal(touches_add(t, &id, 5000, 100, &when), TOUCH_KNOWN);
        assert_int_equal(when, 1000);
        assert_true(touches_wait(t));
        assert_int_equal(touches_take(t, out, TOUCHES_MAX), 1);
        assert_memory_equal(&out[0], &id, sizeof(id));
        assert_false(touches_wait(t));
        assert_int_equal(touches_add(t, &id, 1099, 100, &when), TOUCH_KNOWN);
        assert_int_equal(touches_add(t, &id, 1100, 100, &when), TOUCH_ADDED);
        free(t);
}

static void test_R5_touches_fill_up_and_make_room(void **state) {
        Touches *t = calloc(1, sizeof(*t));
        Ident out[TOUCHES_MAX];
        uint32_t n = 0;
        uint64_t when;

        for (unsigned round = 0; round < 5; round++) {
                uint32_t added = 0;

                for (;; n++, added++) {
                        Ident id = numbered(n);

                        if (touches_add(t, &id, round, 100, &when) == TOUCH_FULL)
                                break;
                        assert_true(added < TOUCHES_MAX);
                }
                assert_true(added > TOUCHES_MAX / 8);
                assert_int_equal(touches_take(t, out, TOUCHES_MAX), added);
        }
        free(t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_header_that_does_not_fit_is_no_map, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_roles_are_those_of_the_header, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_L07_answers_by_state, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_L07_what_is_in_the_memory_leads_nowhere, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_L07_an_id_counts_as_a_whole, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_L07_places_are_told_by_tags, set_up, tear_down),
                cmocka_unit_test(test_R5_touches_are_kept_once_and_taken_once),
                cmocka_unit_test(test_R5_touches_fill_up_and_make_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
