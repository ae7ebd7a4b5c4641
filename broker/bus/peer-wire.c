/* SPDX-License-Identifier: MIT */
/* D-Bus framing and the EXTERNAL handshake, byte by byte. Pure: owns nothing, touches nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "peer-wire.h"

static uint32_t read_u32(const uint8_t *p, bool big) {
        if (big)
                return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
        return (uint32_t) p[3] << 24 | (uint32_t) p[2] << 16 | (uint32_t) p[1] << 8 | p[0];
}

static uint64_t align(uint64_t n, unsigned to) {
        return (n + to - 1) / to * to;
}

ssize_t wire_message_size(const uint8_t header[static WIRE_HEADER_SIZE]) {
        bool big = header[0] == 'B';
        uint64_t size;

        if (header[0] != 'l' && header[0] != 'B')
                return -EBADMSG;
        if (header[1] < 1 || header[1] > 4 || header[3] != 1 || read_u32(header + 8, big) == 0)
                return -EBADMSG;
        size = WIRE_HEADER_SIZE + align(read_u32(header + 12, big), 8) + (uint64_t) read_u32(header + 4, big);
        return size > WIRE_MESSAGE_MAX ? -EMSGSIZE : (ssize_t) size;
}

uint32_t wire_call_serial(const uint8_t header[static WIRE_HEADER_SIZE]) {
        enum { METHOD_CALL = 1, NO_REPLY_EXPECTED = 1 };

        if (header[1] != METHOD_CALL || (header[2] & NO_REPLY_EXPECTED))
                return 0;
        return read_u32(header + 8, header[0] == 'B');
}

/* Skip one value of a basic type at *at. Header fields that D-Bus defines are of these types only. */
static int skip_basic(const uint8_t *p, size_t end, size_t *at, char type, bool big, uint32_t *ret_u32) {
        uint64_t length;

        switch (type) {
        case 'y':
                length = 1;
                break;
        case 'g':
                if (*at >= end)
                        return -EBADMSG;
                length = 1 + (uint64_t) p[*at] + 1;
                break;
        case 'u': case 'i': case 'b': case 's': case 'o':
                *at = align(*at, 4);
                if (*at > end || end - *at < 4)
                        return -EBADMSG;
                *ret_u32 = read_u32(p + *at, big);
                length = 4 + (type == 's' || type == 'o' ? (uint64_t) *ret_u32 + 1 : 0);
                break;
        default:
                return -EBADMSG;
        }
        if (length > end - *at)
                return -EBADMSG;
        *at += length;
        return 0;
}

int wire_message_fds(const uint8_t *message, size_t size) {
        enum { FIELD_SIGNATURE = 8, FIELD_UNIX_FDS = 9 };
        bool big = message[0] == 'B';
        size_t at = WIRE_HEADER_SIZE, end;
        bool wanted = false;
        int n = 0;

        if (size < WIRE_HEADER_SIZE || read_u32(message + 12, big) > size - WIRE_HEADER_SIZE)
                return -EBADMSG;
        end = WIRE_HEADER_SIZE + read_u32(message + 12, big);
        for (;;) {
                uint32_t value = 0;
                uint8_t field;

                at = align(at, 8);
                if (at >= end)
                        return n > 0 && !wanted ? -EBADMSG : n;
                /* the field's number, then a variant: a signature of one letter and the value */
                if (end - at < 4 || message[at + 1] != 1 || message[at + 3] != 0)
                        return -EBADMSG;
                field = message[at];
                char type = (char) message[at + 2];
                at += 4;
                size_t begin = at;
                if (skip_basic(message, end, &at, type, big, &value) < 0)
                        return -EBADMSG;
                if (field == FIELD_SIGNATURE && type == 'g')
                        wanted = memchr(message + begin + 1, 'h', message[begin]);
                if (field != FIELD_UNIX_FDS)
                        continue;
                if (type != 'u' || value > WIRE_FDS_MAX)
                        return -EBADMSG;
                n = (int) value;
        }
}

/* Is this the uid as decimal digits, each written as two hex digits? */
static bool sasl_claims(const char *hex, size_t size, uid_t uid) {
        char digits[16];
        int n = snprintf(digits, sizeof(digits), "%u", (unsigned) uid);

        if (size != (size_t) n * 2)
                return false;
        for (int i = 0; i < n; i++)
                if (hex[i * 2] != '3' || hex[i * 2 + 1] != digits[i])
                        return false;
        return true;
}

/* Does the line begin with this word? The rest, behind one space, in *rest. */
static bool sasl_word(const char *line, size_t size, const char *word, const char **rest, size_t *rest_size) {
        size_t n = strlen(word);

        if (size < n || memcmp(line, word, n) != 0 || (size > n && line[n] != ' '))
                return false;
        *rest = line + (size > n ? n + 1 : n);
        *rest_size = size > n ? size - n - 1 : 0;
        return true;
}

static SaslState sasl_identity(Sasl *s, const char *hex, size_t size, const char *guid, char answer[static 64]) {
        if (size > 0 && !sasl_claims(hex, size, s->uid)) {
                strcpy(answer, "REJECTED EXTERNAL\r\n");
                return SASL_WANTS_AUTH;
        }
        snprintf(answer, 64, "OK %s\r\n", guid);
        return SASL_WANTS_BEGIN;
}

static SaslState sasl_auth(Sasl *s, const char *rest, size_t size, const char *guid, char answer[static 64]) {
        if (!sasl_word(rest, size, "EXTERNAL", &rest, &size)) {
                strcpy(answer, "REJECTED EXTERNAL\r\n");
                return SASL_WANTS_AUTH;
        }
        if (size > 0)
                return sasl_identity(s, rest, size, guid, answer);
        strcpy(answer, "DATA\r\n");
        return SASL_WANTS_DATA;
}

int sasl_line(Sasl *s, const char *line, size_t size, const char *guid, char answer[static 64]) {
        const char *rest;
        size_t n;

        answer[0] = '\0';
        if (s->state == SASL_DONE || ++s->n_lines > SASL_LINES_MAX)
                return -EPROTO;
        if (sasl_word(line, size, "BEGIN", &rest, &n)) {
                if (s->state != SASL_WANTS_BEGIN)
                        return -EPROTO;
                s->state = SASL_DONE;
        } else if (sasl_word(line, size, "AUTH", &rest, &n) && s->state == SASL_WANTS_AUTH)
                s->state = sasl_auth(s, rest, n, guid, answer);
        else if (sasl_word(line, size, "DATA", &rest, &n) && s->state == SASL_WANTS_DATA)
                s->state = sasl_identity(s, rest, n, guid, answer);
        else if (sasl_word(line, size, "NEGOTIATE_UNIX_FD", &rest, &n) && s->state == SASL_WANTS_BEGIN) {
                s->fds = true;
                strcpy(answer, "AGREE_UNIX_FD\r\n");
        } else if (sasl_word(line, size, "CANCEL", &rest, &n) || sasl_word(line, size, "ERROR", &rest, &n)) {
                s->state = SASL_WANTS_AUTH;
                strcpy(answer, "REJECTED EXTERNAL\r\n");
        } else
                strcpy(answer, "ERROR\r\n");
        return 0;
}
