/* SPDX-License-Identifier: MIT */
/* Calls: what goes out and comes back, a broker that goes away in the middle, a handle over fork and in many
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib-broker.h"
#include "websess.h"

#define SECOND UINT64_C(1000000)

typedef struct Fixture {
        FakeBroker *fake;
        websess *w;
        websess_session *s;
        websess_options *o;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->fake = fake_new();
        assert_int_equal(websess_open_socket(&f->w, "shop", fake_path(f->fake), 5 * SECOND), 0);
        assert_int_equal(websess_session_new(&f->s), 0);
        assert_int_equal(websess_options_new(&f->o), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        websess_close(f->w);
        websess_session_free(f->s);
        websess_options_free(f->o);
        fake_free(f->fake);
        free(f);
        return 0;
}

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * SECOND + (uint64_t) ts.tv_nsec / 1000;
}

static int resolve(Fixture *f) {
        return websess_resolve(f->w, "token-1", 7, NULL, f->s);
}

/* ---- what goes out ---- */

static void test_R11_login_me_logout(void **state) {
        Fixture *f = *state;
        char id[160], options[512], token[80];

        assert_int_equal(websess_options_remote_host(f->o, "192.0.2.7"), 0);
        assert_int_equal(websess_options_host(f->o, "www.example.org"), 0);
        assert_int_equal(websess_options_replace_token(f->o, "old", 3), 0);
        assert_int_equal(websess_options_idle_usec(f->o, 60), 0);
        assert_int_equal(websess_options_remember(f->o, 1), 0);
        assert_int_equal(websess_login(f->w, "anna", "secret", 6, f->o, f->s), 0);
        fake_last(f->fake, id, options);
        assert_int_equal(strlen(id), 32);
        assert_string_equal(options,
                            "RemoteHost=192.0.2.7;Host=www.example.org;ReplaceToken=old;IdleUSec=60;Remember=yes;");
        assert_string_equal(websess_session_user(f->s), "anna");
        assert_string_equal(websess_session_token(f->s), "token-1");
        assert_string_equal(websess_session_set_cookie(f->s), "SESSION=abc; Path=/");

        /* The value's own token, handed back to a call that fills the same value. */
        strcpy(token, websess_session_token(f->s));
        assert_int_equal(websess_resolve(f->w, websess_session_token(f->s), strlen(token), NULL, f->s), 0);
        assert_null(websess_session_token(f->s));
        assert_int_equal(websess_rotate(f->w, token, strlen(token), NULL, f->s), 0);
        assert_string_equal(websess_session_token(f->s), "token-2");
        assert_int_equal(websess_logout(f->w, token, strlen(token)), 0);
        assert_int_equal(websess_logout(f->w, NULL, 0), 0);
        assert_int_equal(fake_calls(f->fake, "Logout"), 1);
        assert_int_equal(websess_login(f->w, "anna", "wrong", 5, NULL, f->s), WEBSESS_E_AUTHENTICATION_FAILED);
        assert_null(websess_session_user(f->s));
        assert_string_equal(websess_last_error_text(), "no");
}

static void test_R1_create_carries_roles_and_attributes(void **state) {
        Fixture *f = *state;
        char id[160], options[512];
        int64_t company;

        assert_int_equal(websess_options_role(f->o, "USER"), 0);
        assert_int_equal(websess_options_level(f->o, 2), 0);
        assert_int_equal(websess_options_request_id(f->o, "mine"), 0);
        assert_int_equal(websess_values_set_int64(websess_options_attributes(f->o), "company", 100), 0);
        assert_int_equal(websess_create(f->w, "42", f->o, f->s), 0);
        fake_last(f->fake, id, options);
        assert_string_equal(id, "mine");
        assert_string_equal(options, "Level=2;");
        assert_int_equal(websess_session_get_int64(f->s, "company", &company), 0);
        assert_int_equal(company, 100);
        websess_options_clear(f->o);
        assert_int_equal(websess_create(f->w, NULL, f->o, f->s), 0);
        assert_null(websess_session_user(f->s));
}

static void test_R10_a_list_hides_its_pages(void **state) {
        Fixture *f = *state;
        websess_list *l;
        int n = 0, r;
        char id[33];

        assert_int_equal(websess_list_new(&l), 0);
        assert_int_equal(websess_list_user(l, "anna"), 0);
        while ((r = websess_list_next(f->w, l, f->s)) == 0) {
                snprintf(id, sizeof(id), "%032d", n++);
                assert_string_equal(websess_session_id(f->s), id);
        }
        assert_int_equal(r, WEBSESS_E_NO_SESSION);
        assert_int_equal(n, 7);
        assert_string_equal(websess_list_cursor(l), "");
        assert_int_equal(fake_calls(f->fake, "ListSessions"), 3);
        assert_int_equal(fake_connections(f->fake), 1);
        websess_list_free(l);

        assert_int_equal(websess_list_new(&l), 0);
        assert_int_equal(websess_list_limit(l, 4), 0);
        for (n = 0; websess_list_next(f->w, l, f->s) == 0; n++)
                ;
        assert_int_equal(n, 4);
        assert_string_equal(websess_list_cursor(l), "4");
        websess_list_free(l);

        /* One that is given up in the middle, with other calls in between. */
        assert_int_equal(websess_list_new(&l), 0);
        assert_int_equal(websess_list_next(f->w, l, f->s), 0);
        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_list_user(l, "bert"), WEBSESS_E_INVALID_ARGUMENT);
        websess_list_free(l);
}

static void test_R4_calls_of_an_administrator(void **state) {
        const char *const roles[] = { "USER", "EDITOR" };
        const char *const *services;
        Fixture *f = *state;
        uint32_t n = 0;
        uint64_t version = 0;
        websess_values *v;
        int64_t count;

        assert_int_equal(websess_get(f->w, "000102030405060708090a0b0c0d0e0f", f->s), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "k", 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_revoke(f->w, "x"), 0);
        assert_int_equal(websess_revoke(f->w, "x"), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_revoke_user(f->w, NULL, "anna", "keep", WEBSESS_REVOKE_PREFIX, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(websess_revoke_user(f->w, "", "anna", NULL, 0, NULL), 0);
        assert_int_equal(websess_revoke_user(f->w, "", "anna", NULL, 4, NULL), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_revoke_user(f->w, "", NULL, NULL, 0, NULL), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_revoke_all(f->w, NULL, &n), 0);
        assert_int_equal(websess_set_roles(f->w, "x", roles, 2, &version), 0);
        assert_int_equal(version, fake_version(f->fake));
        assert_int_equal(websess_set_user_roles(f->w, NULL, "anna", roles, 2, &n), 0);
        assert_int_equal(websess_touch(f->w, roles, 2), 0);
        assert_int_equal(websess_touch(f->w, NULL, 0), 0);
        assert_int_equal(websess_backup(f->w, 0), 0);
        assert_int_equal(websess_backup(f->w, -1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_reload(f->w), WEBSESS_E_ACCESS_DENIED);
        assert_string_equal(websess_last_error_text(), "uid 998 (shop.service) lacks the right to reload: ask root");

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_status(f->w, v), 0);
        assert_int_equal(websess_values_get_int64(v, "SessionCount", &count), 0);
        assert_int_equal(count, 7);
        assert_int_equal(websess_values_get_strings(v, "Services", &services, NULL), 0);
        assert_string_equal(services[1], "mail");
        websess_values_free(v);
}

static void test_S23_bad_arguments_never_leave_the_process(void **state) {
        Fixture *f = *state;
        char large[600] = {};
        websess *w;

        memset(large, 'x', sizeof(large) - 1);
        assert_int_equal(websess_resolve(f->w, large, 257, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_resolve(f->w, "a\0b", 3, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_resolve(f->w, "\xff", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_resolve(f->w, "", 0, NULL, f->s), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_resolve(f->w, NULL, 5, NULL, f->s), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_login(f->w, "", "x", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, NULL, "x", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, large, "x", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, "anna", "", 0, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, "anna", large, 513, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, "anna", "a\0b", 3, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_login(f->w, "a\nb", "x", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_get(f->w, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_get(f->w, "\xff", f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_options_role(f->o, "@x"), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_options_user_agent(f->o, "a\nb"), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_options_replace_token(f->o, large, 599), 0);   /* rubbish there is ignored */
        assert_int_equal(fake_connections(f->fake), 0);

        assert_int_equal(websess_open_socket(&w, "../etc", "/x", 0), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_open_socket(&w, "shop", "x", 0), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_open_socket(&w, "shop", NULL, 0), WEBSESS_E_INVALID_ARGUMENT);
        large[0] = '/';
        assert_int_equal(websess_open_socket(&w, "shop", large, 0), -ENAMETOOLONG);
        assert_non_null(strstr(websess_last_error_text(), "longer than 107"));
        assert_int_equal(websess_open_socket(&w, NULL, fake_path(f->fake), 0), 0);
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        websess_close(w);
}

/* ---- a broker that goes away ---- */

static void test_L05_a_lost_request_is_sent_again(void **state) {
        Fixture *f = *state;

        fake_drop_before(f->fake, 3);
        assert_int_equal(resolve(f), 0);
        assert_int_equal(fake_calls(f->fake, "Resolve"), 4);
        /* A connection that died while it lay idle. */
        fake_stop(f->fake);
        fake_start(f->fake);
        assert_int_equal(resolve(f), 0);
}

static void test_L05_a_lost_reply_makes_no_second_session(void **state) {
        char first[160], second[160];
        Fixture *f = *state;

        fake_drop_after(f->fake, 2);
        assert_int_equal(websess_login(f->w, "anna", "secret", 6, NULL, f->s), 0);
        assert_int_equal(fake_calls(f->fake, "Login"), 3);
        assert_int_equal(fake_effects(f->fake, "Login"), 1);
        assert_string_equal(websess_session_token(f->s), "token-3");
        fake_last(f->fake, first, NULL);
        assert_int_equal(websess_login(f->w, "anna", "secret", 6, NULL, f->s), 0);
        fake_last(f->fake, second, NULL);
        assert_string_not_equal(first, second);
        fake_drop_after(f->fake, 1);
        assert_int_equal(websess_revoke(f->w, "x"), 0);
}

static void *start_later(void *userdata) {
        struct timespec ts = { .tv_nsec = 300000000 };

        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
        fake_start(userdata);
        return NULL;
}

static void test_L05_a_call_waits_for_a_broker_that_is_restarted(void **state) {
        Fixture *f = *state;
        pthread_t thread;

        assert_int_equal(resolve(f), 0);
        fake_stop(f->fake);
        assert_int_equal(pthread_create(&thread, NULL, start_later, f->fake), 0);
        assert_int_equal(resolve(f), 0);
        pthread_join(thread, NULL);
}

static void test_S11_a_broker_that_is_gone_or_hung_is_unavailable_in_time(void **state) {
        Fixture *f = *state;
        uint64_t begin;
        websess *w;

        assert_int_equal(websess_open_socket(&w, "shop", fake_path(f->fake), SECOND / 5), 0);
        fake_hang(f->fake, true);
        begin = now_usec();
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), WEBSESS_E_UNAVAILABLE);
        assert_in_range(now_usec() - begin, SECOND / 5, SECOND);
        fake_hang(f->fake, false);
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), 0);
        fake_stop(f->fake);
        begin = now_usec();
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), WEBSESS_E_UNAVAILABLE);
        assert_in_range(now_usec() - begin, SECOND / 5, SECOND);
        assert_null(websess_session_user(f->s));
        websess_close(w);

        /* Where there has never been one, nobody waits. */
        assert_int_equal(websess_open_socket(&w, "shop", "/nonexistent/websess.sock", 60 * SECOND), 0);
        begin = now_usec();
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), WEBSESS_E_UNAVAILABLE);
        assert_in_range(now_usec() - begin, 0, SECOND);
        assert_non_null(strstr(websess_last_error_text(), "/nonexistent/websess.sock"));
        websess_close(w);
}

/* ---- fork and threads ---- */

static void test_a_forked_child_makes_connections_of_its_own(void **state) {
        Fixture *f = *state;
        int status, before;
        websess_list *l;
        pid_t child;

        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_list_new(&l), 0);
        assert_int_equal(websess_list_next(f->w, l, f->s), 0);
        assert_int_equal(resolve(f), 0);
        before = fake_connections(f->fake);
        child = fork();
        if (child == 0) {
                int r = resolve(f);

                if (r == 0 && strcmp(websess_session_user(f->s), "anna") != 0)
                        r = 99;
                websess_list_free(l);
                websess_close(f->w);
                _exit(r);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(fake_connections(f->fake), before + 1);
        /* The parent's connection is as it was. */
        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_list_next(f->w, l, f->s), 0);
        assert_int_equal(fake_connections(f->fake), before + 1);
        websess_list_free(l);
}

static void *resolve_often(void *userdata) {
        Fixture *f = userdata;
        websess_session *s = NULL;
        uintptr_t failed = websess_session_new(&s) != 0;

        for (int i = 0; !failed && i < 200; i++) {
                failed |= websess_resolve(f->w, "token-1", 7, NULL, s) != 0;
                failed |= failed || strcmp(websess_session_user(s), "anna") != 0;
                failed |= websess_resolve(f->w, "rubbish", 7, NULL, s) != WEBSESS_E_NO_SESSION;
                failed |= strcmp(websess_last_error_text(), "There is no such session") != 0;
        }
        websess_session_free(s);
        return (void *) failed;
}

static void test_one_handle_serves_all_threads(void **state) {
        Fixture *f = *state;
        pthread_t threads[8];
        void *failed;

        for (size_t i = 0; i < 8; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, resolve_often, f), 0);
        for (size_t i = 0; i < 8; i++) {
                pthread_join(threads[i], &failed);
                assert_null(failed);
        }
        assert_in_range(fake_connections(f->fake), 1, 8);
        assert_int_equal(fake_calls(f->fake, "Resolve"), 3200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_R11_login_me_logout),
                TEST(test_R1_create_carries_roles_and_attributes),
                TEST(test_R10_a_list_hides_its_pages),
                TEST(test_R4_calls_of_an_administrator),
                TEST(test_S23_bad_arguments_never_leave_the_process),
                TEST(test_L05_a_lost_request_is_sent_again),
                TEST(test_L05_a_lost_reply_makes_no_second_session),
                TEST(test_L05_a_call_waits_for_a_broker_that_is_restarted),
                TEST(test_S11_a_broker_that_is_gone_or_hung_is_unavailable_in_time),
                TEST(test_a_forked_child_makes_connections_of_its_own),
                TEST(test_one_handle_serves_all_threads),
        };

        return cmocka_run_group_tests_name("client-call", tests, NULL, NULL);
}
