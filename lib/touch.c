/* SPDX-License-Identifier: MIT */
/* The table of touches. A place is changed only by whoever has set its state to BUSY; a fork in the middle of that loses the place, in the child. */
#include "touch.h"

#include <string.h>

#include "websess-map.h"

#define PROBES 8u

enum {
        EMPTY,                  /* as calloc() leaves it */
        BUSY,
        WAITING,
        SENT,
};

static void words_of(const Ident *id, uint64_t out[static 2]) {
        memcpy(out, id->bytes, IDENT_SIZE);
}

static size_t first_place(const uint64_t id[static 2]) {
        return map_bucket(id, TOUCHES_MAX);
}

static bool holds(const Touch *p, const uint64_t id[static 2], uint64_t now, uint64_t interval, uint64_t *when) {
        uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);

        if ((state != WAITING && state != SENT) || atomic_load_explicit(&p->id[0], memory_order_relaxed) != id[0] ||
            atomic_load_explicit(&p->id[1], memory_order_relaxed) != id[1])
                return false;
        *when = atomic_load_explicit(&p->when, memory_order_relaxed);
        return state == WAITING || now < *when + interval;
}

static bool put(Touches *t, Touch *p, const uint64_t id[static 2], uint64_t now) {
        uint32_t state = atomic_load_explicit(&p->state, memory_order_relaxed);

        if ((state != EMPTY && state != SENT) ||
            !atomic_compare_exchange_strong_explicit(&p->state, &state, BUSY, memory_order_acquire, memory_order_relaxed))
                return false;
        atomic_store_explicit(&p->id[0], id[0], memory_order_relaxed);
        atomic_store_explicit(&p->id[1], id[1], memory_order_relaxed);
        atomic_store_explicit(&p->when, now, memory_order_relaxed);
        atomic_fetch_add_explicit(&t->n_waiting, 1, memory_order_relaxed);
        atomic_store_explicit(&p->state, WAITING, memory_order_release);
        return true;
}

bool touches_know(const Touches *t, const Ident *id, uint64_t now, uint64_t interval, uint64_t *when) {
        uint64_t words[2];
        size_t first;

        words_of(id, words);
        first = first_place(words);
        for (size_t i = 0; i < PROBES; i++)
                if (holds(&t->touches[(first + i) % TOUCHES_MAX], words, now, interval, when))
                        return true;
        return false;
}

TouchAnswer touches_add(Touches *t, const Ident *id, uint64_t now, uint64_t interval, uint64_t *when) {
        uint64_t words[2];
        size_t first;

        if (touches_know(t, id, now, interval, when))
                return TOUCH_KNOWN;
        words_of(id, words);
        first = first_place(words);
        *when = now;
        for (size_t i = 0; i < PROBES; i++)
                if (put(t, &t->touches[(first + i) % TOUCHES_MAX], words, now))
                        return TOUCH_ADDED;
        return TOUCH_FULL;
}

size_t touches_take(Touches *t, Ident *out, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < TOUCHES_MAX && n < max; i++) {
                Touch *p = &t->touches[i];
                uint32_t state = WAITING;
                uint64_t words[2];

                if (atomic_load_explicit(&p->state, memory_order_relaxed) != WAITING ||
                    !atomic_compare_exchange_strong_explicit(&p->state, &state, BUSY, memory_order_acquire, memory_order_relaxed))
                        continue;
                words[0] = atomic_load_explicit(&p->id[0], memory_order_relaxed);
                words[1] = atomic_load_explicit(&p->id[1], memory_order_relaxed);
                memcpy(out[n++].bytes, words, IDENT_SIZE);
                atomic_fetch_sub_explicit(&t->n_waiting, 1, memory_order_relaxed);
                atomic_store_explicit(&p->state, SENT, memory_order_release);
        }
        return n;
}
