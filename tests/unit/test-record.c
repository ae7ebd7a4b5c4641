/* SPDX-License-Identifier: MIT */
/* Records: round trip, limits, and damage of every kind. Records lie in heap memory of their exact size, so that the
 * address sanitizer sees a step beyond either end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>

#include "bytes.h"
#include "cleanup.h"
#include "record.h"

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

static Record sample(void) {
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

static uint8_t *encode(const Record *r, size_t *ret_size) {
        size_t size = record_size(r);
        uint8_t *data = malloc(size);

        assert_true(size > 0 && data);
        assert_int_equal(record_encode(r, data, size), 0);
        *ret_size = size;
        return data;
}

/* Mend the checksum of a record that was changed by hand. */
static void reseal(uint8_t *data, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        assert_int_equal(digest_sha256(data + 8, size - 8, digest), 0);
        memcpy(data, digest, 8);
}

static void assert_slice(Slice got, Slice expected) {
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

static void assert_record(const Record *got, const Record *expected) {
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

static void test_round_trip(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);
        assert_int_equal(record_decode_trusted(data, size, &got), 0);
        assert_record(&got, &r);
        assert_null(got.roles);
        assert_null(got.methods);
        assert_null(got.attributes);
}

/* The layout is on disks: these bytes must not move. */
static void test_layout(void **state) {
        Record r = sample();
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        assert_int_equal(load_le16(data + 8), 1);
        assert_int_equal(load_le16(data + 10), RECORD_REMEMBER | RECORD_APP_USER);
        assert_int_equal(load_le32(data + 12), size);
        assert_memory_equal(data + 16, r.id.bytes, 16);
        assert_memory_equal(data + 32, r.secret_hash, 32);
        assert_memory_equal(data + 64, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
        assert_true(load_le64(data + 72) == r.created_realtime);
        assert_true(load_le64(data + 80) == 5000 && load_le64(data + 88) == 6000 && load_le64(data + 96) == 4000);
        assert_true(load_le64(data + 104) == r.idle_usec && load_le64(data + 112) == r.lifetime_end);
        assert_memory_equal(data + 120, "\xe8\x03\0\0\xff\xff\xff\xff\2\0\0\0\2\2\x08\0", 16);
        assert_memory_equal(data + 136, r.request_tag, 16);
        assert_true(load_le64(data + 152) == 77);
        assert_memory_equal(data + 160, r.account_digest, 16);
        assert_memory_equal(data + 176, "\4shop\7\0acme:42\x0b" "2001:db8::1\x0b\0Mozilla/5.0\x0cshop.service", 52);
        assert_memory_equal(data + 228, "\4USER\5ADMIN\3pwd\3otp\4carts\x08\0" "3 apples", 35);
}

static void test_a_typical_record_is_small(void **state) {
        static const Attribute three[] = {
                { .key = { "company", 7 }, .type = 'x', .integer = 100 },
                { .key = { "theme", 5 }, .type = 's', .bytes = { "dark", 4 } },
                { .key = { "beta", 4 }, .type = 'b' },
        };
        Record r = sample();

        r.user = slice("user0001", 8);
        r.user_agent = r.creator_unit = slice_of(NULL);
        r.attributes = three;
        r.n_attributes = 3;
        assert_true(record_size(&r) < 300);
}

static void test_anonymous_round_trip(void **state) {
        Record r = { .flags = RECORD_ANONYMOUS, .service = { "s", 1 }, .uid = RECORD_NO_UID }, got;
        size_t size, position = 0;
        _cleanup_free_ uint8_t *data = encode(&r, &size);
        Attribute a;
        Slice s;

        assert_int_equal(size, RECORD_FIXED_SIZE + 2 + 2 + 1 + 2 + 1);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);
        assert_false(record_next_role(&got, &position, &s));
        assert_false(record_next_method(&got, &position, &s));
        assert_false(record_next_attribute(&got, &position, &a));
}

/* What a change of a session does: decode, change a field or a list, encode. */
static void test_decoded_record_can_be_encoded_again(void **state) {
        static const Slice other[] = { { "GUEST", 5 } };
        Record r = sample(), got, again;
        size_t size, size2;
        _cleanup_free_ uint8_t *data = encode(&r, &size), *same = NULL, *changed = NULL, *bare = NULL;

        assert_int_equal(record_decode(data, size, &got), 0);
        same = encode(&got, &size2);
        assert_int_equal(size2, size);
        assert_memory_equal(same, data, size);

        got.roles = r.roles = other;
        got.n_roles = r.n_roles = 1;
        changed = encode(&got, &size2);
        assert_int_equal(record_decode(changed, size2, &again), 0);
        assert_record(&again, &r);

        got.roles = NULL;
        got.n_roles = got.n_methods = got.n_attributes = 0;
        bare = encode(&got, &size2);
        assert_int_equal(record_decode(bare, size2, &again), 0);
        assert_int_equal(again.n_roles + again.n_methods + again.n_attributes, 0);
}

static void test_buffer_too_small(void **state) {
        Record r = sample();
        size_t size = record_size(&r);
        _cleanup_free_ uint8_t *data = malloc(size - 1);

        assert_int_equal(record_encode(&r, data, size - 1), -ENOBUFS);
        assert_int_equal(record_encode(&r, NULL, 0), -ENOBUFS);
}

static void assert_no_record(const Record *r) {
        uint8_t out[1];

        assert_int_equal(record_size(r), 0);
        assert_int_equal(record_encode(r, out, sizeof(out)), -EINVAL);
}

static char many[70000];

static void test_S23_string_limits(void **state) {
        static const struct {
                size_t offset, max;
        } limits[] = {
                { offsetof(Record, service), 64 }, { offsetof(Record, user), 256 },
                { offsetof(Record, remote_host), 255 }, { offsetof(Record, user_agent), 1024 },
                { offsetof(Record, creator_unit), 255 },
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                Record r = sample(), got;
                Slice *s = (Slice *) (void *) ((char *) &r + limits[i].offset);
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                *s = slice(many, limits[i].max);
                data = encode(&r, &size);
                assert_int_equal(record_decode(data, size, &got), 0);
                assert_record(&got, &r);
                s->size++;
                assert_no_record(&r);
                s->size = sizeof(many);
                assert_no_record(&r);
        }
}

static void test_S23_list_limits(void **state) {
        Slice list[33];
        Record r = sample(), got;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                list[i] = slice(many, 64);
        r.roles = list;
        r.n_roles = 32;
        data = encode(&r, &size);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);

        r.n_roles = 33;
        assert_no_record(&r);
        r.n_roles = 32;
        list[31].size = 65;
        assert_no_record(&r);
        list[31].size = 0;
        assert_no_record(&r);

        r = sample();
        for (size_t i = 0; i < 17; i++)
                list[i] = slice(many, 32);
        r.methods = list;
        r.n_methods = 16;
        assert_int_not_equal(record_size(&r), 0);
        r.n_methods = 17;
        assert_no_record(&r);
        r.n_methods = 16;
        list[3].size = 33;
        assert_no_record(&r);
        list[3].size = 0;
        assert_no_record(&r);
}

static void test_S23_attribute_limits(void **state) {
        Attribute list[257];
        Record r = sample(), got;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                list[i] = (Attribute) { .key = { "k", 1 }, .type = 'b' };
        r.attributes = list;
        r.n_attributes = 256;
        assert_int_not_equal(record_size(&r), 0);
        r.n_attributes = 257;
        assert_no_record(&r);

        /* 16 KiB exactly: key 1 + 1, type 1, length 2 */
        r.n_attributes = 1;
        list[0] = (Attribute) { .key = { "k", 1 }, .type = 's', .bytes = { many, 16 * 1024 - 5 } };
        assert_int_equal(attribute_size(&list[0]), 16 * 1024);
        data = encode(&r, &size);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);
        list[0].bytes.size++;
        assert_no_record(&r);
        list[0].bytes.size = sizeof(many);
        assert_no_record(&r);

        list[0] = (Attribute) { .key = { many, 128 }, .type = 'b' };
        assert_int_not_equal(record_size(&r), 0);
        list[0].key.size = 129;
        assert_no_record(&r);
        list[0].key.size = 0;
        assert_no_record(&r);
}

static void test_attributes_that_cannot_be_kept(void **state) {
        static const Attribute bad[] = {
                { .key = { "k", 1 }, .type = 0 },
                { .key = { "k", 1 }, .type = 'i' },
                { .key = { "k", 1 }, .type = 'a', .bytes = { "\1", 1 } },
                { .key = { "k", 1 }, .type = 'a', .bytes = { "\2\0x", 3 } },
                { .key = { "k", 1 }, .type = 'a', .bytes = { "\1\0xy", 4 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Record r = sample();

                r.attributes = &bad[i];
                r.n_attributes = 1;
                assert_no_record(&r);
        }
}

static void test_S26_a_visitor_is_nobody(void **state) {
        Record r = sample();

        r.user.size = 0;
        assert_no_record(&r);

        r.flags = RECORD_ANONYMOUS;
        r.level = r.n_roles = 0;
        assert_int_not_equal(record_size(&r), 0);
        r.level = 1;
        assert_no_record(&r);
        r.level = 0;
        r.n_roles = 1;
        assert_no_record(&r);
        r.n_roles = 0;
        r.user = slice("x", 1);
        assert_no_record(&r);

        r = sample();
        r.service.size = 0;
        assert_no_record(&r);
        r = sample();
        r.flags = 1 << 3;
        assert_no_record(&r);
        r.flags = UINT32_C(1) << 16;
        assert_no_record(&r);
}

/* Look at all that a decoded record points to. */
static unsigned walk(const Record *r) {
        const Slice strings[] = { r->service, r->user, r->remote_host, r->user_agent, r->creator_unit };
        size_t position, inner, n;
        unsigned sum = 0;
        Attribute a;
        Slice s;

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                for (size_t j = 0; j < strings[i].size; j++)
                        sum += (uint8_t) strings[i].data[j];
        for (n = position = 0; record_next_role(r, &position, &s); n++)
                sum += (uint8_t) s.data[s.size - 1];
        assert_int_equal(n, r->n_roles);
        for (n = position = 0; record_next_method(r, &position, &s); n++)
                sum += (uint8_t) s.data[s.size - 1];
        assert_int_equal(n, r->n_methods);
        for (n = position = 0; record_next_attribute(r, &position, &a); n++)
                for (inner = 0; attribute_next_string(&a, &inner, &s); )
                        sum += s.size > 0 ? (uint8_t) s.data[s.size - 1] : 0;
        assert_int_equal(n, r->n_attributes);
        return sum;
}

static void test_S18_truncated_at_every_byte(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        for (size_t cut = 0; cut < size; cut++) {
                _cleanup_free_ uint8_t *part = malloc(cut > 0 ? cut : 1);

                memcpy(part, data, cut);
                assert_int_equal(record_decode(part, cut, &got), -EBADMSG);
                assert_int_equal(record_decode_trusted(part, cut, &got), -EBADMSG);

                /* With a size and a checksum that fit what is left, too. */
                if (cut < RECORD_FIXED_SIZE)
                        continue;
                store_le32(part + 12, (uint32_t) cut);
                reseal(part, cut);
                assert_int_equal(record_decode(part, cut, &got), -EBADMSG);
        }
}

static void test_S18_bytes_behind_the_end(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size), *longer = calloc(1, size + 1);

        memcpy(longer, data, size);
        assert_int_equal(record_decode(longer, size + 1, &got), -EBADMSG);
        assert_int_equal(record_decode_trusted(longer, size + 1, &got), -EBADMSG);
        store_le32(longer + 12, (uint32_t) (size + 1));
        reseal(longer, size + 1);
        assert_int_equal(record_decode(longer, size + 1, &got), -EBADMSG);
}

/* The checksum refuses every bit flipped; without it nothing outside the record is looked at. */
static void test_S18_every_bit_flipped(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);
        unsigned sum = 0;

        for (size_t bit = 0; bit < 8 * size; bit++) {
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
                assert_int_equal(record_decode(data, size, &got), -EBADMSG);
                if (record_decode_trusted(data, size, &got) == 0)
                        sum += walk(&got);
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
        assert_true(sum > 0);
        assert_int_equal(record_decode(data, size, &got), 0);
}

/* Every byte of the variable part set to every value, with a good checksum. */
static void test_S18_every_byte_replaced(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        for (size_t at = RECORD_FIXED_SIZE - 44; at < size; at++) {
                uint8_t before = data[at];

                for (unsigned c = 0; c < 256; c++) {
                        data[at] = (uint8_t) c;
                        if (record_decode_trusted(data, size, &got) == 0) {
                                _cleanup_free_ uint8_t *again = NULL;
                                size_t size2;

                                /* What is believed can be written again, and is the same. */
                                walk(&got);
                                again = encode(&got, &size2);
                                assert_int_equal(size2, size);
                                assert_memory_equal(again + 8, data + 8, size - 8);
                        }
                }
                data[at] = before;
        }
}

static void test_S18_random_bytes(void **state) {
        for (unsigned i = 0; i < 5000; i++) {
                Record r = sample(), got;
                size_t size;
                _cleanup_free_ uint8_t *data = encode(&r, &size);

                assert_int_equal(random_bytes(data + 132, size - 132), 0);
                if (i % 2)
                        store_le32(data + 132, 0x00010101);
                reseal(data, size);
                if (record_decode(data, size, &got) == 0)
                        walk(&got);
        }
}

static void test_L10_newer_format_is_named(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        store_le16(data + 8, 2);
        assert_int_equal(record_decode(data, size, &got), -EBADMSG);
        reseal(data, size);
        assert_int_equal(record_decode(data, size, &got), -EPROTONOSUPPORT);
        assert_int_equal(record_decode_trusted(data, size, &got), -EPROTONOSUPPORT);
        store_le16(data + 8, 0);
        reseal(data, size);
        assert_int_equal(record_decode(data, size, &got), -EBADMSG);
}

static void test_touch_changes_last_seen_alone(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        assert_int_equal(record_set_last_seen(data, size, UINT64_C(0x0102030405060708)), 0);
        r.last_seen = UINT64_C(0x0102030405060708);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);
        assert_int_equal(record_set_last_seen(data, RECORD_FIXED_SIZE - 1, 1), -EBADMSG);
}

static void test_C5_roles_live_in_the_record(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        assert_int_equal(record_decode(data, size, &got), 0);
        assert_true(record_has_role(&got, slice_of("USER")));
        assert_true(record_has_role(&got, slice_of("ADMIN")));
        assert_false(record_has_role(&got, slice_of("USE")));
        assert_false(record_has_role(&got, slice_of("USERS")));
        assert_false(record_has_role(&got, slice_of("user")));
        assert_false(record_has_role(&got, slice_of("")));
        assert_true(record_has_role(&r, slice_of("USER")));
}

static void test_strings_of_an_attribute(void **state) {
        Attribute a = attributes[5];
        size_t position = 0;
        Slice s;

        assert_true(attribute_next_string(&a, &position, &s));
        assert_slice(s, slice_of("de"));
        assert_true(attribute_next_string(&a, &position, &s));
        assert_slice(s, slice_of(""));
        assert_true(attribute_next_string(&a, &position, &s));
        assert_slice(s, slice_of("en"));
        assert_false(attribute_next_string(&a, &position, &s));

        position = 0;
        assert_false(attribute_next_string(&attributes[0], &position, &s));
}

/* Whatever position they are given. */
static void test_walks_stay_inside(void **state) {
        Record r = sample(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&r, &size);

        assert_int_equal(record_decode(data, size, &got), 0);
        for (size_t i = 0; i < size + 10; i++) {
                size_t position = i;
                Attribute a;
                Slice s;

                while (record_next_attribute(&got, &position, &a))
                        ;
                for (position = i; record_next_role(&got, &position, &s); )
                        ;
                for (position = i; attribute_next_string(&attributes[5], &position, &s); )
                        ;
                position = SIZE_MAX - i;
                assert_false(record_next_role(&got, &position, &s));
                assert_false(record_next_role(&r, &position, &s));
        }
}

static void test_R5_every_session_has_an_end(void **state) {
        static const struct {
                uint64_t last_seen, idle, lifetime_end, end;
        } cases[] = {
                { 100, 50, 1000, 150 }, { 100, 900, 1000, 1000 }, { 100, 901, 1000, 1000 }, { 100, 899, 1000, 999 },
                { 100, 0, 1000, 100 }, { 100, UINT64_MAX, 1000, 1000 }, { UINT64_MAX, 1, 5, 5 },
                { UINT64_MAX - 1, 1, UINT64_MAX, UINT64_MAX }, { 0, 0, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Record r = { .last_seen = cases[i].last_seen, .idle_usec = cases[i].idle,
                             .lifetime_end = cases[i].lifetime_end };

                assert_true(record_end(&r) == cases[i].end);
        }
}

static void test_realtime_of_steady_points(void **state) {
        static const struct {
                uint64_t created_realtime, created, steady, realtime;
        } cases[] = {
                { 1000000, 500, 500, 1000000 }, { 1000000, 500, 750, 1000250 }, { 1000000, 500, 0, 999500 },
                { 100, 500, 0, 0 }, { UINT64_MAX - 5, 0, 10, UINT64_MAX }, { 0, 0, UINT64_MAX, UINT64_MAX },
                { 1000, UINT64_MAX, UINT64_MAX - 1, 999 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Record r = { .created_realtime = cases[i].created_realtime, .created = cases[i].created };

                assert_true(record_realtime(&r, cases[i].steady) == cases[i].realtime);
        }
}

static void test_slices(void **state) {
        assert_true(slice_equal(slice_of(NULL), slice_of("")));
        assert_true(slice_equal(slice("abc", 2), slice_of("ab")));
        assert_false(slice_equal(slice_of("ab"), slice_of("abc")));
        assert_true(slice_equal(slice("a\0b", 3), slice("a\0b", 3)));
        assert_false(slice_equal(slice("a\0b", 3), slice("a\0c", 3)));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_layout),
                cmocka_unit_test(test_a_typical_record_is_small),
                cmocka_unit_test(test_anonymous_round_trip),
                cmocka_unit_test(test_decoded_record_can_be_encoded_again),
                cmocka_unit_test(test_buffer_too_small),
                cmocka_unit_test(test_S23_string_limits),
                cmocka_unit_test(test_S23_list_limits),
                cmocka_unit_test(test_S23_attribute_limits),
                cmocka_unit_test(test_attributes_that_cannot_be_kept),
                cmocka_unit_test(test_S26_a_visitor_is_nobody),
                cmocka_unit_test(test_S18_truncated_at_every_byte),
                cmocka_unit_test(test_S18_bytes_behind_the_end),
                cmocka_unit_test(test_S18_every_bit_flipped),
                cmocka_unit_test(test_S18_every_byte_replaced),
                cmocka_unit_test(test_S18_random_bytes),
                cmocka_unit_test(test_L10_newer_format_is_named),
                cmocka_unit_test(test_touch_changes_last_seen_alone),
                cmocka_unit_test(test_C5_roles_live_in_the_record),
                cmocka_unit_test(test_strings_of_an_attribute),
                cmocka_unit_test(test_walks_stay_inside),
                cmocka_unit_test(test_R5_every_session_has_an_end),
                cmocka_unit_test(test_realtime_of_steady_points),
                cmocka_unit_test(test_slices),
        };

        memset(many, 'm', sizeof(many));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
