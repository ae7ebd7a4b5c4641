/* SPDX-License-Identifier: MIT */
/* Ids of sessions whose last_seen is ahead of what the store has, in the order in which they were touched. Short as a rule, so sessions bear no links for it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ident.h"

typedef struct Touched {
        Ident *ids;
        size_t first, n, allocated;     /* n: behind first */
} Touched;

/* 0 or -ENOMEM. */
int touched_add(Touched *t, const Ident *id);
/* Take out the oldest; false: there is none. */
bool touched_take(Touched *t, Ident *ret);
void touched_done(Touched *t);
