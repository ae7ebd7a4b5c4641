/* SPDX-License-Identifier: MIT */
/*
 * Calls that take long, worked on a piece at a time, in turns of their callers like everything else that a caller asks for. Owns what is left of them.
 *
 * What a work has built so far takes memory. So a client has one at a time, and its further calls wait where calls wait; and a user's are gone on with one
 * after the other, whatever clients they are of.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus-internal.h"
#include "peer.h"

struct BusWork {
        Turn turn;
        TAILQ_ENTRY(BusWork) entry;
        Bus *bus;
        BusCall *call;
        BusStep step;
        void *state;
        void (*done)(void *state);
};

static uid_t work_uid(const BusWork *w) {
        return w->call->client->caller.uid;
}

/* The first one of the user's in the list that starts here. */
static BusWork *first_of(BusWork *w, uid_t uid) {
        while (w && work_uid(w) != uid)
                w = TAILQ_NEXT(w, entry);
        return w;
}

/* Its client's further calls are taken again. */
static void release(BusClient *c) {
        if (c->gone || --c->n_works > 0)
                return;
        if (c->peer)
                peer_go_on(c->peer);
        else if (c->turn && bus_turn_wait(c->bus, c->turn) < 0)
                log_error(-ENOMEM, "cannot go on with the calls of %s", c->name);
}

static void work_free(BusWork *w) {
        turn_end(&w->turn);
        TAILQ_REMOVE(&w->bus->works, w, entry);
        w->done(w->state);
        release(w->call->client);
        bus_call_unref(w->call);
        free(w);
}

/* A piece more. True: there is yet more. */
static bool go_on(BusCall *c, BusStep step, void *state) {
        bool more = false;
        Fault f = {};
        int r = step(c, state, &more, &f);

        r = call_outcome(c, r, &f);
        if (r != 0)
                bus_call_fail(c, r, &f);
        return r == 0 && more;
}

static void on_turn(Turn *t) {
        BusWork *w = (BusWork *) (void *) ((char *) t - offsetof(BusWork, turn)), *next = w;
        Bus *b = w->bus;
        uid_t uid = work_uid(w);

        if (!go_on(w->call, w->step, w->state)) {
                next = first_of(TAILQ_NEXT(w, entry), uid);
                work_free(w);
        }
        if (next && bus_turn_wait(b, &next->turn) < 0)
                bus_works_drop(b);
}

int bus_call_work(BusCall *c, BusStep step, void *state, void (*done)(void *state)) {
        Bus *b = c->client->bus;
        BusWork *w = NULL;
        int r = -ENOMEM;

        if (!go_on(c, step, state)) {
                done(state);
                return 0;
        }
        w = calloc(1, sizeof(*w));
        if (w)
                r = turn_begin(&w->turn, b->turns, c->client->caller.uid, on_turn);
        if (r < 0) {
                free(w);
                done(state);
                return r;
        }
        w->bus = b;
        w->call = bus_call_ref(c);
        w->step = step;
        w->state = state;
        w->done = done;
        TAILQ_INSERT_TAIL(&b->works, w, entry);
        c->client->n_works++;
        if (first_of(TAILQ_FIRST(&b->works), work_uid(w)) == w)
                r = bus_turn_wait(b, &w->turn);
        if (r < 0)
                work_free(w);
        return r;
}

void bus_works_finish(Bus *b, uint64_t deadline) {
        BusWork *w;
        bool more;

        while ((w = TAILQ_FIRST(&b->works))) {
                do
                        more = bus_now() < deadline && go_on(w->call, w->step, w->state);
                while (more);
                if (bus_now() >= deadline)
                        break;
                work_free(w);
        }
        bus_works_drop(b);
}

/* Those that are not done are answered Unavailable. */
void bus_works_drop(Bus *b) {
        while (!TAILQ_EMPTY(&b->works))
                work_free(TAILQ_FIRST(&b->works));
}
