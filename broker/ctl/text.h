/* SPDX-License-Identifier: MIT */
/* Text for a terminal: what came from outside made harmless, widths, times. Pure, but for the time zone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A copy that a terminal shows as it is: control characters, what turns the direction of writing, and bytes that are no
 * UTF-8 become \xNN or \u{NNNN}, a backslash becomes two. NULL when memory is short. To be freed.
 */
char *text_escape(const char *text, size_t size);

/* Columns that escaped text takes. */
size_t text_width(const char *text);

/* "2h 5min ago", "in 1h 58min", "now"; "never" for UINT64_MAX. */
#define TEXT_RELATIVE_MAX 48u
void text_relative(char out[static TEXT_RELATIVE_MAX], uint64_t realtime_usec, uint64_t now_usec);

/* "Sun 2026-11-22 01:41:34 UTC", in local time; "-" for 0 and UINT64_MAX. */
#define TEXT_TIME_MAX 64u
void text_time(char out[static TEXT_TIME_MAX], uint64_t realtime_usec);

uint64_t text_now(void);
