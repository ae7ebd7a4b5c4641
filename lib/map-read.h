/* SPDX-License-Identifier: MIT */
/*
 * Reading a map (websess-map.h): pure, over memory that somebody else writes. No lock, no system call, no allocation. Whatever the memory holds,
 * nothing outside of it is looked at, and nothing torn is returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"
#include "verdict.h"
#include "websess-map.h"

/* A map as a reader holds it. What is constant in the header is copied: the memory may be taken away below a reader, and is zeros then. */
typedef struct MapView {
        const MapHeader *header;
        const MapBucket *buckets;
        const char *cells;
        uint32_t n_buckets, n_cells;
        uint64_t generation, touch_usec, clock_offset, time_namespace;
        MapText token_prefix, service, admin_role;
        uint32_t roles_size;
        char roles[MAP_ROLES_SIZE];
} MapView;

/* Everything in the header that readers go by is checked here, once. 0, or -EBADMSG: not a map of this layout, or not a whole one. */
int map_view_init(MapView *v, const void *memory, size_t size);

#define MAP_RECORD_MAX (MAP_RUN_MAX * MAP_CELL_SIZE - MAP_SLOT_HEADER_SIZE)

/* A record as it was at one instant. */
typedef struct MapCopy {
        uint64_t last_seen;             /* of the slot: ahead of the record's */
        uint32_t size;
        uint64_t words[MAP_RECORD_MAX / sizeof(uint64_t)];
} MapCopy;

typedef enum MapAnswer {
        MAP_FOUND,              /* the copy is filled */
        MAP_MISS,               /* there is no such session */
        MAP_ASK,                /* the map cannot tell: ask the broker */
        MAP_GONE,               /* the same, and this map will never tell again: superseded, or its broker is dead */
} MapAnswer;

/* Where an id is looked for in a map. */
typedef struct MapKey {
        uint64_t id[2];
        const MapBucket *bucket;
        uint8_t tag;
} MapKey;

/* The way to a session, in steps: memory takes long to come, and a reader has something else to do meanwhile. map_seek() asks for the bucket, map_prefetch(),
 * which may be left out, waits for that and asks for the slot, and map_read() waits for that. */
void map_seek(const MapView *v, const Ident *id, MapKey *out);
void map_prefetch(const MapView *v, const MapKey *k);
MapAnswer map_read(const MapView *v, const MapKey *k, MapCopy *out);

/* Is the map in force, and its broker alive? For what is answered without looking into a bucket. */
MapAnswer map_check(const MapView *v);

bool map_knows_role(const MapView *v, Slice role);
VerdictPolicy map_policy(const MapView *v);
