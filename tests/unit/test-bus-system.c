/* SPDX-License-Identifier: MIT */
/* The Bus on a bus: a private dbus-daemon stands in for the system's. Skipped where there is no dbus-daemon. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <cmocka.h>

#include "bus-internal.h"
#include "bus-toy.h"
#include "cleanup.h"
#include "websess-names.h"

#define MANAGER WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE

static char folder[64], config[96], address[128];
static pid_t daemon_pid = -1;

static int start_daemon(void) {
        char option[128], ready;
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        snprintf(option, sizeof(option), "--config-file=%s", config);
        daemon_pid = fork();
        if (daemon_pid == 0) {
                char fd[32];

                snprintf(fd, sizeof(fd), "--print-address=%d", ends[1]);
                execlp("dbus-daemon", "dbus-daemon", option, fd, "--nofork", "--nopidfile", NULL);
                _exit(127);
        }
        close(ends[1]);
        /* it prints its address once it listens */
        ssize_t n = read(ends[0], &ready, 1);
        close(ends[0]);
        return n == 1 ? 0 : -ENOENT;
}

static void stop_daemon(void) {
        if (daemon_pid <= 0)
                return;
        kill(daemon_pid, SIGKILL);
        waitpid(daemon_pid, NULL, 0);
        daemon_pid = -1;
}

static int setup(void **state) {
        FILE *f;

        strcpy(folder, "/tmp/websess-daemon-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(config, sizeof(config), "%s/config", folder);
        snprintf(address, sizeof(address), "unix:path=%s/bus", folder);
        f = fopen(config, "we");
        assert_non_null(f);
        fprintf(f, "<busconfig><listen>%s</listen><policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
                   "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>\n", address);
        fclose(f);
        *state = start_daemon() < 0 ? NULL : folder;
        return 0;
}

static int teardown(void **state) {
        char path[128];

        stop_daemon();
        unlink(config);
        snprintf(path, sizeof(path), "%s/bus", folder);
        unlink(path);
        rmdir(folder);
        return 0;
}

#define NEEDS_DAEMON(state) do { if (!*(state)) skip(); } while (0)

static sd_bus *connect_to_daemon(void) {
        sd_bus *bus = NULL;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_address(bus, address) >= 0);
        assert_true(sd_bus_set_bus_client(bus, true) >= 0);
        assert_true(sd_bus_set_method_call_timeout(bus, 10000000) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        return bus;
}

static void wait_on_bus(Toy *t, bool on) {
        for (unsigned i = 0; i < 10000; i++) {
                if (toy_status(t).on_bus == on)
                        return;
                usleep(1000);
        }
        fail_msg("the broker did not %s the bus", on ? "reach" : "lose");
}

static void test_calls_over_the_bus(void **state) {
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        for (int i = 0; i < 3; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                sd_bus *bus = connect_to_daemon();
                uint32_t uid, groups;
                const char *unit;
                int private;

                assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "hello") >= 0);
                assert_true(sd_bus_call_method(bus, MANAGER, "Who", NULL, &reply, "") >= 0);
                assert_true(sd_bus_message_read(reply, "uusb", &uid, &groups, &unit, &private) >= 0);
                assert_int_equal(uid, getuid());
                assert_true(groups >= 1);
                assert_false(private);
                sd_bus_close_unref(bus);
        }
        for (unsigned i = 0; i < 10000 && toy.n_gone < 3; i++)
                (void) toy_status(&toy);
        assert_int_equal(toy.n_gone, 3);
        toy_stop(&toy);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char **end = userdata;
        const char *s;

        assert_true(sd_bus_message_read(m, "s", &s) >= 0);
        *(*end)++ = *s;
        return 0;
}

/* Calls that wait for their caller's credentials keep their order. */
static void test_first_calls_keep_their_order(void **state) {
        char got[32] = "", *end = got;
        sd_bus *bus;
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        bus = connect_to_daemon();
        for (char c = 'a'; c <= 'z'; c++) {
                char text[2] = { c };

                assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, "Echo", on_reply, &end, "s", text) >= 0);
        }
        while (end < got + 26) {
                int r = sd_bus_process(bus, NULL);

                assert_true(r >= 0);
                if (r == 0)
                        sd_bus_wait(bus, 1000000);
        }
        assert_string_equal(got, "abcdefghijklmnopqrstuvwxyz");
        sd_bus_close_unref(bus);
        toy_stop(&toy);
}

static void test_S15_S16_callers_vanish_before_they_are_known(void **state) {
        sd_bus *bus;
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        for (int i = 0; i < 200; i++) {
                bus = connect_to_daemon();
                assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, i % 2 ? "Keep" : "Echo", NULL, NULL,
                                    i % 2 ? "" : "s", "x") >= 0);
                sd_bus_flush_close_unref(bus);
        }
        bus = connect_to_daemon();
        assert_true(sd_bus_call_method(bus, MANAGER, "Release", NULL, NULL, "") >= 0);
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
        sd_bus_close_unref(bus);
        toy_stop(&toy);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        (*(unsigned *) userdata)++;
        return 0;
}

static void test_S20_signals_are_not_broadcast(void **state) {
        unsigned seen = 0, unseen = 0;
        sd_bus *a, *b;
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        a = connect_to_daemon();
        b = connect_to_daemon();
        assert_true(sd_bus_match_signal(
                            a, NULL, WEBSESS_BUS_NAME, NULL, WEBSESS_MANAGER_INTERFACE, NULL, on_signal, &seen) >= 0);
        assert_true(sd_bus_match_signal(
                            b, NULL, WEBSESS_BUS_NAME, NULL, WEBSESS_MANAGER_INTERFACE, NULL, on_signal, &unseen) >= 0);
        assert_true(sd_bus_call_method(a, MANAGER, "Subscribe", NULL, NULL, "") >= 0);
        assert_true(sd_bus_call_method(b, MANAGER, "Emit", NULL, NULL, "s", "secret") >= 0);
        assert_true(sd_bus_call_method(b, MANAGER, "Emit", NULL, NULL, "s", "open") >= 0);
        while (seen == 0) {
                assert_true(sd_bus_process(a, NULL) >= 0);
                if (seen == 0)
                        sd_bus_wait(a, 1000000);
        }
        assert_true(sd_bus_call_method(b, MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
        while (sd_bus_process(b, NULL) > 0)
                ;
        assert_int_equal(seen, 1);
        assert_int_equal(unseen, 0);
        sd_bus_close_unref(a);
        sd_bus_close_unref(b);
        toy_stop(&toy);
}

static void test_introspection_over_the_bus(void **state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *xml;
        sd_bus *bus;
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        bus = connect_to_daemon();
        assert_true(sd_bus_call_method(bus, WEBSESS_BUS_NAME, "/org", NULL, "Introspect", NULL, &reply, "") >= 0);
        assert_true(sd_bus_message_read(reply, "s", &xml) >= 0);
        assert_non_null(strstr(xml, "\"websess1\""));
        assert_null(strstr(xml, "\"freedesktop\""));
        assert_true(sd_bus_call_method(
                            bus, WEBSESS_BUS_NAME, "/", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "") >= 0);
        sd_bus_close_unref(bus);
        toy_stop(&toy);
}

static void test_S20_taken_name_ends_the_broker(void **state) {
        sd_bus *thief;
        Toy toy;

        NEEDS_DAEMON(state);
        thief = connect_to_daemon();
        assert_true(sd_bus_request_name(thief, WEBSESS_BUS_NAME, 0) >= 0);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        pthread_join(toy.thread, NULL);
        assert_int_equal(toy.exit_code, EX_UNAVAILABLE);
        sd_bus_close_unref(thief);
        close_fd(toy.wake);
        unlink(toy.socket);
        rmdir(toy.folder);
}

static void test_the_bus_comes_back(void **state) {
        sd_bus *private, *bus;
        char path[128];
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        private = toy_connect(&toy, true);
        bus = connect_to_daemon();
        assert_true(sd_bus_call_method(bus, MANAGER, "Subscribe", NULL, NULL, "") >= 0);
        assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, "Keep", NULL, NULL, "") >= 0);
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
        stop_daemon();
        snprintf(path, sizeof(path), "%s/bus", folder);
        unlink(path);
        wait_on_bus(&toy, false);
        assert_true(sd_bus_call_method(private, MANAGER, "Emit", NULL, NULL, "s", "open") >= 0);
        assert_true(sd_bus_call_method(private, MANAGER, "Release", NULL, NULL, "") >= 0);
        assert_int_equal(toy.n_gone, 1);
        assert_int_equal(start_daemon(), 0);
        wait_on_bus(&toy, true);
        sd_bus_close_unref(bus);
        bus = connect_to_daemon();
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "again") >= 0);
        sd_bus_close_unref(bus);
        sd_bus_close_unref(private);
        toy_stop(&toy);
}

static void do_stop_reading(Toy *t) {
        bus_stop_reading(t->bus);
}

static void answer_kept(Toy *t) {
        for (unsigned i = 0; i < t->n_kept; i++) {
                (void) bus_call_reply(t->kept[i], "s", "kept");
                bus_call_unref(t->kept[i]);
        }
        t->n_kept = 0;
        assert_int_equal(bus_flush(t->bus, 1000000), 0);
}

/* Shutting down: what was taken is answered, on both transports; nothing more is taken. */
static void test_L05_stopping_loses_no_reply(void **state) {
        char got[3] = "", *end = got;
        sd_bus *clients[2];
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        clients[0] = connect_to_daemon();
        clients[1] = toy_connect(&toy, true);
        for (int i = 0; i < 2; i++) {
                assert_true(sd_bus_call_method_async(clients[i], NULL, MANAGER, "Keep", on_reply, &end, "") >= 0);
                assert_true(sd_bus_call_method(clients[i], MANAGER, "Echo", NULL, NULL, "s", "x") >= 0);
        }
        toy_run(&toy, do_stop_reading);
        assert_true(sd_bus_call_method(clients[0], MANAGER, "Echo", NULL, NULL, "s", "x") < 0);
        toy_run(&toy, answer_kept);
        for (int i = 0; i < 2; i++)
                for (int r = 1; end <= got + i;) {
                        r = sd_bus_process(clients[i], NULL);
                        assert_true(r >= 0);
                        if (r == 0)
                                sd_bus_wait(clients[i], 1000000);
                }
        assert_string_equal(got, "kk");
        for (int i = 0; i < 2; i++)
                sd_bus_close_unref(clients[i]);
        toy_stop(&toy);
}

enum { LONG_CALLS = 4 };
static atomic_bool left_over;

/* As a rule they have come, and none of them has had its turn, when reading stops. */
static void read_and_stop(Toy *t) {
        sd_bus *connection = system_connection(t->bus->system);

        do
                while (sd_bus_process(connection, NULL) > 0)
                        ;
        while (sd_bus_wait(connection, 100000) > 0);
        bus_stop_reading(t->bus);
        left_over = !TAILQ_EMPTY(&t->bus->works);
        assert_int_equal(bus_flush(t->bus, 1000000), 0);
}

static int on_number(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        /* One that comes later is told to try again */
        assert_true(!sd_bus_message_is_method_error(m, NULL) || sd_bus_message_is_method_error(m, WEBSESS_ERROR_PREFIX "Unavailable"));
        ++*(unsigned *) userdata;
        return 0;
}

static void test_L05_stopping_loses_no_long_call(void **state) {
        unsigned n = 0;
        sd_bus *bus;
        Toy toy;

        NEEDS_DAEMON(state);
        toy_start(&toy, &(ToyOptions) { .bus_address = address });
        wait_on_bus(&toy, true);
        bus = connect_to_daemon();
        assert_true(sd_bus_call_method(bus, MANAGER, "Echo", NULL, NULL, "s", "known from now on") >= 0);
        for (uint32_t i = 0; i < LONG_CALLS; i++)
                assert_true(sd_bus_call_method_async(bus, NULL, MANAGER, "Long", on_number, &n, "ui", 3 * i + 1, 0) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
        toy_run(&toy, read_and_stop);
        assert_false(left_over);
        while (n < LONG_CALLS) {
                int r = sd_bus_process(bus, NULL);

                assert_true(r >= 0);
                if (r == 0)
                        assert_true(sd_bus_wait(bus, UINT64_C(10000000)) > 0);
        }
        sd_bus_close_unref(bus);
        toy_stop(&toy);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_calls_over_the_bus, setup, teardown),
                cmocka_unit_test_setup_teardown(test_first_calls_keep_their_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S15_S16_callers_vanish_before_they_are_known, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S20_signals_are_not_broadcast, setup, teardown),
                cmocka_unit_test_setup_teardown(test_introspection_over_the_bus, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S20_taken_name_ends_the_broker, setup, teardown),
                cmocka_unit_test_setup_teardown(test_the_bus_comes_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_L05_stopping_loses_no_reply, setup, teardown),
                cmocka_unit_test_setup_teardown(test_L05_stopping_loses_no_long_call, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
