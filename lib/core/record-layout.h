/* SPDX-License-Identifier: MIT */
/* What the encoder and the decoder of records share: offsets and the rules that both enforce. For those two alone. */
#pragma once

#include "record.h"

#define CHECKSUM_SIZE 8u

/* The first three fields lie where they are in every format, so that each can say of another that it is newer. */
enum {
        AT_CHECKSUM = 0,
        AT_FORMAT = 8,
        AT_FORMAT_END = 10,
        AT_FLAGS = 10,
        AT_SIZE = 12,
        AT_ID = RECORD_ID_AT,
        AT_SECRET_HASH = 32,
        AT_VERSION = 64,
        AT_CREATED_REALTIME = 72,
        AT_CREATED = 80,
        AT_LAST_SEEN = 88,
        AT_AUTH_TIME = 96,
        AT_IDLE = 104,
        AT_LIFETIME_END = 112,
        AT_UID = 120,
        AT_CREATOR_UID = 124,
        AT_LEVEL = 128,
        AT_N_ROLES = 132,
        AT_N_METHODS = 133,
        AT_N_ATTRIBUTES = 134,
        AT_REQUEST_TAG = 136,
        AT_REQUEST_TIME = 152,
        AT_ACCOUNT_DIGEST = 160,
        AT_VARIABLE = 176,
};

_Static_assert(AT_VARIABLE == RECORD_FIXED_SIZE, "the offsets end where the fixed part does");
_Static_assert(IDENT_SIZE == 16 && DIGEST_SIZE == 32 && RECORD_TAG_SIZE == 16, "sizes that the offsets rest on");

/* Flags and counts within their limits. */
bool record_fixed_valid(const Record *r);

/* A service, and either a user or a visitor: level 0, no roles. */
bool record_identity_valid(const Record *r);

/* Do the bytes of a value of type 'a' consist of whole strings? */
bool attribute_strings_whole(Slice value);

/* What belongs into the first eight bytes. 0 or -EIO. size is at least CHECKSUM_SIZE. */
int record_checksum(const void *data, size_t size, uint8_t out[static CHECKSUM_SIZE]);
