/* SPDX-License-Identifier: MIT */
/* Who passes: both ends to the microsecond, visitors, level, age, roles, and the order of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "span.h"
#include "verdict.h"

#define NOW (UINT64_C(1000) * USEC_PER_HOUR)

static const Slice user_role[] = { { "USER", 4 } };
static const Slice admin_role[] = { { "ADMIN", 5 } };
static const VerdictPolicy shop = { .service = { "shop", 4 }, .admin_role = { "ADMIN", 5 } };

/* Logged in an hour ago, seen ten minutes ago, idle end in 1 h 50 min, lifetime's end in 23 h. */
static Record session(void) {
        return (Record) {
                .created = NOW - USEC_PER_HOUR, .auth_time = NOW - USEC_PER_HOUR,
                .last_seen = NOW - 10 * USEC_PER_MINUTE, .idle_usec = 2 * USEC_PER_HOUR,
                .lifetime_end = NOW + 23 * USEC_PER_HOUR, .level = 1, .uid = 1000,
                .service = { "shop", 4 }, .user = { "alice", 5 }, .roles = user_role, .n_roles = 1,
        };
}

static Record visitor(void) {
        Record r = session();

        r.flags = RECORD_ANONYMOUS;
        r.user.size = r.n_roles = r.level = 0;
        r.auth_time = 0;
        return r;
}

static int ask(const Record *r, const Need *need, uint64_t now) {
        Fault f = { 0 };
        int code = verdict(r, need, &shop, now, &f);

        assert_int_equal(f.code, code);
        assert_true((strlen(f.text) > 0) == (code != 0));
        assert_int_equal(verdict(r, need, &shop, now, NULL), code);
        return code;
}

static void test_R5_S03_idle_end(void **state) {
        Record r = session();
        uint64_t end = r.last_seen + r.idle_usec;
        static const Need none;

        assert_int_equal(ask(&r, &none, r.last_seen), 0);
        assert_int_equal(ask(&r, &none, end - 1), 0);
        assert_true(verdict_live(&r, end - 1));
        assert_int_equal(ask(&r, &none, end), FAULT_NO_SESSION);
        assert_false(verdict_live(&r, end));
        assert_int_equal(ask(&r, &none, end + 1), FAULT_NO_SESSION);
        assert_int_equal(ask(&r, &none, UINT64_MAX), FAULT_NO_SESSION);
}

static void test_S03_which_end_has_come(void **state) {
        Record r = session();
        uint64_t idle = r.last_seen + r.idle_usec;

        assert_int_equal(verdict_end(&r, idle - 1), VERDICT_END_NONE);
        assert_int_equal(verdict_end(&r, idle), VERDICT_END_IDLE);
        assert_int_equal(verdict_end(&r, r.lifetime_end - 1), VERDICT_END_IDLE);
        assert_int_equal(verdict_end(&r, r.lifetime_end), VERDICT_END_LIFETIME);
        r.last_seen = r.lifetime_end;
        assert_int_equal(verdict_end(&r, r.lifetime_end - 1), VERDICT_END_NONE);
        assert_int_equal(verdict_end(&r, r.lifetime_end), VERDICT_END_LIFETIME);
}

static void test_R5_S03_absolute_end(void **state) {
        Record r = session();
        static const Need none;

        /* Whoever comes back all the time still meets the end of the lifetime. */
        r.last_seen = r.lifetime_end - 1;
        assert_int_equal(ask(&r, &none, r.lifetime_end - 1), 0);
        assert_int_equal(ask(&r, &none, r.lifetime_end), FAULT_NO_SESSION);
        assert_int_equal(ask(&r, &none, r.lifetime_end + 1), FAULT_NO_SESSION);

        r.last_seen = r.lifetime_end + 5;
        assert_int_equal(ask(&r, &none, r.lifetime_end), FAULT_NO_SESSION);
        r.idle_usec = UINT64_MAX;
        assert_int_equal(ask(&r, &none, r.lifetime_end), FAULT_NO_SESSION);
        assert_int_equal(ask(&r, &none, r.lifetime_end - 1), 0);
}

static void test_R6_other_service(void **state) {
        static const char *const others[] = { "mail", "sho", "shops", "Shop", "" };
        static const Need none;

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                Record r = session();

                r.service = slice_of(others[i]);
                assert_int_equal(ask(&r, &none, NOW), FAULT_NO_SESSION);
        }
}

/* What the answer says does not tell why there is no session. */
static void test_no_session_is_all_alike(void **state) {
        Record ended = session(), other = session(), nobody = visitor();
        static const Need none;
        Fault a, b, c;

        ended.lifetime_end = NOW;
        other.service = slice_of("mail");
        verdict(&ended, &none, &shop, NOW, &a);
        verdict(&other, &none, &shop, NOW, &b);
        verdict(&nobody, &none, &shop, NOW, &c);
        assert_string_equal(a.text, b.text);
        assert_string_equal(a.text, c.text);
}

static void test_C2_roles(void **state) {
        static const Slice any_of[] = { { "SELLER", 6 }, { "USER", 4 } }, none_of[] = { { "SELLER", 6 }, { "USE", 3 } };
        static const struct {
                Need need;
                int expected;
        } cases[] = {
                { { .n_roles = 0 }, 0 },
                { { .roles = user_role, .n_roles = 1 }, 0 },
                { { .roles = any_of, .n_roles = 2 }, 0 },
                { { .roles = any_of, .n_roles = 1 }, FAULT_FORBIDDEN },
                { { .roles = none_of, .n_roles = 2 }, FAULT_FORBIDDEN },
                { { .roles = admin_role, .n_roles = 1 }, FAULT_FORBIDDEN },
        };
        Record r = session();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(ask(&r, &cases[i].need, NOW), cases[i].expected);
        assert_int_equal(ask(&r, NULL, NOW), 0);

        r.n_roles = 0;
        assert_int_equal(ask(&r, &cases[0].need, NOW), 0);
        assert_int_equal(ask(&r, &cases[1].need, NOW), FAULT_FORBIDDEN);
}

static void test_C3_admin_passes_every_role(void **state) {
        static const Slice seller_role[] = { { "SELLER", 6 } };
        static const Need seller = { .roles = seller_role, .n_roles = 1 };
        static const VerdictPolicy no_admin = { .service = { "shop", 4 } };
        Record r = session();

        r.roles = admin_role;
        assert_int_equal(ask(&r, &seller, NOW), 0);
        assert_int_equal(verdict(&r, &seller, &no_admin, NOW, NULL), FAULT_FORBIDDEN);

        /* A role of no name must not make an admin of anybody. */
        r.roles = (const Slice[]) { { "", 0 } };
        assert_int_equal(verdict(&r, &seller, &no_admin, NOW, NULL), FAULT_FORBIDDEN);

        /* It passes checks of roles, not of how the user logged in. */
        r.n_roles = 1;
        assert_int_equal(ask(&r, &(Need) { .level = 2 }, NOW), FAULT_STEP_UP_REQUIRED);
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = 1 }, NOW), FAULT_STEP_UP_REQUIRED);
}

static void test_S07_level(void **state) {
        Record r = session();

        for (uint32_t has = 0; has < 4; has++)
                for (uint32_t needs = 0; needs < 4; needs++) {
                        r.level = has;
                        assert_int_equal(ask(&r, &(Need) { .level = needs }, NOW),
                                         has >= needs ? 0 : FAULT_STEP_UP_REQUIRED);
                }
        r.level = UINT32_MAX;
        assert_int_equal(ask(&r, &(Need) { .level = UINT32_MAX }, NOW), 0);
}

static void test_S07_age(void **state) {
        Record r = session();

        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = USEC_PER_HOUR }, NOW), 0);
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = USEC_PER_HOUR + 1 }, NOW), 0);
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = USEC_PER_HOUR - 1 }, NOW), FAULT_STEP_UP_REQUIRED);
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = UINT64_MAX }, NOW), 0);
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = 0 }, NOW), 0);

        r.auth_time = NOW + 5;
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = 1 }, NOW), 0);
        r.auth_time = 0;
        assert_int_equal(ask(&r, &(Need) { .max_auth_age_usec = NOW - 1 }, NOW), FAULT_STEP_UP_REQUIRED);
}

static void test_F2_visitors_are_not_logged_in(void **state) {
        static const struct {
                Need need;
                int expected;
        } cases[] = {
                { { .flags = 0 }, FAULT_NO_SESSION },
                { { .flags = NEED_NO_TOUCH }, FAULT_NO_SESSION },
                { { .flags = NEED_ALLOW_ANONYMOUS }, 0 },
                { { .flags = NEED_ALLOW_ANONYMOUS | NEED_NO_TOUCH }, 0 },
                { { .flags = NEED_ALLOW_ANONYMOUS, .roles = user_role, .n_roles = 1 }, FAULT_NO_SESSION },
                { { .flags = NEED_ALLOW_ANONYMOUS, .level = 1 }, FAULT_NO_SESSION },
                { { .flags = NEED_ALLOW_ANONYMOUS, .max_auth_age_usec = UINT64_MAX }, FAULT_NO_SESSION },
                { { .roles = user_role, .n_roles = 1 }, FAULT_NO_SESSION },
        };
        Record v = visitor(), s = session();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(ask(&v, &cases[i].need, NOW), cases[i].expected);
                assert_int_equal(verdict_require(&v, &cases[i].need, &shop, NOW, NULL), cases[i].expected);
                assert_int_equal(ask(&s, &cases[i].need, NOW), 0);
        }
        assert_int_equal(ask(&v, NULL, NOW), FAULT_NO_SESSION);
        v.last_seen = NOW - v.idle_usec;
        assert_int_equal(ask(&v, &cases[2].need, NOW), FAULT_NO_SESSION);

        /* Not even with a role that it should not have. */
        v = visitor();
        v.roles = admin_role;
        v.n_roles = 1;
        assert_int_equal(ask(&v, &(Need) { .flags = NEED_ALLOW_ANONYMOUS, .roles = user_role, .n_roles = 1 }, NOW),
                         FAULT_NO_SESSION);
}

/* With everything wrong at once, and then mended one by one. */
static void test_C2_order_of_the_answers(void **state) {
        Need need = { .roles = admin_role, .n_roles = 1, .level = 3, .max_auth_age_usec = 1 };
        Record r = session();
        Fault f = { 0 };

        r.lifetime_end = NOW;
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_NO_SESSION);
        r.lifetime_end = NOW + 1;
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_STEP_UP_REQUIRED);
        assert_non_null(strstr(f.text, "level 3"));
        r.level = 3;
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_STEP_UP_REQUIRED);
        assert_null(strstr(f.text, "level"));
        r.auth_time = NOW;
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_FORBIDDEN);
        r.roles = admin_role;
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), 0);
}

static void test_require_does_not_look_at_the_ends(void **state) {
        Record r = session();
        static const Need none;

        r.lifetime_end = 0;
        assert_int_equal(verdict_require(&r, &none, &shop, NOW, NULL), 0);
        assert_int_equal(verdict_require(&r, &(Need) { .roles = admin_role, .n_roles = 1 }, &shop, NOW, NULL),
                         FAULT_FORBIDDEN);
}

static void test_forbidden_names_user_service_and_roles(void **state) {
        static const Slice two[] = { { "SELLER", 6 }, { "AUDITOR", 7 } };
        Need need = { .roles = two, .n_roles = 2 };
        Slice many[32];
        Record r = session();
        char role[64], user[256];
        Fault f;

        verdict(&r, &need, &shop, NOW, &f);
        assert_non_null(strstr(f.text, "\"alice\""));
        assert_non_null(strstr(f.text, "\"shop\""));
        assert_non_null(strstr(f.text, "(SELLER, AUDITOR)"));

        /* All as long as can be. */
        memset(role, 'R', sizeof(role));
        memset(user, 'u', sizeof(user));
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = slice(role, sizeof(role));
        need = (Need) { .roles = many, .n_roles = ELEMENTSOF(many) };
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_FORBIDDEN);
        assert_non_null(strstr(f.text, ", ...)"));
        r.user = slice(user, sizeof(user));
        assert_int_equal(verdict(&r, &need, &shop, NOW, &f), FAULT_FORBIDDEN);
        assert_true(strlen(f.text) < sizeof(f.text));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_R5_S03_idle_end),
                cmocka_unit_test(test_S03_which_end_has_come),
                cmocka_unit_test(test_R5_S03_absolute_end),
                cmocka_unit_test(test_R6_other_service),
                cmocka_unit_test(test_no_session_is_all_alike),
                cmocka_unit_test(test_C2_roles),
                cmocka_unit_test(test_C3_admin_passes_every_role),
                cmocka_unit_test(test_S07_level),
                cmocka_unit_test(test_S07_age),
                cmocka_unit_test(test_F2_visitors_are_not_logged_in),
                cmocka_unit_test(test_C2_order_of_the_answers),
                cmocka_unit_test(test_require_does_not_look_at_the_ends),
                cmocka_unit_test(test_forbidden_names_user_service_and_roles),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
