/* SPDX-License-Identifier: MIT */
/* A new password was seen, and somebody spoke for the session, or nobody did: in both orders, and too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "create-world.h"
#include "span.h"
#include "watch-keep.h"

static const char policy[] = "[Service]\nUsers=app\n[Roles]\nUSER=\n";
static const uint8_t before[RECORD_TAG_SIZE] = { 1 }, after[RECORD_TAG_SIZE] = { 2 }, later[RECORD_TAG_SIZE] = { 3 };

typedef struct Fixture {
        World world;
        sd_event *event;
        WatchKeep *keep;
        Made made;
        int results;            /* changes that were committed */
} Fixture;

static void on_done(int result, void *userdata) {
        Fixture *f = userdata;

        assert_int_equal(result, 0);
        f->results++;
}

static void set_digest(Fixture *f, const uint8_t digest[static RECORD_TAG_SIZE]) {
        Change *c = NULL;

        assert_int_equal(change_new(&c, f->world.table), 0);
        assert_int_equal(amend_account_digest(c, f->made.session, digest), 0);
        change_submit(c, NULL, NULL);
        settle(&f->world);
}

static void open_fixture(Fixture *f) {
        Fault fault = {};

        *f = (Fixture) {};
        open_world(&f->world, policy, 1 << 24);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(watch_keep_new(&f->keep, f->event, f->world.table, on_done, f), 0);
        assert_int_equal(make(&f->world, &f->made, "alice", NULL, &fault), 0);
        settle(&f->world);
        set_digest(f, before);
}

static void close_fixture(Fixture *f) {
        watch_keep_free(f->keep);
        sd_event_unref(f->event);
        close_world(&f->world);
}

static bool has_digest(const Fixture *f, const uint8_t digest[static RECORD_TAG_SIZE]) {
        Record r;

        session_view(f->made.session, &r);
        return memcmp(r.account_digest, digest, RECORD_TAG_SIZE) == 0;
}

/* Turn the loop until its timer has run; false when there was nothing to wait for. */
static bool wait_for_timer(Fixture *f, uint64_t usec) {
        int r = sd_event_run(f->event, usec);

        assert_true(r >= 0);
        settle(&f->world);
        return r > 0;
}

static void test_S05_session_that_is_spoken_for_takes_the_new_digest(void **state) {
        Fixture f;

        open_fixture(&f);
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, after), WATCH_KEPT_ASKED);
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, after), WATCH_KEPT_ASKED);
        assert_true(has_digest(&f, before));
        watch_keep_told(f.keep, f.made.session);
        settle(&f.world);
        assert_int_equal(f.results, 1);
        assert_true(has_digest(&f, after));
        wait_for_timer(&f, 1200 * USEC_PER_MSEC);
        assert_int_equal(f.world.removed, 0);
        close_fixture(&f);
}

static void test_S05_who_speaks_first_is_heard_once(void **state) {
        Fixture f;

        open_fixture(&f);
        watch_keep_told(f.keep, f.made.session);
        watch_keep_told(f.keep, f.made.session);
        assert_true(has_digest(&f, before));
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, after), WATCH_KEPT_YES);
        set_digest(&f, after);
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, later), WATCH_KEPT_ASKED);
        close_fixture(&f);
}

static void test_S05_session_that_nobody_speaks_for_ends(void **state) {
        uint64_t start, end;
        Fixture f;

        open_fixture(&f);
        assert_true(sd_event_now(f.event, CLOCK_BOOTTIME, &start) >= 0);
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, after), WATCH_KEPT_ASKED);
        assert_true(wait_for_timer(&f, 10 * USEC_PER_SEC));
        assert_true(sd_event_now(f.event, CLOCK_BOOTTIME, &end) >= 0);
        assert_true(end - start >= USEC_PER_SEC - USEC_PER_MSEC);
        assert_int_equal(f.world.removed, 1);
        assert_int_equal(f.world.last_reason, REASON_PASSWORD);
        close_fixture(&f);
}

/* Authenticating again has put another digest into it meanwhile. */
static void test_session_that_is_no_longer_as_it_was_seen_is_let_be(void **state) {
        Fixture f;

        open_fixture(&f);
        assert_int_equal(watch_keep_seen(f.keep, f.made.session, after), WATCH_KEPT_ASKED);
        set_digest(&f, after);
        assert_true(wait_for_timer(&f, 10 * USEC_PER_SEC));
        assert_int_equal(f.world.removed, 0);
        close_fixture(&f);
}

static void test_too_many_at_once_are_not_waited_for(void **state) {
        enum { MANY = 1025 };
        _cleanup_free_ Made *made = calloc(MANY, sizeof(*made));
        unsigned ended = 0;
        Fault fault = {};
        Fixture f;

        assert_non_null(made);
        open_fixture(&f);
        for (unsigned i = 0; i < MANY; i++) {
                assert_int_equal(make(&f.world, &made[i], "bob", NULL, &fault), 0);
                ended += watch_keep_seen(f.keep, made[i].session, after) == WATCH_KEPT_NO;
        }
        assert_int_equal(ended, 1);
        settle(&f.world);
        close_fixture(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S05_session_that_is_spoken_for_takes_the_new_digest),
                cmocka_unit_test(test_S05_who_speaks_first_is_heard_once),
                cmocka_unit_test(test_S05_session_that_nobody_speaks_for_ends),
                cmocka_unit_test(test_session_that_is_no_longer_as_it_was_seen_is_let_be),
                cmocka_unit_test(test_too_many_at_once_are_not_waited_for),
        };

        return cmocka_run_group_tests_name("watch-keep", tests, NULL, NULL);
}
