/* SPDX-License-Identifier: MIT */
/*
 * Connections that nobody uses at the moment. Slots are taken and filled with one atomic exchange each: there is no
 * lock that a fork could leave held in the child.
 */
#pragma once

#include <stdatomic.h>

#include "conn.h"

#define POOL_SIZE 32u

typedef struct ConnPool {
        _Atomic(Conn *) slots[POOL_SIZE];
} ConnPool;

/* An idle connection of this process, the caller's from here on; NULL when there is none. */
Conn *conn_pool_take(ConnPool *p);

/* Hand one back that is in order and has no message out. One too many is closed. */
void conn_pool_put(ConnPool *p, Conn *c);

void conn_pool_done(ConnPool *p);
