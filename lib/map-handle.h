/* SPDX-License-Identifier: MIT */
/*
 * The map that a handle reads: got from the broker by OpenMap, replaced when it is superseded or its broker has died.
 *
 * Nobody waits for readers. A map that is given up is not unmapped: zeros are mapped over it, in one step, and to a reader that is still in there zeros say "ask
 * the broker" (websess-map.h). Memory is free at once; the addresses and a MapRef stay taken until the handle is closed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "map-read.h"

typedef struct MapRef MapRef;
typedef struct websess websess;

typedef struct MapHandle {
        _Atomic(MapRef *) current;
        _Atomic(MapRef *) all;          /* every one there was, to be let go of with the handle */
        _Atomic uint64_t not_before;    /* CLOCK_MONOTONIC, µs: when the broker may be asked for a map again */
        atomic_uint opening;            /* the process generation of the thread that asks for one, plus 1; 0: nobody does */
        bool off;                       /* never ask for one */
} MapHandle;

/* The map in force, as far as is known; NULL: none. Good until the handle is closed. */
const MapView *map_handle_view(MapHandle *h);
/* Whoever found a map gone says so. */
void map_handle_give_up(MapHandle *h, const MapView *v);
/* Ask for a map, if there is none and it makes sense to. Called after the broker has answered something, so that nobody waits for it here. Leaves the
 * thread's error text alone. */
void map_handle_open(websess *w);
/* Make the map behind fd the one in force. 0 or a negative errno. */
int map_handle_adopt(MapHandle *h, int fd);
void map_handle_done(MapHandle *h);
