/* SPDX-License-Identifier: MIT */
/* What a hostile peer of the private socket can do: lose its connection, and nothing else. Raw sockets against a running Bus. */
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
#include "cleanup.h"
#include "websess-names.h"

#define SOMEBODY 4242u          /* not root and not us: quotas refuse him */
#define MANAGER WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE

static Toy toy;

static int setup(void **state) {
        struct rlimit files = { 4096, 4096 };

        (void) setrlimit(RLIMIT_NOFILE, &files);
        toy_start(&toy, &(ToyOptions) {
                .limits = { .max_connections = 200, .max_connections_per_user = 20, .max_pending_per_user = 8, .max_bytes_per_user = 2 * 1024 * 1024 },
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

/* ---- messages by hand ---- */

typedef struct Wire {
        uint8_t bytes[1024];
        size_t size;
} Wire;

static void put(Wire *w, const void *data, size_t size) {
        memcpy(w->bytes + w->size, data, size);
        w->size += size;
}

static void put_u32(Wire *w, uint32_t value) {
        put(w, &value, sizeof(value));
}

static void put_align(Wire *w, size_t to) {
        while (w->size % to)
                w->bytes[w->size++] = 0;
}

static void put_field(Wire *w, char field, char type, const char *value) {
        put_align(w, 8);
        put(w, (char[]) { field, 1, type, 0 }, 4);
        if (type == 'g')
                put(w, (char[]) { (char) strlen(value) }, 1);
        else
                put_u32(w, (uint32_t) strlen(value));
        put(w, value, strlen(value) + 1);
}

static void set_u32(Wire *w, size_t at, uint32_t value) {
        memcpy(w->bytes + at, &value, sizeof(value));
}

/* A call of the manager; little-endian, as this machine. */
static Wire wire_call(const char *member, const char *signature, const void *body, size_t body_size) {
        Wire w = {};

        put(&w, "l\1\0\1", 4);
        put_u32(&w, (uint32_t) body_size);
        put_u32(&w, 1);
        put_u32(&w, 0);
        put_field(&w, 1, 'o', WEBSESS_MANAGER_PATH);
        put_field(&w, 2, 's', WEBSESS_MANAGER_INTERFACE);
        put_field(&w, 3, 's', member);
        if (*signature)
                put_field(&w, 8, 'g', signature);
        set_u32(&w, 12, (uint32_t) w.size - 16);
        put_align(&w, 8);
        put(&w, body, body_size);
        return w;
}

static Wire wire_echo(const char *text, size_t size) {
        Wire body = {};

        put_u32(&body, (uint32_t) size);
        put(&body, text, size);
        put(&body, "", 1);
        return wire_call("Echo", "s", body.bytes, body.size);
}

static void send_all(int fd, const void *data, size_t size) {
        assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* The type of the next message: 2 a reply, 3 an error, -1 when the connection is closed. */
static int next_type(int fd) {
        uint8_t header[16], rest[4096];
        uint32_t body, fields;
        ssize_t n = recv(fd, header, sizeof(header), MSG_WAITALL);

        if (n != sizeof(header))
                return -1;
        memcpy(&body, header + 4, 4);
        memcpy(&fields, header + 12, 4);
        n = (fields + 7) / 8 * 8 + body;
        assert_true(n < (ssize_t) sizeof(rest));
        assert_int_equal(recv(fd, rest, (size_t) n, MSG_WAITALL), n);
        return header[1];
}

static long resident_kib(void) {
        FILE *f = fopen("/proc/self/statm", "re");
        long all, resident;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
        fclose(f);
        return resident * 4;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

static void assert_grown_less(long before, long kib) {
#ifndef __SANITIZE_ADDRESS__            /* which keeps what was freed */
        assert_true(resident_kib() - before < kib);
#endif
}

/* ---- tests ---- */

static void test_raw_call_is_answered(void **state) {
        Wire w = wire_echo("hello", 5);
        int fd = toy_raw_hello(&toy);

        send_all(fd, w.bytes, w.size);
        assert_int_equal(next_type(fd), 2);
        for (size_t i = 0; i < w.size; i++)     /* and a byte at a time */
                send_all(fd, w.bytes + i, 1);
        assert_int_equal(next_type(fd), 2);
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

                send_all(fd, headers[i], 16);
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
        send_all(fd, both, 2 * w.size);
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
                send_all(fd, w.bytes, w.size);
                send_all(fd, w.bytes, parts[i]);
                assert_int_equal(next_type(fd), 2);
                toy_wait_eof(fd);
                close(fd);
        }
}

static void test_idle_connection_stays(void **state) {
        Wire w = wire_echo("hello", 5);
        int idle = toy_raw_hello(&toy), half = toy_raw_hello(&toy);

        send_all(half, w.bytes, 20);
        toy_wait_eof(half);             /* longer than the time allowed has passed */
        send_all(idle, w.bytes, w.size);
        assert_int_equal(next_type(idle), 2);
        close(idle);
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
                        send_all(fd, starts[i], n);
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

        send_all(fd, w.bytes, w.size);
        assert_int_equal(next_type(fd), 3);
        send_all(fd, nul.bytes, nul.size);
        assert_int_equal(next_type(fd), 3);
        close(fd);
}

static void test_S17_connections_of_one_user(void **state) {
        int fds[1000];
        unsigned open_ones = 0;
        char byte;
        sd_bus *bus;

        if (geteuid() != 0)
                skip();
        toy_be(SOMEBODY);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = toy_raw(&toy);
        toy_be(0);
        bus = toy_connect(&toy, true);  /* accepted behind them all, and served */
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                if (recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
                        open_ones++;
                close(fds[i]);
        }
        assert_int_equal(open_ones, 20);
        sd_bus_close_unref(bus);
        toy_wait_connections(&toy, 0);
}

static void test_S17_calls_of_one_user(void **state) {
        Wire w = wire_call("Keep", "", "", 0);
        int fds[2], errors = 0;
        sd_bus *bus;

        if (geteuid() != 0)
                skip();
        toy_be(SOMEBODY);
        for (int i = 0; i < 2; i++)
                fds[i] = toy_raw_hello(&toy);
        toy_be(0);
        for (int i = 0; i < 20; i++)
                send_all(fds[i % 2], w.bytes, w.size);
        for (int i = 0; i < 12; i++) {  /* 8 are kept, 12 refused at once, whichever connection they came by */
                struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };

                assert_true(poll(p, 2, 10000) > 0);
                errors += next_type(fds[p[0].revents ? 0 : 1]) == 3;
        }
        assert_int_equal(errors, 12);
        assert_int_equal(toy_status(&toy).pending_calls, 8);
        close(fds[0]);
        close(fds[1]);
        toy_wait_connections(&toy, 0);
        assert_int_equal(toy_status(&toy).pending_calls, 0);
        bus = toy_connect(&toy, true);
        assert_true(sd_bus_call_method(bus, MANAGER, "Release", NULL, NULL, "") >= 0);
        sd_bus_close_unref(bus);
}

static void test_S17_who_does_not_read_his_signals(void **state) {
        sd_bus *deaf, *bus = toy_connect(&toy, true);
        long before = resident_kib();
        char text[512];
        unsigned n;

        if (geteuid() != 0)
                skip();
        toy_be(SOMEBODY);
        deaf = toy_connect(&toy, true);
        assert_true(sd_bus_call_method(deaf, MANAGER, "Subscribe", NULL, NULL, "") >= 0);
        toy_be(0);
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (n = 0; n < 20000 && toy_status(&toy).connections > 1; n++)
                assert_true(sd_bus_call_method(bus, MANAGER, "Emit", NULL, NULL, "s", text) >= 0);
        assert_true(n > 1000 && n < 20000);     /* there is patience, and it ends */
        assert_grown_less(before, 16384);
        sd_bus_close_unref(deaf);
        sd_bus_close_unref(bus);
}

static void test_S17_who_does_not_read_his_replies(void **state) {
        uint32_t size = 1024 * 1024;
        Wire w = wire_call("Big", "u", &size, sizeof(size));
        long before;
        int fd;

        if (geteuid() != 0)
                skip();
        toy_be(SOMEBODY);
        fd = toy_raw_hello(&toy);
        toy_be(0);
        before = resident_kib();
        for (int i = 0; i < 100; i++)
                send_all(fd, w.bytes, w.size);
        (void) toy_status(&toy);
        assert_grown_less(before, 8192);    /* one is under way; the next call is not even read */
        for (int i = 0; i < 100; i++) {                 /* who reads after all gets all of them */
                static uint8_t reply[1024 * 1024 + 256];
                uint8_t header[16];
                uint32_t fields;

                assert_int_equal(recv(fd, header, 16, MSG_WAITALL), 16);
                memcpy(&fields, header + 12, 4);
                fields = (fields + 7) / 8 * 8;
                assert_int_equal(recv(fd, reply, fields + 4 + size, MSG_WAITALL), fields + 4 + size);
        }
        close(fd);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *n = userdata;

        assert_false(sd_bus_message_is_method_error(m, NULL));
        (*n)++;
        return 0;
}

static void test_thousands_of_pipelined_calls(void **state) {
        enum { CALLS = 5000 };
        sd_bus *bus = toy_connect(&toy, true);
        unsigned n = 0;

        for (int i = 0; i < CALLS; i++)
                assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, "Echo", on_reply, &n, "s", "again") >= 0);
        while (n < CALLS) {
                int r = sd_bus_process(bus, NULL);

                assert_true(r >= 0);
                if (r == 0)
                        sd_bus_wait(bus, 1000000);
        }
        sd_bus_close_unref(bus);
}

static void send_fds(int fd, const Wire *w, unsigned n) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(64 * sizeof(int))];
        } control = {};
        struct iovec iov = { (void *) w->bytes, w->size };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        for (unsigned i = 0; i < n; i++)
                memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &(int) { 0 }, sizeof(int));
        assert_true(sendmsg(fd, &m, MSG_NOSIGNAL) >= 0);
}

static unsigned count_fds(void) {
        unsigned n = 0;

        for (int i = 0; i < 4096; i++)
                n += fcntl(i, F_GETFD) >= 0;
        return n;
}

static void test_S17_descriptors_that_nobody_asked_for(void **state) {
        Wire w = wire_echo("hello", 5), half = w;
        unsigned before;

        toy_wait_connections(&toy, 0);
        before = count_fds();
        half.size = 20;
        for (unsigned n = 1; n <= 64; n = n * 3 + 1)
                for (int part = 0; part < 2; part++) {
                        int fd = toy_raw_hello(&toy);

                        send_fds(fd, part ? &half : &w, n);
                        toy_wait_eof(fd);
                        close(fd);
                }
        toy_wait_connections(&toy, 0);
        assert_int_equal(count_fds(), before);
}

static void test_S23_memory_and_descriptors_stay_flat(void **state) {
        Wire w = wire_echo("hello", 5);
        long before = 0;
        unsigned fds = 0;

        set_u32(&w, 4, 200 * 1024);     /* announce much, send little */
        for (int round = 0; round < 30; round++) {
                int connections[50];

                for (size_t i = 0; i < ELEMENTSOF(connections); i++) {
                        connections[i] = toy_raw_hello(&toy);
                        send_all(connections[i], w.bytes, w.size);
                }
                for (size_t i = 0; i < ELEMENTSOF(connections); i++)
                        close(connections[i]);
                toy_wait_connections(&toy, 0);
                if (round == 9) {
                        before = resident_kib();
                        fds = count_fds();
                }
        }
        assert_int_equal(count_fds(), fds);
        assert_grown_less(before, 4096);
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
                for (const volatile uint8_t *p = (const volatile uint8_t *) from; p + sizeof(masked) <= (const volatile uint8_t *) to; p++) {
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
        put_u32(&body, sizeof(secret));
        put(&body, secret, sizeof(secret));
        put(&body, "", 1);
        w = wire_call("Secret", "s", body.bytes, body.size);
        send_all(fd, w.bytes, halves ? w.size - 3 : w.size);
        if (halves) {
                usleep(20000);          /* so that it is read in two parts; when it is not, the test is only weaker */
                send_all(fd, w.bytes + w.size - 3, 3);
        }
        _exit(next_type(fd) == 2 ? 0 : 1);
}

static void test_S19_secrets_are_wiped(void **state) {
#ifndef __SANITIZE_ADDRESS__            /* whose shadow can't be walked */
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
#endif
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_raw_call_is_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_long_and_malformed_headers_cost_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_nothing_is_read_behind_a_malformed_message, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_half_sent_messages_cost_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_idle_connection_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_handshake_rubbish, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_bad_utf8_is_an_invalid_argument, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_connections_of_one_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_calls_of_one_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_who_does_not_read_his_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_who_does_not_read_his_replies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_thousands_of_pipelined_calls, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_descriptors_that_nobody_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_memory_and_descriptors_stay_flat, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_mutated_messages, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S19_secrets_are_wiped, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
