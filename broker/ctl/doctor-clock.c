/* SPDX-License-Identifier: MIT */
/* The kernel's opinion of its clock, and what the broker has seen of it. */
#include <sys/timex.h>

#include "doctor.h"
#include "judge.h"

void check_clock(const Patient *p, Findings *f) {
        struct timex t = {};
        const int state = adjtimex(&t);

        judge_clock(&(ClockFacts) {
                .synchronised = state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC),
                .error_usec = t.maxerror > 0 ? (uint64_t) t.maxerror : 0,
                .steps_known = p->facts != NULL,
                .stepped_usec = (int64_t) fact_number(p->facts, "ClockSteppedUSec", 0),
                .behind_usec = fact_number(p->facts, "ClockBehindUSec", 0),
        }, f);
}
