/* SPDX-License-Identifier: MIT */
/* Cookies: policies that browsers refuse, Set-Cookie, and finding one in a Cookie header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "cleanup.h"
#include "cookie.h"

#define DEFAULTS .name = "SESSION", .path = "/", .secure = true, .http_only = true, .same_site = "Lax"

static int check(const CookiePolicy *p) {
        Fault f = { 0 };
        int r = cookie_policy_check(p, &f);
        char out[COOKIE_HEADER_MAX];

        assert_int_equal(f.code, r);
        assert_int_equal(cookie_policy_check(p, NULL), r);
        /* What the check refuses is never written. */
        assert_int_equal(cookie_format(p, slice_of("x"), out, sizeof(out), NULL), r);
        assert_int_equal(cookie_format_removal(p, out, sizeof(out), NULL), r);
        return r;
}

static void test_F6_policies(void **state) {
        static const struct {
                CookiePolicy policy;
                bool good;
        } cases[] = {
                { { DEFAULTS }, true },
                { { .name = "SESSION", .path = "/", .domain = "", .same_site = "" }, true },
                { { .name = "s" }, true },
                { { .name = "!#$%&'*+-.^_`|~09azAZ" }, true },
                { { .name = NULL }, false },
                { { .name = "" }, false },
                { { .name = "a b" }, false }, { { .name = "a=b" }, false }, { { .name = "a;b" }, false },
                { { .name = "a\n" }, false }, { { .name = "\"a\"" }, false }, { { .name = "é" }, false },
                { { .name = "a,b" }, false }, { { .name = "a/b" }, false }, { { .name = "a@b" }, false },
                { { .name = "s", .path = "/shop/a b" }, true },
                { { .name = "s", .path = "" }, false }, { { .name = "s", .path = "shop" }, false },
                { { .name = "s", .path = "/a;b" }, false }, { { .name = "s", .path = "/a\r\nSet-Cookie: x=y" }, false },
                { { .name = "s", .path = "/é" }, false }, { { .name = "s", .path = "/\x7f" }, false },
                { { .name = "s", .domain = "example.org" }, true }, { { .name = "s", .domain = "a-1.b" }, true },
                { { .name = "s", .domain = ".example.org" }, false },
                { { .name = "s", .domain = "example..org" }, false },
                { { .name = "s", .domain = "example.org." }, false }, { { .name = "s", .domain = "a b" }, false },
                { { .name = "s", .domain = "a;b" }, false }, { { .name = "s", .domain = "." }, false },
                { { .name = "s", .same_site = "Strict" }, true }, { { .name = "s", .same_site = "lax" }, false },
                { { .name = "s", .same_site = "Never" }, false },
                { { .name = "s", .same_site = "None", .secure = true }, true },
                { { .name = "s", .same_site = "None" }, false },
                { { .name = "__Secure-S", .secure = true }, true },
                { { .name = "__Secure-S", .secure = true, .path = "/x", .domain = "example.org" }, true },
                { { .name = "__Secure-S" }, false }, { { .name = "__secure-S" }, false },
                { { .name = "__Host-S", .secure = true, .path = "/", .domain = "" }, true },
                { { .name = "__Host-S", .secure = true }, true },
                { { .name = "__Host-S", .path = "/" }, false }, { { .name = "__HOST-S", .path = "/" }, false },
                { { .name = "__Host-S", .secure = true, .path = "/shop" }, false },
                { { .name = "__Host-S", .secure = true, .domain = "example.org" }, false },
                { { .name = "__Host", .path = "/x" }, true }, { { .name = "_Host-S", .path = "/x" }, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (check(&cases[i].policy) != (cases[i].good ? 0 : FAULT_INVALID_ARGUMENT))
                        fail_msg("policy %zu, name %s", i, cases[i].policy.name);
}

static void test_F6_set_cookie(void **state) {
        static const struct {
                CookiePolicy policy;
                const char *header, *removal;
        } cases[] = {
                { { DEFAULTS, .max_age_sec = 86400 },
                  "SESSION=T:ok_-; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
                  "SESSION=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax" },
                { { DEFAULTS },
                  "SESSION=T:ok_-; Path=/; Secure; HttpOnly; SameSite=Lax",
                  "SESSION=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax" },
                { { .name = "s", .path = "/shop", .domain = "example.org", .max_age_sec = UINT64_MAX },
                  "s=T:ok_-; Path=/shop; Domain=example.org; Max-Age=18446744073709551615",
                  "s=; Path=/shop; Domain=example.org; Max-Age=0" },
                { { .name = "__Host-s", .secure = true, .same_site = "None" },
                  "__Host-s=T:ok_-; Path=/; Secure; SameSite=None",
                  "__Host-s=; Path=/; Max-Age=0; Secure; SameSite=None" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char out[COOKIE_HEADER_MAX];
                Fault f = { 0 };

                assert_int_equal(cookie_format(&cases[i].policy, slice("T:ok_-rest", 6), out, sizeof(out), &f), 0);
                assert_string_equal(out, cases[i].header);
                assert_int_equal(cookie_format_removal(&cases[i].policy, out, sizeof(out), &f), 0);
                assert_string_equal(out, cases[i].removal);
                assert_int_equal(f.code, 0);
        }
}

/* Every byte there is: a value must not be able to add an attribute or a header. */
static void test_F6_characters_of_values(void **state) {
        static const CookiePolicy policy = { DEFAULTS };

        for (unsigned c = 0; c < 256; c++) {
                bool good = c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
                char value[] = { 'a', (char) c, 'b' }, out[COOKIE_HEADER_MAX];
                int r = cookie_format(&policy, slice(value, sizeof(value)), out, sizeof(out), NULL);

                assert_int_equal(r, good ? 0 : FAULT_INVALID_ARGUMENT);
        }
}

static void test_buffer_of_every_size(void **state) {
        static const CookiePolicy policy = { DEFAULTS, .domain = "example.org", .max_age_sec = 60 };
        static const char expected[] =
                "SESSION=v; Path=/; Domain=example.org; Max-Age=60; Secure; HttpOnly; SameSite=Lax";

        for (size_t size = 0; size < sizeof(expected) + 3; size++) {
                _cleanup_free_ char *out = malloc(size > 0 ? size : 1);
                int r = cookie_format(&policy, slice_of("v"), out, size, NULL);

                assert_int_equal(r, size < sizeof(expected) ? -ENOBUFS : 0);
                if (r == 0)
                        assert_string_equal(out, expected);
        }
}

static void test_value_too_long(void **state) {
        static const CookiePolicy policy = { DEFAULTS };
        char value[COOKIE_HEADER_MAX], out[COOKIE_HEADER_MAX];

        memset(value, 'v', sizeof(value));
        assert_int_equal(cookie_format(&policy, slice(value, sizeof(value)), out, sizeof(out), NULL), -ENOBUFS);
        assert_int_equal(cookie_format(&policy, slice(value, SIZE_MAX / 2), out, sizeof(out), NULL), -ENOBUFS);
        assert_int_equal(cookie_format(&policy, slice(value, 256), out, sizeof(out), NULL), 0);
}

/* NULL: not found */
static const char *find(const char *header, size_t size, const char *name) {
        static char found[300];
        /* No byte more than the header has. */
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);
        Slice value;

        memcpy(copy, header, size);
        if (!cookie_find(copy, size, slice_of(name), &value))
                return NULL;
        assert_true(value.data >= copy && value.data + value.size <= copy + size);
        memcpy(found, value.data, value.size);
        found[value.size] = '\0';
        return found;
}

static void test_F6_find(void **state) {
        static const struct {
                const char *header, *value;
        } cases[] = {
                { "SESSION=abc", "abc" }, { "a=1; SESSION=abc; b=2", "abc" }, { "a=1;SESSION=abc;b=2", "abc" },
                { "  SESSION  =  abc  ", "abc" }, { "\tSESSION=abc\t;x", "abc" }, { "SESSION=abc;", "abc" },
                { ";;; ;SESSION=abc", "abc" }, { "garbage; =; =x; ==; SESSION=abc", "abc" },
                { "a=\"x;SESSION=abc", "abc" }, { "a=\x01\xff; SESSION=abc", "abc" },
                { "SESSION=first; SESSION=second", "first" }, { "SESSION=; SESSION=second", "" },
                { "SESSION=\"abc\"", "abc" }, { "SESSION=\"\"", "" }, { "SESSION=a=b==", "a=b==" },
                { "session=no; SESSION=abc", "abc" }, { "XSESSION=no; SESSIONX=no; SESSION=abc", "abc" },
                { "SESSION; SESSION=abc", "abc" }, { "$Version=1; SESSION=abc; $Path=/", "abc" },
                { "SESSION=CONNECTRIP:abc", "CONNECTRIP:abc" },

                { "", NULL }, { " ", NULL }, { ";", NULL }, { "=", NULL }, { "SESSION", NULL }, { "session=abc", NULL },
                { "SESSIO=abc", NULL }, { "SESSIONS=abc", NULL }, { "=SESSION=abc", NULL }, { "a=SESSION=abc", NULL },
                { "a SESSION=abc", NULL }, { "\"SESSION=abc\"", NULL }, { "a, SESSION=abc", NULL },
                { "SESSION=a b", NULL }, { "SESSION=a\"b", NULL }, { "SESSION=\"abc", NULL }, { "SESSION=abc\"", NULL },
                { "SESSION=\"", NULL }, { "SESSION=a,b", NULL }, { "SESSION=a\\b", NULL }, { "SESSION=\xc3\xa9", NULL },
                { "SESSION=a\r\nX: y", NULL }, { "SESSION=\"\"x\"\"", NULL },
                { "SESSION=a b; SESSION=abc", NULL },   /* the first one counts, good or bad */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *value = find(cases[i].header, strlen(cases[i].header), "SESSION");

                if (!value != !cases[i].value || (value && strcmp(value, cases[i].value) != 0))
                        fail_msg("\"%s\": %s", cases[i].header, value ? value : "nothing");
        }
}

static void test_find_with_nul_bytes_and_without_names(void **state) {
        static const char nul[] = "a=\0; SESSION=abc", nul_inside[] = "SESSION=a\0bc";

        assert_string_equal(find(nul, sizeof(nul) - 1, "SESSION"), "abc");
        assert_null(find(nul_inside, sizeof(nul_inside) - 1, "SESSION"));
        assert_null(find("=abc", 4, ""));
        assert_false(cookie_find(NULL, 0, slice_of("SESSION"), &(Slice) { 0 }));
        assert_string_equal(find("__Host-S=abc", 12, "__Host-S"), "abc");
        assert_null(find("__host-S=abc", 12, "__Host-S"));
}

static void test_find_truncated_at_every_byte(void **state) {
        static const char header[] = "a=1; SESSION=\"abcdef\"; b=2";

        for (size_t size = 0; size < sizeof(header); size++) {
                const char *value = find(header, size, "SESSION");

                assert_int_equal(value != NULL, size == 13 || size >= 21);
                if (size >= 21)
                        assert_string_equal(value, "abcdef");
        }
}

/* What was set is found again. */
static void test_F6_round_trip(void **state) {
        static const CookiePolicy policy = { DEFAULTS };
        char out[COOKIE_HEADER_MAX];

        assert_int_equal(cookie_format(&policy, slice_of("APP:AAECAwQ-_"), out, sizeof(out), NULL), 0);
        assert_string_equal(find(out, strlen(out), "SESSION"), "APP:AAECAwQ-_");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_F6_policies),
                cmocka_unit_test(test_F6_set_cookie),
                cmocka_unit_test(test_F6_characters_of_values),
                cmocka_unit_test(test_buffer_of_every_size),
                cmocka_unit_test(test_value_too_long),
                cmocka_unit_test(test_F6_find),
                cmocka_unit_test(test_find_with_nul_bytes_and_without_names),
                cmocka_unit_test(test_find_truncated_at_every_byte),
                cmocka_unit_test(test_F6_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
