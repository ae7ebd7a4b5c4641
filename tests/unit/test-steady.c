/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cleanup.h"
#include "steady.h"

#define SEC UINT64_C(1000000)
#define DAY (UINT64_C(86400) * SEC)
#define WALL (UINT64_C(1700000000) * SEC)

static const uint8_t boot_a[16] = { 1, 2, 3 }, boot_b[16] = { 9 };

static SteadyMark mark_at(const Steady *s, uint64_t realtime, uint64_t boottime) {
        Now now = { .realtime = realtime, .boottime = boottime, .steady = boottime + s->offset };

        return steady_mark(s, &now);
}

static uint64_t steady_at(const Steady *s, uint64_t boottime) {
        return boottime + s->offset;
}

static void test_a_new_clock_leaves_room_below(void **state) {
        Steady s = steady_from_mark(NULL, boot_a, WALL, 5 * SEC);

        assert_true(steady_at(&s, 5 * SEC) > 300 * DAY);
}

static void test_S03_same_boot_ignores_the_wall_clock(void **state) {
        Steady a = steady_from_mark(NULL, boot_a, WALL, 100 * SEC), b;
        SteadyMark mark = mark_at(&a, WALL, 100 * SEC);
        const uint64_t walls[] = { WALL + DAY, WALL - DAY, 0, UINT64_MAX / 2 };

        for (size_t i = 0; i < ELEMENTSOF(walls); i++) {
                b = steady_from_mark(&mark, boot_a, walls[i], 130 * SEC);
                assert_int_equal(steady_at(&b, 130 * SEC), steady_at(&a, 130 * SEC));
        }
}

static void test_S03_reboot_counts_what_the_wall_clock_saw(void **state) {
        Steady a = steady_from_mark(NULL, boot_a, WALL, 1000 * SEC), b;
        SteadyMark mark = mark_at(&a, WALL, 1000 * SEC);

        b = steady_from_mark(&mark, boot_b, WALL + 90 * SEC, 20 * SEC);
        assert_int_equal(steady_at(&b, 20 * SEC), mark.steady + 90 * SEC);
        assert_int_equal(steady_at(&b, 25 * SEC), mark.steady + 95 * SEC);
}

static void test_S03_reboot_with_the_wall_clock_set_back_counts_nothing(void **state) {
        Steady a = steady_from_mark(NULL, boot_a, WALL, 1000 * SEC), b;
        SteadyMark mark = mark_at(&a, WALL, 1000 * SEC);

        b = steady_from_mark(&mark, boot_b, WALL - DAY, 20 * SEC);
        assert_int_equal(steady_at(&b, 20 * SEC), mark.steady);
}

static void test_a_wall_clock_behind_the_mark_is_noticed(void **state) {
        Steady a = steady_from_mark(NULL, boot_a, WALL, 1000 * SEC);
        SteadyMark mark = mark_at(&a, WALL, 1000 * SEC);

        assert_int_equal(a.behind, 0);
        assert_int_equal(steady_from_mark(&mark, boot_a, WALL - DAY, 1010 * SEC).behind, DAY);
        assert_int_equal(steady_from_mark(&mark, boot_b, WALL - SEC, 20 * SEC).behind, SEC);
        assert_int_equal(steady_from_mark(&mark, boot_b, WALL, 20 * SEC).behind, 0);
        assert_int_equal(steady_from_mark(&mark, boot_b, WALL + DAY, 20 * SEC).behind, 0);
}

/* A session that had ended before the reboots is not alive after any number of them. */
static void test_S03_never_goes_back_over_many_boots(void **state) {
        Steady s = steady_from_mark(NULL, boot_a, WALL, 10 * SEC);
        uint64_t wall = WALL, highest = steady_at(&s, 10 * SEC);

        for (uint8_t i = 0; i < 200; i++) {
                SteadyMark mark = mark_at(&s, wall, (10 + i) * SEC);
                uint8_t boot[16] = { i, i, 7 };

                wall = i % 3 ? wall + i * SEC : wall - 5 * i * SEC;
                s = steady_from_mark(&mark, boot, wall, SEC);
                assert_true(steady_at(&s, SEC) >= highest);
                highest = steady_at(&s, SEC);
        }
}

static void test_mark_and_clock_agree(void **state) {
        uint8_t id[16];
        Steady s;
        SteadyMark mark;
        Now now;

        assert_int_equal(steady_boot_id(id), 0);
        s = steady_from_mark(NULL, id, 0, 0);
        now = steady_now(&s);
        assert_int_equal(now.steady, now.boottime + s.offset);
        assert_true(now.realtime > WALL / 2);
        mark = steady_mark(&s, &now);
        assert_memory_equal(mark.boot_id, id, sizeof(id));
        assert_int_equal(mark.steady, now.steady);
}

static void test_boot_id_is_stable_and_not_empty(void **state) {
        uint8_t a[16], b[16], zero[16] = { 0 };

        assert_int_equal(steady_boot_id(a), 0);
        assert_int_equal(steady_boot_id(b), 0);
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_not_equal(a, zero, sizeof(a));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_clock_leaves_room_below),
                cmocka_unit_test(test_S03_same_boot_ignores_the_wall_clock),
                cmocka_unit_test(test_S03_reboot_counts_what_the_wall_clock_saw),
                cmocka_unit_test(test_S03_reboot_with_the_wall_clock_set_back_counts_nothing),
                cmocka_unit_test(test_a_wall_clock_behind_the_mark_is_noticed),
                cmocka_unit_test(test_S03_never_goes_back_over_many_boots),
                cmocka_unit_test(test_mark_and_clock_agree),
                cmocka_unit_test(test_boot_id_is_stable_and_not_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
