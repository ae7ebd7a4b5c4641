/* SPDX-License-Identifier: MIT */
/* What one user can take of the broker over the private socket: his quota. Raw sockets against a running Bus. */
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

#define SOMEBODY 4242u          /* not root and not us: quotas refuse him */
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
                wire_send(fds[i % 2], w.bytes, w.size);
        for (int i = 0; i < 12; i++) {  /* 8 are kept, 12 refused at once, whichever connection they came by */
                struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };

                assert_true(poll(p, 2, 10000) > 0);
                errors += wire_next_type(fds[p[0].revents ? 0 : 1]) == 3;
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
                wire_send(fd, w.bytes, w.size);
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
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))
        };

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

/* Announced, and yet nothing in the arguments takes them: a call that waits for long would keep them. */
static void test_S17_descriptors_that_no_argument_takes(void **state) {
        static const uint8_t field[] = { 9, 1, 'u', 0, 3, 0, 0, 0 };
        Wire w = wire_call("Keep", "", "", 0);
        uint32_t fields;
        size_t at;
        int fd = toy_raw_hello(&toy);

        memcpy(&fields, w.bytes + 12, sizeof(fields));
        at = 16 + (fields + 7) / 8 * 8;
        memcpy(w.bytes + at, field, sizeof(field));
        wire_set_u32(&w, 12, (uint32_t) (at + sizeof(field) - 16));
        w.size = at + sizeof(field);
        send_fds(fd, &w, 3);
        toy_wait_eof(fd);
        close(fd);
}

/* They go with the bytes that they came with; the connection does not. */
static void test_S17_descriptors_of_a_call_that_is_too_long(void **state) {
        Wire head = { .bytes = { 'l', 1, 0, 1, [8] = 1 }, .size = 16 }, w = wire_echo("hello", 5);
        static const uint8_t rest[WIRE_CALL_MAX] = {};
        int fd = toy_raw_hello(&toy);
        unsigned before;

        wire_send(fd, w.bytes, w.size);
        assert_int_equal(wire_next_type(fd), 2);        /* what a connection has of descriptors it has by now */
        before = count_fds();
        wire_set_u32(&head, 4, sizeof(rest));
        send_fds(fd, &head, 3);
        wire_send(fd, rest, sizeof(rest));
        assert_int_equal(wire_next_type(fd), 3);
        wire_send(fd, w.bytes, w.size);
        assert_int_equal(wire_next_type(fd), 2);
        assert_int_equal(count_fds(), before);
        close(fd);
}

static void test_S23_memory_and_descriptors_stay_flat(void **state) {
        Wire w = wire_echo("hello", 5);
        long before = 0;
        unsigned fds = 0;

        wire_set_u32(&w, 4, 200 * 1024);     /* announce much, send little */
        for (int round = 0; round < 30; round++) {
                int connections[50];

                for (size_t i = 0; i < ELEMENTSOF(connections); i++) {
                        connections[i] = toy_raw_hello(&toy);
                        wire_send(connections[i], w.bytes, w.size);
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_S17_connections_of_one_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_calls_of_one_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_who_does_not_read_his_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_who_does_not_read_his_replies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_thousands_of_pipelined_calls, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_descriptors_that_nobody_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_descriptors_that_no_argument_takes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S17_descriptors_of_a_call_that_is_too_long, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_memory_and_descriptors_stay_flat, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
