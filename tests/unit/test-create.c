/* SPDX-License-Identifier: MIT */
/* Sessions begin, change and end: the rules over a real store, without a bus. Time is passed in. */
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

static const char evicting[] = "[Service]\nUsers=app\nAnonymous=yes\nMaxSessions=3\n[Roles]\nUSER=\nADMIN=\n";
static const char refusing[] = "[Service]\nUsers=app\nMaxSessions=3\nOnLimit=refuse\n[Roles]\nUSER=\n";

static void test_R1_session_is_visible_only_when_it_is_safe(void **state) {
        World w;
        Made m;

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        assert_null(look(&w, &m));
        assert_int_equal(w.added, 0);
        settle(&w);
        assert_int_equal(m.result, 0);
        assert_ptr_equal(look(&w, &m), m.session);
        assert_int_equal(w.added, 1);
        close_world(&w);
}

static void test_R6_token_opens_its_own_service_only(void **state) {
        World w;
        Made m;

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        settle(&w);
        assert_null(secret_find(w.table, policy_find(w.policy, slice_of("mail")), slice_of(m.text), false));
        m.text[TOKEN_BODY_SIZE - 1] ^= 1;
        assert_null(look(&w, &m));
        close_world(&w);
}

static void test_F5_R9_oldest_is_evicted_and_pending_ones_count(void **state) {
        World w;
        Made m[6];

        open_world(&w, evicting, 1 << 24);
        /* none of them is committed when the next one is counted */
        for (size_t i = 0; i < 6; i++)
                assert_int_equal(make(&w, &m[i], "alice", NULL, NULL), 0);
        settle(&w);
        for (size_t i = 0; i < 6; i++)
                assert_int_equal(look(&w, &m[i]) != NULL, i >= 3);
        assert_int_equal(w.table->n_visible, 3);
        assert_int_equal(w.last_reason, REASON_EVICTED);
        close_world(&w);
}

static void test_F5_login_beyond_the_limit_is_refused(void **state) {
        World w;
        Made m[4], other;
        Fault f = {};

        open_world(&w, refusing, 1 << 24);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(make(&w, &m[i], "alice", NULL, NULL), 0);
        assert_int_equal(make(&w, &m[3], "alice", NULL, &f), FAULT_LIMIT_REACHED);
        assert_int_equal(make(&w, &other, "bob", NULL, NULL), 0);
        settle(&w);

        /* an ended session does not count, whether it was swept or not */
        w.now.steady += 3 * USEC_PER_HOUR;
        assert_int_equal(make(&w, &m[3], "alice", NULL, NULL), 0);
        settle(&w);
        assert_non_null(look(&w, &m[3]));
        close_world(&w);
}

static void test_F5_visitors_are_not_counted(void **state) {
        World w;
        Made m[8];

        open_world(&w, evicting, 1 << 24);
        for (size_t i = 0; i < 8; i++)
                assert_int_equal(make(&w, &m[i], "", NULL, NULL), 0);
        settle(&w);
        assert_int_equal(w.table->n_visible, 8);
        close_world(&w);
}

static void test_F4_S02_replaced_session_ends_with_the_new_ones_beginning(void **state) {
        World w;
        Made old, new;
        Options o = {};

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &old, "", NULL, NULL), 0);
        settle(&w);
        o.replace_token = slice_of(old.text);
        assert_int_equal(make(&w, &new, "alice", &o, NULL), 0);
        assert_non_null(look(&w, &old));
        settle(&w);
        assert_null(look(&w, &old));
        assert_non_null(look(&w, &new));
        assert_int_equal(w.last_reason, REASON_REPLACED);

        /* rubbish there is ignored */
        o.replace_token = slice_of("x");
        assert_int_equal(make(&w, &new, "alice", &o, NULL), 0);
        settle(&w);
        close_world(&w);
}

static void test_repeated_request_gives_the_same_session_with_a_fresh_secret(void **state) {
        World w;
        Made first, second, late;
        Options o = { .has = OPTION_BIT(OPTION_REQUEST_ID), .request_id = slice_of("r-1") };

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &first, "alice", &o, NULL), 0);
        assert_int_equal(make(&w, &second, "alice", &o, NULL), 0);      /* before the first is committed */
        settle(&w);
        assert_ptr_equal(first.session, second.session);
        assert_null(look(&w, &first));
        assert_ptr_equal(look(&w, &second), first.session);
        assert_int_equal(w.added, 1);

        w.now.steady += 61 * USEC_PER_SEC;
        assert_int_equal(make(&w, &late, "alice", &o, NULL), 0);
        settle(&w);
        assert_ptr_not_equal(late.session, first.session);
        close_world(&w);
}

static int rotate(World *w, const Made *m, const Options *o, Made *out) {
        const Service *s = policy_find(w->policy, slice_of("shop"));
        Change *c = NULL;
        int r;

        *out = (Made) { .result = 1 };
        assert_int_equal(change_new(&c, w->table), 0);
        r = amend_secret(c, w->table, s, slice_of(m->text), o, 998, &w->now, &out->session, &out->token, NULL);
        if (r != 0) {
                change_free(c);
                return r;
        }
        token_format(&out->token, "", out->text);
        change_submit(c, note_result, &out->result);
        return 0;
}

static void test_S02_rotation_keeps_the_id_and_kills_the_old_token(void **state) {
        World w;
        Made m, new, again;
        Options o = { .has = OPTION_BIT(OPTION_REQUEST_ID), .request_id = slice_of("r-2") };

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        settle(&w);
        assert_int_equal(rotate(&w, &m, &(Options) {}, &new), 0);
        /* its rotation is on its way: the old token rotates nothing more */
        assert_int_equal(rotate(&w, &m, &(Options) {}, &again), FAULT_NO_SESSION);
        settle(&w);
        assert_ptr_equal(new.session, m.session);
        assert_null(look(&w, &m));
        assert_non_null(look(&w, &new));

        /* a lost reply: the same caller repeats the same request with the token that it killed */
        assert_int_equal(rotate(&w, &new, &o, &again), 0);
        settle(&w);
        assert_int_equal(rotate(&w, &new, &o, &m), 0);
        settle(&w);
        assert_null(look(&w, &again));
        assert_non_null(look(&w, &m));
        o.request_id = slice_of("r-3");
        assert_int_equal(rotate(&w, &new, &o, &again), FAULT_NO_SESSION);
        close_world(&w);
}

static int change_attributes(World *w, Session *s, Attribute *set, size_t n_set, const char *unset, uint64_t if_version, uint64_t *version) {
        Slice key = slice_of(unset);
        Change *c = NULL;
        int r;

        assert_int_equal(change_new(&c, w->table), 0);
        r = amend_attributes(c, s, &(Attributes) { .items = set, .n = n_set }, &(Strings) { .items = &key, .n = unset ? 1 : 0 }, if_version,
                           version, NULL);
        if (r != 0)
                change_free(c);
        else
                change_submit(c, NULL, NULL);
        return r;
}

static void test_R8_parallel_changes_of_attributes_are_not_lost(void **state) {
        Attribute a = { .key = { "a", 1 }, .type = 'x', .integer = 1 }, b = { .key = { "b", 1 }, .type = 'x', .integer = 2 };
        uint64_t version;
        World w;
        Made m;
        Record r;

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        settle(&w);
        assert_int_equal(change_attributes(&w, m.session, &a, 1, NULL, 1, &version), 0);
        assert_int_equal(version, 2);
        assert_int_equal(change_attributes(&w, m.session, &b, 1, NULL, 0, &version), 0);
        assert_int_equal(version, 3);
        assert_int_equal(change_attributes(&w, m.session, &b, 1, NULL, 2, &version), FAULT_CONFLICT);
        settle(&w);
        session_view(m.session, &r);
        assert_int_equal(r.n_attributes, 2);
        assert_int_equal(change_attributes(&w, m.session, NULL, 0, "a", 3, &version), 0);
        settle(&w);
        session_view(m.session, &r);
        assert_int_equal(r.n_attributes, 1);
        close_world(&w);
}

static void test_S04_session_revoked_while_it_is_on_its_way_in_does_not_live(void **state) {
        World w;
        Made m;
        int result, second;

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        assert_int_equal(end_session(&w, m.session, &result), 0);
        assert_int_equal(end_session(&w, m.session, &second), 0);
        settle(&w);
        assert_int_equal(result, 0);
        assert_int_equal(second, 0);
        assert_null(look(&w, &m));
        assert_int_equal(w.removed, 1);
        close_world(&w);
}

static void test_L03_full_store_refuses_what_is_new_and_still_revokes(void **state) {
        static char blob[8000];
        Attribute big = { .key = { "blob", 4 }, .type = 'y', .bytes = { blob, sizeof(blob) } };
        uint64_t version, visible;
        World w;
        Made m[2000];
        size_t n = 0;
        int result;

        open_world(&w, "[Service]\nUsers=app\nMaxSessions=0\n[Roles]\nUSER=\n", 2 << 20);
        do {
                assert_true(n < 2000);
                assert_int_equal(make(&w, &m[n], "alice", NULL, NULL), 0);
                settle(&w);
                if (m[n].result == 0 && change_attributes(&w, m[n].session, &big, 1, NULL, 0, &version) == 0)
                        settle(&w);
        } while (m[n++].result == 0);

        assert_int_equal(m[n - 1].result, -E2BIG);
        assert_null(look(&w, &m[n - 1]));
        assert_true(w.failed > 0);
        visible = w.table->n_visible;

        /* a revocation beside a creation that fails */
        assert_int_equal(make(&w, &m[n - 1], "alice", NULL, NULL), 0);
        assert_int_equal(end_session(&w, m[0].session, &result), 0);
        settle(&w);
        assert_int_equal(result, 0);
        assert_null(look(&w, &m[0]));
        assert_int_equal(w.table->n_visible, visible - (m[n - 1].result == 0 ? 0 : 1));

        for (size_t i = 1; i < n - 1; i++) {
                assert_int_equal(end_session(&w, m[i].session, &result), 0);
                settle(&w);
                assert_int_equal(result, 0);
        }
        assert_int_equal(make(&w, &m[0], "alice", NULL, NULL), 0);
        settle(&w);
        assert_int_equal(m[0].result, 0);
        close_world(&w);
}

static void test_S03_touches_are_coalesced_and_never_go_back(void **state) {
        uint64_t start;
        World w;
        Made m;

        open_world(&w, evicting, 1 << 24);
        assert_int_equal(make(&w, &m, "alice", NULL, NULL), 0);
        settle(&w);
        start = w.now.steady;
        table_touch(w.table, m.session, start + 29 * USEC_PER_SEC, 30 * USEC_PER_SEC);
        assert_true(m.session->last_seen == start);
        table_touch(w.table, m.session, start + 31 * USEC_PER_SEC, 30 * USEC_PER_SEC);
        assert_true(m.session->last_seen == start + 31 * USEC_PER_SEC);
        table_touch(w.table, m.session, start + 5 * USEC_PER_SEC, 30 * USEC_PER_SEC);
        assert_true(m.session->last_seen == start + 31 * USEC_PER_SEC);
        close_world(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_R1_session_is_visible_only_when_it_is_safe),
                cmocka_unit_test(test_R6_token_opens_its_own_service_only),
                cmocka_unit_test(test_F5_R9_oldest_is_evicted_and_pending_ones_count),
                cmocka_unit_test(test_F5_login_beyond_the_limit_is_refused),
                cmocka_unit_test(test_F5_visitors_are_not_counted),
                cmocka_unit_test(test_F4_S02_replaced_session_ends_with_the_new_ones_beginning),
                cmocka_unit_test(test_repeated_request_gives_the_same_session_with_a_fresh_secret),
                cmocka_unit_test(test_S02_rotation_keeps_the_id_and_kills_the_old_token),
                cmocka_unit_test(test_R8_parallel_changes_of_attributes_are_not_lost),
                cmocka_unit_test(test_S04_session_revoked_while_it_is_on_its_way_in_does_not_live),
                cmocka_unit_test(test_L03_full_store_refuses_what_is_new_and_still_revokes),
                cmocka_unit_test(test_S03_touches_are_coalesced_and_never_go_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
