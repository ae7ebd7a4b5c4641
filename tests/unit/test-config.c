/* SPDX-License-Identifier: MIT */
/* The INI reader: every kind of line, and every kind of line that is refused with its number and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "config.h"

/* Writes each item as "line[section]key=value;" so that a whole file is one string to compare. */
static int record(const ConfigItem *item, void *userdata, Fault *f) {
        char *seen = userdata;
        size_t used = strlen(seen);

        assert_string_equal(item->path, "x.conf");
        if (strcmp(item->value, "refuse-me") == 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "handler says no");
        if (strcmp(item->value, "break-me") == 0)
                return -ENOMEM;
        snprintf(seen + used, 4096 - used, "%u[%s]%s=%s;", item->line, item->section, item->key, item->value);
        return 0;
}

static int read_text(const char *text, size_t size, char seen[static 4096], Fault *f) {
        _cleanup_free_ char *copy = malloc(size + 1); /* exact size: a read behind the end is caught by the sanitizer */

        assert_non_null(copy);
        memcpy(copy, text, size);
        copy = realloc(copy, size ? size : 1);
        assert_non_null(copy);
        seen[0] = '\0';
        *f = (Fault) {};
        return config_read("x.conf", copy, size, record, seen, f);
}

static void test_good_lines(void **state) {
        static const struct {
                const char *text, *seen;
        } cases[] = {
                { "", "" },
                { "\n\n  \n\t\n", "" },
                { "[A]", "" },
                { "[A]\nk=v", "2[A]k=v;" },
                { "[A]\nk=v\n", "2[A]k=v;" },
                { "  [ A ]  \n \t k \t = \t v w \t\n", "2[A]k=v w;" },
                { "# c\n;c\n   # c\n[A]\n#k=v\nk=v\n", "6[A]k=v;" },
                { "[A]\nk=\nk=a\nk=b\n", "2[A]k=;3[A]k=a;4[A]k=b;" },
                { "[A]\nk=a=b\n[B]\nk=c\n", "2[A]k=a=b;4[B]k=c;" },
                { "[A]\nk=a#b;c\n", "2[A]k=a#b;c;" },           /* no white space before: part of the value */
                { "[A]\nk=#b\n", "2[A]k=#b;" },
                { "[A]\nk=a\\b\n", "2[A]k=a\\b;" },
                { "[A]\nk=\"a b\"\n", "2[A]k=\"a b\";" },         /* quotes mean nothing */
                { "[A]\nk=gr\xc3\xbc\xc3\x9f" "e\n", "2[A]k=gr\xc3\xbc\xc3\x9f" "e;" },
                { "[A]\nk=a\tb\n", "2[A]k=a\tb;" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char seen[4096];
                Fault f;

                assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), seen, &f), 0);
                assert_string_equal(seen, cases[i].seen);
        }
}

#define BAD(text, reason) { text, sizeof(text) - 1, reason }

static void test_S23_bad_lines_are_refused_with_number_and_reason(void **state) {
        static const struct {
                const char *text;
                size_t size;
                const char *reason;
        } cases[] = {
                BAD("[A]\nk=v # c\n", "x.conf:2: k: a comment needs a line of its own"),
                BAD("[A]\nk=v ;c\n", "x.conf:2: k: a comment needs a line of its own"),
                BAD("[A]\nk=v\t#c\n", "x.conf:2: k: a comment needs a line of its own"),
                BAD("[A]\nk= # c\n", "x.conf:2: k: a comment needs a line of its own"),
                BAD("[A] # c\n", "x.conf:1: a section ends with ']' and nothing follows it"),
                BAD("[A\n", "x.conf:1: a section ends with ']' and nothing follows it"),
                BAD("[", "x.conf:1: a section ends with ']' and nothing follows it"),
                BAD("[]\n", "x.conf:1: malformed section name"),
                BAD("[ ]\n", "x.conf:1: malformed section name"),
                BAD("[A]]\n", "x.conf:1: malformed section name"),
                BAD("\n\nk=v\n", "x.conf:3: k: stands before any [Section]"),
                BAD("[A]\nk\n", "x.conf:2: neither [Section], Key=value nor a comment"),
                BAD("[A]\n=v\n", "x.conf:2: no key before '='"),
                BAD("[A]\nk=a \\\nb\n",
                        "x.conf:2: backslash at the end of the line: lines are not continued, repeat the key instead"),
                BAD("[A]\nk=a\0b\n", "x.conf:2: NUL byte"),
                BAD("[A]\n# \0\n", "x.conf:2: NUL byte"),
                BAD("[A]\nk=\xff\n", "x.conf:2: not valid UTF-8"),
                BAD("[A]\nk=\xc3\n", "x.conf:2: not valid UTF-8"),
                BAD("[A]\nk=\xed\xa0\x80\n", "x.conf:2: not valid UTF-8"),
                BAD("[A]\nk=\x1b[0m\n", "x.conf:2: control character"),
                BAD("[A]\nk=a\x7f\n", "x.conf:2: control character"),
                BAD("[A]\nk=\xc2\x85\n", "x.conf:2: control character"),
                BAD("[A]\nk=a\rb\n", "x.conf:2: control character"),
                BAD("[A]\r\nk=v\r\n", "x.conf:1: carriage return at the end of the line: write plain line feeds"),
                BAD("[A]\nk=v\nj=refuse-me\nk=w\n", "x.conf:3: j: handler says no"),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char seen[4096];
                Fault f;

                assert_int_equal(read_text(cases[i].text, cases[i].size, seen, &f), FAULT_INVALID_ARGUMENT);
                assert_int_equal(f.code, FAULT_INVALID_ARGUMENT);
                assert_string_equal(f.text, cases[i].reason);
        }
}

static void test_S23_line_length(void **state) {
        char text[4 + CONFIG_LINE_MAX + 2] = "[A]\n", seen[4096];
        Fault f;

        memset(text + 4, 'v', CONFIG_LINE_MAX + 1);
        memcpy(text + 4, "k=", 2);
        text[4 + CONFIG_LINE_MAX] = '\n';
        assert_int_equal(read_text(text, 4 + CONFIG_LINE_MAX + 1, seen, &f), 0);
        assert_int_equal(strlen(seen), CONFIG_LINE_MAX + strlen("2[A];"));

        text[4 + CONFIG_LINE_MAX] = 'v';
        assert_int_equal(read_text(text, 4 + CONFIG_LINE_MAX + 1, seen, &f), FAULT_INVALID_ARGUMENT);
        assert_string_equal(f.text, "x.conf:2: line too long: at most 1024 bytes");

        text[4] = '#';  /* comments too: a reader that cuts lines would take the rest for a key */
        assert_int_equal(read_text(text, 4 + CONFIG_LINE_MAX + 1, seen, &f), FAULT_INVALID_ARGUMENT);
        assert_string_equal(f.text, "x.conf:2: line too long: at most 1024 bytes");
}

static void test_broken_handler_goes_up_untouched(void **state) {
        char seen[4096];
        Fault f;

        assert_int_equal(read_text("[A]\nk=break-me\n", 15, seen, &f), -ENOMEM);
        assert_int_equal(f.code, 0);
}

static void test_refusal_of_a_whole_file(void **state) {
        Fault f = {};

        assert_int_equal(config_refuse(&f, "/a/b.conf", 0, NULL, "not a %s file", "regular"), FAULT_INVALID_ARGUMENT);
        assert_string_equal(f.text, "/a/b.conf:0: not a regular file");
        assert_int_equal(config_refuse(NULL, "/a/b.conf", 3, "Key", "bad"), FAULT_INVALID_ARGUMENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_lines),
                cmocka_unit_test(test_S23_bad_lines_are_refused_with_number_and_reason),
                cmocka_unit_test(test_S23_line_length),
                cmocka_unit_test(test_broken_handler_goes_up_untouched),
                cmocka_unit_test(test_refusal_of_a_whole_file),
        };

        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
