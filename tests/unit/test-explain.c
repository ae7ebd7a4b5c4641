/* SPDX-License-Identifier: MIT */
/* What people are told of a session: which line of the policy gave what, what ends it, and which sessions ended last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "ended.h"
#include "explain.h"
#include "policy-tree.h"
#include "span.h"

static const char shop[] =
        "[Service]\nIdleSec=2h\nLifetimeSec=24h\nMaxSessions=5\nStepUpLevel=2\nStepUpAuthMethods=otp\nAuthMethods=pwd\n"
        "[Roles]\nADMIN=@root\nBUYER=bob alice\nUSER=*\nODD=\n[Access]\nResolve=998 @root\nManage=*\n";

static const Slice roles[] = { { "ADMIN", 5 }, { "BUYER", 5 }, { "USER", 4 }, { "ODD", 3 } };
static const Slice pwd[] = { { "pwd", 3 } }, both[] = { { "pwd", 3 }, { "otp", 3 } };

static Record session(void) {
        return (Record) {
                .flags = RECORD_ROLES_FROM_POLICY, .created = USEC_PER_DAY, .last_seen = USEC_PER_DAY, .idle_usec = 2 * USEC_PER_HOUR,
                .lifetime_end = 2 * USEC_PER_DAY, .level = 1, .uid = 1000, .creator_uid = 998, .service = { "x", 1 },
                .user = { "alice", 5 }, .roles = roles, .n_roles = ELEMENTSOF(roles), .methods = pwd, .n_methods = 1,
        };
}

static void has(const Lines *l, size_t i, const char *text) {
        assert_false(l->failed);
        assert_true(i < l->n);
        if (!strstr(l->items[i], text))
                fail_msg("no \"%s\" in \"%s\"", text, l->items[i]);
}

static void test_roles_name_their_line(void **state) {
        _cleanup_(lines_done) Lines l = {}, given = {};
        const Service *s;
        Policy *p = text_load(shop, &s);
        Record r = session();

        explain_roles(s, &r, &l);
        assert_int_equal(l.n, 5);
        has(&l, 0, "ADMIN: the user was in a group named behind ADMIN= in [Roles]");
        has(&l, 0, ": @root");
        has(&l, 1, "BUYER: the user is named behind BUYER=");
        has(&l, 2, "USER: everyone gets it at login, by USER=*");
        has(&l, 3, "ODD: no line of [Roles]");
        has(&l, 4, "ADMIN passes every check of roles");

        r.flags = 0;
        r.roles = roles + 2;
        r.n_roles = 1;
        explain_roles(s, &r, &given);
        assert_int_equal(given.n, 1);
        has(&given, 0, "USER: given by name");
        policy_unref(p);
}

static void test_ends_name_key_and_policy(void **state) {
        _cleanup_(lines_done) Lines l = {}, other = {}, visitor = {};
        const Service *s;
        Policy *p = text_load(shop, &s);
        Record r = session();

        explain_ends(s, &r, &(Standing) { 2, 3 }, &l);
        assert_int_equal(l.n, 5);
        has(&l, 0, "idle: 2h, by IdleSec= in ");
        has(&l, 1, "lifetime: 1d, by LifetimeSec=");
        has(&l, 2, "number: 2 of 3 sessions of this user");
        has(&l, 3, "account: uid 1000 is watched");
        has(&l, 4, "a change of them ends the session");

        r.flags = RECORD_APP_USER | RECORD_REMEMBER;
        r.idle_usec = 10 * USEC_PER_MINUTE;
        explain_ends(s, &r, &(Standing) { 1, 1 }, &other);
        has(&other, 0, "idle: 10min, from when the session began; RememberSec=");
        has(&other, 3, "account: not watched, the users are the application's own");
        has(&other, 4, "SetUserRoles ends");

        r.flags = RECORD_ANONYMOUS;
        explain_ends(s, &r, &(Standing) {}, &visitor);
        assert_int_equal(visitor.n, 2);
        has(&visitor, 0, "AnonymousIdleSec=");
        policy_unref(p);
}

static void test_login_says_who_vouches(void **state) {
        const struct {
                uint32_t flags, level;
                const Slice *methods;
                size_t n_methods;
                const char *text;
        } cases[] = {
                { RECORD_ROLES_FROM_POLICY, 1, pwd, 1, "level 1 is what the PAM service \"websess\" is worth" },
                { 0, 1, pwd, 1, "or the word of a caller with the Create right" },
                { RECORD_ROLES_FROM_POLICY, 2, both, 2, "level 2 is what authenticating again by" },
                { RECORD_ROLES_FROM_POLICY, 2, pwd, 1, "level 2 is on the word of a caller" },
                { 0, 0, NULL, 0, "on the word of uid 998" },
                { RECORD_ANONYMOUS, 0, NULL, 0, "a visitor" },
        };
        const Service *s;
        Policy *p = text_load(shop, &s);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(lines_done) Lines l = {};
                Record r = session();

                r.flags = cases[i].flags;
                r.level = cases[i].level;
                r.methods = cases[i].methods;
                r.n_methods = cases[i].n_methods;
                explain_login(s, &r, &l);
                assert_int_equal(l.n, 1);
                has(&l, 0, cases[i].text);
        }
        policy_unref(p);
}

static void test_access_names_the_entry(void **state) {
        _cleanup_(lines_done) Lines l = {}, root = {}, nobody = {};
        const Service *s;
        Policy *p = text_load(shop, &s);
        Record r = session();

        explain_access(s, &r, &(Caller) { .uid = 998 }, &l);
        assert_int_equal(l.n, 3);
        has(&l, 0, "Resolve: by 998 in [Access] of ");
        has(&l, 1, "Map: by 998");
        has(&l, 2, "Manage: by * in");
        explain_access(s, &r, &(Caller) { .uid = 0 }, &root);
        assert_int_equal(root.n, 1);
        has(&root, 0, "everything: root may");
        explain_access(s, &r, &CALLER_NONE, &nobody);
        assert_int_equal(nobody.n, 0);
        lines_done(&l);
        explain_access(s, &r, &(Caller) { .uid = 1000 }, &l);
        has(&l, l.n - 1, "the caller's own uid 1000");
        policy_unref(p);
}

static void test_every_reason_has_a_sentence(void **state) {
        for (Reason i = 0; i < _REASON_MAX; i++)
                assert_true(strlen(explain_reason(i)) > 10);
}

static Ident ident(unsigned i) {
        Ident id = {};

        memcpy(id.bytes, &i, sizeof(i));
        return id;
}

static void test_ended_keeps_the_last(void **state) {
        _cleanup_(ended_done) Ended e = {};
        Record r = session();
        Ident id;

        id = ident(0);
        assert_null(ended_find(&e, &id));
        for (unsigned i = 0; i < ENDED_MAX + 10; i++) {
                r.id = ident(i);
                ended_add(&e, &r, i % 2 ? REASON_IDLE : REASON_REVOKED, i);
        }
        for (unsigned i = 0; i < ENDED_MAX + 10; i++) {
                const EndedEntry *found;

                id = ident(i);
                found = ended_find(&e, &id);
                assert_int_equal(found != NULL, i >= 10);
                if (!found)
                        continue;
                assert_int_equal(found->reason, i % 2 ? REASON_IDLE : REASON_REVOKED);
                assert_int_equal(found->realtime, i);
                assert_string_equal(found->service, "x");
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_roles_name_their_line),
                cmocka_unit_test(test_ends_name_key_and_policy),
                cmocka_unit_test(test_login_says_who_vouches),
                cmocka_unit_test(test_access_names_the_entry),
                cmocka_unit_test(test_every_reason_has_a_sentence),
                cmocka_unit_test(test_ended_keeps_the_last),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
