/* SPDX-License-Identifier: MIT */
/* Calls that take long, over the private socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bus-toy.h"
#include "cleanup.h"
#include "websess-names.h"

#define MANAGER WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE
#define FOR_EVER UINT32_MAX
#define TRIES 100000u

static Toy toy;

static int setup(void **state) {
        toy_start(&toy, &(ToyOptions) { .bus_address = "" });
        return 0;
}

static int teardown(void **state) {
        toy_stop(&toy);
        return 0;
}

typedef struct Answer {
        bool here;
        uint32_t value;
        char error[64];
} Answer;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Answer *a = userdata;

        a->here = true;
        if (e)
                snprintf(a->error, sizeof(a->error), "%s", e->name);
        else
                assert_true(sd_bus_message_read(m, "u", &a->value) > 0);
        return 0;
}

static void begin(sd_bus *bus, Answer *a, uint32_t steps, int code) {
        assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, "Long", on_answer, a, "ui", steps, code) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
}

static void wait_for(sd_bus *bus, const Answer *a) {
        while (!a->here) {
                int r = sd_bus_process(bus, NULL);

                assert_true(r >= 0);
                if (r == 0)
                        assert_true(sd_bus_wait(bus, UINT64_C(10000000)) > 0);
        }
}

static void echo(sd_bus *bus) {
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
}

/* Calls of a connection are taken in order: what was sent before this one has been. */
static void wait_until_taken(sd_bus *bus) {
        echo(bus);
}

static void test_S17_a_long_call_holds_up_nobody(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *other = toy_connect(&toy, true);
        Answer a = {};

        begin(bus, &a, FOR_EVER, 0);
        for (unsigned i = 0; i < 100; i++)
                echo(other);
        assert_false(a.here);
        assert_true(toy.n_steps > 1);
        assert_int_equal(toy.n_done, 0);
        toy.enough = true;
        wait_for(bus, &a);
        assert_string_equal(a.error, "");
        sd_bus_close_unref(other);
        sd_bus_close_unref(bus);
}

static void test_S17_a_user_s_are_gone_on_with_one_after_the_other(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        Answer first = {}, second = {}, third = {};

        begin(bus, &first, FOR_EVER, 0);
        begin(bus, &second, 1000, 0);
        begin(bus, &third, 2, 0);
        wait_until_taken(bus);
        assert_int_equal(toy.n_done, 0);
        toy.enough = true;
        wait_for(bus, &first);
        wait_for(bus, &second);
        wait_for(bus, &third);
        assert_int_equal(first.value, 0);
        assert_int_equal(second.value, 1);
        assert_int_equal(third.value, 2);
        sd_bus_close_unref(bus);
}

static void test_a_short_one_is_answered_at_once(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        Answer endless = {}, a = {};

        begin(bus, &endless, FOR_EVER, 0);
        begin(bus, &a, 1, 0);
        wait_for(bus, &a);
        assert_false(endless.here);
        sd_bus_close_unref(bus);        /* the other one ends with its client */
}

static void test_a_refusal_in_the_end(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        Answer fault = {}, broken = {};

        begin(bus, &fault, 3, FAULT_LIMIT_REACHED);
        begin(bus, &broken, 3, -EIO);
        wait_for(bus, &fault);
        wait_for(bus, &broken);
        assert_string_equal(fault.error, WEBSESS_ERROR_PREFIX "LimitReached");
        assert_string_equal(broken.error, WEBSESS_ERROR_PREFIX "Unavailable");
        sd_bus_close_unref(bus);
}

static void test_S17_it_ends_with_its_client(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *other = toy_connect(&toy, true);
        Answer a = {}, next = {};

        begin(bus, &a, FOR_EVER, 0);
        wait_until_taken(bus);
        begin(other, &next, 2, 0);
        sd_bus_close_unref(bus);
        wait_for(other, &next);         /* was behind it */
        assert_int_equal(next.value, 1);
        sd_bus_close_unref(other);
}

static void stop_reading(Toy *t) {
        bus_stop_reading(t->bus);
        (void) bus_flush(t->bus, UINT64_C(1000000));
}

static void test_L05_what_was_begun_is_answered_at_shutdown(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        Answer a = {}, b = {};

        begin(bus, &a, TRIES, 0);
        begin(bus, &b, TRIES, 0);
        wait_until_taken(bus);
        toy_run(&toy, stop_reading);
        wait_for(bus, &a);
        wait_for(bus, &b);
        assert_string_equal(a.error, "");
        assert_string_equal(b.error, "");
        sd_bus_close_unref(bus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_S17_a_long_call_holds_up_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_a_user_s_are_gone_on_with_one_after_the_other, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_short_one_is_answered_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_refusal_in_the_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_it_ends_with_its_client, setup, teardown),
                cmocka_unit_test_setup_teardown(test_L05_what_was_begun_is_answered_at_shutdown, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
