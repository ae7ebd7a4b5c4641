/* SPDX-License-Identifier: MIT */
/* The encoder of session records. Checks the same limits as the decoder, so that what is written can be read. */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "record-layout.h"

size_t attribute_size(const Attribute *a) {
        size_t value;

        switch (a->type) {
        case 'b':
                value = 1;
                break;
        case 'x':
        case 'd':
                value = 8;
                break;
        default:
                value = a->bytes.size;
        }
        return 1 + a->key.size + 1 + 2 + value;
}

static bool attribute_valid(const Attribute *a) {
        if (a->key.size == 0 || a->key.size > ATTRIBUTE_KEY_MAX)
                return false;

        switch (a->type) {
        case 'b':
        case 'x':
        case 'd':
                return true;
        case 's':
        case 'y':
                return a->bytes.size <= ATTRIBUTES_SIZE_MAX;
        case 'a':
                return a->bytes.size <= ATTRIBUTES_SIZE_MAX && attribute_strings_whole(a->bytes);
        default:
                return false;
        }
}

/* The walks stop early at a bad element of a decoded list: the counts tell. */
static bool lists_size(const Record *r, size_t *ret) {
        size_t sum = 0, attributes = 0, position, n;
        Slice s;
        Attribute a;

        for (n = position = 0; record_next_role(r, &position, &s); n++, sum += 1 + s.size)
                if (s.size == 0 || s.size > ROLE_MAX)
                        return false;
        if (n != r->n_roles)
                return false;

        for (n = position = 0; record_next_method(r, &position, &s); n++, sum += 1 + s.size)
                if (s.size == 0 || s.size > METHOD_MAX)
                        return false;
        if (n != r->n_methods)
                return false;

        for (n = position = 0; record_next_attribute(r, &position, &a); n++, attributes += attribute_size(&a))
                if (!attribute_valid(&a))
                        return false;
        if (n != r->n_attributes || attributes > ATTRIBUTES_SIZE_MAX)
                return false;

        *ret = sum + attributes;
        return true;
}

size_t record_size(const Record *r) {
        size_t lists;

        if (!record_fixed_valid(r) || !record_identity_valid(r) ||
            r->service.size > SERVICE_MAX || r->user.size > USER_MAX || r->remote_host.size > REMOTE_HOST_MAX ||
            r->user_agent.size > USER_AGENT_MAX || r->creator_unit.size > UNIT_MAX ||
            !lists_size(r, &lists))
                return 0;

        return RECORD_FIXED_SIZE + 1 + r->service.size + 2 + r->user.size + 1 + r->remote_host.size +
               2 + r->user_agent.size + 1 + r->creator_unit.size + lists;
}

/* The writers below rest on record_size(): every length fits, and so does the whole. Each returns where to go on. */
static uint8_t *put_bytes(uint8_t *p, Slice s) {
        if (s.size > 0)
                memcpy(p, s.data, s.size);
        return p + s.size;
}

static uint8_t *put_short(uint8_t *p, Slice s) {
        *p = (uint8_t) s.size;
        return put_bytes(p + 1, s);
}

static uint8_t *put_long(uint8_t *p, Slice s) {
        store_le16(p, (uint16_t) s.size);
        return put_bytes(p + 2, s);
}

static uint8_t *put_attribute(uint8_t *p, const Attribute *a) {
        uint8_t number[8];
        uint64_t bits;

        p = put_short(p, a->key);
        *p++ = (uint8_t) a->type;
        switch (a->type) {
        case 'b':
                number[0] = a->boolean ? 1 : 0;
                return put_long(p, slice((const char *) number, 1));
        case 'x':
                store_le64(number, (uint64_t) a->integer);
                return put_long(p, slice((const char *) number, 8));
        case 'd':
                memcpy(&bits, &a->real, sizeof(bits));
                store_le64(number, bits);
                return put_long(p, slice((const char *) number, 8));
        default:
                return put_long(p, a->bytes);
        }
}

static void put_fixed(uint8_t *p, const Record *r, size_t size) {
        store_le16(p + AT_FORMAT, RECORD_FORMAT);
        store_le16(p + AT_FLAGS, (uint16_t) r->flags);
        store_le32(p + AT_SIZE, (uint32_t) size);
        memcpy(p + AT_ID, r->id.bytes, IDENT_SIZE);
        memcpy(p + AT_SECRET_HASH, r->secret_hash, DIGEST_SIZE);
        store_le64(p + AT_VERSION, r->version);
        store_le64(p + AT_CREATED_REALTIME, r->created_realtime);
        store_le64(p + AT_CREATED, r->created);
        store_le64(p + AT_LAST_SEEN, r->last_seen);
        store_le64(p + AT_AUTH_TIME, r->auth_time);
        store_le64(p + AT_IDLE, r->idle_usec);
        store_le64(p + AT_LIFETIME_END, r->lifetime_end);
        store_le32(p + AT_UID, r->uid);
        store_le32(p + AT_CREATOR_UID, r->creator_uid);
        store_le32(p + AT_LEVEL, r->level);
        p[AT_N_ROLES] = (uint8_t) r->n_roles;
        p[AT_N_METHODS] = (uint8_t) r->n_methods;
        store_le16(p + AT_N_ATTRIBUTES, (uint16_t) r->n_attributes);
        memcpy(p + AT_REQUEST_TAG, r->request_tag, RECORD_TAG_SIZE);
        store_le64(p + AT_REQUEST_TIME, r->request_time);
        memcpy(p + AT_ACCOUNT_DIGEST, r->account_digest, RECORD_TAG_SIZE);
}

static void put_variable(uint8_t *p, const Record *r) {
        size_t position;
        Slice s;
        Attribute a;

        p = put_short(p, r->service);
        p = put_long(p, r->user);
        p = put_short(p, r->remote_host);
        p = put_long(p, r->user_agent);
        p = put_short(p, r->creator_unit);
        for (position = 0; record_next_role(r, &position, &s); )
                p = put_short(p, s);
        for (position = 0; record_next_method(r, &position, &s); )
                p = put_short(p, s);
        for (position = 0; record_next_attribute(r, &position, &a); )
                p = put_attribute(p, &a);
}

int record_encode(const Record *r, void *out, size_t size) {
        size_t need = record_size(r);
        uint8_t *p = out;

        if (need == 0)
                return -EINVAL;
        if (size < need)
                return -ENOBUFS;

        put_fixed(p, r, need);
        put_variable(p + RECORD_FIXED_SIZE, r);
        return record_checksum(p, need, p + AT_CHECKSUM);
}
