/* SPDX-License-Identifier: MIT */
/* A table over a real store, without a bus, for tests of what sessions go through. Time is passed in. Include it after cmocka's. */
#pragma once

#include "amend.h"
#include "create.h"

typedef struct World {
        char *directory;
        Policy *policy;
        Store *store;
        Lifeline *lifeline;
        Table *table;
        Now now;
        unsigned added, removed, failed;
        Reason last_reason;
} World;

typedef struct Made {
        Session *session;
        Token token;
        int result;             /* of the commit; 1 until then */
        char text[TOKEN_BODY_SIZE + TOKEN_PREFIX_MAX + 1];
} Made;

void open_world(World *w, const char *policy, uint64_t max_bytes);
void close_world(World *w);
void settle(World *w);
void note_result(int result, void *userdata);
int make(World *w, Made *m, const char *user, const Options *o, Fault *f);
Session *look(World *w, const Made *m);
int end_session(World *w, Session *s, int *result);
