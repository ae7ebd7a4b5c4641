/* SPDX-License-Identifier: MIT */
/* The broker's side of PAM against helpers that the test plays itself, in one event loop: good, slow and broken
 * ones. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "lib-helper.h"

/* ---- tests ---- */

static void test_success_says_who(void **state) {
        World *w = *state;
        Answer a;

        start(w, options_of(w));
        a = ask(w, "alice", "secret");
        assert_int_equal(a.result, 0);
        assert_string_equal(a.user, "alice");
        assert_int_equal(a.uid, 1000);
        assert_string_equal(a.groups, "staff sudo ");
        assert_string_equal(w->secret, "secret");
        assert_string_equal(w->remote_host, "192.0.2.1");
        assert_true(a.taken < PATIENCE / 2);            /* the delay that came with the success is ignored */
        assert_string_equal(ask(w, "mapped", "x").user, "alice");
}

static void test_S10_passwords_pass_as_received(void **state) {
        static const char *const secrets[] = {
                "x", " ", " leading and trailing ", "tab\tnewline\n", "p\xc3\xa4ssw\xc3\xb6rt",
                "\xf0\x9f\x94\x91\xf0\x9f\x94\x91",
                "e\xcc\x81 is not \xc3\xa9", "%s%n$(reboot)'\"\\",
        };
        World *w = *state;
        char longest[AUTH_SECRET_MAX + 1], shortened[2];

        start(w, options_of(w));
        for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                assert_int_equal(ask(w, "alice", secrets[i]).result, 0);
                assert_string_equal(w->secret, secrets[i]);
        }
        memset(longest, 'y', AUTH_SECRET_MAX);
        longest[AUTH_SECRET_MAX] = '\0';
        assert_int_equal(ask(w, "alice", longest).result, 0);
        assert_string_equal(w->secret, longest);
        strcpy(shortened, "z");
        assert_int_equal(ask(w, "alice", shortened).result, 0);
        assert_string_equal(w->secret, "z");
}

static void test_S23_bad_requests_are_refused_at_once(void **state) {
        World *w = *state;
        char too_long[AUTH_SECRET_MAX + 2];
        Answer a;

        memset(too_long, 'y', sizeof(too_long) - 1);
        too_long[sizeof(too_long) - 1] = '\0';
        start(w, options_of(w));
        assert_int_equal(begin(w, &a, "alice", ""), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "alice", too_long), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "alice", "\xff"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "", "x"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "a\nb", "x"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(status_of(w).waiting, 0);
}

static void test_S09_failures_are_alike_and_not_early(void **state) {
        World *w = *state;
        Answer wrong, unknown, slow;

        start(w, options_of(w));
        wrong = ask(w, "bob", "x");
        unknown = ask(w, "nobody-there", "x");
        assert_int_equal(wrong.result, FAULT_AUTHENTICATION_FAILED);
        assert_int_equal(unknown.result, FAULT_AUTHENTICATION_FAILED);
        assert_string_equal(wrong.text, unknown.text);
        assert_null(strstr(wrong.text, "pam_authenticate"));
        assert_string_equal(wrong.reason, "pam_authenticate: no");
        assert_int_equal(wrong.pam_result, 7);
        assert_true(wrong.taken >= FLOOR && unknown.taken >= FLOOR);
        slow = ask(w, "slow", "x");
        assert_true(slow.taken >= 3 * FLOOR);
        assert_true(ask(w, "otp", "x").result == FAULT_CONVERSATION_REQUIRED);
}

static void test_delay_beyond_reason_is_bounded(void **state) {
        World *w = *state;
        Answer a;

        start(w, options_of(w));
        assert_int_equal(begin(w, &a, "eternal", "x"), 0);
        /* Its helper is given back while the failure is held. */
        RUN_UNTIL(w, status_of(w).active == 0 && w->hangups > 0);
        assert_int_equal(a.times, 0);
        authentication_cancel(a.authentication);
}

static void test_S15_broken_helpers_are_never_success(void **state) {
        static const char *const users[] = { "crash", "rubbish", "again", "strange", "nameless", "odd" };
        World *w = *state;

        start(w, options_of(w));
        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                Answer a = ask(w, users[i], "x");

                assert_int_equal(a.result, FAULT_UNAVAILABLE);
                assert_true(a.taken >= FLOOR);
                assert_non_null(strstr(a.text, "PAM"));
        }
        assert_int_equal(ask(w, "alice", "x").result, 0);
}

static void test_L08_silent_helper_times_out(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer silent, other;

        options.timeout_usec = 10 * FLOOR;
        start(w, options);
        assert_int_equal(begin(w, &silent, "silent", "x"), 0);
        other = ask(w, "alice", "x");
        assert_int_equal(other.result, 0);
        assert_int_equal(silent.times, 0);
        RUN_UNTIL(w, silent.times);
        assert_int_equal(silent.result, FAULT_UNAVAILABLE);
        assert_true(silent.taken >= 10 * FLOOR);
        assert_non_null(strstr(silent.text, "LoginTimeoutSec"));
        RUN_UNTIL(w, w->hangups >= 2);                  /* the silent one is hung up on */
}

static void test_S16_cancel_hangs_up_and_is_silent(void **state) {
        World *w = *state;
        Answer asked, waiting;

        start(w, options_of(w));
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(begin(w, &asked, "silent", "x"), 0);
        assert_int_equal(status_of(w).active, 1);
        assert_null(authentication_cancel(asked.authentication));
        assert_null(authentication_cancel(NULL));
        RUN_UNTIL(w, w->hangups == 1 && status_of(w).idle == 2);
        for (unsigned i = 0; i < 4; i++) {
                static Answer busy[4];

                assert_int_equal(begin(w, busy + i, "silent", "x"), 0);
        }
        RUN_UNTIL(w, status_of(w).active == 4);
        assert_int_equal(begin(w, &waiting, "alice", "x"), 0);
        assert_int_equal(status_of(w).waiting, 1);
        authentication_cancel(waiting.authentication);
        assert_int_equal(status_of(w).waiting, 0);
        run_for(w, FLOOR);
        assert_int_equal(asked.times + waiting.times, 0);
}

static void test_missing_socket_names_the_unit(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[128];
        Answer a;

        snprintf(path, sizeof(path), "%s/elsewhere", w->folder);
        options.socket_path = path;
        start(w, options);
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, FAULT_UNAVAILABLE);
        assert_non_null(strstr(a.text, "websess-pam.socket"));
        assert_non_null(strstr(a.text, path));
}

static void test_socket_that_appears_is_found(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[128];

        snprintf(path, sizeof(path), "%s/elsewhere", w->folder);
        options.socket_path = path;
        start(w, options);
        assert_int_equal(ask(w, "alice", "x").result, FAULT_UNAVAILABLE);
        assert_int_equal(link(w->address.sun_path, path), 0);
        assert_int_equal(ask(w, "alice", "x").result, 0);
        RUN_UNTIL(w, status_of(w).idle == 2);
        unlink(path);
}

static void test_too_long_path_is_said(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[200];

        memset(path, 'p', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        options.socket_path = path;
        assert_int_equal(authenticator_new(&w->authenticator, w->event, &options), -ENAMETOOLONG);
}

/* Helpers that cannot start cost next to nothing, and whoever asks is told. */
static void dying_helpers(World *w, Manner manner) {
        Answer a;

        w->manner = manner;
        start(w, options_of(w));
        run_for(w, 20 * FLOOR);
        assert_true(w->accepted >= 2);
        assert_true(w->accepted < 24);
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, FAULT_UNAVAILABLE);
        assert_true(status_of(w).failed > 0);
        w->manner = GOOD;
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, 0);
        RUN_UNTIL(w, status_of(w).idle == 2);
}

static void test_helpers_that_die_at_once_do_not_spin(void **state) {
        dying_helpers(*state, DIES_AT_ONCE);
}

static void test_helpers_that_die_when_ready_do_not_spin(void **state) {
        dying_helpers(*state, DIES_WHEN_READY);
}

static void test_foreign_service_on_the_socket_does_not_spin(void **state) {
        dying_helpers(*state, SAYS_RUBBISH);
}

static void test_pool_is_kept_full(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);

        start(w, options);
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(w->accepted, 2);
        ask(w, "alice", "x");
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(w->accepted, 3);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)    /* one that waits dies */
                if (w->connections[i].fd >= 0) {
                        hang_up(w, i);
                        break;
                }
        RUN_UNTIL(w, w->accepted == 4 && status_of(w).idle == 2);
        options.idle_helpers = 1;
        authenticator_set_options(w->authenticator, &options);
        assert_int_equal(status_of(w).idle, 1);
}

static void test_S17_helpers_and_queue_are_bounded(void **state) {
        enum { MAX = 2, QUEUE = MAX * 4 };
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer busy[MAX], waiting[QUEUE], refused;

        options.idle_helpers = options.max_helpers = MAX;
        start(w, options);
        for (size_t i = 0; i < MAX; i++)
                assert_int_equal(begin(w, busy + i, "silent", "x"), 0);
        RUN_UNTIL(w, status_of(w).active == MAX);
        for (size_t i = 0; i < QUEUE; i++)
                assert_int_equal(begin(w, waiting + i, "alice", "x"), 0);
        assert_int_equal(begin(w, &refused, "alice", "x"), FAULT_TOO_MANY);
        run_for(w, FLOOR);
        assert_int_equal(w->accepted, MAX);
        authentication_cancel(busy[0].authentication);
        RUN_UNTIL(w, status_of(w).waiting == 0 && waiting[QUEUE - 1].times);
        for (size_t i = 0; i < QUEUE; i++) {
                assert_int_equal(waiting[i].times, 1);
                assert_int_equal(waiting[i].result, 0);
        }
        authentication_cancel(busy[1].authentication);
}

static void test_waiting_has_the_same_time_out(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer busy, waiting;

        options.idle_helpers = options.max_helpers = 1;
        start(w, options);
        assert_int_equal(begin(w, &busy, "silent", "x"), 0);
        RUN_UNTIL(w, status_of(w).active == 1);
        options.timeout_usec = 4 * FLOOR;
        authenticator_set_options(w->authenticator, &options);
        assert_int_equal(begin(w, &waiting, "alice", "x"), 0);
        RUN_UNTIL(w, waiting.times);
        assert_int_equal(waiting.result, FAULT_TOO_MANY);
        assert_non_null(strstr(waiting.text, "MaxHelpers"));
        authentication_cancel(busy.authentication);
}

static void on_done_begin_again(Authentication *a, int result, const AuthIdentity *identity, const Fault *f,
                                void *userdata) {
        Answer *answer = userdata;

        assert_null(authentication_cancel(a));          /* is being answered: nothing to cancel */
        assert_int_equal(begin(answer->world, answer + 1, "alice", "x"), 0);
        answer->times++;
}

static void test_done_may_ask_again_and_cancel(void **state) {
        World *w = *state;
        Answer answers[2] = { { .world = w } };
        AuthRequest request = {
                .service = "shop", .user = "alice", .secret = "x", .remote_host = "", .started = boottime(),
        };

        start(w, options_of(w));
        assert_int_equal(authenticator_begin(w->authenticator, &answers[0].authentication, &request,
                                             on_done_begin_again, answers, NULL), 0);
        RUN_UNTIL(w, answers[0].times && answers[1].times);
        assert_int_equal(answers[1].result, 0);
        assert_string_equal(w->remote_host, "192.0.2.1");
}

static void test_free_with_work_in_every_state(void **state) {
        static Answer asked, held, waiting[4];
        World *w = *state;

        start(w, options_of(w));
        assert_int_equal(begin(w, &held, "eternal", "x"), 0);
        RUN_UNTIL(w, w->hangups == 1);
        assert_int_equal(begin(w, &asked, "silent", "x"), 0);
        for (size_t i = 0; i < ELEMENTSOF(waiting); i++)
                assert_int_equal(begin(w, waiting + i, "silent", "x"), 0);
        w->authenticator = authenticator_free(w->authenticator);
        run_for(w, 2 * FLOOR);
        assert_int_equal(asked.times + held.times + waiting[0].times, 0);
        assert_null(authenticator_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_success_says_who),
                TEST(test_S10_passwords_pass_as_received),
                TEST(test_S23_bad_requests_are_refused_at_once),
                TEST(test_S09_failures_are_alike_and_not_early),
                TEST(test_delay_beyond_reason_is_bounded),
                TEST(test_S15_broken_helpers_are_never_success),
                TEST(test_L08_silent_helper_times_out),
                TEST(test_S16_cancel_hangs_up_and_is_silent),
                TEST(test_missing_socket_names_the_unit),
                TEST(test_socket_that_appears_is_found),
                TEST(test_too_long_path_is_said),
                TEST(test_helpers_that_die_at_once_do_not_spin),
                TEST(test_helpers_that_die_when_ready_do_not_spin),
                TEST(test_foreign_service_on_the_socket_does_not_spin),
                TEST(test_pool_is_kept_full),
                TEST(test_S17_helpers_and_queue_are_bounded),
                TEST(test_waiting_has_the_same_time_out),
                TEST(test_done_may_ask_again_and_cancel),
                TEST(test_free_with_work_in_every_state),
        };

        return cmocka_run_group_tests_name("authenticator", tests, NULL, NULL);
}
