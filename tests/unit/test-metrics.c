/* SPDX-License-Identifier: MIT */
/* Histograms, and metrics as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exposition.h"
#include "span.h"

static void test_a_value_counts_up_to_its_bound_and_not_beyond(void **state) {
        static const HistogramScale scale = { .bounds = { 10, 20 }, .n = 2, .unit = 1 };
        Histogram h = {};

        histogram_add(&h, &scale, 0);
        histogram_add(&h, &scale, 10);
        histogram_add(&h, &scale, 11);
        histogram_add(&h, &scale, 21);
        histogram_add(&h, &scale, 1000);
        assert_int_equal(h.counts[0], 2);
        assert_int_equal(h.counts[1], 1);
        assert_int_equal(h.counts[2], 2);
        assert_int_equal(h.sum, 1042);
        assert_int_equal(histogram_count(&h, &scale), 5);
}

static void check_scale(const HistogramScale *s) {
        Histogram h = {};

        assert_true(s->n > 0 && s->n <= HISTOGRAM_BOUNDS_MAX);
        for (size_t i = 1; i < s->n; i++)
                assert_true(s->bounds[i] > s->bounds[i - 1]);
        histogram_add(&h, s, UINT64_MAX);
        assert_int_equal(h.counts[s->n], 1);
}

static void test_scales_ascend(void **state) {
        check_scale(&histogram_commit);
        check_scale(&histogram_login);
        check_scale(&histogram_group);
}

static void finish(Exposition *e, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(exposition_end(e, &text, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_string_equal(text, expected);
}

static void test_samples_of_a_family(void **state) {
        Exposition e;

        assert_int_equal(exposition_begin(&e), 0);
        exposition_family(&e, "x_total", EXPOSITION_COUNTER, "All of it.");
        exposition_sample(&e, "service", "shop", 1);
        exposition_sample(&e, "service", "a\"b\\c\nd", UINT64_MAX);
        exposition_one(&e, "y", EXPOSITION_GAUGE, "One.", 0);
        finish(&e, "# HELP x_total All of it.\n# TYPE x_total counter\nx_total{service=\"shop\"} 1\n"
                   "x_total{service=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
                   "# HELP y One.\n# TYPE y gauge\ny 0\n");
}

/* In the unit that is shown, to the last digit. */
static void test_a_histogram_adds_up(void **state) {
        static const HistogramScale scale = { .bounds = { 250, 1000000 }, .n = 2, .unit = USEC_PER_SEC };
        Histogram h = {};
        Exposition e;

        histogram_add(&h, &scale, 1);
        histogram_add(&h, &scale, 2500000);
        h.sum += UINT64_C(100000000000000000);
        assert_int_equal(exposition_begin(&e), 0);
        exposition_family(&e, "t_seconds", EXPOSITION_HISTOGRAM, "Time.");
        exposition_histogram(&e, &h, &scale);
        finish(&e, "# HELP t_seconds Time.\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.00025\"} 1\nt_seconds_bucket{le=\"1\"} 1\n"
                   "t_seconds_bucket{le=\"+Inf\"} 2\nt_seconds_sum 100000000002.500001\nt_seconds_count 2\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_value_counts_up_to_its_bound_and_not_beyond),
                cmocka_unit_test(test_scales_ascend),
                cmocka_unit_test(test_samples_of_a_family),
                cmocka_unit_test(test_a_histogram_adds_up),
        };

        return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
