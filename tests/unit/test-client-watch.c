/* SPDX-License-Identifier: MIT */
/* Watching: signals by way of the caller's poll loop, a broker that goes and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib-broker.h"
#include "websess.h"

#define SECOND UINT64_C(1000000)

typedef struct Fixture {
        FakeBroker *broker;
        websess *w;
        char seen[1024];
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->broker = fake_new();
        assert_int_equal(websess_open_socket(&f->w, "shop", fake_path(f->broker), SECOND), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        websess_close(f->w);
        fake_free(f->broker);
        free(f);
        return 0;
}

static void on_event(void *userdata, int event, const char *id, const char *service, const char *user,
                     const char *reason) {
        static const char *const names[] = { "", "new", "removed", "lost", "back" };
        Fixture *f = userdata;
        size_t at = strlen(f->seen);

        snprintf(f->seen + at, sizeof(f->seen) - at, "%s %s %s %s %s|", names[event], id ? id : "-",
                 service ? service : "-",
                 user ? user : "-", reason ? reason : "-");
}

/* As a caller's loop does it: poll, dispatch; until text was seen. */
static void wait_for(Fixture *f, const char *text) {
        for (int i = 0; i < 100 && !strstr(f->seen, text); i++) {
                struct pollfd p = { .fd = websess_fd(f->w), .events = POLLIN };

                assert_in_range(poll(&p, 1, 5000), 1, 1);
                assert_int_equal(websess_dispatch(f->w), 0);
        }
        assert_non_null(strstr(f->seen, text));
}

/* Nothing that would make a loop spin. */
static void assert_quiet(Fixture *f) {
        struct pollfd p = { .fd = websess_fd(f->w), .events = POLLIN };

        assert_int_equal(websess_dispatch(f->w), 0);
        assert_int_equal(poll(&p, 1, 50), 0);
}

static void test_signals_come_through_the_callers_loop(void **state) {
        Fixture *f = *state;

        assert_true(websess_fd(f->w) >= 0);
        assert_quiet(f);
        assert_int_equal(websess_watch(f->w, on_event, f), 0);
        assert_int_equal(fake_calls(f->broker, "Subscribe"), 1);
        assert_quiet(f);
        assert_string_equal(f->seen, "");
        fake_signal(f->broker, "SessionNew", "1");
        wait_for(f, "new 1 shop anna -|");
        fake_signal(f->broker, "SessionRemoved", "1");
        wait_for(f, "removed 1 shop anna logout|");
        assert_quiet(f);
        assert_int_equal(websess_watch(f->w, NULL, NULL), 0);
        assert_quiet(f);
}

static void test_L05_a_watch_comes_back_with_the_broker(void **state) {
        Fixture *f = *state;
        int fd = websess_fd(f->w);

        assert_int_equal(websess_watch(f->w, on_event, f), 0);
        fake_stop(f->broker);
        wait_for(f, "lost - - - -|");
        /* While it is away the loop wakes up to try again, and reports nothing twice. */
        for (int i = 0; i < 3; i++) {
                struct pollfd p = { .fd = fd, .events = POLLIN };

                assert_int_equal(poll(&p, 1, 5000), 1);
                assert_int_equal(websess_dispatch(f->w), 0);
        }
        assert_string_equal(f->seen, "lost - - - -|");
        fake_start(f->broker);
        wait_for(f, "back - - - -|");
        fake_signal(f->broker, "SessionNew", "2");
        wait_for(f, "new 2 shop anna -|");
        assert_int_equal(websess_fd(f->w), fd);
}

static void test_a_watch_that_cannot_begin_says_so(void **state) {
        Fixture *f = *state;

        fake_stop(f->broker);
        assert_int_equal(websess_watch(f->w, on_event, f), WEBSESS_E_UNAVAILABLE);
        assert_quiet(f);
        fake_start(f->broker);
        fake_hang(f->broker, true);
        assert_int_equal(websess_watch(f->w, on_event, f), WEBSESS_E_UNAVAILABLE);
        fake_hang(f->broker, false);
        assert_int_equal(websess_watch(f->w, on_event, f), 0);
}

static void test_a_forked_child_watches_by_itself(void **state) {
        Fixture *f = *state;
        int status;
        pid_t child;

        assert_int_equal(websess_watch(f->w, on_event, f), 0);
        child = fork();
        if (child == 0) {
                int r = websess_dispatch(f->w) != 0;

                r |= websess_watch(f->w, on_event, f) != 0;
                websess_close(f->w);
                _exit(r);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        fake_signal(f->broker, "SessionNew", "3");
        wait_for(f, "new 3 shop anna -|");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_signals_come_through_the_callers_loop),
                TEST(test_L05_a_watch_comes_back_with_the_broker),
                TEST(test_a_watch_that_cannot_begin_says_so),
                TEST(test_a_forked_child_watches_by_itself),
        };

        return cmocka_run_group_tests_name("client-watch", tests, NULL, NULL);
}
