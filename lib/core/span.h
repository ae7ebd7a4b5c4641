/* SPDX-License-Identifier: MIT */
/* Spans of time as systemd.time(7) writes them: "2h", "1h 30min", "90" (seconds), "500ms". Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60u * USEC_PER_SEC)
#define USEC_PER_HOUR (60u * USEC_PER_MINUTE)
#define USEC_PER_DAY (24u * USEC_PER_HOUR)

/* False for anything else: empty, negative, "infinity", an unknown unit, more than 2^62 µs. */
bool span_parse(const char *text, uint64_t *ret_usec);

/* "1h 30min"; the two largest units that matter. Writes a NUL-terminated text of at most 31 characters. */
void span_format(uint64_t usec, char out[static 32]);
