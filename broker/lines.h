/* SPDX-License-Identifier: MIT */
/* A list of texts that grows: what is told to people line by line. Owns its texts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct Lines {
        char **items;           /* malloc'ed, each too; NULL-terminated unless empty */
        size_t n;
        bool failed;            /* memory was short: something is missing */
} Lines;

void lines_done(Lines *l);
void lines_add(Lines *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
