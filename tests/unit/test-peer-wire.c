/* SPDX-License-Identifier: MIT */
/* Where messages end, how many descriptors they claim, and the handshake, line by line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cleanup.h"
#include "peer-wire.h"

#define HEADER(text) ((const uint8_t *) text)

static void test_S23_message_size(void **state) {
        static const struct {
                const char *header;
                ssize_t size;
        } cases[] = {
                { "l\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0", 16 },
                { "l\1\0\1\5\0\0\0\1\0\0\0\0\0\0\0", 21 },
                { "l\1\0\1\5\0\0\0\1\0\0\0\1\0\0\0", 16 + 8 + 5 },
                { "l\2\0\1\5\0\0\0\1\0\0\0\10\0\0\0", 16 + 8 + 5 },
                { "B\4\7\1\0\0\0\5\0\0\0\1\0\0\0\11", 16 + 16 + 5 },
                { "l\1\0\1\360\377\3\0\1\0\0\0\0\0\0\0", 256 * 1024 },
                { "l\1\0\1\361\377\3\0\1\0\0\0\0\0\0\0", -EMSGSIZE },
                { "l\1\0\1\360\377\3\0\1\0\0\0\1\0\0\0", -EMSGSIZE },
                { "l\1\0\1\377\377\377\377\1\0\0\0\377\377\377\377", -EMSGSIZE },
                { "B\1\0\1\0\4\0\1\0\0\0\1\0\0\0\0", -EMSGSIZE },
                { "L\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0", -EBADMSG },
                { "l\0\0\1\0\0\0\0\1\0\0\0\0\0\0\0", -EBADMSG },
                { "l\5\0\1\0\0\0\0\1\0\0\0\0\0\0\0", -EBADMSG },
                { "l\1\0\0\0\0\0\0\1\0\0\0\0\0\0\0", -EBADMSG },
                { "l\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(wire_message_size(HEADER(cases[i].header)), cases[i].size);
}

static void test_the_serial_that_an_answer_bears(void **state) {
        assert_int_equal(wire_call_serial(HEADER("l\1\0\1\0\0\0\0\1\2\0\0\0\0\0\0")), 0x201);
        assert_int_equal(wire_call_serial(HEADER("B\1\6\1\0\0\0\0\0\0\2\1\0\0\0\0")), 0x201);
        assert_int_equal(wire_call_serial(HEADER("l\1\1\1\0\0\0\0\1\2\0\0\0\0\0\0")), 0);      /* wants none */
        for (char type = 2; type <= 4; type++) {
                uint8_t header[WIRE_HEADER_SIZE] = { 'l', (uint8_t) type, 0, 1, [8] = 1 };

                assert_int_equal(wire_call_serial(header), 0);
        }
}

static void test_descriptors_of_a_message(void **state) {
        static const char one[] = "l\1\0\1\0\0\0\0\1\0\0\0\50\0\0\0"
                                  "\1\1o\0\1\0\0\0/\0\0\0\0\0\0\0"
                                  "\10\1g\0\1h\0\0"
                                  "\11\1u\0\3\0\0\0"
                                  "\3\1s\0\0\0\0\0";
        uint8_t copy[sizeof(one) + 8];

        /* the last string lacks its NUL inside the announced size: 40 bytes of fields end before it */
        assert_int_equal(wire_message_fds(HEADER(one), 16 + 40), -EBADMSG);
        memcpy(copy, one, sizeof(one));
        copy[12] = 32;
        assert_int_equal(wire_message_fds(copy, 16 + 32), 3);
        copy[12] = 24;
        assert_int_equal(wire_message_fds(copy, 16 + 32), 0);
        copy[12] = 33;
        assert_int_equal(wire_message_fds(copy, 16 + 32), -EBADMSG);
        copy[12] = 32;
        copy[16 + 16 + 8 + 4] = 17;
        assert_int_equal(wire_message_fds(copy, 16 + 32), -EBADMSG);
        copy[16 + 16 + 8 + 2] = 'i';
        assert_int_equal(wire_message_fds(copy, 16 + 32), -EBADMSG);
}

static void test_any_bytes_are_safe(void **state) {
        uint32_t seed = 7;
        uint8_t *message;

        for (int i = 0; i < 200000; i++) {
                size_t size = 16 + (seed >> 16) % 64;

                message = malloc(size);         /* exactly, for the sanitizer to see a byte too far */
                assert_non_null(message);
                for (size_t k = 0; k < size; k++)
                        message[k] = (uint8_t) ((seed = seed * 1103515245 + 12345) >> 24) & (k % 3 ? 0x1f : 0x7f);
                message[0] = 'l';
                message[13] = message[14] = message[15] = 0;
                assert_true(wire_message_fds(message, size) <= (int) WIRE_FDS_MAX);
                free(message);
        }
}

/* ---- handshake ---- */

typedef struct Line {
        const char *line, *answer;      /* NULL: the connection is closed */
} Line;

#define GUID "0123456789abcdef0123456789abcdef"
#define OK "OK " GUID "\r\n"

static Sasl talk(uid_t uid, const Line *lines) {
        Sasl s = { .uid = uid };
        char answer[64];

        for (; lines->line; lines++) {
                int r = sasl_line(&s, lines->line, strlen(lines->line), GUID, answer);

                assert_int_equal(r, lines->answer ? 0 : -EPROTO);
                if (lines->answer)
                        assert_string_equal(answer, lines->answer);
        }
        return s;
}

static void test_handshakes_of_real_clients(void **state) {
        /* sd-bus */
        Sasl s = talk(1000,
                (Line[]) { { "AUTH EXTERNAL", "DATA\r\n" }, { "DATA", OK },
                        { "NEGOTIATE_UNIX_FD", "AGREE_UNIX_FD\r\n" }, { "BEGIN", "" }, {} });

        assert_int_equal(s.state, SASL_DONE);
        assert_true(s.fds);
        /* libdbus, GDBus, dbus-next */
        s = talk(1000,
                (Line[]) { { "AUTH EXTERNAL 31303030", OK }, { "NEGOTIATE_UNIX_FD", "AGREE_UNIX_FD\r\n" },
                        { "BEGIN", "" }, {} });
        assert_int_equal(s.state, SASL_DONE);
        /* GDBus asks what there is first */
        s = talk(0, (Line[]) { { "AUTH", "REJECTED EXTERNAL\r\n" }, { "AUTH EXTERNAL 30", OK }, { "BEGIN", "" }, {} });
        assert_int_equal(s.state, SASL_DONE);
        assert_false(s.fds);
}

static void test_S26_identity_is_the_kernels(void **state) {
        Sasl s = talk(1000, (Line[]) {
                { "AUTH EXTERNAL 30", "REJECTED EXTERNAL\r\n" },                /* root */
                { "AUTH EXTERNAL 3130303030", "REJECTED EXTERNAL\r\n" },
                { "AUTH EXTERNAL 313030", "REJECTED EXTERNAL\r\n" },
                { "AUTH EXTERNAL 3130303", "REJECTED EXTERNAL\r\n" },
                { "AUTH EXTERNAL zz", "REJECTED EXTERNAL\r\n" },
                { "AUTH EXTERNAL  31303030", "REJECTED EXTERNAL\r\n" },
                { "AUTH ANONYMOUS", "REJECTED EXTERNAL\r\n" },
                { "AUTH DBUS_COOKIE_SHA1 31", "REJECTED EXTERNAL\r\n" },
                { "AUTH EXTERNAL", "DATA\r\n" },
                { "DATA 30", "REJECTED EXTERNAL\r\n" },
                { "DATA 31303030", "ERROR\r\n" },
                {},
        });

        assert_int_equal(s.state, SASL_WANTS_AUTH);
}

static void test_handshake_out_of_order(void **state) {
        talk(0, (Line[]) { { "BEGIN", NULL }, {} });
        talk(0, (Line[]) { { "AUTH EXTERNAL", "DATA\r\n" }, { "BEGIN", NULL }, {} });
        talk(0, (Line[]) { { "NEGOTIATE_UNIX_FD", "ERROR\r\n" }, { "", "ERROR\r\n" }, { "AUTHX", "ERROR\r\n" }, {} });
        talk(0, (Line[]) { { "AUTH EXTERNAL 30", OK }, { "CANCEL", "REJECTED EXTERNAL\r\n" }, { "BEGIN", NULL }, {} });
        talk(0, (Line[]) { { "AUTH EXTERNAL 30", OK }, { "BEGIN", "" }, { "BEGIN", NULL }, {} });
        talk(0,
                (Line[]) { { "AUTH EXTERNAL 30", OK }, { "ERROR what", "REJECTED EXTERNAL\r\n" },
                        { "AUTH EXTERNAL 30", OK }, { "BEGIN", "" }, {} });
}

static void test_handshake_ends(void **state) {
        Sasl s = {};
        char answer[64];
        unsigned n = 0;

        while (sasl_line(&s, "HELP", 4, GUID, answer) == 0)
                n++;
        assert_int_equal(n, SASL_LINES_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S23_message_size),
                cmocka_unit_test(test_the_serial_that_an_answer_bears),
                cmocka_unit_test(test_descriptors_of_a_message),
                cmocka_unit_test(test_any_bytes_are_safe),
                cmocka_unit_test(test_handshakes_of_real_clients),
                cmocka_unit_test(test_S26_identity_is_the_kernels),
                cmocka_unit_test(test_handshake_out_of_order),
                cmocka_unit_test(test_handshake_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
