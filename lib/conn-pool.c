/* SPDX-License-Identifier: MIT */
/* Idle connections. Owns those in its slots, and no others. */
#include "conn-pool.h"

Conn *conn_pool_take(ConnPool *p) {
        for (size_t i = 0; i < POOL_SIZE; i++) {
                Conn *c;

                /* A look before the exchange, so that empty slots stay shared between the processors' caches. */
                if (!atomic_load_explicit(&p->slots[i], memory_order_relaxed))
                        continue;
                c = atomic_exchange_explicit(&p->slots[i], NULL, memory_order_acquire);
                if (c && c->generation == process_generation())
                        return c;
                conn_free(c);
        }
        return NULL;
}

void conn_pool_put(ConnPool *p, Conn *c) {
        for (size_t i = 0; c && i < POOL_SIZE; i++) {
                Conn *empty = NULL;

                if (atomic_compare_exchange_strong_explicit(&p->slots[i], &empty, c, memory_order_release,
                                                            memory_order_relaxed))
                        return;
        }
        conn_free(c);
}

void conn_pool_done(ConnPool *p) {
        for (size_t i = 0; i < POOL_SIZE; i++)
                conn_free(atomic_exchange_explicit(&p->slots[i], NULL, memory_order_acquire));
}
