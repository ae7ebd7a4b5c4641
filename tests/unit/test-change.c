/* SPDX-License-Identifier: MIT */
/* Changes that are given up, and changes that are long. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "create-world.h"
#include "span.h"

static const char open_policy[] = "[Service]\nUsers=app\n[Roles]\nUSER=\nADMIN=\n";

/* A change that is given up before it was submitted leaves what others have staged. */
static void test_R8_change_given_up_takes_nothing_of_another_along(void **state) {
        uint64_t version = 0;
        Change *c = NULL;
        Fault f = {};
        World w;
        Made m;

        open_world(&w, open_policy, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, &f), 0);
        assert_int_equal(change_new(&c, w.table), 0);
        assert_int_equal(amend_roles(c, m.session, &(Strings) { (Slice[]) { slice_of("ADMIN") }, 1 }, &version), 0);
        assert_int_equal(amend_roles(c, m.session, &(Strings) { (Slice[]) { slice_of("USER") }, 1 }, &version), 0);
        assert_int_equal(version, 3);
        change_free(c);
        assert_non_null(m.session->staged);
        settle(&w);
        assert_null(m.session->staged);

        assert_int_equal(change_new(&c, w.table), 0);
        assert_int_equal(amend_roles(c, m.session, &(Strings) { (Slice[]) { slice_of("ADMIN") }, 1 }, &version), 0);
        change_submit(c, NULL, NULL);
        assert_int_equal(change_new(&c, w.table), 0);
        assert_int_equal(amend_roles(c, m.session, &(Strings) { (Slice[]) { slice_of("USER") }, 1 }, &version), 0);
        change_free(c);
        assert_int_equal(change_new(&c, w.table), 0);
        assert_int_equal(amend_roles(c, m.session, &(Strings) { (Slice[]) { slice_of("USER") }, 1 }, &version), 0);
        assert_int_equal(version, 3);
        change_submit(c, NULL, NULL);
        settle(&w);
        close_world(&w);
}

/* Long revocations become visible in slices: none is answered before all of it is true, maps may come and go meanwhile, and another
 * removal of the same session may overtake. */
static void test_S04_S17_long_revocation_leaves_turns_to_others(void **state) {
        enum { MANY = 1000 };
        MapFacts facts = { .service = slice_of("shop") };
        int result = 1, other = 1, slices = 0;
        Change *c = NULL;
        char user[16];
        static Made m[MANY];
        Space *space;
        World w;

        open_world(&w, open_policy, 1 << 26);
        for (int i = 0; i < MANY; i++) {
                snprintf(user, sizeof(user), "u%d", i);
                assert_int_equal(make(&w, &m[i], user, NULL, NULL), 0);
        }
        settle(&w);
        assert_int_equal(w.added, MANY);
        assert_int_equal(table_space(w.table, slice_of("shop"), &space), 0);

        assert_int_equal(change_new(&c, w.table), 0);
        for (int i = 0; i < MANY; i++)
                assert_int_equal(change_remove(c, m[i].session, REASON_REVOKED), 0);
        change_submit(c, note_result, &result);
        assert_int_equal(end_session(&w, m[MANY - 1].session, &other), 0);
        store_drain(w.store);
        assert_int_equal(other, 0);
        assert_null(look(&w, &m[MANY - 1]));
        assert_int_equal(w.removed, 1);
        assert_int_equal(result, 1);
        do {
                assert_true(result == 1 || w.table->n_visible == 0);
                space_supersede(space, &facts);
                slices++;
                for (int i = 0; i < 100; i++)
                        space_collect(space, UINT64_MAX / 2);
        } while (change_go_on(w.table));
        assert_true(slices > 4);
        assert_int_equal(result, 0);
        assert_int_equal(w.removed, MANY);
        assert_int_equal(w.table->n_changes, 0);
        close_world(&w);
}

/* A visitor is nobody: not even who may create sessions gives a visitor's a level. */
static void test_F2_visitors_session_gets_no_level(void **state) {
        Options o = { .has = OPTION_BIT(OPTION_LEVEL), .level = 1 };
        Session *s = NULL;
        Change *c = NULL;
        Token token;
        World w;
        Made m;

        open_world(&w, "[Service]\nUsers=app\nAnonymous=yes\n", 1 << 24);
        assert_int_equal(make(&w, &m, "", NULL, NULL), 0);
        settle(&w);
        assert_int_equal(change_new(&c, w.table), 0);
        assert_int_equal(amend_secret(c, w.table, policy_find(w.policy, slice_of("shop")), slice_of(m.text), &o, 998, &w.now, &s, &token, NULL),
                         FAULT_INVALID_ARGUMENT);
        assert_null(m.session->staged);
        change_free(c);
        close_world(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_F2_visitors_session_gets_no_level),
                cmocka_unit_test(test_R8_change_given_up_takes_nothing_of_another_along),
                cmocka_unit_test(test_S04_S17_long_revocation_leaves_turns_to_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
