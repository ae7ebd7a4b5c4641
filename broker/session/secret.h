/* SPDX-License-Identifier: MIT */
/*
 * What proves something: tokens that open sessions, and the tags by which a repeated request is recognised. Draws random bytes;
 * changes nothing.
 */
#pragma once

#include "policy.h"
#include "table.h"
#include "token.h"

/* Find the visible session that a token text belongs to: known, of this service, secret right. NULL for anything else. With
 * newest it must also open what is on its way: nothing is to be staged by a token whose rotation is staged. */
Session *secret_find(Table *t, const Service *service, Slice text, bool newest);

/* The same, and why not. *ret is the session with the token's id, whether or not the token opens it; NULL where there is none. */
typedef enum SecretMatch {
        SECRET_OPENS,
        SECRET_MALFORMED,               /* not a token of this service: prefix, length, alphabet */
        SECRET_UNKNOWN,                 /* no visible session has its id */
        SECRET_WRONG,
        SECRET_OTHER_SERVICE,           /* right, but for a session of another service */
} SecretMatch;
SecretMatch secret_match(Table *t, const Service *service, Slice text, Session **ret);

/* Give a record a fresh secret; *ret is its token, the caller's to wipe. 0 or a negative errno. */
int secret_renew(Record *r, Token *ret);

/* One request of one caller, recognised again: SHA-256 over who asks for what, cut to 16 bytes. 0 or a negative errno. */
int secret_request_tag(uint32_t uid, const Slice *parts, size_t n, uint8_t out[static RECORD_TAG_SIZE]);
