/* SPDX-License-Identifier: MIT */
/* Records: round trip, layout, limits, and the questions asked of them. */
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
#include "record-sample.h"

static void test_round_trip(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

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
        Record r = sample_record();
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

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
        Record r = sample_record();

        r.user = slice("user0001", 8);
        r.user_agent = r.creator_unit = slice_of(NULL);
        r.attributes = three;
        r.n_attributes = 3;
        assert_true(record_size(&r) < 300);
}

static void test_anonymous_round_trip(void **state) {
        Record r = { .flags = RECORD_ANONYMOUS, .service = { "s", 1 }, .uid = RECORD_NO_UID }, got;
        size_t size, position = 0;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);
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
        Record r = sample_record(), got, again;
        size_t size, size2;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size), *same = NULL, *changed = NULL, *bare = NULL;

        assert_int_equal(record_decode(data, size, &got), 0);
        same = sample_encode(&got, &size2);
        assert_int_equal(size2, size);
        assert_memory_equal(same, data, size);

        got.roles = r.roles = other;
        got.n_roles = r.n_roles = 1;
        changed = sample_encode(&got, &size2);
        assert_int_equal(record_decode(changed, size2, &again), 0);
        assert_record(&again, &r);

        got.roles = NULL;
        got.n_roles = got.n_methods = got.n_attributes = 0;
        bare = sample_encode(&got, &size2);
        assert_int_equal(record_decode(bare, size2, &again), 0);
        assert_int_equal(again.n_roles + again.n_methods + again.n_attributes, 0);
}

static void test_buffer_too_small(void **state) {
        Record r = sample_record();
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
                Record r = sample_record(), got;
                Slice *s = (Slice *) (void *) ((char *) &r + limits[i].offset);
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                *s = slice(many, limits[i].max);
                data = sample_encode(&r, &size);
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
        Record r = sample_record(), got;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                list[i] = slice(many, 64);
        r.roles = list;
        r.n_roles = 32;
        data = sample_encode(&r, &size);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);

        r.n_roles = 33;
        assert_no_record(&r);
        r.n_roles = 32;
        list[31].size = 65;
        assert_no_record(&r);
        list[31].size = 0;
        assert_no_record(&r);

        r = sample_record();
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
        Record r = sample_record(), got;
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
        data = sample_encode(&r, &size);
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
                Record r = sample_record();

                r.attributes = &bad[i];
                r.n_attributes = 1;
                assert_no_record(&r);
        }
}

static void test_S26_a_visitor_is_nobody(void **state) {
        Record r = sample_record();

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

        r = sample_record();
        r.service.size = 0;
        assert_no_record(&r);
        r = sample_record();
        r.flags = 1 << 4;
        assert_no_record(&r);
        r.flags = UINT32_C(1) << 16;
        assert_no_record(&r);
}

static void test_touch_changes_last_seen_alone(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

        assert_int_equal(record_set_last_seen(data, size, UINT64_C(0x0102030405060708)), 0);
        r.last_seen = UINT64_C(0x0102030405060708);
        assert_int_equal(record_decode(data, size, &got), 0);
        assert_record(&got, &r);
        assert_int_equal(record_set_last_seen(data, RECORD_FIXED_SIZE - 1, 1), -EBADMSG);
}

static void test_C5_roles_live_in_the_record(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

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
        Attribute a = *sample_languages;
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
        assert_false(attribute_next_string(sample_cart, &position, &s));
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
                cmocka_unit_test(test_touch_changes_last_seen_alone),
                cmocka_unit_test(test_C5_roles_live_in_the_record),
                cmocka_unit_test(test_strings_of_an_attribute),
                cmocka_unit_test(test_R5_every_session_has_an_end),
                cmocka_unit_test(test_realtime_of_steady_points),
                cmocka_unit_test(test_slices),
        };

        memset(many, 'm', sizeof(many));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
