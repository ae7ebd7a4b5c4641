/* SPDX-License-Identifier: MIT */
/* The timer wheel. Owns nothing: timers belong to whoever embeds them. */
#include "wheel.h"

#define BITS 6u
#define NONE UINT32_MAX
#define MASK (WHEEL_SLOTS - 1u)
#define SPAN (UINT64_C(1) << (BITS * WHEEL_LEVELS))

void wheel_init(Wheel *w, uint64_t now) {
        *w = (Wheel) { .now = now };
}

static void insert(Wheel *w, WheelTimer *t, uint64_t at) {
        uint64_t delta = at - w->now;
        unsigned level = 0;

        while (level + 1 < WHEEL_LEVELS && delta >> (BITS * (level + 1)))
                level++;

        t->level = (uint8_t) level;
        t->slot = (uint8_t) ((at >> (BITS * level)) & MASK);
        LIST_INSERT_HEAD(&w->slots[level][t->slot], t, link);
        w->occupied[level] |= UINT64_C(1) << t->slot;
}

void wheel_add(Wheel *w, WheelTimer *t, uint64_t due) {
        uint64_t at;

        wheel_remove(w, t);
        t->due = due < NONE ? (uint32_t) due : NONE - 1;

        at = due <= w->now ? w->now + 1 : due;
        if (at - w->now >= SPAN)
                at = w->now + SPAN - 1;
        insert(w, t, at);
}

void wheel_remove(Wheel *w, WheelTimer *t) {
        if (t->due == NONE)
                return;

        LIST_REMOVE(t, link);
        if (LIST_EMPTY(&w->slots[t->level][t->slot]))
                w->occupied[t->level] &= ~(UINT64_C(1) << t->slot);
        t->due = NONE;
}

/* The first tick after now at which the given level has an occupied slot to be looked at. */
static uint64_t level_next(const Wheel *w, unsigned level) {
        uint64_t position = w->now >> (BITS * level), occupied = w->occupied[level], turned;
        unsigned first = (unsigned) ((position + 1) & MASK);

        if (!occupied)
                return UINT64_MAX;

        turned = first ? (occupied >> first) | (occupied << (WHEEL_SLOTS - first)) : occupied;
        return (position + 1 + (unsigned) __builtin_ctzll(turned)) << (BITS * level);
}

uint64_t wheel_next(const Wheel *w) {
        uint64_t next = UINT64_MAX;

        for (unsigned i = 0; i < WHEEL_LEVELS; i++) {
                uint64_t n = level_next(w, i);

                if (n < next)
                        next = n;
        }

        return next;
}

/* A slot of a higher level has been reached: sort its timers into the levels below. Those that are due now come to
 * level 0's present slot, which wheel_pop() empties. */
static void cascade(Wheel *w, unsigned level) {
        unsigned slot = (unsigned) ((w->now >> (BITS * level)) & MASK);
        WheelTimer *t;

        while ((t = LIST_FIRST(&w->slots[level][slot]))) {
                uint32_t due = t->due;

                wheel_remove(w, t);
                t->due = due;
                insert(w, t, due <= w->now ? w->now : due - w->now >= SPAN ? w->now + SPAN - 1 : due);
        }
}

WheelTimer *wheel_pop(Wheel *w, uint64_t now) {
        for (;;) {
                WheelTimer *t = LIST_FIRST(&w->slots[0][w->now & MASK]);
                uint64_t next;

                if (t && t->due <= w->now) {
                        wheel_remove(w, t);
                        return t;
                }

                next = wheel_next(w);
                if (next > now) {
                        if (now > w->now && next == UINT64_MAX)
                                w->now = now;   /* nothing is in: no slot depends on where we stand */
                        return NULL;
                }

                w->now = next;
                for (unsigned i = WHEEL_LEVELS - 1; i > 0; i--)
                        if (!(w->now & ((UINT64_C(1) << (BITS * i)) - 1)))
                                cascade(w, i);
        }
}
