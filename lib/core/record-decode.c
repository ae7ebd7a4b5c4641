/* SPDX-License-Identifier: MIT */
/*
 * The decoder of session records. Runs for every request that resolves a token: no allocation, one walk over the
 * record. Believes nothing: every length is compared with what is left before a byte behind it is looked at.
 */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "record-layout.h"

/* What is left of the record. */
typedef struct Cursor {
        const uint8_t *at;
        size_t left;
} Cursor;

static inline bool take_bytes(Cursor *c, size_t size, size_t max, Slice *out) {
        if (size > max || size > c->left)
                return false;
        *out = slice((const char *) c->at, size);
        c->at += size;
        c->left -= size;
        return true;
}

/* A string behind a length byte. */
static inline bool take_short(Cursor *c, size_t max, Slice *out) {
        if (c->left < 1)
                return false;

        size_t size = c->at[0];
        c->at += 1;
        c->left -= 1;
        return take_bytes(c, size, max, out);
}

/* A string behind a length of two bytes. */
static inline bool take_long(Cursor *c, size_t max, Slice *out) {
        if (c->left < 2)
                return false;

        size_t size = load_le16(c->at);
        c->at += 2;
        c->left -= 2;
        return take_bytes(c, size, max, out);
}

/* Inlined wherever it is used, so that the cursor stays in registers. */
static inline __attribute__((always_inline)) bool take_attribute(Cursor *c, Attribute *out) {
        Slice type, value;

        if (!take_short(c, ATTRIBUTE_KEY_MAX, &out->key) || out->key.size == 0 ||
            !take_bytes(c, 1, 1, &type) ||
            !take_long(c, ATTRIBUTES_SIZE_MAX, &value))
                return false;

        const uint8_t *bytes = (const uint8_t *) value.data;
        out->type = type.data[0];
        switch (out->type) {
        case 'b':
                if (value.size != 1 || bytes[0] > 1)
                        return false;
                out->boolean = bytes[0];
                return true;
        case 'x':
                if (value.size != 8)
                        return false;
                out->integer = (int64_t) load_le64(bytes);
                return true;
        case 'd': {
                uint64_t bits;

                if (value.size != 8)
                        return false;
                bits = load_le64(bytes);
                memcpy(&out->real, &bits, sizeof(bits));
                return true;
        }
        case 's':
        case 'y':
                out->bytes = value;
                return true;
        case 'a':
                out->bytes = value;
                return attribute_strings_whole(value);
        default:
                return false;
        }
}

/* n strings behind length bytes, none of them empty. */
static inline __attribute__((always_inline)) bool take_list(Cursor *c, size_t n, size_t max, Slice *out) {
        const uint8_t *begin = c->at;
        Slice s;

        for (size_t i = 0; i < n; i++)
                if (!take_short(c, max, &s) || s.size == 0)
                        return false;
        *out = slice((const char *) begin, (size_t) (c->at - begin));
        return true;
}

static bool take_attributes(Cursor *c, size_t n, Slice *out) {
        const uint8_t *begin = c->at;
        Attribute a;

        for (size_t i = 0; i < n; i++)
                if (!take_attribute(c, &a))
                        return false;
        *out = slice((const char *) begin, (size_t) (c->at - begin));
        return out->size <= ATTRIBUTES_SIZE_MAX;
}

static void decode_fixed(const uint8_t *p, Record *r) {
        r->flags = load_le16(p + AT_FLAGS);
        memcpy(r->id.bytes, p + AT_ID, IDENT_SIZE);
        memcpy(r->secret_hash, p + AT_SECRET_HASH, DIGEST_SIZE);
        r->version = load_le64(p + AT_VERSION);
        r->created_realtime = load_le64(p + AT_CREATED_REALTIME);
        r->created = load_le64(p + AT_CREATED);
        r->last_seen = load_le64(p + AT_LAST_SEEN);
        r->auth_time = load_le64(p + AT_AUTH_TIME);
        r->idle_usec = load_le64(p + AT_IDLE);
        r->lifetime_end = load_le64(p + AT_LIFETIME_END);
        r->uid = load_le32(p + AT_UID);
        r->creator_uid = load_le32(p + AT_CREATOR_UID);
        r->level = load_le32(p + AT_LEVEL);
        r->n_roles = p[AT_N_ROLES];
        r->n_methods = p[AT_N_METHODS];
        r->n_attributes = load_le16(p + AT_N_ATTRIBUTES);
        memcpy(r->request_tag, p + AT_REQUEST_TAG, RECORD_TAG_SIZE);
        r->request_time = load_le64(p + AT_REQUEST_TIME);
        memcpy(r->account_digest, p + AT_ACCOUNT_DIGEST, RECORD_TAG_SIZE);
        r->roles = r->methods = NULL;
        r->attributes = NULL;
}

static bool decode_variable(Cursor c, Record *r) {
        return take_short(&c, SERVICE_MAX, &r->service) &&
               take_long(&c, USER_MAX, &r->user) &&
               take_short(&c, REMOTE_HOST_MAX, &r->remote_host) &&
               take_long(&c, USER_AGENT_MAX, &r->user_agent) &&
               take_short(&c, UNIT_MAX, &r->creator_unit) &&
               take_list(&c, r->n_roles, ROLE_MAX, &r->encoded_roles) &&
               take_list(&c, r->n_methods, METHOD_MAX, &r->encoded_methods) &&
               take_attributes(&c, r->n_attributes, &r->encoded_attributes) &&
               c.left == 0;
}

int record_decode_trusted(const void *data, size_t size, Record *out) {
        const uint8_t *p = data;

        if (size < AT_FORMAT_END)
                return -EBADMSG;
        if (load_le16(p + AT_FORMAT) > RECORD_FORMAT)
                return -EPROTONOSUPPORT;
        if (load_le16(p + AT_FORMAT) != RECORD_FORMAT || size < RECORD_FIXED_SIZE || size > RECORD_MAX ||
            load_le32(p + AT_SIZE) != size)
                return -EBADMSG;

        decode_fixed(p, out);
        if (!record_fixed_valid(out) ||
            !decode_variable((Cursor) { p + RECORD_FIXED_SIZE, size - RECORD_FIXED_SIZE }, out) ||
            !record_identity_valid(out))
                return -EBADMSG;
        return 0;
}

int record_decode(const void *data, size_t size, Record *out) {
        uint8_t sum[CHECKSUM_SIZE];
        int r;

        /* First, so that a damaged format number is not taken for a newer format. */
        if (size < AT_FORMAT_END)
                return -EBADMSG;
        r = record_checksum(data, size, sum);
        if (r < 0)
                return r;
        if (memcmp(data, sum, sizeof(sum)) != 0)
                return -EBADMSG;

        return record_decode_trusted(data, size, out);
}

static bool next_short(Slice list, size_t max, size_t *position, Slice *out) {
        if (*position >= list.size)
                return false;

        Cursor c = { (const uint8_t *) list.data + *position, list.size - *position };
        if (!take_short(&c, max, out))
                return false;
        *position = list.size - c.left;
        return true;
}

/* A count of zero wins over what was decoded: so does a list become empty before it is encoded again. */
static bool next_string(const Slice *array, size_t n, Slice list, size_t max, size_t *position, Slice *out) {
        if (!array)
                return n > 0 && next_short(list, max, position, out);
        if (*position >= n)
                return false;
        *out = array[(*position)++];
        return true;
}

bool record_next_role(const Record *r, size_t *position, Slice *out) {
        return next_string(r->roles, r->n_roles, r->encoded_roles, ROLE_MAX, position, out);
}

bool record_next_method(const Record *r, size_t *position, Slice *out) {
        return next_string(r->methods, r->n_methods, r->encoded_methods, METHOD_MAX, position, out);
}

bool record_next_attribute(const Record *r, size_t *position, Attribute *out) {
        Slice list = r->encoded_attributes;

        if (r->attributes) {
                if (*position >= r->n_attributes)
                        return false;
                *out = r->attributes[(*position)++];
                return true;
        }
        if (r->n_attributes == 0 || *position >= list.size)
                return false;

        Cursor c = { (const uint8_t *) list.data + *position, list.size - *position };
        if (!take_attribute(&c, out))
                return false;
        *position = list.size - c.left;
        return true;
}

bool attribute_next_string(const Attribute *a, size_t *position, Slice *out) {
        if (a->type != 'a' || *position >= a->bytes.size)
                return false;

        Cursor c = { (const uint8_t *) a->bytes.data + *position, a->bytes.size - *position };
        if (!take_long(&c, ATTRIBUTES_SIZE_MAX, out))
                return false;
        *position = a->bytes.size - c.left;
        return true;
}
