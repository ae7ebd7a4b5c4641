/* SPDX-License-Identifier: MIT */
/* What the doctor thinks of what was seen: values in, findings out. Pure. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "findings.h"

/* ---- reaching the broker (judge-broker.c) ---- */

typedef struct ReachFacts {
        const char *way;                /* "the private socket /run/…" */
        const char *error;              /* NULL: it answered … */
        const char *version;            /* … this */
        const char *own_version;
        bool optional;                  /* a machine may do without it */
} ReachFacts;
void judge_reach(const ReachFacts *r, Findings *f);

typedef struct StoreFacts {
        const char *directory, *error;  /* error: "" while it can write */
        uint64_t used, max, reserve;
        bool reserve_kept;
        bool disk_known;
        uint64_t disk_free;
} StoreFacts;
void judge_store(const StoreFacts *s, Findings *f);

typedef struct HelperFacts {
        uint64_t wanted, idle, active, starting, started, failed, waiting, max;
} HelperFacts;
void judge_helpers(const HelperFacts *h, Findings *f);

typedef struct ClockFacts {
        bool synchronised;
        uint64_t error_usec;            /* what the kernel thinks it may be wrong by; 0: not known */
        bool steps_known;
        int64_t stepped_usec;           /* since the broker started */
        uint64_t behind_usec;           /* at its start, before the last time that was known */
} ClockFacts;
void judge_clock(const ClockFacts *c, Findings *f);

/* ---- files (judge-files.c) ---- */

typedef struct FileFacts {
        const char *path;
        int error;                      /* errno; 0: the rest is known */
        mode_t mode;
        uid_t uid;
} FileFacts;

typedef struct FileRule {
        mode_t type;                    /* S_IFDIR … */
        mode_t forbidden;               /* permission bits that nobody may have on it */
        mode_t needed;                  /* … and such that must be there */
        uid_t owner;                    /* whose it must be, if not root's; (uid_t) -1: anybody's */
        bool root_too;
        Health missing;                 /* what it means when it is not there */
} FileRule;
void judge_file(const FileFacts *file, const FileRule *rule, Findings *f);

typedef struct KeyFacts {
        FileFacts file;
        uint64_t age_usec;
} KeyFacts;
void judge_key(const KeyFacts *k, Findings *f);

/* ---- the process (judge-process.c) ---- */

typedef struct ProcessFacts {
        uid_t uid;
        uint64_t capabilities;
        bool no_new_privileges, filtered;       /* by seccomp */
        bool dumpable;
        uint64_t core_limit, swapped_kb;
} ProcessFacts;
/* Out of the text of /proc/PID/status and …/limits. */
void process_read(ProcessFacts *p, const char *status, const char *limits);
void judge_process(const ProcessFacts *p, Findings *f);
void judge_cores(const ProcessFacts *p, Findings *f);

/* encrypted: the swap areas whose content is; names of the others in *ret, at most size bytes. Of the text of /proc/swaps. */
typedef bool (*SwapIsSafe)(const char *device);
size_t swaps_open(const char *swaps, SwapIsSafe safe, char *out, size_t size);
void judge_swap(size_t n_open, const char *names, uint64_t swapped_kb, Findings *f);

typedef struct LabelFacts {
        const char *system;             /* "SELinux" */
        bool enforcing;
        const char *process;            /* its label; NULL: could not be read */
        const char *expected;           /* what it must hold; NULL: nothing is there for websess */
        const char *install;            /* how to get it */
} LabelFacts;
void judge_label(const LabelFacts *l, Findings *f);

/* ---- the policy (judge-policy.c) ---- */

typedef struct EntryFacts {
        const char *service, *right, *entry;
        bool has_number;                /* the entry is a name that had this one when the policy was read … */
        uint32_t number;
        bool found;                     /* … and now there is one of that name … */
        uint32_t found_number;          /* … with this number */
        bool units_possible;
} EntryFacts;
/* True: there is something to say. */
bool judge_entry(const EntryFacts *e, Findings *f);

/* ---- PAM stacks (judge-pam.c) ---- */

typedef struct PamLine {
        const char *type;               /* "auth", without the "-" */
        const char *control;            /* "required", or what is between the brackets */
        const char *module;             /* "pam_unix.so", without its folder */
} PamLine;

/* Does a stack of these lines let somebody pass for whom every module that checks anything says no? */
bool pam_lets_everybody_in(const PamLine *lines, size_t n, const char *type);

typedef struct StackFacts {
        const char *service, *stack, *path;
        const char *error;              /* NULL: it could be read */
        const PamLine *lines;           /* includes in their place */
        size_t n;
        const char *missing;            /* the first module that is not installed; NULL: none */
} StackFacts;
void judge_stack(const StackFacts *s, Findings *f);
