/* SPDX-License-Identifier: MIT */
/* A map from inside, for map-writer.c (sessions come, change and go) and map-memory.c (the memory does). */
#pragma once

#include "map-writer.h"

typedef struct FreeRuns {
        uint32_t *cells;
        size_t n, allocated;
} FreeRuns;

struct Map {
        Lifeline *lifeline;
        int fd;
        size_t size;
        MapHeader *header;              /* the mapping */
        MapBucket *buckets;
        char *cells;
        uint32_t n_buckets, n_cells;
        uint32_t next_cell;             /* cells from here on were never used */
        uint64_t n_used;                /* cells in use */
        uint64_t n_unlinked;            /* sessions whose records are still read */
        size_t told;                    /* offset up to which map_take_full() has told of huge pages that are full */
        size_t punched;                 /* offset up to which memory has been given back */
        FreeRuns free[MAP_RUN_MAX + 1];
};
