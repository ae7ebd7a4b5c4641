/* SPDX-License-Identifier: MIT */
/* A session that changes: its secret, its attributes, its roles. Stages into a Change; positive results are FAULT_* with f filled. */
#pragma once

#include "args.h"
#include "change.h"
#include "secret.h"

/* Stage a fresh secret for the session that a token opens, or that this very request has rotated already. */
int amend_secret(Change *c, Table *t, const Service *service, Slice token_text, const Options *o, uint32_t caller_uid, const Now *now,
                 Session **ret, Token *ret_token, Fault *f);

/* Stage what authenticating again is worth: the time is now, the level is never lowered, the methods are added to those
 * before, and the secret is a fresh one. 0 or a negative errno. */
int amend_authentication(Change *c, Session *s, const char *const *methods, uint32_t level,
                         const uint8_t account_digest[static RECORD_TAG_SIZE], const Now *now, Token *ret_token);

/* Stage changed attributes; *ret_version is the new version. FAULT_CONFLICT when if_version is neither 0 nor the present one. */
int amend_attributes(Change *c, Session *s, const Attributes *set, const Strings *unset, uint64_t if_version, uint64_t *ret_version, Fault *f);

/* Stage other roles; *ret_version is the new version. */
int amend_roles(Change *c, Session *s, const Strings *roles, uint64_t *ret_version);

/* Stage the digest of the user's account, after its password alone has changed. */
int amend_account_digest(Change *c, Session *s, const uint8_t digest[static RECORD_TAG_SIZE]);

/* Stage what the machine says of the user's account: other roles of the policy (NULL: as they are), and the digest where none was known. */
int amend_account(Change *c, Session *s, const Slice *roles, size_t n_roles, const uint8_t digest[static RECORD_TAG_SIZE]);

/* ---- rules shared with create.c ---- */

/* AuthTime comes in on the wall clock and is kept on the steady one. */
int amend_auth_time(Record *r, const Options *o, const Now *now, Fault *f);
int amend_check_attributes(const Attribute *a, size_t n, Fault *f);             /* number and size */
