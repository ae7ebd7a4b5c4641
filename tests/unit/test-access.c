/* SPDX-License-Identifier: MIT */
/* Callers against the entries of [Access], and the text that a refused caller's administrator reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access.h"
#include "cleanup.h"

static gid_t staff[] = { 100, 50 };
static gid_t overflow[] = { 65534, UINT32_MAX };

static AccessRule uid_998 = { .type = ACCESS_UID, .uid = 998 };
static AccessRule uid_overflow = { .type = ACCESS_UID, .uid = 65534 };
static AccessRule uid_none = { .type = ACCESS_UID, .uid = UINT32_MAX };
static AccessRule gid_50 = { .type = ACCESS_GID, .gid = 50 };
static AccessRule gid_overflow = { .type = ACCESS_GID, .gid = 65534 };
static AccessRule gid_none = { .type = ACCESS_GID, .gid = UINT32_MAX };
static AccessRule unit_shop = { .type = ACCESS_UNIT, .unit = (char *) "shop.service" };
static AccessRule of_no_type = { .type = (AccessType) 99, .uid = 998 };
static AccessRule anyone = { .type = ACCESS_ANYONE };

static Caller uid(uid_t u) {
        return (Caller) { .uid = u, .pid = 42 };
}

static Caller member(uid_t u, gid_t *gids, size_t n) {
        return (Caller) { .uid = u, .gids = gids, .n_gids = n };
}

static Caller of_unit(uid_t u, const char *unit) {
        return (Caller) { .uid = u, .unit = (char *) unit };
}

static void test_S26_rule_by_caller(void **state) {
        const struct {
                const AccessRule *rule;         /* NULL: an empty list */
                Caller caller;
                bool allowed;
        } cases[] = {
                { NULL, uid(0), true },                         /* root alone */
                { NULL, uid(998), false },
                { NULL, uid(65534), false },
                { NULL, CALLER_NONE, false },
                { &uid_998, uid(998), true },
                { &uid_998, uid(997), false },
                { &uid_998, uid(0), true },
                { &gid_50, member(998, staff, 2), true },
                { &gid_50, member(998, staff, 1), false },
                { &gid_50, uid(50), false },                    /* a uid is no gid */
                { &uid_998, member(1, (gid_t[]) { 998 }, 1), false },
                { &unit_shop, of_unit(998, "shop.service"), true },
                { &unit_shop, of_unit(998, "shop.service.evil"), false },
                { &unit_shop, of_unit(998, "sho"), false },
                { &unit_shop, of_unit(998, NULL), false },      /* not known beyond doubt */
                { &of_no_type, uid(998), false },
                { &anyone, uid(998), true },
                { &anyone, uid(65534), false },                 /* of another user namespace */
                { &anyone, CALLER_NONE, false },
                { &uid_overflow, uid(65534), false },           /* even when a list names them */
                { &uid_none, CALLER_NONE, false },
                { &unit_shop, of_unit(65534, "shop.service"), false },
                { &gid_50, member(65534, staff, 2), false },
                { &gid_overflow, member(998, overflow, 2), false },
                { &gid_none, member(998, overflow, 2), false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (Right r = 0; r < _RIGHT_MAX; r++) {
                        Service s = {};

                        s.access[r] = (AccessList) { (AccessRule *) cases[i].rule, cases[i].rule ? 1 : 0 };
                        if (access_allows(&s, r, &cases[i].caller) != cases[i].allowed)
                                fail_msg("case %zu, right %s", i, right_name(r));
                        /* no right follows from another */
                        for (Right other = 0; other < _RIGHT_MAX; other++)
                                if (other != r &&
                                        access_allows(&s, other, &cases[i].caller) != caller_is_root(&cases[i].caller))
                                        fail_msg("case %zu, right %s gives %s", i, right_name(r), right_name(other));
                }
}

static void test_any_entry_of_a_list_suffices(void **state) {
        AccessRule rules[] = { uid_998, unit_shop, gid_50 };
        Service s = { .access[RIGHT_MANAGE] = { rules, 3 } };
        Caller a = uid(998), b = of_unit(5, "shop.service"), c = member(6, staff, 2), d = uid(7);

        assert_true(access_allows(&s, RIGHT_MANAGE, &a));
        assert_true(access_allows(&s, RIGHT_MANAGE, &b));
        assert_true(access_allows(&s, RIGHT_MANAGE, &c));
        assert_false(access_allows(&s, RIGHT_MANAGE, &d));
        assert_false(access_allows(&s, _RIGHT_MAX, &a));
        assert_false(access_allows(&s, (Right) -1, &a));
}

static void test_refusal_says_what_to_do(void **state) {
        const Service s = { .name = (char *) "shop", .path = (char *) "/etc/websess/services.d/shop.conf" };
        const struct {
                Caller caller;
                Right right;
                const char *text;
        } cases[] = {
                { of_unit(998, "shop.service"), RIGHT_RESOLVE,
                        "uid 998 (shop.service) lacks Resolve on \"shop\": see [Access] in "
                        "/etc/websess/services.d/shop.conf" },
                { uid(998), RIGHT_LOGIN,
                        "uid 998 lacks Login on \"shop\": see [Access] in /etc/websess/services.d/shop.conf" },
                { uid(998), RIGHT_MAP,
                        "uid 998 lacks Map on \"shop\": see [Access] in /etc/websess/services.d/shop.conf" },
                { uid(65534), RIGHT_CREATE,
                        "uid 65534 (of another user namespace) lacks Create on \"shop\": see [Access] in "
                        "/etc/websess/services.d/shop.conf" },
                { CALLER_NONE, RIGHT_MANAGE,
                        "a caller whose credentials cannot be read lacks Manage on \"shop\": see [Access] in "
                        "/etc/websess/services.d/shop.conf" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Fault f = {};

                assert_int_equal(access_require(&s, cases[i].right, &cases[i].caller, &f), FAULT_ACCESS_DENIED);
                assert_int_equal(f.code, FAULT_ACCESS_DENIED);
                assert_string_equal(f.text, cases[i].text);
        }
        assert_int_equal(access_require(&s, RIGHT_MANAGE, &(Caller) { .uid = 0 }, NULL), 0);
        assert_int_equal(access_require(&s, RIGHT_MANAGE, &(Caller) { .uid = 1 }, NULL), FAULT_ACCESS_DENIED);
}

static void test_what_is_no_right_is_nobody_s(void **state) {
        const Caller root = uid(0);
        Service s = {};

        assert_false(access_allows(&s, _RIGHT_MAX, &root) || access_allows(&s, (Right) -1, &root));
}

static void test_S06_own_sessions_by_real_uid_only(void **state) {
        static const struct {
                uint32_t caller, session, flags;
                bool owns;
        } cases[] = {
                { 1000, 1000, 0, true },
                { 1000, 1000, RECORD_REMEMBER, true },
                { 1000, 1001, 0, false },
                { 0, 1000, 0, false },                          /* root manages, but does not own */
                { 0, 0, 0, true },
                { 65534, 65534, 0, false },
                { UINT32_MAX, RECORD_NO_UID, 0, false },        /* unread credentials and app users share a number */
                { 1000, RECORD_NO_UID, 0, false },
                { 1000, 1000, RECORD_APP_USER, false },
                { 1000, 1000, RECORD_ANONYMOUS, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Caller c = { .uid = cases[i].caller };
                const Record r = { .uid = cases[i].session, .flags = cases[i].flags };

                if (caller_owns(&c, &r) != cases[i].owns)
                        fail_msg("case %zu", i);
        }
}

static void test_caller_done_leaves_nobody(void **state) {
        Caller c = { .uid = 1000, .gids = calloc(1, sizeof(gid_t)), .n_gids = 1, .unit = strdup("a.service") };

        caller_done(&c);
        assert_false(caller_valid(&c));
        assert_null(c.gids);
        assert_null(c.unit);
        caller_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S26_rule_by_caller),
                cmocka_unit_test(test_any_entry_of_a_list_suffices),
                cmocka_unit_test(test_refusal_says_what_to_do),
                cmocka_unit_test(test_what_is_no_right_is_nobody_s),
                cmocka_unit_test(test_S06_own_sessions_by_real_uid_only),
                cmocka_unit_test(test_caller_done_leaves_nobody),
        };

        return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
