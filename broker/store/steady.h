/* SPDX-License-Identifier: MIT */
/*
 * The steady clock: CLOCK_BOOTTIME within a boot, carried over a reboot by what CLOCK_REALTIME says has passed, at
 * least nothing. Stepping the wall clock neither ends nor revives a session. steady = boottime + offset. Pure but for steady_now().
 */
#pragma once

#include <stdint.h>

/* What the store keeps: one moment, seen on all clocks. */
typedef struct SteadyMark {
        uint8_t boot_id[16];
        uint64_t realtime, boottime, steady;    /* µs */
} SteadyMark;

typedef struct Now {
        uint64_t realtime;      /* µs since 1970 */
        uint64_t boottime;
        uint64_t steady;
} Now;

typedef struct Steady {
        uint64_t offset;        /* added to CLOCK_BOOTTIME */
        uint8_t boot_id[16];
        uint64_t behind;        /* how far the wall clock stood before the mark's, which it should not */
} Steady;

/* A mark as bytes, little-endian. */
#define STEADY_MARK_SIZE 40u
void steady_mark_write(const SteadyMark *mark, uint8_t out[static STEADY_MARK_SIZE]);
SteadyMark steady_mark_read(const uint8_t data[static STEADY_MARK_SIZE]);

/* Go on from a mark (NULL: none yet). The steady clock starts at a large number so that spans can be subtracted. */
Steady steady_from_mark(const SteadyMark *mark, const uint8_t boot_id[static 16], uint64_t realtime, uint64_t boottime);
Now steady_now(const Steady *s);                        /* reads the clocks */
SteadyMark steady_mark(const Steady *s, const Now *now);
int steady_boot_id(uint8_t out[static 16]);             /* reads /proc/sys/kernel/random/boot_id */
