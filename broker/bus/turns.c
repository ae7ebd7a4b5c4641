/* SPDX-License-Identifier: MIT */
/*
 * Owns one TurnUser per uid, in a tree by uid, and those of them that wait in another by what they have had. Touches nothing else.
 *
 * What users have had is compared with each other only, so it is counted from "least", which is nobody's but what the next one to come has had: who comes back
 * begins there.
 */
#include "turns.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"

TAILQ_HEAD(TurnList, Turn);

struct TurnUser {
        RB_ENTRY(TurnUser) node, order;
        Turns *all;
        uid_t uid;
        unsigned n_turns;
        uint64_t had;                   /* ns, never less than all->least was when it last began to wait */
        struct TurnList waiting;
        bool ordered, running;
};

RB_HEAD(UserTree, TurnUser);
RB_HEAD(OrderTree, TurnUser);

struct Turns {
        struct UserTree users;
        struct OrderTree order;
        uint64_t least;                 /* what the last one to run had had before */
};

static int user_compare(const TurnUser *a, const TurnUser *b) {
        return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static int order_compare(const TurnUser *a, const TurnUser *b) {
        return a->had < b->had ? -1 : a->had > b->had ? 1 : user_compare(a, b);
}

RB_PROTOTYPE_INTERNAL(UserTree, TurnUser, node, user_compare, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(UserTree, TurnUser, node, user_compare, __attribute__((unused)) static)
RB_PROTOTYPE_INTERNAL(OrderTree, TurnUser, order, order_compare, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(OrderTree, TurnUser, order, order_compare, __attribute__((unused)) static)

/* ---- users ---- */

static void user_free(TurnUser *u) {
        RB_REMOVE(UserTree, &u->all->users, u);
        free(u);
}

/* Who has gone is remembered until he would be let in like a newcomer, or connecting anew would pay off. */
static void forget_gone(Turns *all) {
        TurnUser *u, *next;

        for (u = RB_MIN(UserTree, &all->users); u; u = next) {
                next = RB_NEXT(UserTree, &all->users, u);
                if (u->n_turns == 0 && !u->running && u->had <= all->least)
                        user_free(u);
        }
}

static TurnUser *user_new(Turns *all, uid_t uid) {
        TurnUser *u;

        forget_gone(all);
        u = calloc(1, sizeof(*u));
        if (!u)
                return NULL;
        u->all = all;
        u->uid = uid;
        TAILQ_INIT(&u->waiting);
        RB_INSERT(UserTree, &all->users, u);
        return u;
}

static uint64_t begins_at(const TurnUser *u) {
        return u->had > u->all->least ? u->had : u->all->least;
}

static void put_in_order(TurnUser *u) {
        if (u->ordered || u->running || TAILQ_EMPTY(&u->waiting))
                return;
        u->had = begins_at(u);
        RB_INSERT(OrderTree, &u->all->order, u);
        u->ordered = true;
}

static void take_out(TurnUser *u) {
        if (u->ordered)
                RB_REMOVE(OrderTree, &u->all->order, u);
        u->ordered = false;
}

/* ---- turns ---- */

int turn_begin(Turn *t, Turns *all, uid_t uid, void (*go)(Turn *t)) {
        TurnUser key = { .uid = uid }, *u = RB_FIND(UserTree, &all->users, &key) ?: user_new(all, uid);

        if (!u)
                return -ENOMEM;
        u->n_turns++;
        *t = (Turn) { .user = u, .go = go };
        return 0;
}

static void stop_waiting(Turn *t) {
        if (!t->waiting)
                return;
        TAILQ_REMOVE(&t->user->waiting, t, entry);
        t->waiting = false;
        if (TAILQ_EMPTY(&t->user->waiting))
                take_out(t->user);
}

void turn_end(Turn *t) {
        if (!t->user)
                return;
        stop_waiting(t);
        TAKE_PTR(t->user)->n_turns--;
}

void turn_wait(Turn *t) {
        if (t->waiting)
                return;
        TAILQ_INSERT_TAIL(&t->user->waiting, t, entry);
        t->waiting = true;
        put_in_order(t->user);
}

TurnUser *turn_take(Turn *t) {
        TurnUser *u = t->user;

        stop_waiting(t);
        take_out(u);
        u->had = u->all->least = begins_at(u);
        u->running = true;
        return u;
}

Turn *turns_next(Turns *all) {
        const TurnUser *u = RB_MIN(OrderTree, &all->order);

        return u ? TAILQ_FIRST(&u->waiting) : NULL;
}

void turn_over(TurnUser *u, uint64_t nsec) {
        u->had += nsec;
        u->running = false;
        put_in_order(u);
}

/* ---- life ---- */

int turns_new(Turns **ret) {
        Turns *all = calloc(1, sizeof(*all));

        if (!all)
                return -ENOMEM;
        RB_INIT(&all->users);
        RB_INIT(&all->order);
        *ret = all;
        return 0;
}

Turns *turns_free(Turns *all) {
        if (!all)
                return NULL;
        while (!RB_EMPTY(&all->users))
                user_free(RB_ROOT(&all->users));
        free(all);
        return NULL;
}
