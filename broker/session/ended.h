/* SPDX-License-Identifier: MIT */
/*
 * The sessions that ended last, and why: so that somebody who asks a moment later can be told. In memory only, and never more than
 * ENDED_MAX: the journal has them all. Knows no secrets.
 */
#pragma once

#include "session.h"

#define ENDED_MAX 1024u

typedef struct EndedEntry {
        Ident id;
        char service[SERVICE_MAX + 1];
        Reason reason;
        uint64_t realtime;              /* when, µs since 1970 */
} EndedEntry;

typedef struct Ended {
        EndedEntry *entries;            /* a ring, allocated with the first entry */
        size_t n, next;
} Ended;

void ended_done(Ended *e);
/* Without memory it is not kept. */
void ended_add(Ended *e, const Record *r, Reason reason, uint64_t realtime);
const EndedEntry *ended_find(const Ended *e, const Ident *id);          /* NULL: not among them (any more) */
