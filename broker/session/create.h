/* SPDX-License-Identifier: MIT */
/*
 * Sessions begin: the rules, without bus or clock. Stages into a Change and leaves committing to the caller. Positive results are
 * FAULT_* with f filled.
 */
#pragma once

#include "args.h"
#include "change.h"
#include "policy.h"
#include "secret.h"

/* What a new session is made from. Slices are borrowed. */
typedef struct NewSession {
        const Service *service;
        Slice user;                             /* canonical; empty: a visitor */
        uint32_t uid, creator_uid;
        Slice creator_unit;
        const Slice *roles;
        size_t n_roles;
        bool roles_from_policy;                 /* not given by a caller */
        const Slice *methods;
        size_t n_methods;
        const Attributes *attributes;
        const Options *options;                 /* of Login or CreateSession */
        uint32_t level;
        uint8_t account_digest[RECORD_TAG_SIZE];
        const char *method;                     /* "Login" …: part of a request's tag */
        uint64_t max_sessions_per_creator;      /* 0: no limit */
} NewSession;

/* Stage a new session: the replaced one ends, the limit is kept (counting, evicting and inserting are one step), a repeated request
 * gives the same session with a fresh secret. *ret_token is the caller's to wipe. */
int create_session(Change *c, Table *t, const NewSession *n, const Now *now, Session **ret, Token *ret_token, Fault *f);

/* A role that the policy does not name is an error, not a silent refusal. */
int require_known_roles(const Service *s, const Slice *roles, size_t n, Fault *f);
