/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is when there is more to do than time: the user's who has had least of it (start-time fair queueing). Many connections give
 * nobody more, since they share their user's time; nor does having been quiet, since time that was not asked for is not saved up.
 *
 * A Turn is embedded in what has work to be done piece by piece, a connection or a name on the bus. Pure: no clock and no events; turns are
 * taken and told how long they were by bus-turns.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

typedef struct Turns Turns;
typedef struct TurnUser TurnUser;

typedef struct Turn {
        TAILQ_ENTRY(Turn) entry;
        TurnUser *user;         /* NULL: not begun, or ended */
        void (*go)(struct Turn *t);     /* one piece of work; it waits again when there is more */
        bool waiting;
} Turn;

int turns_new(Turns **ret);
Turns *turns_free(Turns *all);          /* every Turn has ended */

int turn_begin(Turn *t, Turns *all, uid_t uid, void (*go)(Turn *t));
void turn_end(Turn *t);                 /* not begun is fine */

void turn_wait(Turn *t);                /* waiting already is fine */
/* The next one of all that wait. Take it, let it go, and tell how long that took; no other turn between them. */
Turn *turns_next(Turns *all);           /* NULL: nobody waits */
TurnUser *turn_take(Turn *t);           /* it waits no longer, and may end before it is over */
void turn_over(TurnUser *u, uint64_t nsec);
