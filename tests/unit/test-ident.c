/* SPDX-License-Identifier: MIT */
/* Session ids: order whatever the clock does, text form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "digest.h"
#include "ident.h"

static const uint8_t low[10] = { 0 };
static const uint8_t high[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
static const uint8_t some[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

static void assert_ident(const Ident *id, const char *hex) {
        char got[IDENT_HEX_SIZE + 1];

        ident_format(id, got);
        assert_string_equal(got, hex);
}

static void test_first_id_is_time_and_random(void **state) {
        IdentSource source = { 0 };
        Ident id = ident_next(&source, UINT64_C(0x0123456789ab), some);

        assert_ident(&id, "0123456789ab0102030405060708090a");
}

static void test_first_id_at_time_zero_is_random(void **state) {
        IdentSource source = { 0 };
        Ident id = ident_next(&source, 0, some);

        assert_ident(&id, "0000000000000102030405060708090a");
}

static void test_same_millisecond_counts_up(void **state) {
        IdentSource source = { 0 };
        Ident id;

        ident_next(&source, 5, some);
        id = ident_next(&source, 5, high);
        assert_ident(&id, "0000000000050102030405060708090b");
        id = ident_next(&source, 6, low);
        assert_ident(&id, "00000000000600000000000000000000");
}

static void test_clock_that_goes_back_counts_up(void **state) {
        IdentSource source = { 0 };
        Ident id;

        ident_next(&source, 0x5000, some);
        id = ident_next(&source, 0x4fff, high);
        assert_ident(&id, "0000000050000102030405060708090b");
        id = ident_next(&source, 0, high);
        assert_ident(&id, "0000000050000102030405060708090c");
}

static void test_counting_carries(void **state) {
        static const uint8_t carry[10] = { 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };
        IdentSource source = { 0 };
        Ident id;

        ident_next(&source, 7, carry);
        id = ident_next(&source, 7, some);
        assert_ident(&id, "00000000000700000000000000010000");
}

static void test_overflow_moves_time_on(void **state) {
        IdentSource source = { 0 };
        Ident id;

        ident_next(&source, 7, high);
        id = ident_next(&source, 7, some);
        assert_ident(&id, "0000000000080102030405060708090a");
        id = ident_next(&source, 7, some);
        assert_ident(&id, "0000000000080102030405060708090b");
}

/* Far from anything that happens; it must not wrap round to small ids. */
static void test_end_of_time(void **state) {
        IdentSource source = { 0 };
        Ident id;

        id = ident_next(&source, UINT64_MAX, high);
        assert_ident(&id, "ffffffffffffffffffffffffffffffff");
        id = ident_next(&source, UINT64_MAX, some);
        assert_ident(&id, "ffffffffffff0102030405060708090a");
}

static void test_seen_moves_forward_only(void **state) {
        IdentSource source = { 0 };
        Ident early, late, id;

        assert_true(ident_parse("00000000100000000000000000000000", 32, &early));
        assert_true(ident_parse("00000000200000000000000000000041", 32, &late));
        ident_seen(&source, &late);
        ident_seen(&source, &early);
        id = ident_next(&source, 1, some);
        assert_ident(&id, "00000000200000000000000000000042");
}

/* A clock that walks at random, to both sides, with random bits: always later than the one before. */
static void test_order_is_that_of_creation(void **state) {
        IdentSource source = { 0 };
        Ident last = { { 0 } };
        uint64_t now = UINT64_C(1700000000000);

        for (unsigned i = 0; i < 20000; i++) {
                struct { int8_t step; uint8_t random[10]; } draw;
                Ident id;

                assert_int_equal(random_bytes(&draw, sizeof(draw)), 0);
                now += (uint64_t) (int64_t) draw.step;
                if (i % 5 == 0)
                        memcpy(draw.random, high, sizeof(high));
                id = ident_next(&source, now, draw.random);
                assert_true(ident_compare(&id, &last) > 0);
                assert_int_equal(ident_compare(&id, &id), 0);
                assert_true(ident_compare(&last, &id) < 0);
                last = id;
        }
}

static void test_text_round_trip(void **state) {
        for (unsigned i = 0; i < 500; i++) {
                char text[IDENT_HEX_SIZE + 1];
                Ident a, b;

                assert_int_equal(random_bytes(&a, sizeof(a)), 0);
                ident_format(&a, text);
                assert_int_equal(strlen(text), IDENT_HEX_SIZE);
                assert_true(ident_parse(text, IDENT_HEX_SIZE, &b));
                assert_int_equal(ident_compare(&a, &b), 0);
        }
}

/* Every character at every place: the digits and the small letters up to f, and nothing else. */
static void test_text_alphabet(void **state) {
        for (size_t at = 0; at < IDENT_HEX_SIZE; at++)
                for (unsigned c = 0; c < 256; c++) {
                        char text[] = "0123456789abcdef0123456789abcdef";
                        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                        Ident id;

                        text[at] = (char) c;
                        assert_int_equal(ident_parse(text, IDENT_HEX_SIZE, &id), good);
                }
}

static void test_text_length(void **state) {
        char text[64];
        Ident id;

        memset(text, 'a', sizeof(text));
        for (size_t size = 0; size <= sizeof(text); size++)
                assert_int_equal(ident_parse(text, size, &id), size == IDENT_HEX_SIZE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_id_is_time_and_random),
                cmocka_unit_test(test_first_id_at_time_zero_is_random),
                cmocka_unit_test(test_same_millisecond_counts_up),
                cmocka_unit_test(test_clock_that_goes_back_counts_up),
                cmocka_unit_test(test_counting_carries),
                cmocka_unit_test(test_overflow_moves_time_on),
                cmocka_unit_test(test_end_of_time),
                cmocka_unit_test(test_seen_moves_forward_only),
                cmocka_unit_test(test_order_is_that_of_creation),
                cmocka_unit_test(test_text_round_trip),
                cmocka_unit_test(test_text_alphabet),
                cmocka_unit_test(test_text_length),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
