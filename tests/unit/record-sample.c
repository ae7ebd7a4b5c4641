/* SPDX-License-Identifier: MIT */
/* One session record with everything in it, for the tests. */
#include "record-sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>

#include "bytes.h"
#include "cleanup.h"

/* "de", "", "en" as strings behind lengths */
static const char languages[] = "\2\0de\0\0\2\0en";

static const Slice roles[] = { { "USER", 4 }, { "ADMIN", 5 } };
static const Slice methods[] = { { "pwd", 3 }, { "otp", 3 } };
static const Attribute attributes[] = {
        { .key = { "cart", 4 }, .type = 's', .bytes = { "3 apples", 8 } },
        { .key = { "beta", 4 }, .type = 'b', .boolean = true },
        { .key = { "company", 7 }, .type = 'x', .integer = INT64_MIN },
        { .key = { "rate", 4 }, .type = 'd', .real = -DBL_MIN },
        { .key = { "raw", 3 }, .type = 'y', .bytes = { "\0\xff", 2 } },
        { .key = { "languages", 9 }, .type = 'a', .bytes = { languages, sizeof(languages) - 1 } },
        { .key = { "empty", 5 }, .type = 's' },
        { .key = { "none", 4 }, .type = 'a' },
};

const Attribute *const sample_languages = &attributes[5], *const sample_cart = &attributes[0];

Record sample_record(void) {
        Record r = {
                .flags = RECORD_REMEMBER | RECORD_APP_USER,
                .version = UINT64_C(0x1122334455667788),
                .created_realtime = UINT64_C(1700000000000000),
                .created = 5000, .last_seen = 6000, .auth_time = 4000,
                .idle_usec = 7200000000, .lifetime_end = 86400000000,
                .uid = 1000, .creator_uid = RECORD_NO_UID, .level = 2, .request_time = 77,
                .service = { "shop", 4 }, .user = { "acme:42", 7 }, .remote_host = { "2001:db8::1", 11 },
                .user_agent = { "Mozilla/5.0", 11 }, .creator_unit = { "shop.service", 12 },
                .n_roles = ELEMENTSOF(roles), .roles = roles,
                .n_methods = ELEMENTSOF(methods), .methods = methods,
                .n_attributes = ELEMENTSOF(attributes), .attributes = attributes,
        };

        memset(r.id.bytes, 0x1d, sizeof(r.id.bytes));
        memset(r.secret_hash, 0x5e, sizeof(r.secret_hash));
        memset(r.request_tag, 0x7a, sizeof(r.request_tag));
        memset(r.account_digest, 0xac, sizeof(r.account_digest));
        return r;
}

uint8_t *sample_encode(const Record *r, size_t *ret_size) {
        size_t size = record_size(r);
        uint8_t *data = malloc(size);

        assert_true(size > 0 && data);
        assert_int_equal(record_encode(r, data, size), 0);
        *ret_size = size;
        return data;
}

/* Mend the checksum of a record that was changed by hand. */
void sample_reseal(uint8_t *data, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        assert_int_equal(digest_sha256(data + 8, size - 8, digest), 0);
        memcpy(data, digest, 8);
}

void assert_slice(Slice got, Slice expected) {
        assert_int_equal(got.size, expected.size);
        if (expected.size > 0)
                assert_memory_equal(got.data, expected.data, expected.size);
}

static void assert_attribute(const Attribute *got, const Attribute *expected) {
        assert_slice(got->key, expected->key);
        assert_int_equal(got->type, expected->type);
        switch (expected->type) {
        case 'b':
                assert_int_equal(got->boolean, expected->boolean);
                break;
        case 'x':
                assert_true(got->integer == expected->integer);
                break;
        case 'd':
                assert_memory_equal(&got->real, &expected->real, sizeof(got->real));
                break;
        default:
                assert_slice(got->bytes, expected->bytes);
        }
}

static void assert_lists(const Record *got, const Record *expected) {
        Slice s, t;
        Attribute a, b;

        assert_int_equal(got->n_roles, expected->n_roles);
        assert_int_equal(got->n_methods, expected->n_methods);
        assert_int_equal(got->n_attributes, expected->n_attributes);
        for (size_t i = 0, j = 0; record_next_role(expected, &j, &t); ) {
                assert_true(record_next_role(got, &i, &s));
                assert_slice(s, t);
        }
        for (size_t i = 0, j = 0; record_next_method(expected, &j, &t); ) {
                assert_true(record_next_method(got, &i, &s));
                assert_slice(s, t);
        }
        for (size_t i = 0, j = 0; record_next_attribute(expected, &j, &b); ) {
                assert_true(record_next_attribute(got, &i, &a));
                assert_attribute(&a, &b);
        }
}

void assert_record(const Record *got, const Record *expected) {
        assert_int_equal(got->flags, expected->flags);
        assert_memory_equal(&got->id, &expected->id, sizeof(got->id));
        assert_memory_equal(got->secret_hash, expected->secret_hash, sizeof(got->secret_hash));
        assert_true(got->version == expected->version);
        assert_true(got->created_realtime == expected->created_realtime);
        assert_true(got->created == expected->created && got->last_seen == expected->last_seen);
        assert_true(got->auth_time == expected->auth_time && got->idle_usec == expected->idle_usec);
        assert_true(got->lifetime_end == expected->lifetime_end);
        assert_int_equal(got->uid, expected->uid);
        assert_int_equal(got->creator_uid, expected->creator_uid);
        assert_int_equal(got->level, expected->level);
        assert_memory_equal(got->request_tag, expected->request_tag, RECORD_TAG_SIZE);
        assert_true(got->request_time == expected->request_time);
        assert_memory_equal(got->account_digest, expected->account_digest, RECORD_TAG_SIZE);
        assert_slice(got->service, expected->service);
        assert_slice(got->user, expected->user);
        assert_slice(got->remote_host, expected->remote_host);
        assert_slice(got->user_agent, expected->user_agent);
        assert_slice(got->creator_unit, expected->creator_unit);
        assert_lists(got, expected);
}
