/* SPDX-License-Identifier: MIT */
/* What may come in: UTF-8, sizes, characters, kind by kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "validate.h"

#define TEXT(literal) { literal, sizeof(literal) - 1 }

typedef int (*Validate)(Slice s, Fault *f);

/* The text must be fit to print whatever came in. */
static bool accepts(Validate validate, Slice s) {
        Fault f = { 0 };
        int r = validate(s, &f);

        assert_int_equal(validate(s, NULL), r);
        if (r == 0)
                return true;
        assert_int_equal(r, FAULT_INVALID_ARGUMENT);
        assert_int_equal(f.code, r);
        assert_true(strlen(f.text) > 10);
        for (const char *p = f.text; *p; p++)
                assert_true(*p >= ' ' && *p < 0x7f);
        return false;
}

static void test_S23_malformed_utf8(void **state) {
        static const Slice bad[] = {
                TEXT("\x80"), TEXT("\xbf"), TEXT("a\x80"),                      /* a tail without its head */
                TEXT("\xc3"), TEXT("\xe2\x82"), TEXT("\xf0\x9f\x98"),           /* cut short */
                TEXT("\xc3("), TEXT("\xe2(\xac"), TEXT("\xe2\x82("), TEXT("\xf0\x9f\x98("),
                TEXT("\xc3\xc3\xa9"),
                TEXT("\xc0\x80"), TEXT("\xc0\xaf"), TEXT("\xc1\xbf"),           /* longer than need be */
                TEXT("\xe0\x80\xaf"), TEXT("\xe0\x9f\xbf"), TEXT("\xf0\x80\x80\xaf"), TEXT("\xf0\x8f\xbf\xbf"),
                TEXT("\xed\xa0\x80"), TEXT("\xed\xbf\xbf"), TEXT("\xed\xa0\xbd\xed\xb8\x80"),   /* surrogates */
                TEXT("\xf4\x90\x80\x80"), TEXT("\xf5\x80\x80\x80"), TEXT("\xf8\x88\x80\x80\x80"), /* beyond the end */
                TEXT("\xfe"), TEXT("\xff"),
                TEXT("\xef\xbf\xbe"), TEXT("\xef\xbf\xbf"), TEXT("\xef\xb7\x90"), TEXT("\xef\xb7\xaf"),
                TEXT("\xf0\x9f\xbf\xbe"), TEXT("\xf4\x8f\xbf\xbf"),             /* noncharacters */
        };
        static const Validate all[] = {
                validate_service, validate_user, validate_role, validate_token_text, validate_password,
                validate_method, validate_remote_host, validate_user_agent, validate_request_id,
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                /* Exactly as much memory as there are bytes. */
                _cleanup_free_ char *copy = malloc(bad[i].size);

                memcpy(copy, bad[i].data, bad[i].size);
                assert_false(utf8_valid(copy, bad[i].size));
                for (size_t j = 0; j < ELEMENTSOF(all); j++)
                        assert_false(accepts(all[j], slice(copy, bad[i].size)));
        }
}

static void test_S10_well_formed_utf8(void **state) {
        static const Slice good[] = {
                TEXT("a"), TEXT("\x7f"), TEXT("\xc2\x80"), TEXT("\xdf\xbf"), TEXT("\xe0\xa0\x80"), TEXT("\xed\x9f\xbf"),
                TEXT("\xee\x80\x80"), TEXT("\xef\xbf\xbd"), TEXT("\xf0\x90\x80\x80"), TEXT("\xf4\x8f\xbf\xbd"),
                TEXT("\xef\xb7\x8f"), TEXT("\xef\xb7\xb0"), TEXT("pässwörd €😀"),
        };

        assert_true(utf8_valid("", 0));
        assert_true(utf8_valid(NULL, 0));
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_true(utf8_valid(good[i].data, good[i].size));
                assert_true(accepts(validate_password, good[i]));
        }
}

/* Every code point there is, encoded here by another hand. */
static void test_every_code_point(void **state) {
        for (uint32_t c = 0; c < 0x120000; c++) {
                bool good = c < 0x110000 && (c < 0xd800 || c > 0xdfff) && (c < 0xfdd0 || c > 0xfdef) &&
                            (c & 0xffff) < 0xfffe;
                uint8_t t[4];
                size_t n;

                if (c < 0x80)
                        t[0] = (uint8_t) c, n = 1;
                else if (c < 0x800)
                        t[0] = (uint8_t) (0xc0 + c / 64), n = 2;
                else if (c < 0x10000)
                        t[0] = (uint8_t) (0xe0 + c / 4096), n = 3;
                else
                        t[0] = (uint8_t) (0xf0 + c / 262144), n = 4;
                for (size_t i = n - 1, rest = c; i > 0; i--, rest /= 64)
                        t[i] = (uint8_t) (0x80 + rest % 64);

                if (utf8_valid((const char *) t, n) != good)
                        fail_msg("U+%04X", c);
                good = good && c >= 0x20 && (c < 0x7f || c > 0x9f);
                if ((validate_user(slice((const char *) t, n), NULL) == 0) != good)
                        fail_msg("U+%04X in a user's name", c);
        }
}

/* Every byte at every place of a text that is otherwise plain. */
static void test_S23_no_byte_hides_among_plain_ones(void **state) {
        char text[19];

        for (size_t at = 0; at < sizeof(text); at++)
                for (int c = 0; c < 0x100; c++) {
                        bool printable = c >= 0x20 && c < 0x7f;

                        memset(text, c % 2 ? '~' : '!', sizeof(text));
                        text[at] = (char) c;
                        assert_int_equal(accepts(validate_user, slice(text, sizeof(text))), printable);
                        if (at > 0)
                                assert_int_equal(accepts(validate_role, slice(text, sizeof(text))), printable && c != ' ');
                        assert_int_equal(accepts(validate_password, slice(text, sizeof(text))), c > 0 && c < 0x80);
                }
}

static void test_S23_sizes(void **state) {
        static const struct {
                Validate validate;
                size_t min, max;
        } cases[] = {
                { validate_service, 1, 64 }, { validate_user, 1, 256 }, { validate_role, 1, 64 },
                { validate_token_text, 0, 256 }, { validate_password, 1, 512 }, { validate_method, 1, 32 }, { validate_language, 0, 64 },
                { validate_remote_host, 0, 255 }, { validate_user_agent, 0, 1024 }, { validate_request_id, 1, 128 },
        };
        char text[2000];

        memset(text, 'a', sizeof(text));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                for (size_t size = 0; size < sizeof(text); size++)
                        assert_int_equal(accepts(cases[i].validate, slice(text, size)),
                                         size >= cases[i].min && size <= cases[i].max);
                assert_int_equal(accepts(cases[i].validate, slice(NULL, 0)), cases[i].min == 0);
        }
}

/* Every ASCII character in the middle and, where it matters, in front. */
static void test_S23_characters(void **state) {
        for (int c = 0; c < 0x80; c++) {
                char text[] = { 'a', (char) c, 'b' };
                Slice s = slice(text, sizeof(text)), front = slice(text + 1, 2);
                bool control = c < 0x20 || c == 0x7f, digit = c >= '0' && c <= '9', small = c >= 'a' && c <= 'z',
                     capital = c >= 'A' && c <= 'Z', line = c == '-' || c == '_';

                assert_int_equal(accepts(validate_service, s), digit || small || capital || line || c == '.');
                assert_int_equal(accepts(validate_service, front), digit || small || capital || line);
                assert_int_equal(accepts(validate_method, s), digit || small || line);
                assert_int_equal(accepts(validate_language, s), accepts(validate_method, s) || (c >= 'A' && c <= 'Z') || c == '.');
                assert_int_equal(accepts(validate_role, s), !control && c != ' ');
                assert_int_equal(accepts(validate_role, front), !control && c != ' ' && c != '@' && c != '*');
                assert_int_equal(accepts(validate_user, s), !control);
                assert_int_equal(accepts(validate_token_text, s), !control);
                assert_int_equal(accepts(validate_remote_host, s), !control);
                assert_int_equal(accepts(validate_user_agent, s), !control);
                assert_int_equal(accepts(validate_request_id, s), !control);
                assert_int_equal(accepts(validate_password, s), c != 0);
        }
}

static void test_S23_service_names(void **state) {
        static const Slice good[] = { TEXT("shop"), TEXT("a"), TEXT("A.b-c_9"), TEXT("-"), TEXT("x.") };
        static const Slice bad[] = {
                TEXT(""), TEXT("."), TEXT(".."), TEXT(".shop"), TEXT("a..b"), TEXT("a.."), TEXT("a/b"),
                TEXT("/etc/passwd"),
                TEXT("../shop"), TEXT("shop "), TEXT(" shop"), TEXT("shop\0"), TEXT("\0"), TEXT("sh\0op"), TEXT("shöp"),
                TEXT("shop\n"), TEXT("a*"), TEXT("a\x7f"),
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(accepts(validate_service, good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(accepts(validate_service, bad[i]));
}

static void test_S23_white_space_in_roles(void **state) {
        static const Slice bad[] = {
                TEXT("A B"), TEXT("A\tB"), TEXT("A\xc2\xa0"), TEXT("\xe2\x80\x83"), TEXT("A\xe3\x80\x80" "B"),
                TEXT("A\xe2\x80\xa8"), TEXT("A\xc2\x85"), TEXT("@sudo"), TEXT("*"), TEXT("*A"),
        };
        static const Slice good[] = { TEXT("A@B"), TEXT("A*"), TEXT("rôle"), TEXT("ROLE_ADMIN"), TEXT("a/b") };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(accepts(validate_role, bad[i]));
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(accepts(validate_role, good[i]));
}

static void test_S10_passwords_pass_as_received(void **state) {
        static const Slice good[] = {
                TEXT(" "), TEXT(" leading and trailing "), TEXT("\t\n\r"), TEXT("\x01\x1f\x7f\xc2\x9f"),
                TEXT("'\";--\\"),
                TEXT("пароль"), TEXT("密码"), TEXT("e\xcc\x81"), TEXT("\xc3\xa9"), TEXT("🔑"),
        };
        static const Slice bad[] = { TEXT(""), TEXT("\0"), TEXT("pass\0word"), TEXT("word\0"), TEXT("caf\xe9") };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(accepts(validate_password, good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(accepts(validate_password, bad[i]));
}

static void test_S22_texts_repeat_no_secret(void **state) {
        Fault f;

        validate_password(slice("hunter2\0x", 9), &f);
        assert_null(strstr(f.text, "hunter2"));
        assert_null(strchr(f.text, '8'));
        validate_token_text(slice("SECRET\n", 7), &f);
        assert_null(strstr(f.text, "SECRET"));
}

static void test_texts_say_which_and_where(void **state) {
        Fault f;

        validate_user(slice("al\aice", 6), &f);
        assert_string_equal(f.text, "user holds a control character, which is not allowed, at byte 3");
        validate_user(slice("é\xff", 3), &f);
        assert_string_equal(f.text, "user holds malformed UTF-8, which is not allowed, at byte 3");
        validate_role(slice("", 0), &f);
        assert_string_equal(f.text, "role is empty: give 1 to 64 bytes");
}

static bool keeps(Attribute a) {
        Fault f = { 0 };
        int r = validate_attribute(&a, &f);

        assert_int_equal(f.code, r);
        return r == 0;
}

static void test_S23_attributes(void **state) {
        static char large[70000];
        static const Slice key = { "k", 1 };
        static const Slice bad_keys[] = { TEXT(""), TEXT("a\0"), TEXT("a\n"), TEXT("\xff"), { large, 129 } };

        memset(large, 'l', sizeof(large));
        for (size_t i = 0; i < ELEMENTSOF(bad_keys); i++)
                assert_false(keeps((Attribute) { .key = bad_keys[i], .type = 'b' }));
        assert_true(keeps((Attribute) { .key = { large, 128 }, .type = 'b' }));

        for (int type = 0; type < 256; type++) {
                bool good = type != 0 && strchr("bsdyax", type);

                assert_int_equal(keeps((Attribute) { .key = key, .type = (char) type }), good);
        }

        assert_true(keeps((Attribute) { .key = key, .type = 's', .bytes = TEXT("line\nline\t\x01") }));
        assert_false(keeps((Attribute) { .key = key, .type = 's', .bytes = TEXT("a\0b") }));
        assert_false(keeps((Attribute) { .key = key, .type = 's', .bytes = TEXT("\xc0\x80") }));
        assert_true(keeps((Attribute) { .key = key, .type = 'y', .bytes = TEXT("\0\xff\xc0") }));
        assert_true(keeps((Attribute) { .key = key, .type = 'a', .bytes = TEXT("\1\0a\0\0\2\0\xc3\xa9") }));
        assert_false(keeps((Attribute) { .key = key, .type = 'a', .bytes = TEXT("\1\0\xff") }));
        assert_false(keeps((Attribute) { .key = key, .type = 'a', .bytes = TEXT("\2\0a\0") }));
        assert_false(keeps((Attribute) { .key = key, .type = 'a', .bytes = TEXT("\1\0a\1") }));
        assert_false(keeps((Attribute) { .key = key, .type = 'a', .bytes = TEXT("\5\0a") }));

        /* 16 KiB with the key and what stands before the value. */
        for (const char *type = "sy"; *type; type++) {
                assert_true(keeps((Attribute) { .key = key, .type = *type, .bytes = { large, 16 * 1024 - 5 } }));
                assert_false(keeps((Attribute) { .key = key, .type = *type, .bytes = { large, 16 * 1024 - 4 } }));
                assert_false(keeps((Attribute) { .key = key, .type = *type, .bytes = { large, sizeof(large) } }));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S23_malformed_utf8),
                cmocka_unit_test(test_S10_well_formed_utf8),
                cmocka_unit_test(test_every_code_point),
                cmocka_unit_test(test_S23_no_byte_hides_among_plain_ones),
                cmocka_unit_test(test_S23_sizes),
                cmocka_unit_test(test_S23_characters),
                cmocka_unit_test(test_S23_service_names),
                cmocka_unit_test(test_S23_white_space_in_roles),
                cmocka_unit_test(test_S10_passwords_pass_as_received),
                cmocka_unit_test(test_S22_texts_repeat_no_secret),
                cmocka_unit_test(test_texts_say_which_and_where),
                cmocka_unit_test(test_S23_attributes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
