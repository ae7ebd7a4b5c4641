/* SPDX-License-Identifier: MIT */
/*
 * Sessions that were seen in the map, on their way to the broker. A small table without a lock: any thread puts ids in, and one thread at a time takes
 * out all that wait. What was taken out is remembered until its place is needed, so that a session is not sent twice before the map shows the
 * first. Pure: times are passed in.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"

#define TOUCHES_MAX 512u

typedef struct Touch {
        _Atomic uint32_t state;
        _Atomic uint64_t when;
        _Atomic uint64_t id[2];
} Touch;

typedef struct Touches {
        Touch touches[TOUCHES_MAX];
        _Atomic uint32_t n_waiting;
} Touches;

typedef enum TouchAnswer {
        TOUCH_ADDED,
        TOUCH_KNOWN,            /* it was put in less than interval ago */
        TOUCH_FULL,             /* no room: send what waits, and try again */
} TouchAnswer;

/* *when: when the session was put in, now or before. */
TouchAnswer touches_add(Touches *t, const Ident *id, uint64_t now, uint64_t interval, uint64_t *when);

/* Was the session put in less than interval ago? Then *when says when. */
bool touches_know(const Touches *t, const Ident *id, uint64_t now, uint64_t interval, uint64_t *when);

/* Take out up to max of those that wait. */
size_t touches_take(Touches *t, Ident *out, size_t max);

static inline bool touches_wait(const Touches *t) {
        return atomic_load_explicit(&t->n_waiting, memory_order_relaxed) > 0;
}
