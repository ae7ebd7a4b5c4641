/* SPDX-License-Identifier: MIT */
/* Attributes as they are typed, shown, and written as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/attr.h"
#include "ctl/json.h"

static websess_values *values_of(const char *word) {
        websess_values *v = NULL;
        Fault f = {};

        assert_int_equal(websess_values_new(&v), 0);
        if (attr_parse(v, word, &f) != 0)
                fail_msg("%s: %s", word, f.text);
        assert_int_equal(websess_values_count(v), 1);
        return v;
}

static void reads(const char *word, const char *key, char type, const char *shown) {
        websess_values *v = values_of(word);
        char *text = attr_format(v, key);

        assert_int_equal(websess_values_type(v, key), type);
        assert_string_equal(text, shown);
        free(text);
        websess_values_free(v);
}

static void refuses(const char *word, const char *why) {
        websess_values *v = NULL;
        Fault f = {};

        assert_int_equal(websess_values_new(&v), 0);
        assert_int_equal(attr_parse(v, word, &f), FAULT_INVALID_ARGUMENT);
        if (!strstr(f.text, why))
                fail_msg("\"%s\" is not in \"%s\"", why, f.text);
        assert_int_equal(websess_values_count(v), 0);
        websess_values_free(v);
}

static void test_every_type(void **state) {
        reads("theme=dark", "theme", 's', "dark");
        reads("empty=", "empty", 's', "");
        reads("sum=1=1", "sum", 's', "1=1");
        reads("on:b=yes", "on", 'b', "yes");
        reads("on:b=0", "on", 'b', "no");
        reads("n:x=-42", "n", 'x', "-42");
        reads("n:x=9223372036854775807", "n", 'x', "9223372036854775807");
        reads("f:d=0.5", "f", 'd', "0.5");
        reads("raw:y=00fF10", "raw", 'y', "00ff10");
        reads("tags:a=red,green", "tags", 'a', "red,green");
        reads("tags:a=", "tags", 'a', "");
        reads("s:s=x", "s", 's', "x");
}

static void test_colons_in_keys(void **state) {
        reads("acme:theme=dark", "acme:theme", 's', "dark");
        reads("acme:b:s=dark", "acme:b", 's', "dark");
        reads(":b=x", ":b", 's', "x");
}

static void test_what_is_no_attribute(void **state) {
        refuses("theme", "KEY=VALUE");
        refuses("=dark", "KEY=VALUE");
        refuses("n:x=many", "an integer");
        refuses("n:x=9223372036854775808", "an integer");
        refuses("n:x=", "an integer");
        refuses("n:x=1 ", "an integer");
        refuses("on:b=maybe", "yes or no");
        refuses("f:d=inf", "a number");
        refuses("raw:y=abc", "hexadecimal");
        refuses("raw:y=zz", "hexadecimal");
}

static void json_is(CtlJson mode, const websess_values *v, const char *expected) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(json_values(out, mode, v), 0);
        fclose(out);
        assert_string_equal(text, expected);
        free(text);
}

static void json_of(const char *word, const char *expected) {
        websess_values *v = values_of(word);

        json_is(CTL_JSON_SHORT, v, expected);
        websess_values_free(v);
}

static void test_json_keeps_types(void **state) {
        json_of("k=v", "{\"k\": \"v\"}");
        json_of("k:b=yes", "{\"k\": true}");
        json_of("k:x=-3", "{\"k\": -3}");
        json_of("k:d=0.5", "{\"k\": 0.5}");
        json_of("k:y=00ff", "{\"k\": [0, 255]}");
        json_of("k:a=x,y", "{\"k\": [\"x\", \"y\"]}");
}

static void test_json_is_ascii(void **state) {
        json_of("k=\033[2J", "{\"k\": \"\\u001B[2J\"}");
        json_of("k=\xc2\x9b" "2J", "{\"k\": \"\\u009B2J\"}");
        json_of("k=\xe2\x80\xaeü", "{\"k\": \"\\u202E\\u00FC\"}");
}

static void test_json_pretty_numbers_and_texts(void **state) {
        const char *const pairs[] = { "Event", "new", "User", NULL, "Id", "abc", NULL };
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(json_number(out, CTL_JSON_PRETTY, "Revoked", 3), 0);
        assert_int_equal(json_number(out, CTL_JSON_SHORT, "End", UINT64_MAX), 0);
        assert_int_equal(json_texts(out, CTL_JSON_SHORT, 5, pairs), 0);
        fclose(out);
        assert_string_equal(text, "{\n    \"Revoked\": 3\n}{\"End\": null}{\"Time\": 5, \"Event\": \"new\", \"Id\": \"abc\"}");
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_type),
                cmocka_unit_test(test_colons_in_keys),
                cmocka_unit_test(test_what_is_no_attribute),
                cmocka_unit_test(test_json_keeps_types),
                cmocka_unit_test(test_json_is_ascii),
                cmocka_unit_test(test_json_pretty_numbers_and_texts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
