/* SPDX-License-Identifier: MIT */
/*
 * When touches go to the broker, and over which connection. Nobody waits for it: messages ask for no reply, and a socket that is full is left alone.
 *
 * The call that finds a session due sends it at once, unless another touch went out less than TOUCH_PAUSE_USEC ago: then it waits in the table for the next
 * call, so that a busy process sends many in one message. A session of whose idle time half is over does not wait.
 */
#pragma once

#include "conn.h"
#include "touch.h"

#define TOUCH_PAUSE_USEC UINT64_C(10000)

typedef struct websess websess;

typedef struct Toucher {
        Touches table;
        _Atomic uint64_t not_before;    /* boot clock, µs: those that wait may go out from here on */
        atomic_uint sending;            /* the process generation of the thread that sends, plus 1; 0: nobody does */
        _Atomic(Conn *) conn;           /* one that is not ready yet; belongs to whoever sends */
} Toucher;

/* The session was seen now (boot clock); last_seen is what the broker knows. Returns its new last_seen. */
uint64_t touch_session(websess *w, const Ident *id, uint64_t last_seen, uint64_t now, uint64_t interval, uint64_t idle_usec);

/* Send what waits, if it is time. */
void touch_flush(websess *w, uint64_t now);
/* Send what waits. */
void touch_flush_now(websess *w);
/* What this handle knows of it: a touch on its way counts, so that a caller never sees last_seen go back. */
uint64_t touch_last_seen(const websess *w, const Ident *id, uint64_t last_seen, uint64_t now, uint64_t interval);
void touch_done(Toucher *t);
