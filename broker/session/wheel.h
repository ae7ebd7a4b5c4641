/* SPDX-License-Identifier: MIT */
/*
 * A hierarchical timer wheel (Varghese and Lauck, 1987): adding, moving and removing a timer costs the same however many
 * there are, and so does finding the next moment at which there is something to do. Four levels of 64 slots; a slot of level n
 * spans 64^n ticks, so with ticks of a second the wheel turns once in 194 days; what is due later waits in the last slot
 * and is sorted in again. Pure: ticks are passed in. Timers are embedded in their owners, which must remove them before they go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_LEVELS 4u
#define WHEEL_SLOTS 64u

typedef struct WheelTimer {
        LIST_ENTRY(WheelTimer) link;
        uint32_t due;           /* tick; UINT32_MAX while not in a wheel */
        uint8_t level, slot;
} WheelTimer;

#define WHEEL_TIMER_NONE ((WheelTimer) { .due = UINT32_MAX })

typedef struct Wheel {
        uint64_t now;                                           /* everything due up to here has been handed out */
        uint64_t occupied[WHEEL_LEVELS];                        /* one bit a slot: may hold something */
        LIST_HEAD(, WheelTimer) slots[WHEEL_LEVELS][WHEEL_SLOTS];
} Wheel;

void wheel_init(Wheel *w, uint64_t now);
/* Moves it when it is in already. A past due means the next tick, one past all 32 bits the last of them. */
void wheel_add(Wheel *w, WheelTimer *t, uint64_t due);
void wheel_remove(Wheel *w, WheelTimer *t);                     /* fine when it is not in */

/* Move on to tick now by as many steps as hold something, and take out one timer that is due; NULL when none is left. Call it until NULL.
 * The timer may be freed or added again. */
WheelTimer *wheel_pop(Wheel *w, uint64_t now);

/* The next tick at which wheel_pop() may have work, UINT64_MAX for an empty wheel. Never later than the first due timer. */
uint64_t wheel_next(const Wheel *w);
