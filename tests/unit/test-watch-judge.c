/* SPDX-License-Identifier: MIT */
/* What the machine says of an account × what the session knows: every verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "watch-judge.h"

#define UID 1000u

static const uint8_t none[RECORD_TAG_SIZE], one[RECORD_TAG_SIZE] = { 1 }, two[RECORD_TAG_SIZE] = { 2 };

static char *editors[] = { (char *) "editors", NULL };
static RoleRule rules[] = {
        { .role = (char *) "EDITOR", .groups = editors },
        { .role = (char *) "USER", .everyone = true },
};
static Service service = { .users = USERS_UNIX, .roles = rules, .n_roles = ELEMENTSOF(rules), .admin_role = (char *) "" };
static const Slice both_roles[] = { { "USER", 4 }, { "EDITOR", 6 } };

static Record session(const uint8_t digest[static RECORD_TAG_SIZE]) {
        Record r = {
                .flags = RECORD_ROLES_FROM_POLICY, .uid = UID, .user = slice_of("alice"), .service = slice_of("shop"),
                .roles = both_roles, .n_roles = ELEMENTSOF(both_roles),
        };

        memcpy(r.account_digest, digest, RECORD_TAG_SIZE);
        return r;
}

static AccountView account(AuthAccount state, const uint8_t *digest) {
        return (AccountView) {
                .state = state, .uid = state == AUTH_ACCOUNT_UNKNOWN ? RECORD_NO_UID : UID, .user = "alice", .groups = editors, .digest = digest,
        };
}

static WatchVerdict judge(Record r, AccountView a) {
        Slice roles[ROLES_MAX];
        size_t n = 0;

        return watch_judge(&r, &a, &service, roles, &n);
}

static void test_S05_every_state_by_every_digest(void **state) {
        static const struct {
                AuthAccount state;
                const uint8_t *known, *now;
                WatchVerdict verdict;
        } cells[] = {
                { AUTH_ACCOUNT_FINE, one, one, WATCH_KEEP },
                { AUTH_ACCOUNT_FINE, one, two, WATCH_END_PASSWORD },
                { AUTH_ACCOUNT_FINE, one, none, WATCH_END_PASSWORD },
                { AUTH_ACCOUNT_FINE, none, one, WATCH_ADOPT },
                { AUTH_ACCOUNT_FINE, none, none, WATCH_KEEP },
                { AUTH_ACCOUNT_LOCKED, one, one, WATCH_KEEP },          /* it was when the session began */
                { AUTH_ACCOUNT_LOCKED, one, two, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_LOCKED, none, two, WATCH_ADOPT },
                { AUTH_ACCOUNT_EXPIRED, one, one, WATCH_END_ACCOUNT },  /* a day comes without a change */
                { AUTH_ACCOUNT_EXPIRED, one, two, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_EXPIRED, none, one, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_UNKNOWN, one, none, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_UNKNOWN, none, none, WATCH_DOUBT },      /* a directory's */
                { AUTH_ACCOUNT_UNSURE, one, two, WATCH_KEEP },
                { AUTH_ACCOUNT_UNSURE, one, none, WATCH_KEEP },
                { AUTH_ACCOUNT_UNSURE, none, one, WATCH_KEEP },
        };

        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                if (judge(session(cells[i].known), account(cells[i].state, cells[i].now)) != cells[i].verdict)
                        fail_msg("cell %zu", i);
}

/* Where it is sure that name and uid are the same account's still, a new password is no more than that. */
static void test_S05_a_new_password_alone_is_asked_about(void **state) {
        static const struct {
                AuthAccount state;
                const uint8_t *now;
                WatchVerdict verdict;
        } cells[] = {
                { AUTH_ACCOUNT_FINE, one, WATCH_KEEP },
                { AUTH_ACCOUNT_FINE, two, WATCH_PASSWORD },
                { AUTH_ACCOUNT_FINE, none, WATCH_END_PASSWORD },
                { AUTH_ACCOUNT_LOCKED, two, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_EXPIRED, two, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_UNKNOWN, none, WATCH_END_ACCOUNT },
                { AUTH_ACCOUNT_UNSURE, two, WATCH_KEEP },
        };

        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                AccountView a = account(cells[i].state, cells[i].now);

                a.same = true;
                if (judge(session(one), a) != cells[i].verdict)
                        fail_msg("cell %zu", i);
        }
}

static void test_S13_another_uid_under_the_name_is_another_account(void **state) {
        static const AuthAccount states[] = { AUTH_ACCOUNT_FINE, AUTH_ACCOUNT_LOCKED, AUTH_ACCOUNT_EXPIRED };

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                AccountView a = account(states[i], one);

                a.uid = UID + 1;
                assert_int_equal(judge(session(one), a), WATCH_END_ACCOUNT);
                assert_int_equal(judge(session(none), a), WATCH_END_ACCOUNT);
        }
}

static void test_users_of_the_application_are_left_alone(void **state) {
        for (AuthAccount s = AUTH_ACCOUNT_UNKNOWN; s < _AUTH_ACCOUNT_MAX; s++) {
                Record app = session(one), nobody = session(one), visitor = session(none);

                app.flags |= RECORD_APP_USER;
                nobody.uid = RECORD_NO_UID;
                visitor.flags = RECORD_ANONYMOUS;
                assert_int_equal(judge(app, account(s, two)), WATCH_KEEP);
                assert_int_equal(judge(nobody, account(s, two)), WATCH_KEEP);
                assert_int_equal(judge(visitor, account(s, two)), WATCH_KEEP);
        }
}

static void test_C6_roles_follow_the_groups(void **state) {
        static char *no_groups[] = { NULL };
        AccountView a = account(AUTH_ACCOUNT_FINE, one);
        Record r = session(one), by_hand = session(one);
        Slice roles[ROLES_MAX];
        size_t n = 0;

        a.groups = no_groups;
        assert_int_equal(watch_judge(&r, &a, &service, roles, &n), WATCH_ROLES);
        assert_int_equal(n, 1);
        assert_true(slice_equal(roles[0], slice_of("USER")));

        r.n_roles = 1;                  /* only USER */
        assert_int_equal(watch_judge(&r, &a, &service, roles, &n), WATCH_KEEP);
        a.groups = editors;
        assert_int_equal(watch_judge(&r, &a, &service, roles, &n), WATCH_ROLES);
        assert_int_equal(n, 2);

        by_hand.flags = 0;
        a.groups = no_groups;
        assert_int_equal(watch_judge(&by_hand, &a, &service, roles, &n), WATCH_KEEP);
        assert_int_equal(watch_judge(&r, &a, NULL, roles, &n), WATCH_KEEP);
        /* the graver verdict wins */
        a.digest = two;
        a.groups = editors;
        assert_int_equal(watch_judge(&r, &a, &service, roles, &n), WATCH_END_PASSWORD);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S05_every_state_by_every_digest),
                cmocka_unit_test(test_S05_a_new_password_alone_is_asked_about),
                cmocka_unit_test(test_S13_another_uid_under_the_name_is_another_account),
                cmocka_unit_test(test_users_of_the_application_are_left_alone),
                cmocka_unit_test(test_C6_roles_follow_the_groups),
        };

        return cmocka_run_group_tests_name("watch-judge", tests, NULL, NULL);
}
