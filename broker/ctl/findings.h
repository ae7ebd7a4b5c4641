/* SPDX-License-Identifier: MIT */
/* What a check-up found: one line each, with what to do about it. Owns the texts. Prints to a stream. */
#pragma once

#include <stdio.h>

#include "ctl.h"

typedef enum Health {
        HEALTH_OK,
        HEALTH_SKIPPED,         /* could not be looked at */
        HEALTH_WARNING,         /* works, and may not always, or is weaker than it need be */
        HEALTH_PROBLEM,
        _HEALTH_MAX,
} Health;

typedef struct Finding {
        const char *check;      /* which check found it */
        Health health;
        char *text;
        char *advice;           /* NULL: nothing to do */
} Finding;

typedef struct Findings {
        Finding *items;
        size_t n;
        const char *check;      /* the one at work; given to what it finds */
        bool failed;            /* memory was short: something is missing */
} Findings;

void findings_done(Findings *f);

void finding(Findings *f, Health health, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What to do about what was found last, in one sentence. */
void advise(Findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forget the last one. */
void findings_drop(Findings *f);

const char *health_name(Health h);
size_t findings_count(const Findings *f, Health h);

/* As text, with quiet only what is not well; or as a JSON array. 0 or a negative errno. */
int findings_print(const Findings *f, const Ctl *c);
