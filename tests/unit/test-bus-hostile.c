/* SPDX-License-Identifier: MIT */
/* What a hostile peer of the private socket can do: lose its connection, and nothing else. Raw sockets against a
 * running Bus. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "bus-toy.h"
#include "bus-wire.h"
#include "cleanup.h"
#include "peer-wire.h"
#include "websess-names.h"

#define MANAGER WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE

static Toy toy;

static int setup(void **state) {
        struct rlimit files = { 4096, 4096 };

        (void) setrlimit(RLIMIT_NOFILE, &files);
        toy_start(&toy, &(ToyOptions) {
                .limits.max_connections = 200,
                .limits.max_connections_per_user = 20,
                .limits.max_pending_per_user = 8,
                .limits.max_bytes_per_user = 2 * 1024 * 1024,
                .timeout_usec = 300000,
        });
        return 0;
}

static int teardown(void **state) {
        /* whatever happened, the Bus still serves */
        sd_bus *bus = toy_connect(&toy, true);

        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "still there") >= 0);
        sd_bus_close_unref(bus);
        toy_stop(&toy);
        return 0;
}

static void test_raw_call_is_answered(void **state) {
        Wire w = wire_echo("hello", 5);
        int fd = toy_raw_hello(&toy);

        wire_send(fd, w.bytes, w.size);
        assert_int_equal(wire_next_type(fd), 2);
        for (size_t i = 0; i < w.size; i++)     /* and a byte at a time */
                wire_send(fd, w.bytes + i, 1);
        assert_int_equal(wire_next_type(fd), 2);
        close(fd);
}

static void test_S23_long_and_malformed_headers_cost_the_connection(void **state) {
        static const char *const headers[] = {
                "l\1\0\1\0\0\0\4\1\0\0\0\0\0\0\0",              /* a body of 64 MiB */
                "l\1\0\1\0\0\0\0\1\0\0\0\0\0\0\4",              /* fields of 64 MiB */
                "B\1\0\1\4\0\0\0\0\0\0\1\0\0\0\0",              /* the same, big-endian */
                "l\1\0\1\377\377\377\377\1\0\0\0\377\377\377\377",
                "l\1\0\1\1\0\4\0\1\0\0\0\0\0\0\0",              /* a byte over 256 KiB */
                "x\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0",
                "l\0\0\1\0\0\0\0\1\0\0\0\0\0\0\0",
                "l\11\0\1\0\0\0\0\1\0\0\0\0\0\0\0",
                "l\1\0\2\0\0\0\0\1\0\0\0\0\0\0\0",
                "l\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0",              /* serial 0 */
                "l\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0",              /* well-formed, but a call of nothing */
        };
        long before = resident_kib();

        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                int fd = toy_raw_hello(&toy);

                wire_send(fd, headers[i], 16);
                toy_wait_eof(fd);
                close(fd);
        }
        assert_grown_less(before, 8192);
}

static void test_S23_nothing_is_read_behind_a_malformed_message(void **state) {
        Wire w = wire_call("Echo", "s", "\0\0\0\0\0", 5);
        uint8_t both[2048];
        int fd = toy_raw_hello(&toy);
        unsigned calls = toy.n_calls;

        memcpy(both, w.bytes, w.size);
        both[16 + 2] = 'x';             /* the path's type is none */
        memcpy(both + w.size, w.bytes, w.size);
        wire_send(fd, both, 2 * w.size);
        toy_wait_eof(fd);
        assert_int_equal(toy.n_calls, calls);
        close(fd);
}

static void test_S23_half_sent_messages_cost_the_connection(void **state) {
        static const size_t parts[] = { 1, 15, 16, 17, 40 };
        Wire w = wire_echo("hello", 5);

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int fd = toy_raw_hello(&toy);

                /* a whole one before it: the clock runs for the unfinished one alone */
                wire_send(fd, w.bytes, w.size);
                wire_send(fd, w.bytes, parts[i]);
                assert_int_equal(wire_next_type(fd), 2);
                toy_wait_eof(fd);
                close(fd);
        }
}

/* A call of so many bytes of which the head alone means anything. */
static void send_long(int fd, size_t size, uint8_t type, uint8_t flags) {
        uint8_t bytes[2048] = { 'l', type, flags, 1, [8] = 1 };
        uint32_t body = (uint32_t) size - 16;

        memcpy(bytes + 4, &body, sizeof(body));
        for (size_t n; size > 0; size -= n) {
                n = size < sizeof(bytes) ? size : sizeof(bytes);
                wire_send(fd, bytes, n);
                memset(bytes, 'x', sizeof(bytes));
        }
}

static void test_S23_a_call_that_is_too_long_is_refused(void **state) {
        static const size_t sizes[] = { WIRE_CALL_MAX + 1, 100000, WIRE_MESSAGE_MAX };
        Wire w = wire_echo("hello", 5);
        int fd = toy_raw_hello(&toy);

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                send_long(fd, sizes[i], 1, 0);
                wire_send(fd, w.bytes, w.size);
                assert_int_equal(wire_next_type(fd), 3);
                assert_int_equal(wire_next_type(fd), 2);
        }
        /* one that wants no answer, and what is no call, get none */
        send_long(fd, WIRE_CALL_MAX + 1, 1, 1);
        send_long(fd, WIRE_CALL_MAX + 1, 4, 0);
        wire_send(fd, w.bytes, w.size);
        assert_int_equal(wire_next_type(fd), 2);
        close(fd);
}

static void test_S23_a_long_call_takes_no_memory(void **state) {
        int fds[8];
        long before = resident_kib();

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                uint8_t header[16] = { 'l', 1, 0, 1, [6] = 3, [8] = 1 };        /* 192 KiB */

                fds[i] = toy_raw_hello(&toy);
                wire_send(fds[i], header, sizeof(header));
                for (int n = 0; n < 40; n++)
                        wire_send(fds[i], (char[4096]) { 0 }, 4096);
        }
        (void) toy_status(&toy);
        assert_grown_less(before, 512);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                toy_wait_eof(fds[i]);           /* nor does the rest of it come */
                close(fds[i]);
        }
}

static void test_S23_a_long_call_has_its_time_and_no_more(void **state) {
        int fd = toy_raw_hello(&toy), n = 0;
        uint8_t header[16] = { 'l', 1, 0, 1, [6] = 3, [8] = 1 };

        wire_send(fd, header, sizeof(header));
        /* a byte now and then is no new beginning */
        while (send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
                assert_true(n++ < 100);
                (void) poll(&(struct pollfd) { .fd = fd, .events = 0 }, 1, 50);
        }
        close(fd);
}

static void test_idle_connection_stays(void **state) {
        Wire w = wire_echo("hello", 5);
        int idle = toy_raw_hello(&toy), half = toy_raw_hello(&toy);

        wire_send(half, w.bytes, 20);
        toy_wait_eof(half);             /* longer than the time allowed has passed */
        wire_send(idle, w.bytes, w.size);
        assert_int_equal(wire_next_type(idle), 2);
        close(idle);
        close(half);
}

static void test_who_has_finished_a_message_stays(void **state) {
        Wire w = wire_echo("hello", 5);
        int slow = toy_raw_hello(&toy), half;

        wire_send(slow, w.bytes, 20);
        for (int i = 0; i < 3; i++)     /* the loop turns, and has seen that much of it */
                (void) toy_status(&toy);
        wire_send(slow, w.bytes + 20, w.size - 20);
        assert_int_equal(wire_next_type(slow), 2);
        half = toy_raw_hello(&toy);
        wire_send(half, w.bytes, 20);
        toy_wait_eof(half);             /* longer than the time allowed has passed */
        wire_send(slow, w.bytes, w.size);
        assert_int_equal(wire_next_type(slow), 2);
        close(slow);
        close(half);
}

static void test_S23_handshake_rubbish(void **state) {
        static char lines[8192];
        static const char *const starts[] = {
                "",                                             /* silence */
                "AUTH EXTERNAL\r\n",                            /* no NUL before it */
                "\0",
                "\0BEGIN\r\n",
                "\0AUTH EXTERNAL",
                "\0AUTH EXTERNAL\r\nDATA\r\n",                  /* and then silence */
                "\0AUTH EXTERNAL 3939393939\r\nBEGIN\r\n",      /* somebody else */
                "\0AUTH ANONYMOUS\r\nBEGIN\r\n",
                "\0AUTH DBUS_COOKIE_SHA1 30\r\nBEGIN\r\n",
        };
        int fd;

        for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
                size_t n = i < 2 ? strlen(starts[i]) : 1 + strlen(starts[i] + 1);

                fd = toy_raw(&toy);
                if (n > 0)
                        wire_send(fd, starts[i], n);
                toy_wait_eof(fd);
                close(fd);
        }
        for (size_t round = 0; round < 3; round++) {
                fd = toy_raw(&toy);
                memset(lines, 'A', sizeof(lines));
                for (size_t i = 1; round == 1 && i + 2 < sizeof(lines); i += 4)
                        memcpy(lines + i, "\r\n", 2);
                for (size_t i = 0; round == 2 && i < sizeof(lines); i++)
                        lines[i] = (char) (i * 37 % 251);
                lines[0] = '\0';
                (void) send(fd, lines, sizeof(lines), MSG_NOSIGNAL);
                toy_wait_eof(fd);
                close(fd);
        }
        toy_wait_connections(&toy, 0);
}

static void test_S23_bad_utf8_is_an_invalid_argument(void **state) {
        Wire w = wire_echo("\xc3\x28 bad", 6), nul = wire_echo("a\0b", 3);
        int fd = toy_raw_hello(&toy);

        wire_send(fd, w.bytes, w.size);
        assert_int_equal(wire_next_type(fd), 3);
        wire_send(fd, nul.bytes, nul.size);
        assert_int_equal(wire_next_type(fd), 3);
        close(fd);
}

/* Flip bytes of a valid message: whatever comes of it, the Bus lives (and the sanitizers are silent). */
static void test_S23_mutated_messages(void **state) {
        const Wire whole = wire_echo("hello", 5);
        uint32_t seed = 1;

        for (int i = 0; i < 1000; i++) {
                Wire w = whole;
                int fd = toy_raw_hello(&toy);

                for (int k = 0; k < 1 + i % 3; k++) {
                        seed = seed * 1103515245 + 12345;
                        w.bytes[(seed >> 8) % w.size] ^= (uint8_t) (1u << (seed >> 28) % 8);
                }
                (void) send(fd, w.bytes, w.size, MSG_NOSIGNAL);
                (void) send(fd, whole.bytes, whole.size, MSG_NOSIGNAL);
                close(fd);
        }
        toy_wait_connections(&toy, 0);
}

/* ---- secrets ---- */

#define MASK 0x5a               /* the secret itself must not be in this program */
static const uint8_t masked[] = "a secret that shall not stay here";

/* How often the secret is in the memory of this process. */
static unsigned count_secret(void) {
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[512], mode[8];
        unsigned long from, to;
        unsigned n = 0;

        assert_non_null(maps);
        while (fgets(line, sizeof(line), maps)) {
                if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r' || mode[1] != 'w')
                        continue;
                for (const volatile uint8_t *p = (const volatile uint8_t *) from;
                        p + sizeof(masked) <= (const volatile uint8_t *) to; p++) {
                        size_t i = 0;

                        while (i < sizeof(masked) - 1 && (p[i] ^ MASK) == masked[i])
                                i++;
                        n += i == sizeof(masked) - 1;
                }
        }
        fclose(maps);
        return n;
}

static void send_secret(int fd, bool halves) {
        char secret[sizeof(masked) - 1];
        Wire body = {}, w;

        for (size_t i = 0; i < sizeof(secret); i++)
                secret[i] = (char) (masked[i] ^ MASK);
        wire_put_u32(&body, sizeof(secret));
        wire_put(&body, secret, sizeof(secret));
        wire_put(&body, "", 1);
        w = wire_call("Secret", "s", body.bytes, body.size);
        wire_send(fd, w.bytes, halves ? w.size - 3 : w.size);
        if (halves) {
                usleep(20000);          /* so that it is read in two parts; when it is not, the test is only weaker */
                wire_send(fd, w.bytes + w.size - 3, 3);
        }
        _exit(wire_next_type(fd) == 2 ? 0 : 1);
}

static void test_S19_secrets_are_wiped(void **state) {
#ifdef __SANITIZE_ADDRESS__             /* whose shadow can't be walked */
        skip();
#endif
        for (int halves = 0; halves < 2; halves++) {
                int fd = toy_raw_hello(&toy), status;
                pid_t pid = fork();     /* the client's memory is not this one */

                if (pid == 0)
                        send_secret(fd, halves);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, 0);
                (void) toy_status(&toy);
                assert_int_equal(count_secret(), 0);
                close(fd);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_raw_call_is_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_S23_long_and_malformed_headers_cost_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_nothing_is_read_behind_a_malformed_message, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_half_sent_messages_cost_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_a_call_that_is_too_long_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_a_long_call_takes_no_memory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_a_long_call_has_its_time_and_no_more, setup, teardown),
                cmocka_unit_test_setup_teardown(test_idle_connection_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_who_has_finished_a_message_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_handshake_rubbish, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_bad_utf8_is_an_invalid_argument, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_mutated_messages, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S19_secrets_are_wiped, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
