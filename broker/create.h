/* SPDX-License-Identifier: MIT */
/*
 * Sessions begin, change their secret and their contents: the rules, without bus or clock. Everything here stages into a Change and
 * leaves committing to the caller. Positive results are FAULT_* with f filled.
 */
#pragma once

#include "args.h"
#include "change.h"
#include "policy.h"
#include "token.h"

/* What a new session is made from. Slices are borrowed. */
typedef struct NewSession {
        const Service *service;
        Slice user;                             /* canonical; empty: a visitor */
        uint32_t uid, creator_uid;
        Slice creator_unit;
        const Slice *roles;
        size_t n_roles;
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

/* Find the visible session that a token text belongs to: known, of this service, secret right. NULL for anything else. With
 * newest it must also open what is on its way: nothing is to be staged by a token whose rotation is staged. */
Session *session_by_token(Table *t, const Service *service, Slice text, bool newest);

/* Stage a fresh secret for a session; old may be a token whose rotation this request repeats. */
int rotate_session(Change *c, Table *t, const Service *service, Slice token_text, const Options *o, uint32_t caller_uid,
                   const Now *now, Session **ret, Token *ret_token, Fault *f);

/* Stage changed attributes; *ret_version is the new version. */
int set_attributes(Change *c, Session *s, const Attributes *set, const Strings *unset, uint64_t if_version, uint64_t *ret_version, Fault *f);

/* Stage other roles; *ret_version is the new version. */
int set_roles(Change *c, Session *s, const Strings *roles, uint64_t *ret_version);

/* A role that the policy does not name is an error, not a silent refusal. */
int require_known_roles(const Service *s, const Slice *roles, size_t n, Fault *f);
