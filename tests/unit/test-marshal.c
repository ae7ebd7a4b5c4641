/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "cleanup.h"
#include "marshal.h"

static size_t sample(uint8_t *data, size_t size, bool *full) {
        Marshal m = { .data = data, .size = size };
        MarshalArray entries, list;

        marshal_header(&m, &(MarshalHeader) {
                .type = MARSHAL_CALL, .serial = 7, .path = slice_of("/a/b"), .interface = slice_of("a.B"), .member = slice_of("Call"),
                .signature = slice_of("sa{sv}"),
        });
        marshal_string(&m, slice_of("first"));
        entries = marshal_open(&m, 8);
        marshal_align(&m, 8);
        marshal_string(&m, slice_of("Roles"));
        marshal_signature(&m, slice_of("as"));
        list = marshal_open(&m, 4);
        marshal_string(&m, slice_of("USER"));
        marshal_string(&m, slice_of(""));
        marshal_close(&m, list);
        marshal_align(&m, 8);
        marshal_string(&m, slice_of("At"));
        marshal_signature(&m, slice_of("t"));
        marshal_u64(&m, UINT64_C(0x1122334455667788));
        marshal_close(&m, entries);
        marshal_end(&m);
        *full = m.full;
        return m.used;
}

static void assert_text(Slice s, const char *text) {
        assert_int_equal(s.size, strlen(text));
        assert_memory_equal(s.data, text, s.size);
        assert_int_equal(s.data[s.size], 0);
}

static bool read_all(const uint8_t *data, size_t size) {
        Unmarshal u = { .data = data, .size = size };
        MarshalHeader h;
        size_t end;

        if (!unmarshal_header(&u, &h))
                return false;
        (void) unmarshal_string(&u);
        end = unmarshal_open(&u, 8);
        while (!u.bad && u.at < end) {
                Slice type;

                unmarshal_align(&u, 8);
                (void) unmarshal_string(&u);
                type = unmarshal_signature(&u);
                if (slice_equal(type, slice_of("t")))
                        (void) unmarshal_u64(&u);
                else {
                        size_t list = unmarshal_open(&u, 4);

                        while (!u.bad && u.at < list)
                                (void) unmarshal_string(&u);
                }
        }
        return !u.bad && u.at == end && u.at == size;
}

static void test_what_is_written_is_read_again(void **state) {
        uint8_t data[512];
        bool full;
        Unmarshal u = { .data = data, .size = sample(data, sizeof(data), &full) };
        MarshalHeader h;
        size_t end, list;

        assert_false(full);
        assert_true(unmarshal_header(&u, &h));
        assert_int_equal(h.type, MARSHAL_CALL);
        assert_int_equal(h.serial, 7);
        assert_int_equal(h.reply_serial, 0);
        assert_text(h.path, "/a/b");
        assert_text(h.interface, "a.B");
        assert_text(h.member, "Call");
        assert_text(h.signature, "sa{sv}");
        assert_text(unmarshal_string(&u), "first");
        end = unmarshal_open(&u, 8);
        assert_int_equal(end, u.size);
        assert_text(unmarshal_string(&u), "Roles");
        assert_text(unmarshal_signature(&u), "as");
        list = unmarshal_open(&u, 4);
        assert_text(unmarshal_string(&u), "USER");
        assert_text(unmarshal_string(&u), "");
        assert_int_equal(u.at, list);
        unmarshal_align(&u, 8);
        assert_text(unmarshal_string(&u), "At");
        assert_text(unmarshal_signature(&u), "t");
        assert_true(unmarshal_u64(&u) == UINT64_C(0x1122334455667788));
        assert_int_equal(u.at, end);
        assert_false(u.bad);
}

static void test_memory_too_small_is_full_and_never_overrun(void **state) {
        uint8_t data[512];
        bool full;
        size_t whole = sample(data, sizeof(data), &full);

        for (size_t size = 0; size < whole; size++) {
                memset(data, 0xaa, sizeof(data));
                (void) sample(data, size, &full);
                assert_true(full);
                for (size_t i = size; i < sizeof(data); i++)
                        assert_int_equal(data[i], 0xaa);
        }
}

/* Copies of the exact size, so that a read beyond the end is seen by the address sanitizer. */
static void test_cut_messages_are_bad(void **state) {
        uint8_t data[512];
        bool full;
        size_t whole = sample(data, sizeof(data), &full);

        assert_true(read_all(data, whole));
        for (size_t size = 0; size < whole; size++) {
                _cleanup_free_ uint8_t *cut = malloc(size ? size : 1);

                assert_non_null(cut);
                memcpy(cut, data, size);
                assert_false(read_all(cut, size));
        }
}

static void test_damaged_messages_are_read_within_their_bounds(void **state) {
        static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
        uint8_t data[512];
        bool full;
        size_t whole = sample(data, sizeof(data), &full);

        for (size_t i = 0; i < whole; i++)
                for (size_t v = 0; v < ELEMENTSOF(values); v++) {
                        _cleanup_free_ uint8_t *damaged = malloc(whole);

                        assert_non_null(damaged);
                        memcpy(damaged, data, whole);
                        damaged[i] = values[v];
                        (void) read_all(damaged, whole);
                }
}

static void test_any_value_is_passed_over(void **state) {
        static const struct { const char *type; size_t size; } values[] = {
                { "y", 1 }, { "q", 2 }, { "u", 4 }, { "t", 8 }, { "(yt)", 16 }, { "(y(yu)q)", 18 }, { "as", 4 }, { "a{sv}", 8 },
                { "aat", 4 }, { "a(t)", 8 }, { "s", 5 }, { "g", 2 }, { "v", 0 }, { "(", 0 }, { "a", 0 }, { "{s", 0 },
        };
        static const uint8_t zero[64];

        /* Zeroes are empty strings and arrays, and a variant without a type, which is passed over as nothing */
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                Unmarshal u = { .data = zero, .size = sizeof(zero) };

                unmarshal_skip(&u, slice_of(values[i].type));
                if (values[i].size > 0) {
                        assert_false(u.bad);
                        assert_int_equal(u.at, values[i].size);
                } else if (values[i].type[0] != 'v')
                        assert_true(u.bad);
        }
}

static void test_header_fields_of_another_type_are_refused(void **state) {
        uint8_t data[512];
        Marshal m = { .data = data, .size = sizeof(data) };
        Unmarshal u = { .data = data };
        MarshalHeader h;
        uint8_t *type;

        marshal_header(&m, &(MarshalHeader) { .type = MARSHAL_REPLY, .serial = 1, .reply_serial = 2 });
        marshal_end(&m);
        u.size = m.used;
        assert_true(unmarshal_header(&u, &h));
        assert_int_equal(h.reply_serial, 2);
        type = memchr(data + MARSHAL_HEADER_SIZE, 'u', m.used - MARSHAL_HEADER_SIZE);
        assert_non_null(type);
        *type = 's';
        u.at = 0;
        assert_false(unmarshal_header(&u, &h));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_written_is_read_again),
                cmocka_unit_test(test_memory_too_small_is_full_and_never_overrun),
                cmocka_unit_test(test_cut_messages_are_bad),
                cmocka_unit_test(test_damaged_messages_are_read_within_their_bounds),
                cmocka_unit_test(test_any_value_is_passed_over),
                cmocka_unit_test(test_header_fields_of_another_type_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
