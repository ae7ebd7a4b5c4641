/* SPDX-License-Identifier: MIT */
/* What no single line can show: keys that must fit each other, and defaults that follow from other keys. Inner header
 * of policy-*.c. */
#pragma once

#include "policy-keys.h"

/* One service, or the machine's settings, while it is being read. */
typedef struct Loading {
        const Key *keys;
        void *object;
        unsigned n_lines;               /* read so far */
        struct Origin {
                char *path;             /* NULL: nobody said */
                unsigned line;
                unsigned at;            /* n_lines then: which of two keys was written later */
        } origins[SERVICE_KEYS_MAX];    /* by row of the table */
} Loading;

void loading_done(Loading *l);
/* This line set that key: if the two do not fit, it is the one to name. */
int loading_remember(Loading *l, const Key *key, const ConfigItem *item);

int settings_check(const Loading *l, const Settings *s, Fault *f);
/* Preset= gives the times that nobody has written. Before the checks. */
void service_preset(const Loading *l, Service *s);
int service_check(const Loading *l, const Service *s, Fault *f);

/* After the checks: defaults bow to what was written, TouchSec to IdleSec, Map follows Resolve. 0 or -ENOMEM. */
void settings_complete(Settings *s);
int service_complete(Service *s);
