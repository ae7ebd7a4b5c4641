/* SPDX-License-Identifier: MIT */
/* Guesses are slowed; nobody is locked out by a stranger; what is counted is bounded and survives as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "span.h"
#include "throttle.h"

#define SEC USEC_PER_SEC
#define START (UINT64_C(1) << 40)

static const ThrottleRules rules = {
        .rules = {
                [THROTTLE_USER_HOST] = { 10, 30 * SEC },
                [THROTTLE_HOST] = { 50, 10 * SEC },
                [THROTTLE_USER] = { 100, 30 * SEC },
                [THROTTLE_CALLER] = { 1000, SEC },
        },
        .known_host_usec = 30 * USEC_PER_DAY,
};

static Throttle *make(void) {
        Throttle *t = NULL;

        assert_int_equal(throttle_new(&t), 0);
        return t;
}

static int begin(Throttle *t, const char *user, const char *host, uid_t caller, uint64_t now, ThrottleTicket *ticket, Fault *f) {
        return throttle_begin(t, &rules, &(ThrottleAttempt) { "shop", user, host, caller }, now, ticket, f);
}

/* One login from beginning to end: 0 or FAULT_TOO_MANY. */
static int try_as(Throttle *t, const char *user, const char *host, uid_t caller, uint64_t now, ThrottleEnd end) {
        ThrottleTicket ticket;
        int r = begin(t, user, host, caller, now, &ticket, NULL);

        if (r == 0)
                throttle_end(t, &rules, &ticket, end, now);
        return r;
}

static int guess(Throttle *t, const char *user, const char *host, uint64_t now) {
        return try_as(t, user, host, 33, now, THROTTLE_FAILED);
}

static int login(Throttle *t, const char *user, const char *host, uint64_t now) {
        return try_as(t, user, host, 33, now, THROTTLE_SUCCEEDED);
}

/* How many guesses come through, in how many tries. */
static unsigned guesses(Throttle *t, const char *user, const char *host, uint64_t now, unsigned tries) {
        unsigned n = 0;

        while (tries-- > 0)
                n += guess(t, user, host, now) == 0;
        return n;
}

static const char *host_number(unsigned i, char out[static 32]) {
        snprintf(out, 32, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        return out;
}

static void test_S08_guesses_from_one_host_do_not_stop_the_user_from_another(void **state) {
        Throttle *t = make();

        assert_int_equal(guesses(t, "alice", "192.0.2.1", START, 1000), 10);
        assert_int_equal(login(t, "alice", "192.0.2.1", START), FAULT_TOO_MANY);
        assert_int_equal(login(t, "alice", "192.0.2.2", START), 0);
        assert_int_equal(login(t, "bob", "192.0.2.1", START), 0);
        throttle_free(t);
}

static void test_S08_guesses_from_many_hosts_get_one_try_each_and_the_user_is_let_in(void **state) {
        Throttle *t = make();
        char host[32];
        unsigned n = 0;

        for (unsigned i = 0; i < 2000; i++)
                n += guesses(t, "alice", host_number(i, host), START, 20);
        assert_in_range(n, 2000, 2000 + 10 * 9);
        /* from a host that has never been seen, and after a typing error there, a little later */
        assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
        assert_int_equal(guess(t, "alice", "192.0.2.2", START), 0);
        assert_int_equal(login(t, "alice", "192.0.2.2", START), FAULT_TOO_MANY);
        assert_int_equal(login(t, "alice", "192.0.2.2", START + 30 * SEC), 0);
        throttle_free(t);
}

static void test_S08_a_known_host_is_let_in_whatever_others_do_there_and_elsewhere(void **state) {
        Throttle *t = make();
        char name[32];

        assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
        for (unsigned i = 0; i < 500; i++) {
                snprintf(name, sizeof(name), "user%u", i);
                guess(t, name, "192.0.2.1", START + SEC);
        }
        assert_int_equal(login(t, "bob", "192.0.2.1", START + SEC), FAULT_TOO_MANY);
        assert_int_equal(guesses(t, "alice", "192.0.2.1", START + SEC, 100), 10);
        assert_int_equal(login(t, "alice", "192.0.2.1", START + 31 * SEC), 0);
        /* known for a while, not for ever */
        for (unsigned i = 0; i < 500; i++) {
                snprintf(name, sizeof(name), "user%u", i);
                guess(t, name, "192.0.2.1", START + 60 * USEC_PER_DAY);
        }
        assert_int_equal(login(t, "alice", "192.0.2.1", START + 60 * USEC_PER_DAY), FAULT_TOO_MANY);
        throttle_free(t);
}

static void test_S08_a_flood_through_one_daemon_does_not_lock_its_users_out(void **state) {
        Throttle *t = make();
        char host[32], name[32];

        for (unsigned i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "user%u", i % 100);
                guess(t, name, host_number(i, host), START);
        }
        assert_int_equal(login(t, "user7", "192.0.2.1", START), 0);
        assert_int_equal(login(t, "carol", "192.0.2.2", START), 0);
        /* meanwhile who guesses gets one try at a host */
        assert_int_equal(guesses(t, "dave", "192.0.2.3", START, 10), 1);
        throttle_free(t);
}

static void test_S08_without_a_host_a_user_has_a_wide_bucket_with_each_caller(void **state) {
        static const char *const none[] = { "", "127.0.0.1", "127.8.9.1", "::1", "[::1]:8080", "localhost", "LOCALHOST", "::ffff:127.0.0.1",
                                            "127.0.0.1:443", "::", "0.0.0.0" };
        Throttle *t = make();
        unsigned n = 0;

        for (unsigned i = 0; i < 300; i++)
                n += guess(t, "alice", none[i % ELEMENTSOF(none)], START) == 0;
        assert_int_equal(n, 100);
        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                assert_int_equal(login(t, "alice", none[i], START), FAULT_TOO_MANY);
                assert_int_equal(login(t, "bob", none[i], START), 0);
        }
        assert_int_equal(try_as(t, "alice", "", 34, START, THROTTLE_SUCCEEDED), 0);
        assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
        assert_int_equal(login(t, "alice", "", START + 30 * SEC), 0);
        throttle_free(t);
}

static void test_S08_one_host_is_slowed_over_all_users(void **state) {
        Throttle *t = make();
        unsigned n = 0;
        char name[32];

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(name, sizeof(name), "user%u", i);
                n += guess(t, name, "192.0.2.1", START) == 0;
        }
        assert_int_equal(n, 50);
        throttle_free(t);
}

/* Over any span of time: the bucket, and what drains. Refusals in between cost nothing. */
static void test_S08_the_rate_is_kept_over_a_day(void **state) {
        Throttle *t = make();
        unsigned n = 0;

        for (uint64_t now = START; now < START + USEC_PER_DAY; now += 7 * SEC)
                n += guess(t, "alice", "192.0.2.1", now) == 0;
        assert_in_range(n, USEC_PER_DAY / (30 * SEC), 10 + USEC_PER_DAY / (30 * SEC) + 1);
        throttle_free(t);
}

static void test_S08_guesses_at_once_do_not_slip_through(void **state) {
        ThrottleTicket tickets[40] = {};
        Throttle *t = make();
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(tickets); i++)
                n += begin(t, "alice", "192.0.2.1", 33, START, &tickets[i], NULL) == 0;
        assert_int_equal(n, 10);
        for (size_t i = 0; i < ELEMENTSOF(tickets); i++)
                throttle_end(t, &rules, &tickets[i], THROTTLE_UNDECIDED, START);
        assert_int_equal(guesses(t, "alice", "192.0.2.1", START, 20), 10);
        throttle_free(t);
}

static void test_success_and_no_answer_cost_nothing(void **state) {
        Throttle *t = make();

        for (unsigned i = 0; i < 5000; i++) {
                assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
                assert_int_equal(try_as(t, "bob", "192.0.2.2", 33, START, THROTTLE_UNDECIDED), 0);
                assert_int_equal(login(t, "carol", "", START), 0);
        }
        assert_int_equal(throttle_count_full(t, &rules, START), 0);
        throttle_free(t);
}

/* Otherwise whoever has an account logs in himself now and then, and goes on guessing at others. */
static void test_S08_a_success_does_not_forgive_the_host(void **state) {
        Throttle *t = make();
        unsigned n = 0;
        char name[32];

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(name, sizeof(name), "user%u", i);
                n += guess(t, name, "192.0.2.1", START) == 0;
                login(t, "mallory", "192.0.2.1", START);
        }
        assert_int_equal(n, 50);
        throttle_free(t);
}

static void test_success_forgives_the_users_typing_errors(void **state) {
        Throttle *t = make();

        assert_int_equal(guesses(t, "alice", "192.0.2.1", START, 9), 9);
        assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
        assert_int_equal(guesses(t, "alice", "192.0.2.1", START, 20), 10);
        throttle_free(t);
}

static void test_the_text_says_when_to_try_again(void **state) {
        ThrottleTicket ticket;
        Throttle *t = make();
        Fault f = {};

        guesses(t, "alice", "192.0.2.1", START, 20);
        assert_int_equal(begin(t, "alice", "192.0.2.1", 33, START + 5 * SEC + 1, &ticket, &f), FAULT_TOO_MANY);
        assert_non_null(strstr(f.text, "try again in 25s"));
        assert_non_null(strstr(f.text, "of this user from this host"));
        assert_int_equal(guess(t, "alice", "192.0.2.1", START + 30 * SEC - 1), FAULT_TOO_MANY);
        assert_int_equal(guess(t, "alice", "192.0.2.1", START + 30 * SEC), 0);
        throttle_free(t);
}

static void test_hosts_that_are_one_and_hosts_that_are_not(void **state) {
        static const struct {
                const char *a, *b;
                bool same;
        } pairs[] = {
                { "192.0.2.1", "192.0.2.1:4711", true }, { "192.0.2.1", "::ffff:192.0.2.1", true }, { "192.0.2.1", "192.0.2.10", false },
                { "2001:db8::1", "2001:db8::ffff:ffff", true }, { "2001:db8::1", "[2001:db8::2]:443", true },
                { "2001:db8::1", "2001:DB8:0:0:1::1%eth0", true }, { "2001:db8::1", "2001:db8:0:1::1", false },
                { "web.example.org", "WEB.example.ORG", true }, { "web.example.org", "web.example.com", false },
                { "fe80::1%eth0", "fe80::2%eth1", true }, { "not an address", "not an Address", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                Throttle *t = make();

                guesses(t, "alice", pairs[i].a, START, 10);
                assert_int_equal(login(t, "alice", pairs[i].b, START), pairs[i].same ? FAULT_TOO_MANY : 0);
                throttle_free(t);
        }
}

static void test_names_that_differ_by_case_are_one_user_and_services_are_apart(void **state) {
        ThrottleTicket ticket;
        Throttle *t = make();

        guesses(t, "alice", "192.0.2.1", START, 10);
        assert_int_equal(login(t, "ALICE", "192.0.2.1", START), FAULT_TOO_MANY);
        assert_int_equal(throttle_begin(t, &rules, &(ThrottleAttempt) { "mail", "alice", "192.0.2.1", 33 }, START, &ticket, NULL), 0);
        throttle_free(t);
}

static void test_zero_failures_is_no_bucket(void **state) {
        const ThrottleRules none = { .known_host_usec = SEC };
        Throttle *t = make();

        for (unsigned i = 0; i < 1000; i++) {
                ThrottleTicket ticket;

                assert_int_equal(throttle_begin(t, &none, &(ThrottleAttempt) { "shop", "alice", i % 2 ? "" : "192.0.2.1", 33 }, START, &ticket,
                                                NULL), 0);
                throttle_end(t, &none, &ticket, THROTTLE_FAILED, START);
        }
        assert_int_equal(throttle_size(t), 0);
        throttle_free(t);
}

/* A flood of new keys pushes out those that are nearly empty, not those that matter. */
static void test_S08_the_number_of_keys_is_bounded_and_full_buckets_stay(void **state) {
        Throttle *t = make();
        char host[32];

        assert_int_equal(guesses(t, "alice", "192.0.2.1", START, 20), 10);
        for (unsigned i = 0; i < 3 * THROTTLE_KEYS_MAX; i++) {
                guess(t, "bob", host_number(i, host), START + i);
                assert_true(throttle_size(t) <= THROTTLE_KEYS_MAX);
        }
        assert_int_equal(login(t, "alice", "192.0.2.1", START + SEC), FAULT_TOO_MANY);
        throttle_free(t);
}

static void test_what_has_drained_goes_by_and_by(void **state) {
        Throttle *t = make();
        char host[32];

        for (unsigned i = 0; i < 2000; i++)
                guess(t, "bob", host_number(i, host), START);
        assert_in_range(throttle_size(t), 4000, 4010);
        for (unsigned i = 0; i < 1100; i++)
                guess(t, "bob", host_number(100000 + i, host), START + USEC_PER_DAY);
        assert_in_range(throttle_size(t), 2200, 2210);
        throttle_free(t);
}

static void test_reset_empties_what_it_names(void **state) {
        Throttle *t = make();

        guesses(t, "alice", "192.0.2.1", START, 10);
        guesses(t, "alice", "192.0.2.2", START, 10);
        guesses(t, "bob", "192.0.2.1", START, 10);
        assert_int_equal(throttle_count_full(t, &rules, START), 3);
        assert_int_equal(throttle_reset(t, "mail", "", ""), 0);
        assert_int_equal(throttle_reset(t, "shop", "alice", "127.0.0.1"), 0);
        assert_int_equal(throttle_reset(t, "shop", "ALICE", "192.0.2.1"), 1);
        assert_int_equal(login(t, "alice", "192.0.2.1", START), 0);
        assert_int_equal(login(t, "alice", "192.0.2.2", START), FAULT_TOO_MANY);
        assert_int_equal(throttle_reset_host(t, "192.0.2.2"), 1);
        assert_int_equal(throttle_reset_host(t, "192.0.2.2"), 0);
        assert_true(throttle_reset(t, "shop", NULL, NULL) >= 4);
        assert_int_equal(login(t, "bob", "192.0.2.1", START), 0);
        throttle_reset(t, "", "", "");
        assert_int_equal(throttle_size(t), 0);
        throttle_free(t);
}

/* Of a boot in which all clocks show the same. */
static int keep(const Throttle *t, uint64_t now, uint8_t **ret, size_t *ret_size) {
        return throttle_encode(t, &(SteadyMark) { .realtime = now, .boottime = now, .steady = now }, ret, ret_size);
}

static int take(Throttle *t, const void *data, size_t size, uint64_t now) {
        return throttle_decode(t, data, size, &(Steady) { .offset = 0 }, &(Now) { now, now, now });
}

/* A clock that goes on from another database shows something else altogether, but as much has passed. */
static void test_S08_kept_over_a_change_of_clocks(void **state) {
        const uint64_t theirs = START + 3600 * SEC, ours = START - 3600 * SEC;
        Throttle *t = make();
        uint8_t *data = NULL;
        size_t size;

        guesses(t, "alice", "192.0.2.1", START, 10);
        assert_int_equal(throttle_encode(t, &(SteadyMark) { { 1 }, theirs, 77 * SEC, START }, &data, &size), 0);
        for (int same_boot = 0; same_boot <= 1; same_boot++) {
                /* 29 seconds later, by the boot's own clock or, in another boot, by the wall's */
                const Steady steady = { .boot_id = { same_boot ? 1 : 2 } };
                const Now now = { same_boot ? 5 : theirs + 29 * SEC, same_boot ? (77 + 29) * SEC : 9, ours };
                Throttle *u = make();

                assert_int_equal(throttle_decode(u, data, size, &steady, &now), 0);
                assert_int_equal(login(u, "alice", "192.0.2.1", ours + SEC - 1), FAULT_TOO_MANY);
                assert_int_equal(guess(u, "alice", "192.0.2.1", ours + SEC), 0);
                throttle_free(u);
        }
        free(data);
        throttle_free(t);
}

/* As the first programs wrote it: without a mark. */
static void test_L10_bytes_of_an_older_format(void **state) {
        Throttle *t = make(), *u = make();
        uint8_t *data = NULL, sum[DIGEST_SIZE];
        size_t size;

        guesses(t, "alice", "192.0.2.1", START, 10);
        assert_int_equal(keep(t, START, &data, &size), 0);
        data[17] = '1';
        memmove(data + 19, data + 19 + STEADY_MARK_SIZE, size - 19 - STEADY_MARK_SIZE);
        size -= STEADY_MARK_SIZE;
        assert_int_equal(digest_sha256(data, size - 8, sum), 0);
        memcpy(data + size - 8, sum, 8);
        assert_int_equal(take(u, data, size, START), 0);
        assert_int_equal(login(u, "alice", "192.0.2.1", START + 30 * SEC - 1), FAULT_TOO_MANY);
        assert_int_equal(guess(u, "alice", "192.0.2.1", START + 30 * SEC), 0);
        free(data);
        throttle_free(t);
        throttle_free(u);
}

static void test_kept_as_bytes(void **state) {
        Throttle *t = make(), *u = make();
        uint8_t *data = NULL;
        size_t size;

        guesses(t, "alice", "192.0.2.1", START, 10);
        login(t, "carol", "192.0.2.3", START);
        assert_int_equal(keep(t, START + SEC, &data, &size), 0);
        assert_int_equal(take(u, data, size, START + SEC), 0);
        assert_int_equal(login(u, "alice", "192.0.2.1", START + 30 * SEC - 1), FAULT_TOO_MANY);
        assert_int_equal(guess(u, "alice", "192.0.2.1", START + 30 * SEC), 0);
        /* carol's host is known still: others' failures there do not count against her */
        for (unsigned i = 0; i < 100; i++)
                guess(u, (char[]) { 'u', (char) ('a' + i % 26), (char) ('a' + i / 26), 0 }, "192.0.2.3", START + SEC);
        assert_int_equal(login(u, "dave", "192.0.2.3", START + SEC), FAULT_TOO_MANY);
        assert_int_equal(login(u, "carol", "192.0.2.3", START + SEC), 0);
        free(data);
        throttle_free(t);
        throttle_free(u);
}

static void test_damaged_bytes_are_refused(void **state) {
        Throttle *t = make();
        uint8_t *data = NULL;
        size_t size;

        guesses(t, "alice", "192.0.2.1", START, 3);
        assert_int_equal(keep(t, START, &data, &size), 0);
        for (size_t i = 0; i < size; i++) {
                Throttle *u = make();

                data[i] ^= 1;
                assert_int_equal(take(u, data, size, START), -EBADMSG);
                assert_int_equal(take(u, data, i, START), -EBADMSG);
                data[i] ^= 1;
                throttle_free(u);
        }
        free(data);
        throttle_free(t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S08_guesses_from_one_host_do_not_stop_the_user_from_another),
                cmocka_unit_test(test_S08_guesses_from_many_hosts_get_one_try_each_and_the_user_is_let_in),
                cmocka_unit_test(test_S08_a_known_host_is_let_in_whatever_others_do_there_and_elsewhere),
                cmocka_unit_test(test_S08_a_flood_through_one_daemon_does_not_lock_its_users_out),
                cmocka_unit_test(test_S08_without_a_host_a_user_has_a_wide_bucket_with_each_caller),
                cmocka_unit_test(test_S08_one_host_is_slowed_over_all_users),
                cmocka_unit_test(test_S08_the_rate_is_kept_over_a_day),
                cmocka_unit_test(test_S08_guesses_at_once_do_not_slip_through),
                cmocka_unit_test(test_success_and_no_answer_cost_nothing),
                cmocka_unit_test(test_S08_a_success_does_not_forgive_the_host),
                cmocka_unit_test(test_success_forgives_the_users_typing_errors),
                cmocka_unit_test(test_the_text_says_when_to_try_again),
                cmocka_unit_test(test_hosts_that_are_one_and_hosts_that_are_not),
                cmocka_unit_test(test_names_that_differ_by_case_are_one_user_and_services_are_apart),
                cmocka_unit_test(test_zero_failures_is_no_bucket),
                cmocka_unit_test(test_S08_the_number_of_keys_is_bounded_and_full_buckets_stay),
                cmocka_unit_test(test_what_has_drained_goes_by_and_by),
                cmocka_unit_test(test_reset_empties_what_it_names),
                cmocka_unit_test(test_S08_kept_over_a_change_of_clocks),
                cmocka_unit_test(test_L10_bytes_of_an_older_format),
                cmocka_unit_test(test_kept_as_bytes),
                cmocka_unit_test(test_damaged_bytes_are_refused),
        };

        return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
