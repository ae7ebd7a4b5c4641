/* SPDX-License-Identifier: MIT */
/* Tokens: round trip, and everything that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "token.h"

static bool parse(const char *text, const char *prefix, Token *out) {
        return token_parse(text, strlen(text), prefix, strlen(prefix), out);
}

static void test_known_token(void **state) {
        Token token = { 0 };
        char text[TOKEN_BODY_SIZE + 1];

        token_format(&token, "", text);
        assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

        memset(&token, 0xff, sizeof(token));
        token_format(&token, NULL, text);
        assert_string_equal(text, "________________________________________________________________");

        for (size_t i = 0; i < IDENT_SIZE; i++)
                token.id.bytes[i] = (uint8_t) i;
        for (size_t i = 0; i < TOKEN_SECRET_SIZE; i++)
                token.secret[i] = (uint8_t) (IDENT_SIZE + i);
        token_format(&token, "", text);
        assert_string_equal(text, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v");
}

static void test_F3_round_trip_with_prefix(void **state) {
        static const char *const prefixes[] = { "", "CONNECTRIP:", "x", "p-_.~!#$%&'()*+/:<=>?@[]^`{|}" };

        for (unsigned i = 0; i < 400; i++) {
                const char *prefix = prefixes[i % ELEMENTSOF(prefixes)];
                char text[TOKEN_PREFIX_MAX + TOKEN_BODY_SIZE + 1];
                Token a, b;

                assert_int_equal(random_bytes(&a, sizeof(a)), 0);
                token_format(&a, prefix, text);
                assert_int_equal(strlen(text), strlen(prefix) + TOKEN_BODY_SIZE);
                assert_memory_equal(text, prefix, strlen(prefix));
                assert_true(parse(text, prefix, &b));
                assert_memory_equal(&a, &b, sizeof(a));
        }
}

static void test_F3_wrong_prefix(void **state) {
        Token token = { 0 }, out;
        char text[TOKEN_PREFIX_MAX + TOKEN_BODY_SIZE + 1];

        token_format(&token, "APP:", text);
        assert_true(parse(text, "APP:", &out));
        assert_false(parse(text, "", &out));
        assert_false(parse(text, "app:", &out));
        assert_false(parse(text, "APP;", &out));
        assert_false(parse(text, "APP", &out));
        assert_false(parse(text, "APP:A", &out));
        token_format(&token, "", text);
        assert_false(parse(text, "APP:", &out));
        assert_false(parse(text, "A", &out));
}

/* A prefix or a text longer than any there is, though their lengths fit each other. */
static void test_S23_oversize(void **state) {
        char text[4096];
        Token out;

        memset(text, 'A', sizeof(text));
        assert_true(token_parse(text, TOKEN_PREFIX_MAX + TOKEN_BODY_SIZE, text, TOKEN_PREFIX_MAX, &out));
        assert_false(token_parse(text, TOKEN_PREFIX_MAX + 1 + TOKEN_BODY_SIZE, text, TOKEN_PREFIX_MAX + 1, &out));
        assert_false(token_parse(text, 4000, text, 4000 - TOKEN_BODY_SIZE, &out));
        assert_false(token_parse(text, SIZE_MAX, text, 0, &out));
        assert_false(token_parse(text, 0, text, SIZE_MAX - TOKEN_BODY_SIZE + 1, &out));
}

static void test_length(void **state) {
        char text[300];
        Token out;

        memset(text, 'A', sizeof(text));
        for (size_t size = 0; size <= sizeof(text); size++)
                assert_int_equal(token_parse(text, size, "", 0, &out), size == TOKEN_BODY_SIZE);
        assert_false(token_parse(NULL, 0, NULL, 0, &out));
}

/* Every byte at every place: the 64 characters and nothing else; padding and the other base64 alphabet least of all. */
static void test_alphabet(void **state) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

        for (size_t at = 0; at < TOKEN_BODY_SIZE; at++)
                for (unsigned c = 0; c < 256; c++) {
                        char text[TOKEN_BODY_SIZE + 1], again[TOKEN_BODY_SIZE + 1];
                        bool good = c != 0 && strchr(alphabet, (int) c);
                        Token out;

                        memset(text, 'b', TOKEN_BODY_SIZE);
                        text[TOKEN_BODY_SIZE] = '\0';
                        text[at] = (char) c;
                        assert_int_equal(token_parse(text, TOKEN_BODY_SIZE, "", 0, &out), good);
                        if (!good)
                                continue;
                        /* One text for a token, one token for a text. */
                        token_format(&out, "", again);
                        assert_string_equal(text, again);
                }
}

static void test_padded_and_spaced_texts_are_none(void **state) {
        static const char *const none[] = {
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA====",
                " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%2dAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        };
        Token out;

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_false(parse(none[i], "", &out));
}

static void test_S19_a_refused_token_leaves_nothing(void **state) {
        static const Token zero;
        char text[TOKEN_BODY_SIZE + 1];
        Token token, out;

        memset(&token, 0x5a, sizeof(token));
        token_format(&token, "", text);
        text[TOKEN_BODY_SIZE - 1] = '*';
        memset(&out, 0xff, sizeof(out));
        assert_false(parse(text, "", &out));
        assert_memory_equal(&out, &zero, sizeof(out));

        memset(&out, 0xff, sizeof(out));
        assert_false(parse("short", "", &out));
        assert_memory_equal(&out, &zero, sizeof(out));
}

static void test_S01_only_a_hash_of_the_secret(void **state) {
        uint8_t hash[DIGEST_SIZE], expected[DIGEST_SIZE];
        Token token;

        assert_int_equal(random_bytes(&token, sizeof(token)), 0);
        assert_int_equal(token_secret_hash(token.secret, hash), 0);
        assert_int_equal(digest_sha256(token.secret, TOKEN_SECRET_SIZE, expected), 0);
        assert_memory_equal(hash, expected, DIGEST_SIZE);
        assert_memory_not_equal(hash, token.secret, DIGEST_SIZE);
}

static int compare_secrets(const void *a, const void *b) {
        return memcmp(a, b, TOKEN_SECRET_SIZE);
}

/* Made as the broker makes them, and taken from what a client would get. */
static void test_S01_a_million_tokens_differ_in_their_secrets(void **state) {
        enum { MANY = 1000000 };
        uint8_t(*secrets)[TOKEN_SECRET_SIZE] = calloc(MANY, sizeof(*secrets));
        char text[TOKEN_BODY_SIZE + 1];
        IdentSource source = {};
        uint8_t random[10];

        assert_non_null(secrets);
        for (size_t i = 0; i < MANY; i++) {
                Token made, got;

                assert_int_equal(random_bytes(random, sizeof(random)), 0);
                made.id = ident_next(&source, i / 1000, random);
                assert_int_equal(random_bytes(made.secret, sizeof(made.secret)), 0);
                token_format(&made, "", text);
                assert_true(parse(text, "", &got));
                memcpy(secrets[i], got.secret, sizeof(got.secret));
        }
        qsort(secrets, MANY, sizeof(*secrets), compare_secrets);
        for (size_t i = 1; i < MANY; i++)
                assert_true(compare_secrets(secrets[i - 1], secrets[i]) < 0);
        free(secrets);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_token),
                cmocka_unit_test(test_F3_round_trip_with_prefix),
                cmocka_unit_test(test_F3_wrong_prefix),
                cmocka_unit_test(test_S23_oversize),
                cmocka_unit_test(test_length),
                cmocka_unit_test(test_alphabet),
                cmocka_unit_test(test_padded_and_spaced_texts_are_none),
                cmocka_unit_test(test_S19_a_refused_token_leaves_nothing),
                cmocka_unit_test(test_S01_only_a_hash_of_the_secret),
                cmocka_unit_test(test_S01_a_million_tokens_differ_in_their_secrets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
