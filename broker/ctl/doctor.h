/* SPDX-License-Identifier: MIT */
/*
 * The checks of `websessctl doctor`. Each is a thin collector, which looks at the machine (doctor-*.c), and a judgement of what it saw
 * (judge.h), which is pure. verb-doctor.c has the table. A check that may not look, or cannot, says so in a finding.
 */
#pragma once

#include <sys/types.h>

#include "findings.h"

/* Whom they look at. Of the broker's word, NULL stands for none: it cannot be reached, or does not tell this caller. */
typedef struct Patient {
        const websess_values *status;           /* its properties */
        const websess_values *facts;            /* Inspect: for root */
        /* Directories: as the broker says, or, of one that is not there, as they usually are. NULL: it does not tell this caller. */
        const char *configuration, *state, *runtime;
        const char *reason;                     /* why there is no status, or no facts */
        pid_t pid;                              /* 0: not known */
        uid_t uid;                              /* the broker's; (uid_t) -1: not known */
        uint64_t timeout_usec;
} Patient;

void check_reach(const Patient *p, Findings *f);        /* doctor-bus.c */
void check_bus(const Patient *p, Findings *f);
void check_health(const Patient *p, Findings *f);       /* doctor-broker.c */
void check_store(const Patient *p, Findings *f);
void check_maps(const Patient *p, Findings *f);
void check_helpers(const Patient *p, Findings *f);
void check_policy(const Patient *p, Findings *f);       /* doctor-policy.c */
void check_pam(const Patient *p, Findings *f);          /* doctor-pam.c */
void check_files(const Patient *p, Findings *f);        /* doctor-files.c */
void check_key(const Patient *p, Findings *f);
void check_clock(const Patient *p, Findings *f);        /* doctor-clock.c */
void check_kernel(const Patient *p, Findings *f);       /* doctor-process.c */
void check_process(const Patient *p, Findings *f);
void check_secrets(const Patient *p, Findings *f);
void check_labels(const Patient *p, Findings *f);

/* What a broker said; fallback where it did not. */
const char *fact_text(const websess_values *v, const char *key, const char *fallback);
uint64_t fact_number(const websess_values *v, const char *key, uint64_t fallback);
bool fact_flag(const websess_values *v, const char *key, bool fallback);
/* How many lines; 0 where there are none. They are good until the next call. */
size_t fact_lines(const websess_values *v, const char *key, const char *const **ret);

/* A finding that it could not be looked at, with the reason. True where v is not there. */
bool fact_missing(const Patient *p, const websess_values *v, Findings *f, const char *what);

/* Can the kernel name a peer's process beyond doubt (SO_PEERPIDFD)? */
bool kernel_has_peer_pidfd(void);
