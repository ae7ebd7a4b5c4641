/* SPDX-License-Identifier: MIT */
/*
 * D-Bus messages as bytes, written and read by hand: little-endian, the few types that the hottest call needs. sd-bus speaks for everything
 * else; it takes several allocations and a system call more for each message. Pure.
 *
 * Writing goes into memory of the caller's and may be checked once, at the end (full). So may reading (bad): from the first thing that is
 * malformed or not there, everything reads as zero or empty. Strings point into the message and are NUL-terminated; whether they are
 * UTF-8 is not looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "record.h"

#define MARSHAL_HEADER_SIZE 16u         /* of every message: from it follows how long the message is */

enum {
        MARSHAL_CALL = 1,
        MARSHAL_REPLY = 2,
        MARSHAL_ERROR = 3,

        MARSHAL_NO_REPLY_EXPECTED = 1,  /* flags */
};

/* Absent strings are empty, absent numbers 0. */
typedef struct MarshalHeader {
        uint8_t type, flags;
        uint32_t serial, reply_serial;
        Slice path, interface, member, error, destination, sender, signature;
} MarshalHeader;

/* ---- writing ---- */

typedef struct Marshal {
        uint8_t *data;
        size_t size, used;
        bool full;
} Marshal;

typedef struct MarshalArray {
        size_t at, start;
} MarshalArray;

void marshal_header(Marshal *m, const MarshalHeader *h);        /* first; the body follows */
void marshal_end(Marshal *m);                                   /* last: the header learns how long the body is */
void marshal_align(Marshal *m, size_t n);
void marshal_byte(Marshal *m, uint8_t v);
void marshal_u32(Marshal *m, uint32_t v);
void marshal_u64(Marshal *m, uint64_t v);
void marshal_string(Marshal *m, Slice s);
void marshal_signature(Marshal *m, Slice s);
void marshal_bytes(Marshal *m, Slice s);                        /* ay */
MarshalArray marshal_open(Marshal *m, size_t alignment);        /* alignment of its elements; 8 for entries of a dictionary */
void marshal_close(Marshal *m, MarshalArray a);

/* ---- reading ---- */

typedef struct Unmarshal {
        const uint8_t *data;
        size_t size, at;
        bool bad;
} Unmarshal;

/* How long a message is of which the first size bytes are here: 0 while that cannot be told, -1 for what is no message or beyond 64 MiB. */
ssize_t marshal_message_size(const uint8_t *data, size_t size);

/* Read the header of a whole message; at is then where the body begins, which ends with the message. false: malformed, or something
 * that only sd-bus understands. */
bool unmarshal_header(Unmarshal *u, MarshalHeader *ret);
void unmarshal_align(Unmarshal *u, size_t n);
uint8_t unmarshal_byte(Unmarshal *u);
uint32_t unmarshal_u32(Unmarshal *u);
uint64_t unmarshal_u64(Unmarshal *u);
Slice unmarshal_string(Unmarshal *u);
Slice unmarshal_signature(Unmarshal *u);
Slice unmarshal_bytes(Unmarshal *u);
/* An array begins: returns where it ends. Read on while at is less. */
size_t unmarshal_open(Unmarshal *u, size_t alignment);
/* Pass over one value of any type. */
void unmarshal_skip(Unmarshal *u, Slice signature);
