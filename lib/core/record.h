/* SPDX-License-Identifier: MIT */
/*
 * A session on disk and in shared memory: one flat, versioned, little-endian, bounds-checked, checksummed layout, one
 * encoder and one decoder. Pure.
 *
 *   offset size
 *        0    8  checksum: the first 8 bytes of SHA-256 over bytes 8 … size-1
 *        8    2  format, RECORD_FORMAT
 *       10    2  flags, RECORD_*
 *       12    4  size of the whole record in bytes, at most RECORD_MAX
 *       16   16  id
 *       32   32  SHA-256 of the token's secret
 *       64    8  version: counts the changes of the session, 1 at creation; a touch does not count
 *       72    8  created, µs of CLOCK_REALTIME since 1970
 *       80    8  created   \
 *       88    8  last seen  > µs of the steady clock (broker/store/steady.h)
 *       96    8  auth time /
 *      104    8  idle, µs (a span)
 *      112    8  lifetime end, µs of the steady clock
 *      120    4  uid of the user, RECORD_NO_UID for none
 *      124    4  uid of the creator
 *      128    4  level
 *      132    1  number of roles
 *      133    1  number of authentication methods
 *      134    2  number of attributes
 *      136   16  request tag: says which request made or rotated this session last; all zero for none
 *      152    8  request time, µs of the steady clock
 *      160   16  account digest: says which account of that name this is; all zero when not known
 *      176       the variable part, without padding:
 *                service  1 + n     (length byte, bytes)
 *                user     2 + n     (little-endian length, bytes)
 *                remote host 1 + n, user agent 2 + n, creator unit 1 + n
 *                each role 1 + n, each method 1 + n
 *                each attribute: key 1 + n, type 1 (the D-Bus type letter b s d y(=ay) a(=as) x), value 2 + n:
 *                    b: one byte 0 or 1; x: 8 bytes; d: 8 bytes IEEE 754; s, y: the bytes;
 *                    a: each string 2 + n
 *
 * Nothing in a record lets anyone in: the secret itself is not there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ident.h"
#include "digest.h"

#define RECORD_FORMAT 1u
#define RECORD_FIXED_SIZE 176u
#define RECORD_ID_AT 16u                     /* where the id lies */
#define RECORD_MAX (32u * 1024u)
#define RECORD_NO_UID UINT32_C(4294967295)
#define RECORD_TAG_SIZE 16u

/* Limits on what a record may hold; the numbers are the contract's (security requirement S23). */
#define USER_MAX 256u
#define ROLE_MAX 64u
#define ROLES_MAX 32u
#define METHOD_MAX 32u
#define METHODS_MAX 16u
#define ATTRIBUTES_SIZE_MAX (16u * 1024u)   /* all encoded attributes together */
#define ATTRIBUTES_MAX 256u
#define ATTRIBUTE_KEY_MAX 128u
#define SERVICE_MAX 64u
#define REMOTE_HOST_MAX 255u
#define USER_AGENT_MAX 1024u
#define LANGUAGE_MAX 64u
#define UNIT_MAX 255u

enum {
        RECORD_ANONYMOUS = 1 << 0,      /* a visitor's session: no user, level 0 */
        RECORD_REMEMBER = 1 << 1,
        RECORD_APP_USER = 1 << 2,       /* the user is the application's own name, not this machine's */
        RECORD_ROLES_FROM_POLICY = 1 << 3,      /* nobody gave the roles by hand: they follow the user's groups */
};

/* A counted string that points into somebody else's memory; not NUL-terminated. */
typedef struct Slice {
        const char *data;
        size_t size;
} Slice;

/* One attribute. A value of type s, y or a points into somebody else's memory; a is in the encoded form above. */
typedef struct Attribute {
        Slice key;
        char type;              /* 'b' 's' 'd' 'y' 'a' 'x' */
        union {
                bool boolean;
                int64_t integer;
                double real;
                Slice bytes;
        };
} Attribute;

/* A session as a value. Slices point into the record it was decoded from, or into what the caller encodes from. The
 * three lists are given as arrays when encoding; after decoding they are walked with the functions below. A decoded
 * record may be changed and encoded again: a list whose array is still NULL is taken over as it was decoded. A record
 * has a service, and either a user or RECORD_ANONYMOUS with level 0 and no roles. No role, method or key is empty. */
typedef struct Record {
        uint32_t flags;
        Ident id;
        uint8_t secret_hash[DIGEST_SIZE];
        uint64_t version;
        uint64_t created_realtime;
        uint64_t created, last_seen, auth_time;
        uint64_t idle_usec;
        uint64_t lifetime_end;
        uint32_t uid, creator_uid;
        uint32_t level;
        uint8_t request_tag[RECORD_TAG_SIZE];
        uint64_t request_time;
        uint8_t account_digest[RECORD_TAG_SIZE];
        Slice service, user, remote_host, user_agent, creator_unit;

        size_t n_roles, n_methods, n_attributes;

        /* encoding: arrays of the caller's; decoding: NULL */
        const Slice *roles, *methods;
        const Attribute *attributes;

        /* decoding: where the encoded lists lie; encoding: used where the array is NULL and the number is not 0 */
        Slice encoded_roles, encoded_methods, encoded_attributes;
} Record;

/* The size the record would have, or 0 when it breaks a limit. */
size_t record_size(const Record *r);

/* Encode into out (record_size() bytes). 0, -EINVAL when a limit is broken, -ENOBUFS when size is too small,
 * -EIO. */
int record_encode(const Record *r, void *out, size_t size);

/* Decode and check everything: format, sizes, counts, limits, types. size is exactly the record's own. 0, -EBADMSG for
 * a damaged record, -EPROTONOSUPPORT for a newer format; *out is to be used after 0 alone, and points into data.
 * record_decode() also compares the checksum, and -EIO is when it cannot; record_decode_trusted() does not (for a
 * record this process encoded itself, or a copy out of the map) but is as safe on any bytes. */
int record_decode(const void *data, size_t size, Record *out);
int record_decode_trusted(const void *data, size_t size, Record *out);

/* The size of an encoded record that was decoded before. */
size_t record_length(const void *data);

/* The format that a record says it is of; 0 when it is too short to say. */
unsigned record_format(const void *data, size_t size);

/* Change last_seen in an encoded record and mend its checksum. 0, -EIO or, when it is too short for a record,
 * -EBADMSG; the record is unchanged then. That last_seen never goes back is the caller's to see to. */
int record_set_last_seen(void *data, size_t size, uint64_t last_seen);

/* Take the account digest out of an encoded record and mend its checksum. 1, 0 when there was none, -EIO or, when it is too short for a
 * record, -EBADMSG; the record is unchanged then. */
int record_forget_account(void *data, size_t size);

/* Walk a list, decoded or given as an array: start with *position = 0; false at the end. */
bool record_next_role(const Record *r, size_t *position, Slice *out);
bool record_next_method(const Record *r, size_t *position, Slice *out);
bool record_next_attribute(const Record *r, size_t *position, Attribute *out);

/* Walk the strings of an attribute of type 'a'. */
bool attribute_next_string(const Attribute *a, size_t *position, Slice *out);

/* The encoded size of one attribute, as ATTRIBUTES_SIZE_MAX counts it. */
size_t attribute_size(const Attribute *a);

bool record_has_role(const Record *r, Slice role);

/* When the session ends if nobody comes back: min(last_seen + idle, lifetime_end), in the steady clock. */
uint64_t record_end(const Record *r);

/* A point of the steady clock as the wall clock of the session's creation would show it: created_realtime + (steady -
 * created). Points of one session so stay comparable with each other whatever happens to the wall clock. */
uint64_t record_realtime(const Record *r, uint64_t steady);

static inline Slice slice(const char *data, size_t size) {
        return (Slice) { data, size };
}
bool slice_equal(Slice a, Slice b);
int slice_compare(Slice a, Slice b);    /* as bytes; of two that begin alike, the shorter first */
Slice slice_of(const char *text);       /* of a NUL-terminated string; NULL gives an empty one */
