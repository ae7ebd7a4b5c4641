/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text, in the format that Prometheus reads from node_exporter's folder of text files: families one after the other, each with its help and
 * type before its samples. Builds a string; reads nothing.
 */
#pragma once

#include <stdio.h>

#include "cleanup.h"
#include "histogram.h"

typedef struct Exposition {
        FILE *file;
        char *text;
        size_t size;
        const char *name;               /* of the family that is being written */
} Exposition;

typedef enum ExpositionType { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM } ExpositionType;

int exposition_begin(Exposition *e);    /* 0 or -ENOMEM */
/* 0 with the text, which is the caller's to free, or -ENOMEM. e is done with either way. */
int exposition_end(Exposition *e, char **ret, size_t *ret_size);
void exposition_done(Exposition *e);

/* name and help are this program's own. A counter's name ends with _total. */
void exposition_family(Exposition *e, const char *name, ExpositionType type, const char *help);
/* One sample of the family. value_of_label may hold anything. */
void exposition_sample(Exposition *e, const char *label, const char *value_of_label, uint64_t value);
void exposition_histogram(Exposition *e, const Histogram *h, const HistogramScale *scale);

/* A family of one sample without a label. */
void exposition_one(Exposition *e, const char *name, ExpositionType type, const char *help, uint64_t value);
