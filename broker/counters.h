/* SPDX-License-Identifier: MIT */
/* What the broker counts from its start on, for the file of metrics. A plain value: whoever does a thing adds one. */
#pragma once

#include "fault.h"
#include "histogram.h"
#include "policy.h"
#include "table.h"

#define COUNTERS_ROOT _RIGHT_MAX        /* among denials: of what only root may */

typedef struct Counters {
        uint64_t resolves[_FAULT_MAX];          /* calls; who reads a map is not seen */
        uint64_t logins[_FAULT_MAX];
        uint64_t denials[_RIGHT_MAX + 1];
        uint64_t begun, ended[_REASON_MAX];
        Histogram login_usec;                   /* of Login alone: rounds take as long as people do */
} Counters;

/* An outcome as the index of a counter: what has no name is answered Unavailable. */
static inline void counters_add(uint64_t counters[static _FAULT_MAX], int outcome) {
        counters[outcome >= 0 && outcome < _FAULT_MAX ? outcome : FAULT_UNAVAILABLE]++;
}
