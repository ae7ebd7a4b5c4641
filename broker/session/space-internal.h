/* SPDX-License-Identifier: MIT */
/*
 * A space from inside, for space.c (sessions come, change and go) and space-maps.c (maps do).
 *
 * A map that is replaced goes on being the one in force while the next one is filled from it, bucket by bucket, a slice at a time. A session whose bucket comes before the cursor is in both: whatever
 * changes is changed in both, and `cell` and `data` of the session speak of the next one; any other session is in the one in force alone. Then the next one is
 * published and takes its place, in one step.
 */
#pragma once

#include <sys/queue.h>

#include "space.h"

/* Made with the map, so that memory that runs out later does not keep it from being given back. */
typedef struct OldMap {
        STAILQ_ENTRY(OldMap) link;
        Map *map;
        uint64_t since;                 /* CLOCK_BOOTTIME */
} OldMap;

struct Space {
        SpaceOptions options;
        Map *map;                       /* in force, or superseded by a policy and the source of the next; NULL: none */
        OldMap *place;                  /* where the map goes when it is replaced */
        Map *next;                      /* being filled; NULL: none */
        OldMap *next_place;
        uint32_t cursor;                /* bucket of the map: sessions of those before it are in next, too */
        STAILQ_HEAD(, OldMap) old;
        MapFacts facts;
        char *texts;                    /* the facts' slices point in here */
        uint64_t generation, visible;
        bool own_readers;
        bool at_once;                   /* see space_fill_at_once() */
        bool left_behind;               /* a session's record could not be moved out of the map that is replaced */
};

int space_keep_facts(Space *sp, const MapFacts *facts);
int space_first_map(Space *sp);
void space_free_maps(Space *sp);
Map *space_map_of(const Space *sp, const void *record);         /* the one that it lies in; NULL: one that is kept for good */
/* Is it in both maps? */
bool space_moved(const Space *sp, const Session *s);
void space_grow_if_due(Space *sp);      /* begins a larger map if it is time to, or goes on with it */
bool space_make_room(Space *sp);        /* has the next map, or none, in place before it returns; false: nothing has changed */
void space_collapse_full(Space *sp);
/* Its record goes to the heap. False: there is no memory. */
bool space_to_heap(Session *s);
