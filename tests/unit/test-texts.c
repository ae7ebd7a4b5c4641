/* SPDX-License-Identifier: MIT */
/* Lists of texts that end with NULL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "texts.h"

static void test_texts_nothing_is_an_empty_list(void **state) {
        assert_int_equal(texts_count(NULL), 0);
        assert_null(texts_free(NULL));
}

static void test_texts_end_with_null_after_each_append(void **state) {
        _cleanup_(texts_freep) char **list = NULL;

        for (size_t i = 0; i < 100; i++) {
                assert_int_equal(texts_append(&list, i, "only a part", i % 12), 0);
                assert_int_equal(texts_count(list), i + 1);
                assert_int_equal(strlen(list[i]), i % 12);
                assert_memory_equal(list[i], "only a part", i % 12);
        }
        list = texts_free(list);
        assert_null(list);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts_nothing_is_an_empty_list),
                cmocka_unit_test(test_texts_end_with_null_after_each_append),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
