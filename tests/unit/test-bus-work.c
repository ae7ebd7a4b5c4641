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

/* Until so many of them are under way. */
static void wait_for_steps(sd_bus *other, unsigned n) {
        for (unsigned i = 0; toy.n_steps < n; i++) {
                assert_true(i < TRIES);
                echo(other);
        }
}

static void test_S17_a_long_call_holds_up_nobody(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *other = toy_connect(&toy, true);
        Answer a = {};

        begin(bus, &a, FOR_EVER, 0);
        for (unsigned i = 0; i < 100; i++)
                echo(other);
        wait_for_steps(other, 2);
        assert_false(a.here);
        assert_int_equal(toy.n_done, 0);
        toy.enough = true;
        wait_for(bus, &a);
        assert_string_equal(a.error, "");
        sd_bus_close_unref(other);
        sd_bus_close_unref(bus);
}

static void test_S17_a_connection_has_one_at_a_time(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *other = toy_connect(&toy, true);
        Answer answers[20] = {};

        begin(bus, &answers[0], FOR_EVER, 0);
        for (uint32_t i = 1; i < ELEMENTSOF(answers); i++)
                begin(bus, &answers[i], i % 3 + 1, 0);
        wait_for_steps(other, 1000);
        assert_int_equal(toy_status(&toy).pending_calls, 1);     /* the others have not even been read */
        toy.enough = true;
        for (uint32_t i = 0; i < ELEMENTSOF(answers); i++) {
                wait_for(bus, &answers[i]);
                assert_int_equal(answers[i].value, i);
        }
        sd_bus_close_unref(other);
        sd_bus_close_unref(bus);
}

static void test_S17_a_user_s_are_gone_on_with_one_after_the_other(void **state) {
        sd_bus *first = toy_connect(&toy, true), *second = toy_connect(&toy, true), *third = toy_connect(&toy, true);
        Answer a = {}, b = {}, c = {};

        begin(first, &a, FOR_EVER, 0);
        wait_for_steps(third, 2);
        begin(second, &b, 1000, 0);
        begin(third, &c, 1, 0);
        wait_for(third, &c);            /* a short one is answered at once */
        assert_false(a.here || b.here);
        toy.enough = true;
        wait_for(second, &b);
        wait_for(first, &a);
        assert_int_equal(c.value, 0);
        assert_int_equal(a.value, 1);
        assert_int_equal(b.value, 2);
        sd_bus_close_unref(third);
        sd_bus_close_unref(second);
        sd_bus_close_unref(first);
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

static void tell(sd_bus *bus, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;

        assert_true(sd_bus_message_new_method_call(bus, &m, MANAGER, member) >= 0);
        assert_true(sd_bus_message_set_expect_reply(m, false) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_send(bus, m, NULL) >= 0 && sd_bus_flush(bus) >= 0);
}

/* The long call itself, and what was sent behind it. Who wants no answer need not wait for one. */
static void test_what_was_asked_is_done_though_the_caller_hung_up(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *other = toy_connect(&toy, true), *third = toy_connect(&toy, true);
        unsigned calls, gone = toy.n_gone;
        Answer next = {};

        tell(bus, "Long", "ui", FOR_EVER, 0);
        wait_for_steps(other, 2);
        tell(bus, "Echo", "s", "x");
        sd_bus_close_unref(bus);
        begin(other, &next, 2, 0);
        wait_for_steps(third, 1000);
        assert_int_equal(toy.n_gone, gone);
        calls = toy.n_calls;
        toy.enough = true;
        wait_for(other, &next);
        assert_int_equal(next.value, 1);
        for (unsigned i = 0; toy.n_gone == gone; i++) {
                assert_true(i < TRIES);
                (void) toy_status(&toy);
        }
        assert_int_equal(toy.n_calls, calls + 1);
        sd_bus_close_unref(third);
        sd_bus_close_unref(other);
}

static void stop_reading(Toy *t) {
        bus_stop_reading(t->bus);
        (void) bus_flush(t->bus, UINT64_C(1000000));
}

/* What can be done in half a second is, and what cannot is answered too. */
static void test_L05_what_was_begun_is_answered_at_shutdown(void **state) {
        sd_bus *bus = toy_connect(&toy, true), *second = toy_connect(&toy, true), *third = toy_connect(&toy, true), *other = toy_connect(&toy, true);
        Answer a = {}, b = {}, c = {};

        begin(bus, &a, TRIES, 0);
        begin(second, &b, FOR_EVER, 0);
        begin(third, &c, 2, 0);
        wait_for_steps(other, 4);
        while (toy_status(&toy).pending_calls + toy.n_done < 3)         /* what had not been read would not be answered */
                ;
        toy_run(&toy, stop_reading);
        wait_for(bus, &a);
        wait_for(second, &b);
        wait_for(third, &c);
        assert_string_equal(b.error, WEBSESS_ERROR_PREFIX "Unavailable");
        assert_int_equal(toy.n_done, 3);
        sd_bus_close_unref(other);
        sd_bus_close_unref(third);
        sd_bus_close_unref(second);
        sd_bus_close_unref(bus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_S17_a_long_call_holds_up_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_a_connection_has_one_at_a_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_a_user_s_are_gone_on_with_one_after_the_other, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_refusal_in_the_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_was_asked_is_done_though_the_caller_hung_up, setup, teardown),
                cmocka_unit_test_setup_teardown(test_L05_what_was_begun_is_answered_at_shutdown, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
