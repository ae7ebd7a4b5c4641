/* SPDX-License-Identifier: MIT */
/* Spans of time: the table of systemd.time(7), rubbish, overflow, and back to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "span.h"

static void test_R5_spans(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "0", 0 }, { "1", USEC_PER_SEC }, { "90", 90 * USEC_PER_SEC }, { "0s", 0 },
                { "007", 7 * USEC_PER_SEC },
                { "2h", 2 * USEC_PER_HOUR }, { "24h", 24 * USEC_PER_HOUR }, { "30d", 30 * USEC_PER_DAY },
                { "1h 30min", 90 * USEC_PER_MINUTE }, { "1h30min", 90 * USEC_PER_MINUTE },
                { "1h\t30min", 90 * USEC_PER_MINUTE }, { "30min 1h", 90 * USEC_PER_MINUTE },
                { "1h 1h", 2 * USEC_PER_HOUR }, { "  2 h  ", 2 * USEC_PER_HOUR }, { "500ms", 500 * USEC_PER_MSEC },
                { "1us", 1 }, { "1usec", 1 }, { "1µs", 1 }, { "1μs", 1 }, { "1msec", USEC_PER_MSEC },
                { "1s", USEC_PER_SEC }, { "1sec", USEC_PER_SEC }, { "1second", USEC_PER_SEC },
                { "2seconds", 2 * USEC_PER_SEC },
                { "1m", USEC_PER_MINUTE }, { "1min", USEC_PER_MINUTE }, { "1minute", USEC_PER_MINUTE },
                { "1minutes", USEC_PER_MINUTE }, { "1hr", USEC_PER_HOUR }, { "1hour", USEC_PER_HOUR },
                { "1hours", USEC_PER_HOUR }, { "1day", USEC_PER_DAY }, { "1days", USEC_PER_DAY },
                { "1w", 7 * USEC_PER_DAY }, { "1week", 7 * USEC_PER_DAY }, { "2weeks", 14 * USEC_PER_DAY },
                { "1M", UINT64_C(2629800000000) }, { "1month", UINT64_C(2629800000000) },
                { "2months", UINT64_C(5259600000000) }, { "1y", UINT64_C(31557600000000) },
                { "1year", UINT64_C(31557600000000) }, { "2years", UINT64_C(63115200000000) },
                { "1.5h", 90 * USEC_PER_MINUTE }, { "0.5", 500 * USEC_PER_MSEC }, { "2.25s", 2250 * USEC_PER_MSEC },
                { "0.0000001s", 0 }, { "1.9us", 1 }, { "1.5h 1.5min", 5400 * USEC_PER_SEC + 90 * USEC_PER_SEC },
                { "4611686018427387904us", UINT64_C(1) << 62 },
                { "4611686018427387903us 1us", UINT64_C(1) << 62 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 42;

                if (!span_parse(cases[i].text, &usec) || usec != cases[i].usec)
                        fail_msg("\"%s\": %llu", cases[i].text, (unsigned long long) usec);
        }
}

static void test_no_spans(void **state) {
        static const char *const bad[] = {
                "", " ", "\t", "-1", "-1h", "+1", "h", "min", "infinity", "inf", "never", "1x", "1H", "1S", "1Min",
                "1 parsec",
                "1h x", "1h 30", "90 30", "1h30", "1..5h", "1.h", ".5h", "1,5h", "1h,30min", "1h;", "0x10", "1e3",
                "1h\n", "\n1h",
                "1 h min", "1hmin", "1h # comment", "1\xc2\xb5", "1\xff", "１h",
                "4611686018427387905us", "4611686018427387904us 1us", "4611686018427387904us 0.9s",
                "18446744073709551615us",
                "18446744073709551616us", "99999999999999999999999999", "18446744073709551615y", "146136y",
                "18446744073709551615us 1us",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint64_t usec = 42;

                if (span_parse(bad[i], &usec))
                        fail_msg("\"%s\" was taken for %llu", bad[i], (unsigned long long) usec);
                assert_int_equal(usec, 42);
        }
}

static void test_long_fractions_do_not_overflow(void **state) {
        char text[400] = "1.";
        uint64_t usec;

        memset(text + 2, '9', 300);
        strcpy(text + 302, "y");
        assert_true(span_parse(text, &usec));
        assert_true(usec <= UINT64_C(2) * UINT64_C(31557600000000));
        assert_true(usec > UINT64_C(63115100000000));
}

static void test_format(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {
                { 0, "0" }, { 1, "1us" }, { 999, "999us" }, { 1000, "1ms" }, { 500 * USEC_PER_MSEC, "500ms" },
                { USEC_PER_SEC, "1s" }, { 90 * USEC_PER_SEC, "1min 30s" }, { 90 * USEC_PER_MINUTE, "1h 30min" },
                { 2 * USEC_PER_HOUR, "2h" }, { 24 * USEC_PER_HOUR, "1d" }, { 30 * USEC_PER_DAY, "30d" },
                { USEC_PER_HOUR + 5 * USEC_PER_SEC, "1h 5s" }, { USEC_PER_DAY + 1, "1d 1us" },
                { USEC_PER_HOUR + USEC_PER_MINUTE + USEC_PER_SEC, "1h 1min" },
                { UINT64_MAX, "213503982d 8h" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[32];

                span_format(cases[i].usec, text);
                assert_string_equal(text, cases[i].text);
        }
}

/* What is shown can be written into a file: it is read as the same, but for what was too small to show. */
static void test_format_can_be_parsed(void **state) {
        for (uint64_t usec = 1; usec < UINT64_C(1) << 60; usec = usec * 7 / 2 + 1) {
                char text[32], again[32];
                uint64_t parsed;

                span_format(usec, text);
                assert_true(span_parse(text, &parsed));
                assert_true(parsed <= usec && usec - parsed <= usec / 2);
                span_format(parsed, again);
                assert_string_equal(text, again);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_R5_spans),
                cmocka_unit_test(test_no_spans),
                cmocka_unit_test(test_long_fractions_do_not_overflow),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_format_can_be_parsed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
