/* SPDX-License-Identifier: MIT */
/*
 * Is this session good for this need, now? The one implementation of the rule, used by the broker for a call and by
 * the library for a look-up in shared memory. Pure: the time is passed in.
 */
#pragma once

#include "fault.h"
#include "record.h"

enum {
        NEED_NO_TOUCH = 1 << 0,
        NEED_ALLOW_ANONYMOUS = 1 << 1,
};

typedef struct Need {
        const Slice *roles;             /* any one suffices; none: a login suffices */
        size_t n_roles;
        uint32_t level;
        uint64_t max_auth_age_usec;     /* 0: any age */
        uint32_t flags;                 /* NEED_* */
} Need;

/* What of the policy a verdict rests on. */
typedef struct VerdictPolicy {
        Slice service;
        Slice admin_role;               /* passes every role check; empty: none does */
} VerdictPolicy;

/* Is the session live at this instant (steady clock)? Before its idle end, before its lifetime's end: the
 * end itself is too late. */
bool verdict_live(const Record *r, uint64_t now);

/* The same, and if not: which of the two ends has come. Past both, it is the absolute one. */
typedef enum VerdictEnd {
        VERDICT_END_NONE,               /* live */
        VERDICT_END_IDLE,
        VERDICT_END_LIFETIME,
} VerdictEnd;
VerdictEnd verdict_end(const Record *r, uint64_t now);

/* need may be NULL: a login suffices. 0, FAULT_NO_SESSION (ended, of another service, or a visitor's while visitors
 * were not asked for), FAULT_STEP_UP_REQUIRED, FAULT_FORBIDDEN; in this order. Text in *f (may be NULL). Whether the
 * needed roles exist in the policy is the caller's to check. A visitor's session passes only with
 * NEED_ALLOW_ANONYMOUS, and then only when no role, level or recent login is needed: to every other need a visitor is
 * not logged in. */
int verdict(const Record *r, const Need *need, const VerdictPolicy *policy, uint64_t now, Fault *f);

/* The second half alone, for a session value that was found live before: visitor, level, age, roles. */
int verdict_require(const Record *r, const Need *need, const VerdictPolicy *policy, uint64_t now, Fault *f);
