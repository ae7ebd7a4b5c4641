/* SPDX-License-Identifier: MIT */
/* D-Bus messages by hand. Owns nothing. */
#include "marshal.h"

#include <string.h>

#include "bytes.h"

#define VERSION 1u
#define LENGTH_AT 4u            /* of the body */
#define FIELDS_LENGTH_AT 12u
#define DEPTH_MAX 32u
#define LENGTH_MAX (UINT32_C(1) << 26)

enum {
        FIELD_PATH = 1,
        FIELD_INTERFACE = 2,
        FIELD_MEMBER = 3,
        FIELD_ERROR = 4,
        FIELD_REPLY_SERIAL = 5,
        FIELD_DESTINATION = 6,
        FIELD_SENDER = 7,
        FIELD_SIGNATURE = 8,
};

/* ---- writing ---- */

static uint8_t *space(Marshal *m, size_t n) {
        uint8_t *p = m->data + m->used;

        if (m->full || n > m->size - m->used) {
                m->full = true;
                return NULL;
        }
        m->used += n;
        return p;
}

void marshal_align(Marshal *m, size_t n) {
        size_t padding = (n - m->used % n) % n;
        uint8_t *p = space(m, padding);

        if (p)
                memset(p, 0, padding);
}

void marshal_byte(Marshal *m, uint8_t v) {
        uint8_t *p = space(m, 1);

        if (p)
                *p = v;
}

void marshal_u32(Marshal *m, uint32_t v) {
        uint8_t *p;

        marshal_align(m, 4);
        p = space(m, 4);
        if (p)
                store_le32(p, v);
}

void marshal_u64(Marshal *m, uint64_t v) {
        uint8_t *p;

        marshal_align(m, 8);
        p = space(m, 8);
        if (p)
                store_le64(p, v);
}

static void raw(Marshal *m, Slice s, bool terminate) {
        uint8_t *p = space(m, s.size + terminate);

        if (!p)
                return;
        if (s.size > 0)
                memcpy(p, s.data, s.size);
        if (terminate)
                p[s.size] = 0;
}

void marshal_string(Marshal *m, Slice s) {
        marshal_u32(m, (uint32_t) s.size);
        raw(m, s, true);
}

void marshal_signature(Marshal *m, Slice s) {
        marshal_byte(m, (uint8_t) s.size);
        raw(m, s, true);
}

void marshal_bytes(Marshal *m, Slice s) {
        marshal_u32(m, (uint32_t) s.size);
        raw(m, s, false);
}

MarshalArray marshal_open(Marshal *m, size_t alignment) {
        MarshalArray a;

        marshal_u32(m, 0);
        a.at = m->used - 4;
        marshal_align(m, alignment);    /* does not count as part of the array */
        a.start = m->used;
        return a;
}

void marshal_close(Marshal *m, MarshalArray a) {
        if (!m->full)
                store_le32(m->data + a.at, (uint32_t) (m->used - a.start));
}

static void field_string(Marshal *m, uint8_t code, char type, Slice s) {
        if (s.size == 0)
                return;
        marshal_align(m, 8);
        marshal_byte(m, code);
        marshal_signature(m, slice(&type, 1));
        if (type == 'g')
                marshal_signature(m, s);
        else
                marshal_string(m, s);
}

static void field_number(Marshal *m, uint8_t code, uint32_t v) {
        if (v == 0)
                return;
        marshal_align(m, 8);
        marshal_byte(m, code);
        marshal_signature(m, slice("u", 1));
        marshal_u32(m, v);
}

void marshal_header(Marshal *m, const MarshalHeader *h) {
        MarshalArray fields;

        marshal_byte(m, 'l');
        marshal_byte(m, h->type);
        marshal_byte(m, h->flags);
        marshal_byte(m, VERSION);
        marshal_u32(m, 0);
        marshal_u32(m, h->serial);
        fields = marshal_open(m, 8);
        field_string(m, FIELD_PATH, 'o', h->path);
        field_string(m, FIELD_INTERFACE, 's', h->interface);
        field_string(m, FIELD_MEMBER, 's', h->member);
        field_string(m, FIELD_ERROR, 's', h->error);
        field_number(m, FIELD_REPLY_SERIAL, h->reply_serial);
        field_string(m, FIELD_DESTINATION, 's', h->destination);
        field_string(m, FIELD_SENDER, 's', h->sender);
        field_string(m, FIELD_SIGNATURE, 'g', h->signature);
        marshal_close(m, fields);
        marshal_align(m, 8);
        /* Until the end this is where the body begins */
        if (!m->full)
                store_le32(m->data + LENGTH_AT, (uint32_t) m->used);
}

void marshal_end(Marshal *m) {
        if (!m->full)
                store_le32(m->data + LENGTH_AT, (uint32_t) m->used - load_le32(m->data + LENGTH_AT));
}

/* ---- reading ---- */

static const uint8_t *take(Unmarshal *u, size_t n) {
        const uint8_t *p = u->data + u->at;

        if (u->bad || n > u->size - u->at) {
                u->bad = true;
                return NULL;
        }
        u->at += n;
        return p;
}

void unmarshal_align(Unmarshal *u, size_t n) {
        (void) take(u, (n - u->at % n) % n);
}

uint8_t unmarshal_byte(Unmarshal *u) {
        const uint8_t *p = take(u, 1);

        return p ? *p : 0;
}

uint32_t unmarshal_u32(Unmarshal *u) {
        const uint8_t *p;

        unmarshal_align(u, 4);
        p = take(u, 4);
        return p ? load_le32(p) : 0;
}

uint64_t unmarshal_u64(Unmarshal *u) {
        const uint8_t *p;

        unmarshal_align(u, 8);
        p = take(u, 8);
        return p ? load_le64(p) : 0;
}

static Slice text(Unmarshal *u, size_t size) {
        const uint8_t *p = take(u, size);

        if (p && take(u, 1) && p[size] == 0 && !memchr(p, 0, size))
                return slice((const char *) p, size);
        u->bad = true;
        return slice("", 0);
}

Slice unmarshal_string(Unmarshal *u) {
        return text(u, unmarshal_u32(u));
}

Slice unmarshal_signature(Unmarshal *u) {
        return text(u, unmarshal_byte(u));
}

Slice unmarshal_bytes(Unmarshal *u) {
        size_t size = unmarshal_u32(u);
        const uint8_t *p = take(u, size);

        return p ? slice((const char *) p, size) : slice("", 0);
}

size_t unmarshal_open(Unmarshal *u, size_t alignment) {
        size_t size = unmarshal_u32(u);

        unmarshal_align(u, alignment);
        if (u->bad || size > u->size - u->at) {
                u->bad = true;
                return u->at;
        }
        return u->at + size;
}

static size_t alignment_of(char type) {
        return strchr("xtd({", type) ? 8 : strchr("nq", type) ? 2 : strchr("ygv", type) ? 1 : 4;
}

/* Over one complete type of a signature; NULL when it is none. */
static const char *next_type(const char *s, unsigned depth) {
        char begin = *s, end = begin == '(' ? ')' : '}';

        if (begin == '\0' || depth > DEPTH_MAX)
                return NULL;
        if (begin == 'a')
                return next_type(s + 1, depth + 1);
        if (begin != '(' && begin != '{')
                return s + 1;
        for (s++; s && *s && *s != end; )
                s = next_type(s, depth + 1);
        return s && *s == end ? s + 1 : NULL;
}

/* Over the values of these types. */
static void skip(Unmarshal *u, const char *types, const char *end, unsigned depth) {
        while (!u->bad && types < end) {
                const char *next = next_type(types, 0);
                Slice inner;

                if (!next || next > end || depth > DEPTH_MAX) {
                        u->bad = true;
                        return;
                }
                switch (*types) {
                case 's':
                case 'o':
                        (void) unmarshal_string(u);
                        break;
                case 'g':
                        (void) unmarshal_signature(u);
                        break;
                case 'v':
                        inner = unmarshal_signature(u);
                        skip(u, inner.data, inner.data + inner.size, depth + 1);
                        break;
                case 'a':
                        u->at = unmarshal_open(u, alignment_of(types[1]));
                        break;
                case '(':
                case '{':
                        unmarshal_align(u, 8);
                        skip(u, types + 1, next - 1, depth + 1);
                        break;
                default:
                        unmarshal_align(u, alignment_of(*types));
                        (void) take(u, alignment_of(*types));
                }
                types = next;
        }
}

void unmarshal_skip(Unmarshal *u, Slice signature) {
        skip(u, signature.data, signature.data + signature.size, 0);
}

ssize_t marshal_message_size(const uint8_t *data, size_t size) {
        uint64_t body, fields;

        if (size < MARSHAL_HEADER_SIZE)
                return 0;
        body = load_le32(data + LENGTH_AT);
        fields = load_le32(data + FIELDS_LENGTH_AT);
        if (data[0] != 'l' || body > LENGTH_MAX || fields > LENGTH_MAX)
                return -1;
        return (ssize_t) (MARSHAL_HEADER_SIZE + (fields + 7) / 8 * 8 + body);
}

static void read_field(Unmarshal *u, MarshalHeader *h) {
        uint8_t code;
        Slice type, *target = NULL;

        unmarshal_align(u, 8);
        code = unmarshal_byte(u);
        type = unmarshal_signature(u);
        switch (code) {
        case FIELD_PATH:
                target = &h->path;
                break;
        case FIELD_INTERFACE:
                target = &h->interface;
                break;
        case FIELD_MEMBER:
                target = &h->member;
                break;
        case FIELD_ERROR:
                target = &h->error;
                break;
        case FIELD_DESTINATION:
                target = &h->destination;
                break;
        case FIELD_SENDER:
                target = &h->sender;
                break;
        case FIELD_SIGNATURE:
                if (!slice_equal(type, slice("g", 1)))
                        u->bad = true;
                h->signature = unmarshal_signature(u);
                return;
        case FIELD_REPLY_SERIAL:
                if (!slice_equal(type, slice("u", 1)))
                        u->bad = true;
                h->reply_serial = unmarshal_u32(u);
                return;
        default:        /* descriptors, and what is not known */
                u->bad = true;
                return;
        }
        if (!slice_equal(type, slice(code == FIELD_PATH ? "o" : "s", 1)))
                u->bad = true;
        *target = unmarshal_string(u);
}

bool unmarshal_header(Unmarshal *u, MarshalHeader *ret) {
        uint32_t body;
        size_t end;

        *ret = (MarshalHeader) {};
        if (unmarshal_byte(u) != 'l')
                return false;
        ret->type = unmarshal_byte(u);
        ret->flags = unmarshal_byte(u);
        if (unmarshal_byte(u) != VERSION)
                return false;
        body = unmarshal_u32(u);
        ret->serial = unmarshal_u32(u);
        end = unmarshal_open(u, 8);
        while (!u->bad && u->at < end)
                read_field(u, ret);
        if (u->at != end)
                return false;
        unmarshal_align(u, 8);
        return !u->bad && ret->serial != 0 && u->size - u->at == body;
}
