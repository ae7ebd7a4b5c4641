/* SPDX-License-Identifier: MIT */
/* Session values: what they say when empty and when full, needs that are both met, requiring without a look-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "lib-broker.h"
#include "websess.h"

#define SECOND UINT64_C(1000000)

typedef struct Fixture {
        FakeBroker *fake;
        websess *w;
        websess_session *s;
        websess_need *need, *own;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->fake = fake_new();
        assert_int_equal(websess_open_socket(&f->w, "shop", fake_path(f->fake), 3 * SECOND), 0);
        assert_int_equal(websess_session_new(&f->s), 0);
        assert_int_equal(websess_need_new(&f->need), 0);
        assert_int_equal(websess_need_new(&f->own), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        websess_close(f->w);
        websess_session_free(f->s);
        websess_need_free(f->need);
        websess_need_free(f->own);
        fake_free(f->fake);
        free(f);
        return 0;
}

static int resolve(Fixture *f, const websess_need *need) {
        return websess_resolve(f->w, "token-1", 7, need, f->s);
}

static void check_empty(const websess_session *s) {
        int64_t id = 99;

        assert_null(websess_session_id(s));
        assert_null(websess_session_service(s));
        assert_null(websess_session_user(s));
        assert_null(websess_session_role(s));
        assert_null(websess_session_role_at(s, 3));
        assert_null(websess_session_auth_method_at(s, 0));
        assert_null(websess_session_remote_host(s));
        assert_null(websess_session_token(s));
        assert_null(websess_session_set_cookie(s));
        assert_null(websess_session_attributes(s));
        assert_int_equal(websess_session_role_count(s), 0);
        assert_int_equal(websess_session_uid(s), UINT32_MAX);
        assert_int_equal(websess_session_created(s), 0);
        assert_int_equal(websess_session_has_role(s, "USER"), 0);
        assert_int_equal(websess_session_user_id(s, &id), WEBSESS_E_NO_SESSION);
        assert_int_equal(id, 99);
        assert_int_equal(websess_require(s, NULL), WEBSESS_E_NO_SESSION);
}

static void test_C1_nothing_is_nobody_and_never_a_crash(void **state) {
        Fixture *f = *state;
        int64_t x;

        check_empty(NULL);
        check_empty(f->s);
        assert_int_equal(websess_session_get_int64(NULL, "k", &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_session_get_int64(f->s, "k", &x), WEBSESS_E_NO_SESSION);
        assert_null(websess_session_free(NULL));
        assert_null(websess_need_free(NULL));
        assert_null(websess_options_free(NULL));
        assert_null(websess_list_free(NULL));
        assert_null(websess_close(NULL));
        websess_session_clear(NULL);
        websess_options_clear(NULL);
        websess_values_clear(NULL);
        assert_int_equal(websess_resolve(NULL, "x", 1, NULL, f->s), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_resolve(f->w, "x", 1, NULL, NULL), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_reload(NULL), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_revoke(NULL, "x"), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_touch(NULL, NULL, 0), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_fd(NULL), -22);
}

static void test_R1_every_field_has_its_accessor(void **state) {
        Fixture *f = *state;

        fake_set_roles(f->fake, "EDITOR USER", "");
        fake_set_level(f->fake, 2, 16);
        assert_int_equal(resolve(f, NULL), 0);
        assert_string_equal(websess_session_id(f->s), "000102030405060708090a0b0c0d0e0f");
        assert_string_equal(websess_session_service(f->s), "shop");
        assert_string_equal(websess_session_user(f->s), "anna");
        assert_int_equal(websess_session_uid(f->s), 1000);
        assert_string_equal(websess_session_role(f->s), "EDITOR");
        assert_int_equal(websess_session_role_count(f->s), 2);
        assert_string_equal(websess_session_role_at(f->s, 1), "USER");
        assert_int_equal(websess_session_has_role(f->s, "USER"), 1);
        assert_int_equal(websess_session_has_role(f->s, "ADMIN"), 0);
        assert_int_equal(websess_session_created(f->s), 11);
        assert_int_equal(websess_session_last_seen(f->s), 12);
        assert_int_equal(websess_session_expires(f->s), 13);
        assert_int_equal(websess_session_idle_usec(f->s), 14);
        assert_int_equal(websess_session_lifetime_end(f->s), 15);
        assert_int_equal(websess_session_auth_time(f->s), 16);
        assert_int_equal(websess_session_auth_method_count(f->s), 2);
        assert_string_equal(websess_session_auth_method_at(f->s, 1), "otp");
        assert_int_equal(websess_session_level(f->s), 2);
        assert_string_equal(websess_session_remote_host(f->s), "192.0.2.7");
        assert_string_equal(websess_session_user_agent(f->s), "Lynx");
        assert_int_equal(websess_session_creator_uid(f->s), 33);
        assert_string_equal(websess_session_creator_unit(f->s), "shop.service");
        assert_int_equal(websess_session_version(f->s), 1);
        assert_null(websess_session_token(f->s));
        assert_null(websess_session_set_cookie(f->s));
        websess_session_clear(f->s);
        check_empty(f->s);
}

static void test_C1_the_users_id_is_a_number_or_nobody(void **state) {
        static const struct { const char *user; int r; int64_t id; } table[] = {
                { "42", 0, 42 }, { "0", 0, 0 }, { "-7", 0, -7 },
                { "9223372036854775807", 0, INT64_MAX }, { "-9223372036854775808", 0, INT64_MIN },
                { "9223372036854775808", 1, 0 }, { "-9223372036854775809", 1, 0 }, { "99999999999999999999", 1, 0 },
                { "anna", 1, 0 }, { "42x", 1, 0 }, { " 42", 1, 0 }, { "+42", 1, 0 }, { "042", 1, 0 }, { "-0", 1, 0 },
                { "-", 1, 0 }, { "4 2", 1, 0 }, { "0x10", 1, 0 }, { "", 1, 0 },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                int64_t id = 99;

                fake_set_user(f->fake, table[i].user);
                assert_int_equal(resolve(f, NULL), 0);
                assert_int_equal(websess_session_user_id(f->s, &id), table[i].r);
                assert_true(id == (table[i].r ? 99 : table[i].id));
        }
}

static void test_C2_require_looks_at_login_then_roles(void **state) {
        Fixture *f = *state;

        assert_int_equal(websess_need_role(f->need, "EDITOR"), 0);
        assert_int_equal(websess_need_role(f->need, "CHIEF"), 0);
        assert_int_equal(websess_require(f->s, f->need), WEBSESS_E_NO_SESSION);
        assert_int_equal(resolve(f, NULL), 0);
        assert_int_equal(websess_require(f->s, NULL), 0);
        assert_int_equal(websess_require(f->s, f->own), 0);
        assert_int_equal(websess_require(f->s, f->need), WEBSESS_E_FORBIDDEN);
        fake_set_roles(f->fake, "USER CHIEF", "");
        assert_int_equal(resolve(f, NULL), 0);
        assert_int_equal(websess_require(f->s, f->need), 0);
        assert_int_equal(websess_need_level(f->need, 1), 0);
        assert_int_equal(websess_require(f->s, f->need), WEBSESS_E_STEP_UP_REQUIRED);
}

static void test_C2_a_visitor_is_not_logged_in(void **state) {
        Fixture *f = *state;

        fake_set_user(f->fake, "");
        fake_set_roles(f->fake, "", "");
        assert_int_equal(websess_need_flags(f->need, WEBSESS_NEED_ALLOW_ANONYMOUS), 0);
        assert_int_equal(resolve(f, f->need), 0);
        assert_null(websess_session_user(f->s));
        assert_non_null(websess_session_id(f->s));
        assert_int_equal(websess_require(f->s, NULL), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_require(f->s, f->need), 0);
        assert_int_equal(websess_need_role(f->need, "USER"), 0);
        assert_int_equal(websess_require(f->s, f->need), WEBSESS_E_NO_SESSION);
}

static void test_C3_require_admits_an_admin_only_when_a_resolve_has_shown_one(void **state) {
        Fixture *f = *state;

        fake_set_roles(f->fake, "ROOT", "ROOT");
        assert_int_equal(websess_need_role(f->need, "EDITOR"), 0);
        assert_int_equal(websess_need_role(f->own, "CHIEF"), 0);
        assert_int_equal(resolve(f, NULL), 0);
        assert_int_equal(websess_require(f->s, f->own), WEBSESS_E_FORBIDDEN);
        assert_int_equal(resolve(f, f->need), 0);
        assert_int_equal(websess_require(f->s, f->own), 0);
        /* … and not any longer than that value lasts. */
        fake_set_roles(f->fake, "EDITOR", "ROOT");
        assert_int_equal(resolve(f, f->need), 0);
        assert_int_equal(websess_require(f->s, f->own), WEBSESS_E_FORBIDDEN);
}

static void test_C4_the_daemons_need_and_the_calls_both_apply(void **state) {
        Fixture *f = *state;

        assert_int_equal(websess_need_role(f->own, "STAFF"), 0);
        assert_int_equal(websess_need_role(f->need, "EDITOR"), 0);
        assert_int_equal(websess_set_default_need(f->w, f->own), 0);

        fake_set_roles(f->fake, "EDITOR", "ROOT");
        assert_int_equal(resolve(f, f->need), WEBSESS_E_FORBIDDEN);
        check_empty(f->s);
        assert_int_equal(resolve(f, NULL), WEBSESS_E_FORBIDDEN);
        fake_set_roles(f->fake, "STAFF", "ROOT");
        assert_int_equal(resolve(f, f->need), WEBSESS_E_FORBIDDEN);
        assert_int_equal(resolve(f, NULL), 0);
        fake_set_roles(f->fake, "STAFF EDITOR", "ROOT");
        assert_int_equal(resolve(f, f->need), 0);
        fake_set_roles(f->fake, "ROOT", "ROOT");
        assert_int_equal(resolve(f, f->need), 0);
        /* One who is both, in each set by another role. */
        fake_set_roles(f->fake, "EDITOR ROOT", "ROOT");
        assert_int_equal(resolve(f, f->need), 0);
        assert_int_equal(websess_set_default_need(f->w, NULL), 0);
        fake_set_roles(f->fake, "EDITOR", "ROOT");
        assert_int_equal(resolve(f, f->need), 0);
}

static void test_C4_the_stricter_level_and_age_go_out(void **state) {
        Fixture *f = *state;
        char options[512];

        assert_int_equal(websess_need_level(f->own, 2), 0);
        assert_int_equal(websess_need_max_auth_age_usec(f->own, 500), 0);
        assert_int_equal(websess_need_level(f->need, 1), 0);
        assert_int_equal(websess_need_flags(f->need, WEBSESS_NEED_NO_TOUCH | WEBSESS_NEED_ALLOW_ANONYMOUS), 0);
        assert_int_equal(websess_set_default_need(f->w, f->own), 0);
        assert_int_equal(resolve(f, f->need), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "Level=2;MaxAuthAgeUSec=500;NoTouch=yes;");
        assert_int_equal(websess_need_flags(f->need, 4), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_need_role(f->need, "no good"), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_need_role(NULL, "X"), WEBSESS_E_INVALID_ARGUMENT);
}

static void test_S07_the_age_of_a_login_is_told_without_a_lookup(void **state) {
        Fixture *f = *state;
        struct timespec ts;
        uint64_t now;

        clock_gettime(CLOCK_REALTIME, &ts);
        now = (uint64_t) ts.tv_sec * SECOND;
        assert_int_equal(websess_need_max_auth_age_usec(f->need, 60 * SECOND), 0);
        fake_set_level(f->fake, 0, now - 30 * SECOND);
        assert_int_equal(resolve(f, NULL), 0);
        assert_int_equal(websess_require(f->s, f->need), 0);
        fake_set_level(f->fake, 0, now - 90 * SECOND);
        assert_int_equal(resolve(f, NULL), 0);
        assert_int_equal(websess_require(f->s, f->need), WEBSESS_E_STEP_UP_REQUIRED);
}

static void test_F6_the_cookie_is_found_and_resolved(void **state) {
        static const char header[] = "theme=dark; SESSION=token-1; lang=de";
        Fixture *f = *state;
        const char *token;
        char out[2048];
        size_t n;

        assert_int_equal(websess_resolve_cookie(f->w, header, strlen(header), NULL, f->s), 0);
        assert_string_equal(websess_session_user(f->s), "anna");
        assert_int_equal(websess_resolve_cookie(f->w, NULL, 0, NULL, f->s), WEBSESS_E_NO_SESSION);
        check_empty(f->s);
        assert_int_equal(websess_resolve_cookie(f->w, "a=b", 3, NULL, f->s), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_set_cookie_name(f->w, "__Host-sid"), 0);
        assert_int_equal(websess_resolve_cookie(f->w, header, strlen(header), NULL, f->s), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_cookie_token(f->w, "__Host-sid=t", 12, &token, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(websess_set_cookie_name(f->w, "a b"), WEBSESS_E_INVALID_ARGUMENT);

        assert_int_equal(websess_cookie_build(out, sizeof(out), "SESSION", "abc", 3, NULL, NULL, 60,
                                              WEBSESS_COOKIE_SECURE | WEBSESS_COOKIE_HTTP_ONLY |
                                                      WEBSESS_COOKIE_SAME_SITE_LAX), 0);
        assert_non_null(strstr(out, "SESSION=abc"));
        assert_non_null(strstr(out, "Max-Age=60"));
        assert_non_null(strstr(out, "SameSite=Lax"));
        assert_int_equal(websess_cookie_build(out, sizeof(out), "SESSION", NULL, 0, "/", NULL, 0, 0), 0);
        assert_non_null(strstr(out, "Max-Age=0"));
        assert_int_equal(websess_cookie_build(out, sizeof(out), "SESSION", "abc", 3, NULL, NULL, -1, 0), 0);
        assert_null(strstr(out, "Max-Age"));
        assert_int_equal(websess_cookie_build(out, sizeof(out), "__Host-s", "abc", 3, NULL, NULL, -1, 0),
                         WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_cookie_build(out, sizeof(out), "s", "a;b", 3, NULL, NULL, -1, 0),
                         WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_cookie_build(out, 4, "SESSION", "abc", 3, NULL, NULL, -1, 0), -ENOBUFS);
        assert_int_equal(websess_cookie_build(out, sizeof(out), "s", "a", 1, NULL, NULL, -1, 4 | 8),
                         WEBSESS_E_INVALID_ARGUMENT);
}

static void test_every_code_has_its_words(void **state) {
        assert_int_equal(websess_http_status(0), 200);
        assert_int_equal(websess_http_status(-ENOMEM), 500);
        assert_int_equal(websess_http_status(WEBSESS_E_NO_SESSION), 401);
        assert_int_equal(websess_http_status(WEBSESS_E_FORBIDDEN), 403);
        assert_int_equal(websess_http_status(WEBSESS_E_UNAVAILABLE), 503);
        assert_int_equal(websess_http_status(99), 500);
        assert_string_equal(websess_code_name(0), "OK");
        assert_string_equal(websess_code_name(12), "Unavailable");
        assert_null(websess_code_name(13));
        assert_null(websess_code_name(-1));
        for (int code = -200; code < 20; code++)
                assert_true(strlen(websess_strerror(code)) > 3);
        assert_non_null(websess_strerror(INT32_MIN));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_C1_nothing_is_nobody_and_never_a_crash, setup, teardown),
                cmocka_unit_test_setup_teardown(test_R1_every_field_has_its_accessor, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C1_the_users_id_is_a_number_or_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C2_require_looks_at_login_then_roles, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C2_a_visitor_is_not_logged_in, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C3_require_admits_an_admin_only_when_a_resolve_has_shown_one,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_C4_the_daemons_need_and_the_calls_both_apply, setup, teardown),
                cmocka_unit_test_setup_teardown(test_C4_the_stricter_level_and_age_go_out, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S07_the_age_of_a_login_is_told_without_a_lookup, setup, teardown),
                cmocka_unit_test_setup_teardown(test_F6_the_cookie_is_found_and_resolved, setup, teardown),
                cmocka_unit_test(test_every_code_has_its_words),
        };

        return cmocka_run_group_tests_name("session-value", tests, NULL, NULL);
}
