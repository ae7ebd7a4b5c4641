/* SPDX-License-Identifier: MIT */
/*
 * What of D-Bus's wire format must be known before sd-bus sees a byte: where a message ends, how many descriptors
 * belong to it, and the handshake before the first one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_HEADER_SIZE 16u
#define WIRE_MESSAGE_MAX (256u * 1024u) /* more costs the connection */
#define WIRE_CALL_MAX (64u * 1024u)     /* more is read past and refused: what any method takes at most is less */
#define WIRE_FDS_MAX 4u         /* no method takes more than one */

/* The whole size of the message that begins with these 16 bytes; -EBADMSG for what can't be a header, -EMSGSIZE above
 * WIRE_MESSAGE_MAX. */
ssize_t wire_message_size(const uint8_t header[static WIRE_HEADER_SIZE]);

/* The serial that an answer to it bears; 0 when it is no call, or one that wants none. */
uint32_t wire_call_serial(const uint8_t header[static WIRE_HEADER_SIZE]);

/* How many descriptors it says it carries; -EBADMSG for malformed header fields. size is wire_message_size(). */
int wire_message_fds(const uint8_t *message, size_t size);

/* ---- the handshake: one line at a time ---- */

#define SASL_LINES_MAX 16u
#define SASL_BYTES_MAX 4096u

typedef enum SaslState {
        SASL_WANTS_AUTH,
        SASL_WANTS_DATA,        /* AUTH EXTERNAL came without an identity */
        SASL_WANTS_BEGIN,
        SASL_DONE,
} SaslState;

typedef struct Sasl {
        SaslState state;
        uid_t uid;              /* the peer's, as the kernel says it: the only identity it may claim */
        unsigned n_lines;
        bool fds;               /* descriptors may be passed */
} Sasl;

/* Take one line (without its CR LF). Writes what is to be answered, complete with CR LF; "" after BEGIN. 0, -EPROTO for
 * what costs the peer its connection. guid is the server's, 32 hex digits. */
int sasl_line(Sasl *s, const char *line, size_t size, const char *guid, char answer[static 64]);
