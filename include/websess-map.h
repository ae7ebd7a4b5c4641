/* SPDX-License-Identifier: MIT */
/*
 * The map: how the broker publishes the sessions of one service in shared memory, and how a reader finds one there without a lock or a
 * system call. Layout and protocol only; broker/session/map-writer.c and map-memory.c write, lib/map-read.c reads.
 *
 *   offset 0              MapHeader, one page
 *   buckets_offset        n_buckets MapBucket, a power of two of them
 *   cells_offset          n_cells cells of MAP_CELL_SIZE bytes; a session has a run of them: MapSlot, then the record (lib/core/record.h)
 *
 * All words are in the byte order of the machine (the memory never leaves it), except for the record, which is as on disk. A session is linked from
 * bucket map_bucket(id): from one of its places, or from the chain of those that found none. A bucket is a cache line, and a byte of the id's hash stands beside
 * each link, so that as a rule a reader waits for memory twice: for the bucket, and for the slot. Links are the number of a run's first cell plus one, so
 * that 0 is a free place or the end.
 *
 * Protocol. There is one writer. Every change to a bucket's links or to what a slot of it holds happens between two increments of the
 * bucket's sequence, which is odd in between (a sequence lock, see Boehm, "Can seqlocks get along with programming language memory models?",
 * MSPC 2012). A slot that leaves a bucket and enters another changes both sequences, so a reader that has been led astray sees it. A reader
 *
 *   1. reads the bucket's sequence (acquire); odd or 0: again, after a few times ask the broker;
 *   2. looks at the places with the id's tag, then walks the chain, no further than MAP_CHAIN_MAX links, every link checked; copies the slot it finds by relaxed loads;
 *   3. fence (acquire), reads the sequence again; another value: from 1;
 *   4. reads `owner` and `state` of the header (acquire): a dead owner or a state other than MAP_LIVE: ask the broker.
 *
 * Only then is what was found believed: a copy, or a miss. What was true at step 1 to 3 was true in the broker, since at step 4 the broker
 * was alive and this map was the one in force; and no other broker acknowledges anything before `owner` shows that this one is dead.
 * last_seen of a slot changes alone, without the sequence: it is one atomic word and only ever grows.
 *
 * When a map grows the writer fills the new one, and meanwhile makes every change in both; then it publishes the new one, sets `state` of the old one, and changes only the new one. Where the policy
 * changed, or somebody lost the right to the map, `state` comes first, and until the new one is filled readers ask. After a grace the old one's buckets and cells are given back to the kernel; a reader that still
 * walks there finds sequence 0, which is never a miss.
 *
 * `owner` is a robust futex word (futex(2), set_robust_list(2)): it holds the number of a thread of the broker, and the kernel sets
 * FUTEX_OWNER_DIED in it when that thread ends, however it ends.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define MAP_MAGIC UINT64_C(0x3170616d73736577)         /* "wessmap1" */
#define MAP_LAYOUT 2u
#define MAP_HEADER_SIZE 4096u
#define MAP_HUGE_PAGE (UINT64_C(2) << 20)               /* buckets of a large map begin at a multiple of it, and so do mappings: the kernel can then use huge pages */
#define MAP_OWNER_DIED UINT32_C(0x40000000)             /* FUTEX_OWNER_DIED */
#define MAP_OWNER_TID UINT32_C(0x3fffffff)              /* FUTEX_TID_MASK */
#define MAP_TEXT_MAX 64u
#define MAP_ROLES_SIZE 2048u

enum {
        MAP_LIVE = 1,
        MAP_SUPERSEDED = 2,
};

enum {
        MAP_INCOMPLETE = 1 << 0,        /* memory ran out: a miss asks the broker */
};

typedef struct MapText {
        uint32_t size;
        char text[MAP_TEXT_MAX + 1];
} MapText;

typedef struct MapHeader {
        uint64_t magic;                 /* written last when a map is made: a map without it is not ready */
        uint32_t layout;
        uint32_t n_buckets, n_cells;
        uint64_t buckets_offset, cells_offset, size;
        uint64_t generation;            /* counts the maps of this service */

        /* facts of the policy, constant for the life of a map */
        uint64_t touch_usec;
        uint64_t clock_offset;          /* steady clock = CLOCK_BOOTTIME + this, µs */
        uint64_t time_namespace;        /* inode of the broker's /proc/self/ns/time */
        MapText service, token_prefix, admin_role;
        uint32_t roles_size;
        char roles[MAP_ROLES_SIZE];     /* those that the policy names, each behind a length byte, as many as fit: asked for another, ask the broker */

        _Alignas(64) _Atomic uint32_t owner;
        _Atomic uint32_t state;
        _Atomic uint32_t flags;
        _Atomic uint64_t n_sessions;
} MapHeader;

#define MAP_PLACES 11u

typedef struct MapBucket {
        _Atomic uint32_t sequence;      /* even and at least 2 while at rest */
        _Atomic uint32_t more;          /* the chain of those that found no place: cell + 1; 0: none */
        _Atomic uint32_t links[MAP_PLACES];     /* cell + 1; 0: free */
        _Atomic uint8_t tags[MAP_PLACES];       /* map_tag() of who has the place */
} MapBucket;

typedef struct MapSlot {
        _Atomic uint64_t last_seen;     /* steady clock, µs; ahead of the record's */
        _Atomic uint32_t next;          /* in the chain: cell + 1; 0: end */
        _Atomic uint32_t record_size;   /* 0: too large for the map, ask the broker; then only MAP_STUB_SIZE bytes of the record are here */
        _Atomic uint64_t record[];      /* record_size bytes, padded with zeros to words */
} MapSlot;

#define MAP_SLOT_HEADER_SIZE 16u
#define MAP_ID_WORD 2u                  /* record[2] and record[3] are the id */
#define MAP_STUB_SIZE 32u
#define MAP_CELL_SIZE 32u
#define MAP_RUN_MIN 2u                  /* cells, so that wherever a link leads to there is an id */
#define MAP_RUN_MAX 64u                 /* a longer record is left to the broker */
#define MAP_BUCKET_FULL 8u              /* sessions to a bucket, on average, from which on a larger map is due; then 3 in 100 are in chains */
#define MAP_CHAIN_MAX 64u               /* a reader that has gone further has been led astray, or is unlucky: it asks the broker */

_Static_assert(sizeof(MapHeader) <= MAP_HEADER_SIZE, "the header has one page");
_Static_assert(sizeof(MapBucket) == 64 && sizeof(MapSlot) == MAP_SLOT_HEADER_SIZE, "layout");
_Static_assert(MAP_SLOT_HEADER_SIZE + MAP_STUB_SIZE <= MAP_RUN_MIN * MAP_CELL_SIZE, "a stub has the least there is");
_Static_assert(ATOMIC_CHAR_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "readers take no lock");

/* Ids of one millisecond count up, in the last byte, which is the highest of a word here: a multiplication alone would leave it there and put them all into
 * one bucket. */
static inline uint64_t map_hash(const uint64_t id[static 2]) {
        uint64_t x = id[0] ^ id[1];

        return (x ^ (x >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint32_t map_bucket(const uint64_t id[static 2], uint32_t n_buckets) {
        return (uint32_t) (map_hash(id) >> 32) & (n_buckets - 1);
}

static inline uint8_t map_tag(const uint64_t id[static 2]) {
        return (uint8_t) (map_hash(id) >> 24);
}
