/* SPDX-License-Identifier: MIT */
/* Text and tables for a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/grid.h"
#include "ctl/text.h"

#define SEC UINT64_C(1000000)

static void escapes_to_n(const char *text, size_t size, const char *expected) {
        char *escaped = text_escape(text, size);

        assert_string_equal(escaped, expected);
        free(escaped);
}

static void escapes_to(const char *text, const char *expected) {
        escapes_to_n(text, strlen(text), expected);
}

static void test_plain_text_stays(void **state) {
        escapes_to("", "");
        escapes_to("Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (X11; Linux)");
        escapes_to("Jürgen 日本 🙂", "Jürgen 日本 🙂");
}

static void test_what_steers_a_terminal_is_escaped(void **state) {
        escapes_to("\033]0;title\a", "\\x1b]0;title\\x07");
        escapes_to("a\nb\tc\rd\177", "a\\x0ab\\x09c\\x0dd\\x7f");
        escapes_to_n("a\0b", 3, "a\\x00b");
        /* CSI as one character, and as a byte of its own */
        escapes_to("\xc2\x9b" "31m", "\\u{9b}31m");
        escapes_to("\x9b" "31m", "\\x9b31m");
        /* overrides and isolates of direction, invisible blanks, tags */
        escapes_to("evil\xe2\x80\xaegpj.exe", "evil\\u{202e}gpj.exe");
        escapes_to("\xe2\x81\xa6x\xe2\x80\x8b\xef\xbb\xbf", "\\u{2066}x\\u{200b}\\u{feff}");
        escapes_to("\xf3\xa0\x80\x81", "\\u{e0001}");
}

static void test_escaping_cannot_be_feigned(void **state) {
        escapes_to("\\x1b", "\\\\x1b");
}

static void test_malformed_utf8_is_shown_as_bytes(void **state) {
        escapes_to("\xc3", "\\xc3");
        escapes_to("\xc0\xaf", "\\xc0\\xaf");
        escapes_to("\xed\xa0\x80", "\\xed\\xa0\\x80");
        escapes_to("\xf8\x88\xff z", "\\xf8\\x88\\xff z");
}

static void test_width_is_counted_in_columns(void **state) {
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("Jürgen"), 6);
        assert_int_equal(text_width("日本"), 4);
        assert_int_equal(text_width("e\xcc\x81"), 1);
        assert_int_equal(text_width("\xff"), 1);
}

static void relative_is(uint64_t then, uint64_t now, const char *expected) {
        char out[TEXT_RELATIVE_MAX];

        text_relative(out, then, now);
        assert_string_equal(out, expected);
}

static void test_relative_times(void **state) {
        uint64_t now = 1000000 * SEC;

        relative_is(now, now, "now");
        relative_is(now + SEC / 2, now, "now");
        relative_is(now - 5 * SEC, now, "5s ago");
        relative_is(now - 2 * 3600 * SEC, now, "2h ago");
        relative_is(now + 118 * 60 * SEC + 7 * SEC, now, "in 1h 58min");
        relative_is(now + 90 * SEC + 300000, now, "in 1min 30s");
        relative_is(UINT64_MAX, now, "never");
}

static void test_absolute_times(void **state) {
        char out[TEXT_TIME_MAX];

        setenv("TZ", "UTC", 1);
        text_time(out, UINT64_C(1795311694000000));
        assert_string_equal(out, "Sun 2026-11-22 01:41:34 UTC");
        text_time(out, 0);
        assert_string_equal(out, "-");
        text_time(out, UINT64_MAX);
        assert_string_equal(out, "-");
}

static char *printed(Grid *g, bool heading) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        grid_print(g, out, heading);
        fclose(out);
        return text;
}

static void test_columns_line_up(void **state) {
        static const char *const titles[] = { "ID", "USER" };
        Grid *g = NULL;
        char *text;

        assert_int_equal(grid_new(&g, titles, 2), 0);
        assert_int_equal(grid_rows(g), 0);
        text = printed(g, true);
        assert_string_equal(text, "ID  USER\n");
        free(text);

        assert_int_equal(grid_add(g, "日本語"), 0);
        assert_int_equal(grid_add(g, "a"), 0);
        assert_int_equal(grid_add(g, "x"), 0);
        assert_int_equal(grid_add(g, NULL), 0);
        assert_int_equal(grid_add(g, ""), 0);
        assert_int_equal(grid_add(g, "\033[2J"), 0);
        assert_int_equal(grid_rows(g), 3);
        text = printed(g, true);
        assert_string_equal(text, "ID      USER\n日本語  a\nx       -\n-       \\x1b[2J\n");
        free(text);
        text = printed(g, false);
        assert_string_equal(text, "日本語  a\nx       -\n-       \\x1b[2J\n");
        free(text);
        assert_null(grid_free(g));
}

static void test_a_grid_grows(void **state) {
        static const char *const titles[] = { "A" };
        Grid *g = NULL;
        char cell[256];

        memset(cell, 'x', sizeof(cell) - 1);
        cell[sizeof(cell) - 1] = '\0';
        assert_int_equal(grid_new(&g, titles, 1), 0);
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(grid_add(g, cell), 0);
        assert_int_equal(grid_rows(g), 1000);
        grid_free(g);
        assert_null(grid_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_text_stays),
                cmocka_unit_test(test_what_steers_a_terminal_is_escaped),
                cmocka_unit_test(test_escaping_cannot_be_feigned),
                cmocka_unit_test(test_malformed_utf8_is_shown_as_bytes),
                cmocka_unit_test(test_width_is_counted_in_columns),
                cmocka_unit_test(test_relative_times),
                cmocka_unit_test(test_absolute_times),
                cmocka_unit_test(test_columns_line_up),
                cmocka_unit_test(test_a_grid_grows),
        };

        setlocale(LC_CTYPE, "C.UTF-8");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
