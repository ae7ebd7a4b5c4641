/* SPDX-License-Identifier: MIT */
/* Damaged records: none is believed, and nothing outside one is looked at. Records lie in heap memory of their exact
 * size, so that the address sanitizer sees a step beyond either end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "bytes.h"
#include "cleanup.h"
#include "record-sample.h"

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
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

        for (size_t cut = 0; cut < size; cut++) {
                _cleanup_free_ uint8_t *part = malloc(cut > 0 ? cut : 1);

                memcpy(part, data, cut);
                assert_int_equal(record_decode(part, cut, &got), -EBADMSG);
                assert_int_equal(record_decode_trusted(part, cut, &got), -EBADMSG);

                /* With a size and a checksum that fit what is left, too. */
                if (cut < RECORD_FIXED_SIZE)
                        continue;
                store_le32(part + 12, (uint32_t) cut);
                sample_reseal(part, cut);
                assert_int_equal(record_decode(part, cut, &got), -EBADMSG);
        }
}

static void test_S18_bytes_behind_the_end(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size), *longer = calloc(1, size + 1);

        memcpy(longer, data, size);
        assert_int_equal(record_decode(longer, size + 1, &got), -EBADMSG);
        assert_int_equal(record_decode_trusted(longer, size + 1, &got), -EBADMSG);
        store_le32(longer + 12, (uint32_t) (size + 1));
        sample_reseal(longer, size + 1);
        assert_int_equal(record_decode(longer, size + 1, &got), -EBADMSG);
}

/* The checksum refuses every bit flipped; without it nothing outside the record is looked at. */
static void test_S18_every_bit_flipped(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);
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
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

        for (size_t at = RECORD_FIXED_SIZE - 44; at < size; at++) {
                uint8_t before = data[at];

                for (unsigned c = 0; c < 256; c++) {
                        data[at] = (uint8_t) c;
                        if (record_decode_trusted(data, size, &got) == 0) {
                                _cleanup_free_ uint8_t *again = NULL;
                                size_t size2;

                                /* What is believed can be written again, and is the same. */
                                walk(&got);
                                again = sample_encode(&got, &size2);
                                assert_int_equal(size2, size);
                                assert_memory_equal(again + 8, data + 8, size - 8);
                        }
                }
                data[at] = before;
        }
}

static void test_S18_random_bytes(void **state) {
        for (unsigned i = 0; i < 5000; i++) {
                Record r = sample_record(), got;
                size_t size;
                _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

                assert_int_equal(random_bytes(data + 132, size - 132), 0);
                if (i % 2)
                        store_le32(data + 132, 0x00010101);
                sample_reseal(data, size);
                if (record_decode(data, size, &got) == 0)
                        walk(&got);
        }
}

static void test_L10_newer_format_is_named(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

        store_le16(data + 8, 2);
        assert_int_equal(record_decode(data, size, &got), -EBADMSG);
        sample_reseal(data, size);
        assert_int_equal(record_decode(data, size, &got), -EPROTONOSUPPORT);
        assert_int_equal(record_decode_trusted(data, size, &got), -EPROTONOSUPPORT);
        store_le16(data + 8, 0);
        sample_reseal(data, size);
        assert_int_equal(record_decode(data, size, &got), -EBADMSG);
}

/* Whatever position they are given. */
static void test_walks_stay_inside(void **state) {
        Record r = sample_record(), got;
        size_t size;
        _cleanup_free_ uint8_t *data = sample_encode(&r, &size);

        assert_int_equal(record_decode(data, size, &got), 0);
        for (size_t i = 0; i < size + 10; i++) {
                size_t position = i;
                Attribute a;
                Slice s;

                while (record_next_attribute(&got, &position, &a))
                        ;
                for (position = i; record_next_role(&got, &position, &s); )
                        ;
                for (position = i; attribute_next_string(sample_languages, &position, &s); )
                        ;
                position = SIZE_MAX - i;
                assert_false(record_next_role(&got, &position, &s));
                assert_false(record_next_role(&r, &position, &s));
        }
}

/* Sealed well, counted well, and yet against the limits: what another writer might have written. */
static void test_S23_limits_hold_when_decoding(void **state) {
        static const Slice one[] = { { "R", 1 } };
        static const uint8_t extra[] = { 1, 'b', 'b', 1, 0, 1 };
        static char large[16 * 1024 - 5];
        const Attribute whole = { .key = { "k", 1 }, .type = 'y', .bytes = { large, sizeof(large) } };
        Record r = sample_record(), got;
        _cleanup_free_ uint8_t *data = NULL, *more = NULL, *attribute = NULL;
        size_t size, role, n;

        r.roles = one;
        r.n_roles = 1;
        r.n_methods = r.n_attributes = 0;
        data = sample_encode(&r, &size);
        role = size - 2;
        assert_int_equal(data[role], 1);
        data[role] = 0;
        store_le32(data + 12, (uint32_t) size - 1);
        sample_reseal(data, size - 1);
        assert_int_equal(record_decode(data, size - 1, &got), -EBADMSG);

        /* All the bytes of attributes that there may be, and one attribute more. */
        r.attributes = &whole;
        r.n_attributes = 1;
        attribute = sample_encode(&r, &size);
        assert_int_equal(record_decode(attribute, size, &got), 0);
        n = sizeof(extra);
        more = malloc(size + n);
        assert_non_null(more);
        memcpy(more, attribute, size);
        memcpy(more + size, extra, n);
        store_le32(more + 12, (uint32_t) (size + n));
        store_le16(more + 134, 2);
        sample_reseal(more, size + n);
        assert_int_equal(record_decode(more, size + n, &got), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S18_truncated_at_every_byte),
                cmocka_unit_test(test_S18_bytes_behind_the_end),
                cmocka_unit_test(test_S18_every_bit_flipped),
                cmocka_unit_test(test_S18_every_byte_replaced),
                cmocka_unit_test(test_S18_random_bytes),
                cmocka_unit_test(test_S23_limits_hold_when_decoding),
                cmocka_unit_test(test_L10_newer_format_is_named),
                cmocka_unit_test(test_walks_stay_inside),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
