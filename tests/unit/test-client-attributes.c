/* SPDX-License-Identifier: MIT */
/* Attributes: what is written when, and what a lost reply or a broker that is away makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib-broker.h"
#include "websess.h"

#define SECOND UINT64_C(1000000)

typedef struct Fixture {
        FakeBroker *fake;
        websess *w;
        websess_session *s;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->fake = fake_new();
        assert_int_equal(websess_open_socket(&f->w, "shop", fake_path(f->fake), 5 * SECOND), 0);
        assert_int_equal(websess_session_new(&f->s), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        websess_close(f->w);
        websess_session_free(f->s);
        fake_free(f->fake);
        free(f);
        return 0;
}

static int resolve(Fixture *f) {
        return websess_resolve(f->w, "token-1", 7, NULL, f->s);
}

static void test_R7_immediate_writes_what_was_set(void **state) {
        Fixture *f = *state;
        char options[512];
        int64_t x = 0;

        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "a", 1), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "a;");
        assert_int_equal(websess_session_version(f->s), fake_version(f->fake));
        assert_int_equal(websess_session_set_int64(f->w, f->s, "b", 2), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "b;");
        assert_int_equal(websess_session_unset(f->w, f->s, "a"), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "-a;");
        assert_int_equal(websess_session_get_int64(f->s, "a", &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_session_get_int64(f->s, "b", &x), 0);
        assert_int_equal(x, 2);
        assert_int_equal(websess_session_save(f->w, f->s), 0);
        assert_int_equal(fake_calls(f->fake, "SetAttributes"), 3);
}

static void test_R7_on_save_collects(void **state) {
        Fixture *f = *state;
        char options[512];
        int64_t x = 0;

        assert_int_equal(websess_set_save_mode(f->w, WEBSESS_SAVE_ON_SAVE, WEBSESS_WRITE_ON_SET), 0);
        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "a", 1), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "a", 5), 0);
        assert_int_equal(websess_session_set_string(f->w, f->s, "b", "x", 1), 0);
        assert_int_equal(websess_session_unset(f->w, f->s, "b"), 0);
        assert_int_equal(fake_calls(f->fake, "SetAttributes"), 0);
        assert_int_equal(websess_session_get_int64(f->s, "a", &x), 0);
        assert_int_equal(x, 5);
        assert_int_equal(websess_session_save(f->w, f->s), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "a;-b;");
        assert_int_equal(websess_session_save(f->w, f->s), 0);
        assert_int_equal(fake_calls(f->fake, "SetAttributes"), 1);
}

static void test_R7_on_get_and_always_write_more(void **state) {
        Fixture *f = *state;
        char options[512];
        int64_t x;

        assert_int_equal(resolve(f), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "a", 1), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "b", 2), 0);
        assert_int_equal(websess_set_save_mode(f->w, WEBSESS_SAVE_IMMEDIATE, WEBSESS_WRITE_ON_GET), 0);
        assert_int_equal(websess_session_get_int64(f->s, "a", &x), 0);
        assert_int_equal(websess_session_set_int64(f->w, f->s, "c", 3), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "a;c;");
        assert_int_equal(websess_session_set_int64(f->w, f->s, "c", 4), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "c;");
        assert_int_equal(websess_set_save_mode(f->w, WEBSESS_SAVE_ON_SAVE, WEBSESS_WRITE_ALWAYS), 0);
        assert_int_equal(websess_session_save(f->w, f->s), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "a;b;c;");
        assert_int_equal(websess_set_save_mode(f->w, 2, 0), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_set_save_mode(f->w, 0, 3), WEBSESS_E_INVALID_ARGUMENT);
}

static void test_R8_what_was_not_written_is_not_said(void **state) {
        Fixture *f = *state;
        char options[512];
        int64_t x = 0;
        websess *w;

        assert_int_equal(websess_open_socket(&w, "shop", fake_path(f->fake), SECOND / 10), 0);
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), 0);
        assert_int_equal(websess_session_set_int64(w, f->s, "a", 1), 0);
        fake_stop(f->fake);
        assert_int_equal(websess_session_set_int64(w, f->s, "a", 2), WEBSESS_E_UNAVAILABLE);
        assert_int_equal(websess_session_get_int64(f->s, "a", &x), 0);
        assert_int_equal(x, 1);
        /* What failed is not written later, together with something else. */
        fake_start(f->fake);
        assert_int_equal(websess_session_set_int64(w, f->s, "c", 1), 0);
        fake_last(f->fake, NULL, options);
        assert_string_equal(options, "c;");
        fake_stop(f->fake);
        assert_int_equal(websess_set_save_mode(w, WEBSESS_SAVE_ON_SAVE, WEBSESS_WRITE_ON_SET), 0);
        assert_int_equal(websess_session_set_int64(w, f->s, "a", 3), 0);
        assert_int_equal(websess_session_save(w, f->s), WEBSESS_E_UNAVAILABLE);
        fake_start(f->fake);
        assert_int_equal(websess_session_save(w, f->s), 0);
        assert_int_equal(websess_resolve(w, "token-1", 7, NULL, f->s), 0);
        assert_int_equal(websess_session_get_int64(f->s, "a", &x), 0);
        assert_int_equal(x, 3);
        websess_close(w);
}

static void test_R8_a_lost_reply_is_no_conflict(void **state) {
        const char *const unset[] = { "b" };
        Fixture *f = *state;
        uint64_t version = 0;
        websess_values *v;

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_values_set_int64(v, "a", 1), 0);
        fake_drop_after(f->fake, 1);
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, v, unset, 1, fake_version(f->fake), &version), 0);
        assert_int_equal(version, fake_version(f->fake));
        assert_int_equal(fake_effects(f->fake, "SetAttributes"), 1);
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, v, NULL, 0, version - 1, NULL), WEBSESS_E_CONFLICT);
        /* Sent twice, and the session is further on than one change: that is one, even if
         * the values happen to be there. */
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, NULL, NULL, 0, version, NULL), 0);
        fake_drop_before(f->fake, 1);
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, v, NULL, 0, version - 1, NULL), WEBSESS_E_CONFLICT);
        version = fake_version(f->fake);
        /* Sent twice, and other values are there. */
        assert_int_equal(websess_values_set_int64(v, "a", 2), 0);
        fake_drop_before(f->fake, 1);
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, v, NULL, 0, version - 1, NULL), WEBSESS_E_CONFLICT);
        assert_int_equal(websess_set_attributes(f->w, "token-1", 7, NULL, NULL, 0, 0, &version), 0);
        websess_values_free(v);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_R7_immediate_writes_what_was_set),
                TEST(test_R7_on_save_collects),
                TEST(test_R7_on_get_and_always_write_more),
                TEST(test_R8_what_was_not_written_is_not_said),
                TEST(test_R8_a_lost_reply_is_no_conflict),
        };

        return cmocka_run_group_tests_name("client-attributes", tests, NULL, NULL);
}
