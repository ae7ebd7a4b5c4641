/* SPDX-License-Identifier: MIT */
/* The timer wheel against the plain truth: a list of due times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wheel.h"

static void test_wheel_fires_at_its_tick_and_not_before(void **state) {
        static const uint64_t spans[] = { 1, 2, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, 16777215, 16777216, 20000000 };

        for (unsigned start = 0; start < 200; start += 7)
                for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
                        Wheel w;
                        WheelTimer t = WHEEL_TIMER_NONE;
                        uint64_t due = start + spans[i];

                        wheel_init(&w, start);
                        wheel_add(&w, &t, due);
                        assert_true(wheel_next(&w) <= due);
                        assert_null(wheel_pop(&w, due - 1));
                        assert_ptr_equal(wheel_pop(&w, due), &t);
                        assert_null(wheel_pop(&w, due));
                        assert_true(wheel_next(&w) == UINT64_MAX);
                }
}

static void test_wheel_past_due_fires_at_the_next_tick(void **state) {
        Wheel w;
        WheelTimer t = WHEEL_TIMER_NONE;

        wheel_init(&w, 1000);
        wheel_add(&w, &t, 3);
        assert_null(wheel_pop(&w, 1000));
        assert_ptr_equal(wheel_pop(&w, 1001), &t);
}

static void test_R5_wheel_agrees_with_a_list_over_random_walks(void **state) {
        enum { N = 400 };
        static WheelTimer timers[N];
        uint64_t due[N], now = 12345;
        Wheel w;

        srandom(7);
        wheel_init(&w, now);
        for (size_t i = 0; i < N; i++) {
                timers[i] = WHEEL_TIMER_NONE;
                due[i] = UINT64_MAX;
        }

        for (unsigned round = 0; round < 20000; round++) {
                size_t i = (size_t) random() % N;
                WheelTimer *t;

                if (random() % 4 == 0) {
                        wheel_remove(&w, &timers[i]);
                        due[i] = UINT64_MAX;
                } else {
                        due[i] = now + 1 + (uint64_t) (random() % (random() % 2 ? 100 : 300000));
                        wheel_add(&w, &timers[i], due[i]);
                }

                now += (uint64_t) (random() % 50 ? random() % 20 : random() % 70000);
                while ((t = wheel_pop(&w, now))) {
                        size_t k = (size_t) (t - timers);

                        assert_true(due[k] <= now);
                        due[k] = UINT64_MAX;
                }
                for (size_t k = 0; k < N; k++)
                        assert_true(due[k] > now || due[k] == UINT64_MAX);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wheel_fires_at_its_tick_and_not_before),
                cmocka_unit_test(test_wheel_past_due_fires_at_the_next_tick),
                cmocka_unit_test(test_R5_wheel_agrees_with_a_list_over_random_walks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
