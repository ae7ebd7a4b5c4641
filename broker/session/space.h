/* SPDX-License-Identifier: MIT */
/*
 * The committed records of one service, in memory once: for the broker itself and for every reader of the service's map. A session's
 * data points in here; a record that is too large, or for which there is no room, is on the heap instead, and the map says "ask the broker".
 * One writer: the event loop.
 */
#pragma once

#include "huge-pages.h"
#include "map-writer.h"
#include "session.h"

/* Calls each for every visible session of the space, so that a new map can be filled. */
typedef void (*SpaceEach)(Space *space, Session *s);
typedef void (*SpaceWalk)(void *userdata, Space *space, SpaceEach each);

/* The session of an id, or NULL. */
typedef Session *(*SpaceFind)(void *userdata, const Ident *id);

typedef struct SpaceOptions {
        Lifeline *lifeline;             /* NULL: there are no maps, everything is on the heap */
        HugePages *huge_pages;          /* NULL: maps stay in small ones */
        uint64_t max_bytes;             /* of one map; 0: no limit */
        SpaceWalk walk;
        SpaceFind find;
        void *userdata;
} SpaceOptions;

int space_new(Space **ret, const SpaceOptions *options, const MapFacts *facts);
/* The end: readers ask the next broker from now on, and what is taken away after this is no miss to them. */
void space_close(Space *sp);
Space *space_free(Space *sp);           /* its sessions are gone already */

/* Make data (malloc'ed, taken over) the session's committed record, for everybody at once. Cannot fail: what finds no room stays on the heap. */
void space_put(Space *sp, Session *s, uint8_t *data, size_t size);
/* No reader finds the session any more; the broker can still read its record. */
void space_hide(Space *sp, Session *s);
/* Take the session's record out of the map's memory, where it does not stay for long once it is hidden. Without memory it stays where it is. */
void space_move_out(Session *s);
/* Let go of a hidden session's record. */
void space_drop(Space *sp, Session *s);
void space_touch(Space *sp, const Session *s);          /* publish s->last_seen */

/* A new map in place of this one, with these facts: the policy changed, or somebody lost the right to the old one. Readers ask the broker until it is filled, which a small one is at once. */
void space_supersede(Space *sp, const MapFacts *facts);
/* From now on a next map is filled in one go, which takes half as long: while nobody can be waiting, as when the database is loaded. */
void space_fill_at_once(Space *sp, bool at_once);
/* When space_collect() has something to do, CLOCK_BOOTTIME; UINT64_MAX: nothing. */
uint64_t space_next_collection(const Space *sp);
/* Go on filling the next map, or give back some of the memory of maps that were superseded. */
void space_collect(Space *sp, uint64_t now_boottime);

/* A new read-only descriptor of the map; -EOPNOTSUPP when there is none, -EAGAIN when it is being filled. own: for a process of the broker's own uid (see MapSize). */
int space_open(Space *sp, bool own);

/* A session of it has become visible (1) or is gone (-1). */
void space_count(Space *sp, int step);

typedef struct SpaceStatus {
        uint64_t visible;               /* sessions, in a map or not */
        uint64_t sessions, bytes, generation;   /* of the map */
        bool has_map, incomplete;
} SpaceStatus;
void space_status(const Space *sp, SpaceStatus *out);
Slice space_service(const Space *sp);
