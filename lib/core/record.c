/* SPDX-License-Identifier: MIT */
/* Rules and questions about session records that neither encode nor decode. Owns no state. */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "record-layout.h"

bool slice_equal(Slice a, Slice b) {
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int slice_compare(Slice a, Slice b) {
        size_t n = a.size < b.size ? a.size : b.size;
        int c = n > 0 ? memcmp(a.data, b.data, n) : 0;

        return c != 0 ? c : (a.size > b.size) - (a.size < b.size);
}

Slice slice_of(const char *text) {
        return slice(text, text ? strlen(text) : 0);
}

bool record_fixed_valid(const Record *r) {
        const uint32_t known = RECORD_ANONYMOUS | RECORD_REMEMBER | RECORD_APP_USER | RECORD_ROLES_FROM_POLICY;

        return (r->flags & ~known) == 0 && r->n_roles <= ROLES_MAX && r->n_methods <= METHODS_MAX &&
               r->n_attributes <= ATTRIBUTES_MAX;
}

bool record_identity_valid(const Record *r) {
        if (r->service.size == 0)
                return false;
        if (r->flags & RECORD_ANONYMOUS)
                return r->user.size == 0 && r->level == 0 && r->n_roles == 0;
        return r->user.size > 0;
}

size_t record_length(const void *data) {
        return load_le32((const uint8_t *) data + AT_SIZE);
}

bool attribute_strings_whole(Slice value) {
        Attribute a = { .type = 'a', .bytes = value };
        size_t position = 0;
        Slice s;

        while (attribute_next_string(&a, &position, &s))
                ;
        return position == value.size;
}

int record_checksum(const void *data, size_t size, uint8_t out[static CHECKSUM_SIZE]) {
        uint8_t digest[DIGEST_SIZE];
        int r;

        r = digest_sha256((const uint8_t *) data + CHECKSUM_SIZE, size - CHECKSUM_SIZE, digest);
        if (r < 0)
                return r;
        memcpy(out, digest, CHECKSUM_SIZE);
        return 0;
}

unsigned record_format(const void *data, size_t size) {
        return size < AT_FORMAT_END ? 0 : load_le16((const uint8_t *) data + AT_FORMAT);
}

int record_set_last_seen(void *data, size_t size, uint64_t last_seen) {
        uint8_t *p = data;
        uint64_t before;
        int r;

        if (size < RECORD_FIXED_SIZE)
                return -EBADMSG;

        before = load_le64(p + AT_LAST_SEEN);
        store_le64(p + AT_LAST_SEEN, last_seen);
        r = record_checksum(p, size, p + AT_CHECKSUM);
        if (r < 0)
                store_le64(p + AT_LAST_SEEN, before);
        return r;
}

int record_forget_account(void *data, size_t size) {
        static const uint8_t none[RECORD_TAG_SIZE];
        uint8_t before[RECORD_TAG_SIZE], *p = data;
        int r;

        if (size < RECORD_FIXED_SIZE)
                return -EBADMSG;

        memcpy(before, p + AT_ACCOUNT_DIGEST, sizeof(before));
        if (memcmp(before, none, sizeof(none)) == 0)
                return 0;
        memset(p + AT_ACCOUNT_DIGEST, 0, sizeof(none));
        r = record_checksum(p, size, p + AT_CHECKSUM);
        if (r < 0) {
                memcpy(p + AT_ACCOUNT_DIGEST, before, sizeof(before));
                return r;
        }
        return 1;
}

bool record_has_role(const Record *r, Slice role) {
        size_t position = 0;
        Slice s;

        while (record_next_role(r, &position, &s))
                if (slice_equal(s, role))
                        return true;
        return false;
}

uint64_t record_end(const Record *r) {
        uint64_t idle_end;

        if (__builtin_add_overflow(r->last_seen, r->idle_usec, &idle_end))
                return r->lifetime_end;
        return idle_end < r->lifetime_end ? idle_end : r->lifetime_end;
}

uint64_t record_realtime(const Record *r, uint64_t steady) {
        uint64_t point;

        /* A login may be older than the session that was made of it. */
        if (steady < r->created)
                return r->created_realtime > r->created - steady ? r->created_realtime - (r->created - steady) : 0;
        if (__builtin_add_overflow(r->created_realtime, steady - r->created, &point))
                return UINT64_MAX;
        return point;
}
