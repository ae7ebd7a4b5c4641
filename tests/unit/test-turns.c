/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "turns.h"

#define A 100u
#define B 200u

static Turns *all;
static unsigned n_gone;

static void go(Turn *t) {
        n_gone++;
}

static int setup(void **state) {
        n_gone = 0;
        return turns_new(&all);
}

static int teardown(void **state) {
        all = turns_free(all);
        return 0;
}

static void begin(Turn *t, uid_t uid) {
        assert_int_equal(turn_begin(t, all, uid, go), 0);
}

/* Whose turn is next takes that long. */
static Turn *serve(uint64_t nsec) {
        Turn *t = turns_next(all);
        TurnUser *u = turn_take(t);

        t->go(t);
        turn_over(u, nsec);
        return t;
}

static void test_who_waits_is_served_once(void **state) {
        Turn a;

        begin(&a, A);
        assert_null(turns_next(all));
        turn_wait(&a);
        turn_wait(&a);
        assert_ptr_equal(serve(10), &a);
        assert_int_equal(n_gone, 1);
        assert_false(a.waiting);
        assert_null(turns_next(all));
        turn_end(&a);
}

static void test_S17_many_connections_give_no_more(void **state) {
        Turn a[50], b;
        unsigned n = 0;

        begin(&b, B);
        for (size_t i = 0; i < 50; i++) {
                begin(&a[i], A);
                turn_wait(&a[i]);
        }
        turn_wait(&b);
        for (int i = 0; i < 100; i++) {
                Turn *t = serve(10);

                n += t == &b;
                turn_wait(t);
        }
        assert_int_equal(n, 50);
        for (size_t i = 0; i < 50; i++)
                turn_end(&a[i]);
        turn_end(&b);
}

static void test_one_user_s_connections_take_turns(void **state) {
        Turn a[3];

        for (size_t i = 0; i < 3; i++) {
                begin(&a[i], A);
                turn_wait(&a[i]);
        }
        for (size_t i = 0; i < 9; i++) {
                assert_ptr_equal(turns_next(all), &a[i % 3]);
                turn_wait(serve(10));
        }
        for (size_t i = 0; i < 3; i++)
                turn_end(&a[i]);
}

static void test_S17_time_counts_not_turns(void **state) {
        uint64_t had[2] = {};
        Turn a, b;

        begin(&a, A);
        begin(&b, B);
        turn_wait(&a);
        turn_wait(&b);
        for (int i = 0; i < 1000; i++) {
                bool is_a = turns_next(all) == &a;
                uint64_t took = is_a ? 1000 : 10;

                turn_wait(serve(took));
                had[is_a] += took;
        }
        assert_in_range(had[true], had[false] - 1000, had[false] + 1000);
        turn_end(&a);
        turn_end(&b);
}

static void test_S17_who_was_quiet_comes_first_and_has_saved_nothing_up(void **state) {
        unsigned n = 0;
        Turn a, b;

        begin(&a, A);
        begin(&b, B);
        for (int i = 0; i < 1000; i++) {
                turn_wait(&a);
                serve(10);
        }
        turn_wait(&a);
        turn_wait(&b);
        assert_ptr_equal(serve(10), &b);
        for (int i = 0; i < 10; i++) {
                turn_wait(&b);
                n += serve(10) == &b;
                turn_wait(&a);
        }
        assert_int_equal(n, 5);
        turn_end(&a);
        turn_end(&b);
}

static void test_S17_connecting_anew_does_not_pay(void **state) {
        Turn a, b;

        begin(&a, A);
        begin(&b, B);
        turn_wait(&a);
        turn_wait(&b);
        assert_ptr_equal(serve(1000), &a);
        turn_end(&a);
        begin(&a, A);
        turn_wait(&a);
        for (int i = 0; i < 100; i++) {
                assert_ptr_equal(turns_next(all), &b);
                turn_wait(serve(10));
        }
        assert_ptr_equal(serve(10), &a);
        turn_end(&a);
        turn_end(&b);
}

static void test_ends_at_any_time(void **state) {
        Turn a, b, never = {};
        TurnUser *u;

        begin(&a, A);
        begin(&b, A);
        turn_wait(&a);
        turn_wait(&b);
        turn_end(&a);
        assert_ptr_equal(turns_next(all), &b);
        u = turn_take(&b);
        turn_end(&b);                   /* in its own turn */
        turn_over(u, 10);
        assert_null(turns_next(all));
        turn_end(&b);
        turn_end(&never);
}

static void test_waiting_again_in_its_own_turn(void **state) {
        TurnUser *u;
        Turn a, b;

        begin(&a, A);
        begin(&b, B);
        turn_wait(&a);
        turn_wait(&b);
        u = turn_take(&a);
        turn_wait(&a);
        turn_over(u, 10);
        assert_ptr_equal(serve(5), &b);
        assert_ptr_equal(serve(5), &a);
        turn_end(&a);
        turn_end(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_who_waits_is_served_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_many_connections_give_no_more, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_user_s_connections_take_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_time_counts_not_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_who_was_quiet_comes_first_and_has_saved_nothing_up, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_connecting_anew_does_not_pay, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ends_at_any_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_waiting_again_in_its_own_turn, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
