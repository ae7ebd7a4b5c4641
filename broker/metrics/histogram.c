/* SPDX-License-Identifier: MIT */
/* The scales, and counting by them. Owns nothing. */
#include "histogram.h"

#include "span.h"

#define MSEC USEC_PER_MSEC
#define SEC USEC_PER_SEC

const HistogramScale histogram_commit = {
        .bounds = { 100, 250, 500, MSEC, 2500, 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, 250 * MSEC, 500 * MSEC, SEC, 2500 * MSEC, 10 * SEC },
        .n = 15, .unit = SEC,
};

const HistogramScale histogram_login = {
        .bounds = { 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, 250 * MSEC, 500 * MSEC, SEC, 2500 * MSEC, 5 * SEC, 10 * SEC, 30 * SEC, 60 * SEC },
        .n = 13, .unit = SEC,
};

const HistogramScale histogram_group = {
        .bounds = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048 },
        .n = 12, .unit = 1,
};

void histogram_add(Histogram *h, const HistogramScale *scale, uint64_t value) {
        size_t i = 0;

        while (i < scale->n && value > scale->bounds[i])
                i++;
        h->counts[i]++;
        h->sum += value;
}

uint64_t histogram_count(const Histogram *h, const HistogramScale *scale) {
        uint64_t n = 0;

        for (size_t i = 0; i <= scale->n; i++)
                n += h->counts[i];
        return n;
}
