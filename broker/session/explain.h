/* SPDX-License-Identifier: MIT */
/*
 * Why a session is as it is, for people: what ends it, which line of the policy gave what. Nothing is decided here; what is said is made
 * from the values and the rules that decide (verdict.h, policy.h, access.h). Pure.
 */
#pragma once

#include "access.h"
#include "lines.h"
#include "policy.h"
#include "session.h"

/* How many sessions the user has in the service, and which of them this is, the oldest being 1. */
typedef struct Standing {
        unsigned position, live;
} Standing;

/* A sentence for each reason. */
const char *explain_reason(Reason reason);

/* What besides the two ends in the session dictionary ends it, or changes it. */
void explain_ends(const Service *s, const Record *r, const Standing *standing, Lines *out);

/* A line for each role of the session: where it is from, as far as that can be known. */
void explain_roles(const Service *s, const Record *r, Lines *out);

/* Who vouches for the level and the methods. */
void explain_login(const Service *s, const Record *r, Lines *out);

/* A line for each right that the caller has on the service, and by which entry. */
void explain_access(const Service *s, const Record *r, const Caller *caller, Lines *out);
