/* SPDX-License-Identifier: MIT */
/* How often a number was how large. A plain value: it may be copied, and adding to it costs a look at few bounds. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 16u

/* What may be counted: upper bounds, ascending; and how many of what is added are one of what is shown. */
typedef struct HistogramScale {
        uint64_t bounds[HISTOGRAM_BOUNDS_MAX];
        size_t n;
        uint64_t unit;
} HistogramScale;

typedef struct Histogram {
        uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];      /* up to each bound and above the one before; above the last */
        uint64_t sum;
} Histogram;

/* µs, shown as seconds. */
extern const HistogramScale histogram_commit;   /* what a disk takes: from 100 µs to 10 s */
extern const HistogramScale histogram_login;    /* what PAM takes: from 5 ms to a minute */
/* How many went together. */
extern const HistogramScale histogram_group;

void histogram_add(Histogram *h, const HistogramScale *scale, uint64_t value);
uint64_t histogram_count(const Histogram *h, const HistogramScale *scale);
