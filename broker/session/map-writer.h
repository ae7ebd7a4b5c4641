/* SPDX-License-Identifier: MIT */
/*
 * One map (websess-map.h), written: the memory, runs of cells, buckets, sequences. Knows of records where their ids are, and of sessions nothing.
 * One writer; readers are everywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lifeline.h"
#include "record.h"
#include "websess-map.h"

typedef struct Map Map;

/* What readers need to know of the policy; constant for the life of a map. */
typedef struct MapFacts {
        uint64_t touch_usec, clock_offset, time_namespace;
        Slice service, token_prefix, admin_role;
        uint32_t roles_size;
        char roles[MAP_ROLES_SIZE];
} MapFacts;

/* Room for about MAP_BUCKET_FULL sessions a bucket and for n_cells cells, of which only those in use cost memory. Sealed against growing, shrinking and
 * further seals, mode 0400. It is not ready for readers before map_publish(). */
typedef struct MapSize {
        uint32_t n_buckets, n_cells;
        /* Some reader has the broker's own uid, so the mode does not keep him from opening the map for writing: no new writable mapping is allowed at all.
         * The price is that the memory cannot be given back while readers have it mapped. */
        bool own_readers;
} MapSize;
int map_new(Map **ret, Lifeline *lifeline, const MapFacts *facts, uint64_t generation, const MapSize *size);
Map *map_free(Map *m);                  /* unmaps ours; readers keep theirs */

void map_publish(Map *m);
void map_supersede(Map *m);             /* readers ask the broker from now on */
bool map_punch(Map *m);                 /* give some memory of buckets and cells back; only when superseded. True when none is left */
void map_set_flags(Map *m, uint32_t flags);
uint32_t map_flags(const Map *m);
bool map_is_live(const Map *m);         /* published, and not superseded */
int map_open(const Map *m);             /* a new descriptor, read-only for good */

/* Put a record into the map. *cell is where it lies: 0 for a new session. *ret: the record's place in the map, which is then where the broker reads it too; NULL
 * for a record larger than a run, which got a stub that says "ask the broker". 0, or -ENOSPC: nothing was changed, so an older record of the session is still there. */
int map_put(Map *m, const void *record, size_t size, uint64_t last_seen, uint32_t *cell, const uint8_t **ret);
/* Take it out of its bucket: no reader finds it any more. Its bytes stay as they are until map_release(). */
void map_unlink(Map *m, uint32_t cell);
void map_release(Map *m, uint32_t cell);        /* of an unlinked one: its cells may be used again */
bool map_is_read(const Map *m);         /* is there one that was unlinked, and not yet released? */
bool map_contains(const Map *m, const void *p); /* does p point into its cells? */
void map_touch(Map *m, uint32_t cell, uint64_t last_seen);

/* Where the session of the id is, by its bucket alone; 0: it is not in the map. */
uint32_t map_find(const Map *m, const Ident *id);
uint32_t map_bucket_number(const Map *m, const Ident *id);
/* Every session of a bucket; returns how many. each must not change this map. */
typedef void (*MapEach)(void *userdata, uint32_t cell, const Ident *id);
uint32_t map_each(const Map *m, uint32_t bucket, MapEach each, void *userdata);

/* Memory of whole huge pages that is full and was not told of before; false: none. */
bool map_take_full(Map *m, void **memory, size_t *size);
void *map_mapping(const Map *m, size_t *size);

uint64_t map_used_bytes(const Map *m);
uint64_t map_live_cells(const Map *m);
uint64_t map_generation(const Map *m);
uint64_t map_sessions(const Map *m);
bool map_is_crowded(const Map *m);      /* too many sessions to a bucket: a larger map would be faster */
uint32_t map_n_buckets(const Map *m);
bool map_is_nearly_full(const Map *m);  /* nearly every cell is in use: time to make a larger one */
