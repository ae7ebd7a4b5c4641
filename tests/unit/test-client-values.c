/* SPDX-License-Identifier: MIT */
/* websess_values: types, misses, replacing, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "values.h"

static void test_C1_a_missing_key_and_a_key_of_another_type_are_nobody(void **state) {
        websess_values *v;
        int64_t x = 7;
        const char *s = "same";

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_values_set_string(v, "company", "42", 2), 0);
        assert_int_equal(websess_values_get_int64(v, "company", &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_values_get_int64(v, "nothing", &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_values_get_int64(NULL, "company", &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(websess_values_get_int64(v, NULL, &x), WEBSESS_E_NO_SESSION);
        assert_int_equal(x, 7);
        assert_int_equal(websess_values_get_string(v, "x", &s, NULL), WEBSESS_E_NO_SESSION);
        assert_string_equal(s, "same");
        assert_null(websess_values_free(v));
        assert_null(websess_values_free(NULL));
}

static void test_R8_every_type_comes_back_as_it_went_in(void **state) {
        const char *const words[] = { "a", "", "ü" };
        const char *const *strings;
        websess_values *v;
        const void *bytes;
        const char *s;
        double d;
        int64_t x;
        size_t n;
        int b;

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_values_set_bool(v, "b", 1), 0);
        assert_int_equal(websess_values_set_int64(v, "x", INT64_MIN), 0);
        assert_int_equal(websess_values_set_double(v, "d", -0.5), 0);
        assert_int_equal(websess_values_set_string(v, "s", "line\n", 5), 0);
        assert_int_equal(websess_values_set_bytes(v, "y", "\0\377", 2), 0);
        assert_int_equal(websess_values_set_strings(v, "a", words, 3), 0);
        assert_int_equal(websess_values_set_strings(v, "empty", NULL, 0), 0);
        assert_int_equal(websess_values_count(v), 7);

        assert_int_equal(websess_values_get_bool(v, "b", &b), 0);
        assert_int_equal(b, 1);
        assert_int_equal(websess_values_get_int64(v, "x", &x), 0);
        assert_true(x == INT64_MIN);
        assert_int_equal(websess_values_get_double(v, "d", &d), 0);
        assert_true(fabs(d + 0.5) < 1e-9);
        assert_int_equal(websess_values_get_string(v, "s", &s, &n), 0);
        assert_string_equal(s, "line\n");
        assert_int_equal(n, 5);
        assert_int_equal(websess_values_get_bytes(v, "y", &bytes, &n), 0);
        assert_int_equal(n, 2);
        assert_memory_equal(bytes, "\0\377", 2);
        assert_int_equal(websess_values_get_strings(v, "a", &strings, &n), 0);
        assert_int_equal(n, 3);
        for (size_t i = 0; i < 3; i++)
                assert_string_equal(strings[i], words[i]);
        assert_null(strings[3]);
        assert_int_equal(websess_values_get_strings(v, "empty", &strings, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(websess_values_type(v, "y"), 'y');
        assert_int_equal(websess_values_type(v, "none"), 0);
        assert_int_equal(websess_values_get_bool(v, "b", NULL), 0);
        websess_values_free(v);
}

static void test_values_set_again_take_no_more_and_more_memory(void **state) {
        char text[1000];
        websess_values *v;
        const char *s;
        size_t n;

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_values_set_string(v, "kept", "still here", 10), 0);
        for (int i = 0; i < 10000; i++) {
                memset(text, 'a' + i % 26, sizeof(text));
                assert_int_equal(websess_values_set_string(v, "k", text, sizeof(text)), 0);
        }
        assert_true(v->arena.size <= 64 * 1024);
        assert_int_equal(websess_values_get_string(v, "k", &s, &n), 0);
        assert_int_equal(n, sizeof(text));
        assert_memory_equal(s, text, sizeof(text));
        assert_int_equal(websess_values_get_string(v, "kept", &s, NULL), 0);
        assert_string_equal(s, "still here");
        assert_int_equal(websess_values_remove(v, "k"), 0);
        assert_int_equal(websess_values_remove(v, "k"), 0);
        assert_int_equal(websess_values_count(v), 1);
        assert_string_equal(websess_values_key_at(v, 0), "kept");
        assert_null(websess_values_key_at(v, 1));
        websess_values_free(v);
}

static void test_S23_what_cannot_be_an_attribute_is_refused(void **state) {
        char key[200] = {}, *large = calloc(1, 17 * 1024);
        websess_values *v;

        memset(key, 'k', sizeof(key) - 1);
        memset(large, 'v', 17 * 1024 - 1);
        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(websess_values_set_int64(v, key, 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_int64(v, "", 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_int64(v, NULL, 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_int64(v, "a\nb", 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_string(v, "k", "a\0b", 3), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_string(v, "k", "\xff", 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_string(v, "k", large, 17 * 1024 - 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_int_equal(websess_values_set_int64(NULL, "k", 1), WEBSESS_E_INVALID_ARGUMENT);
        assert_true(strlen(websess_last_error_text()) > 10);
        assert_int_equal(websess_values_count(v), 0);
        websess_values_free(v);
        free(large);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_C1_a_missing_key_and_a_key_of_another_type_are_nobody),
                cmocka_unit_test(test_R8_every_type_comes_back_as_it_went_in),
                cmocka_unit_test(test_values_set_again_take_no_more_and_more_memory),
                cmocka_unit_test(test_S23_what_cannot_be_an_attribute_is_refused),
        };

        return cmocka_run_group_tests_name("client-values", tests, NULL, NULL);
}
