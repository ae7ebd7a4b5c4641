/* SPDX-License-Identifier: MIT */
/*
 * Sessions in the order of their ids. Ids count up, so nearly every session comes in at the end and the oldest go first: a row of chunks of pointers, filled
 * one after the other, costs a session eight bytes, where the links of a tree cost it 32; and what is searched first lies together. Owns the
 * chunks, not the sessions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ident.h"

typedef struct Session Session;
typedef struct ByIdChunk ByIdChunk;

typedef struct ByIdEntry {
        Ident first;                    /* of the chunk */
        ByIdChunk *chunk;
} ByIdEntry;

typedef struct ById {
        ByIdEntry *entries;
        size_t n, allocated;
} ById;

/* 0, -EEXIST or -ENOMEM. */
int by_id_add(ById *x, Session *s);
/* The session must be in. */
void by_id_remove(ById *x, const Session *s);
Session *by_id_find(const ById *x, const Ident *id);
/* The first one behind id, whether that is there or not; NULL: the first of all. */
Session *by_id_next(const ById *x, const Ident *id);
