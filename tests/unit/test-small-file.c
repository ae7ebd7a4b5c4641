/* SPDX-License-Identifier: MIT */
/* What is read of a small file, and what is said when there is more or none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "small-file.h"

static void test_as_much_as_there_is_room_for(void **state) {
        char path[] = "/tmp/websess-small-XXXXXX", text[16];
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(small_file_read(path, text, sizeof(text)), 0);
        assert_string_equal(text, "");
        assert_int_equal(write(fd, "0123456789abcdefgh", 18), 18);
        assert_int_equal(small_file_read(path, text, sizeof(text)), 15);
        assert_string_equal(text, "0123456789abcde");
        assert_int_equal(ftruncate(fd, 14), 0);
        assert_int_equal(small_file_read(path, text, sizeof(text)), 14);
        assert_string_equal(text, "0123456789abcd");
        (void) close(fd);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(small_file_read(path, text, sizeof(text)), -ENOENT);
        assert_int_equal(small_file_read("/", text, sizeof(text)), -EISDIR);
}

static void test_a_file_of_proc_has_no_size_and_is_read(void **state) {
        char text[64];

        assert_true(small_file_read("/proc/self/comm", text, sizeof(text)) > 1);
        assert_non_null(strchr(text, '\n'));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_much_as_there_is_room_for),
                cmocka_unit_test(test_a_file_of_proc_has_no_size_and_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
