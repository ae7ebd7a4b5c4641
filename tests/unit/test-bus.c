/* SPDX-License-Identifier: MIT */
/* Calls, objects, properties, introspection, signals and errors over the private socket, with sd-bus as the client. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bus-toy.h"
#include "cleanup.h"
#include "websess-names.h"

static Toy toy;

static int setup(void **state) {
        toy_start(&toy, &(ToyOptions) {});
        return 0;
}

static int teardown(void **state) {
        toy_stop(&toy);
        return 0;
}

#define MANAGER WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE

static void expect_error(sd_bus *bus, const char *name, const char *path, const char *interface, const char *member,
        const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;

        assert_true(sd_bus_message_new_method_call(bus, &m, WEBSESS_BUS_NAME, path, interface, member) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_call(bus, m, 0, &error, NULL) < 0);
        assert_string_equal(error.name, name);
        assert_true(strlen(error.message) > 3);
        sd_bus_error_free(&error);
}

static void call_string(sd_bus *bus, const char *path, const char *interface, const char *member, const char *argument,
        const char *expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *s;
        int r;

        r = sd_bus_call_method(
                bus, WEBSESS_BUS_NAME, path, interface, member, &error, &reply, argument ? "s" : "", argument);
        if (r < 0)
                fail_msg("%s: %s", member, error.message);
        assert_true(sd_bus_message_read(reply, "s", &s) >= 0);
        if (expected)
                assert_string_equal(s, expected);
}

static void test_calls_are_answered(void **state) {
        for (int bus_client = 0; bus_client < 2; bus_client++) {
                sd_bus *bus = toy_connect(&toy, bus_client);

                call_string(bus, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "Grüße", "Grüße");
                call_string(bus, WEBSESS_MANAGER_PATH, NULL, "Echo", "no interface", "no interface");
                call_string(bus, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Secret", "hush", "hush");
                call_string(bus, WEBSESS_SESSION_PATH "/a1", WEBSESS_SESSION_INTERFACE, "Name", NULL, "a1");
                call_string(bus, WEBSESS_SESSION_PATH "/b2", NULL, "Name", NULL, "b2");
                sd_bus_close_unref(bus);
        }
}

static void test_S23_large_calls_and_replies(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        char *text = malloc(255 * 1024 + 1);

        for (size_t size = 1; size <= 255 * 1024; size = size * 7 + 13) {
                memset(text, 'a', size);
                text[size] = '\0';
                call_string(bus, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", text, text);
        }
        for (uint32_t size = 1; size < 8u * 1024 * 1024; size *= 16) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const void *bytes;
                size_t n;

                assert_true(sd_bus_call_method(bus, MANAGER, "Big", NULL, &reply, "u", size) >= 0);
                assert_true(sd_bus_message_read_array(reply, 'y', &bytes, &n) >= 0);
                assert_int_equal(n, size);
        }
        free(text);
        sd_bus_close_unref(bus);
}

static void test_errors_have_names(void **state) {
        sd_bus *bus = toy_connect(&toy, true);

        for (int code = 1; code < _FAULT_MAX; code++)
                expect_error(
                        bus, fault_dbus_name(code), WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Fail", "i", code);
        expect_error(bus, "org.websess1.Error.Unavailable", WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Fail",
                "i", -EIO);
        /* a handler that neither answers nor keeps the call */
        expect_error(
                bus, "org.websess1.Error.Unavailable", WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Fail", "i", 0);
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_METHOD, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Nothing", "");
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_METHOD, WEBSESS_MANAGER_PATH, NULL, "Nothing", "");
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_INTERFACE, WEBSESS_MANAGER_PATH, "a.b", "Echo", "s", "x");
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_OBJECT, "/nowhere", WEBSESS_MANAGER_INTERFACE, "Echo", "s", "x");
        expect_error(
                bus, SD_BUS_ERROR_UNKNOWN_OBJECT, WEBSESS_SESSION_PATH "/c3", WEBSESS_SESSION_INTERFACE, "Name", "");
        expect_error(
                bus, SD_BUS_ERROR_UNKNOWN_OBJECT, WEBSESS_SESSION_PATH "/a1/b2", WEBSESS_SESSION_INTERFACE, "Name", "");
        expect_error(bus, "org.websess1.Error.AccessDenied", WEBSESS_SESSION_PATH "/forbidden",
                WEBSESS_SESSION_INTERFACE, "Name", "");
        expect_error(bus, SD_BUS_ERROR_INVALID_ARGS, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "i", 1);
        expect_error(bus, SD_BUS_ERROR_INVALID_ARGS, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "");
        sd_bus_close_unref(bus);
}

static void test_properties(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *version = NULL, *id = NULL;
        const char *a, *b;

        assert_true(sd_bus_get_property_string(bus, MANAGER, "Version", NULL, &version) >= 0);
        assert_string_equal(version, "1.2");
        assert_true(sd_bus_get_property_string(bus, WEBSESS_BUS_NAME, WEBSESS_SESSION_PATH "/b2",
                            WEBSESS_SESSION_INTERFACE, "Id", NULL, &id) >= 0);
        assert_string_equal(id, "b2");
        assert_true(sd_bus_call_method(bus, WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, "org.freedesktop.DBus.Properties",
                            "GetAll", NULL, &reply, "s", WEBSESS_MANAGER_INTERFACE) >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        assert_true(sd_bus_message_read(reply, "{sv}", &a, "s", &b) > 0);
        assert_string_equal(a, "Version");
        assert_string_equal(b, "1.2");
        assert_true(sd_bus_message_enter_container(reply, 'e', "sv") > 0);
        assert_true(sd_bus_message_read(reply, "s", &a) > 0);
        assert_string_equal(a, "Services");
        assert_true(sd_bus_message_skip(reply, "v") >= 0);
        assert_true(sd_bus_message_exit_container(reply) >= 0);
        assert_int_equal(sd_bus_message_at_end(reply, false), 1);
        expect_error(bus, SD_BUS_ERROR_PROPERTY_READ_ONLY, WEBSESS_MANAGER_PATH, "org.freedesktop.DBus.Properties",
                "Set", "ssv", WEBSESS_MANAGER_INTERFACE, "Version", "s", "2");
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_PROPERTY, WEBSESS_MANAGER_PATH, "org.freedesktop.DBus.Properties", "Get",
                "ss", WEBSESS_MANAGER_INTERFACE, "Nothing");
        expect_error(bus, SD_BUS_ERROR_UNKNOWN_INTERFACE, WEBSESS_MANAGER_PATH, "org.freedesktop.DBus.Properties",
                "GetAll", "s", "a.b");
        expect_error(
                bus, SD_BUS_ERROR_UNKNOWN_OBJECT, "/nowhere", "org.freedesktop.DBus.Properties", "GetAll", "s", "");
        sd_bus_close_unref(bus);
}

static void expect_xml(sd_bus *bus, const char *path, const char *part, bool there) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *xml;

        assert_true(sd_bus_call_method(bus, WEBSESS_BUS_NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect",
                            NULL, &reply, "") >= 0);
        assert_true(sd_bus_message_read(reply, "s", &xml) >= 0);
        if (!!strstr(xml, part) != there)
                fail_msg("%s: %s in\n%s", path, part, xml);
}

static void test_introspection(void **state) {
        sd_bus *bus = toy_connect(&toy, true);

        expect_xml(bus, "/", "<node name=\"org\"/>", true);
        expect_xml(bus, "/", "org.websess1.Manager", false);
        expect_xml(bus, "/org", "<node name=\"websess1\"/>", true);
        expect_xml(bus, "/org", "<node name=\"freedesktop\"/>", true);
        expect_xml(bus, WEBSESS_MANAGER_PATH, "<interface name=\"org.websess1.Manager\">", true);
        expect_xml(bus, WEBSESS_MANAGER_PATH, "<node name=\"session\"/>", true);
        expect_xml(bus, WEBSESS_SESSION_PATH, "<node name=\"a1\"/>", true);
        expect_xml(bus, WEBSESS_SESSION_PATH, "org.websess1.Session", false);
        expect_xml(bus, WEBSESS_SESSION_PATH "/a1", "org.websess1.Session", true);
        expect_error(
                bus, SD_BUS_ERROR_UNKNOWN_OBJECT, "/nowhere", "org.freedesktop.DBus.Introspectable", "Introspect", "");
        sd_bus_close_unref(bus);
}

static void test_driver_answers_like_a_bus(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        const char *unique;
        char **names = NULL;

        assert_true(sd_bus_get_unique_name(bus, &unique) >= 0);
        assert_int_equal(strncmp(unique, ":1.", 3), 0);
        assert_true(sd_bus_list_names(bus, &names, NULL) >= 0);
        for (char **n = names; *n; n++)
                free(*n);
        free(names);
        call_string(bus, "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", WEBSESS_BUS_NAME, ":1.0");
        call_string(bus, "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", unique, unique);
        call_string(bus, "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL);
        expect_error(bus, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                "GetNameOwner", "s", "a.b");
        assert_true(sd_bus_call_method(bus, WEBSESS_BUS_NAME, "/nowhere", "org.freedesktop.DBus.Peer", "Ping", NULL,
                            NULL, "") >= 0);
        sd_bus_close_unref(bus);
}

static void test_descriptors_travel(void **state) {
        sd_bus *bus = toy_connect(&toy, true);

        for (int i = 0; i < 3; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                int fd, ends[2];
                char text[8] = "";

                assert_int_equal(pipe(ends), 0);
                assert_true(sd_bus_call_method(bus, MANAGER, "Descriptor", NULL, &reply, "h", ends[1]) >= 0);
                close(ends[1]);
                assert_true(sd_bus_message_read(reply, "h", &fd) >= 0);
                assert_int_equal(write(fd, "too", 3), 3);
                assert_int_equal(read(ends[0], text, sizeof(text)), 7);
                assert_string_equal(text, "heretoo");
                sd_bus_message_unref(reply);
                reply = NULL;
                /* the broker let go of its copies, so the pipe is at its end */
                assert_int_equal(read(ends[0], text, sizeof(text)), 0);
                close(ends[0]);
        }
        sd_bus_close_unref(bus);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char **text = userdata;
        const char *s;

        *text = sd_bus_message_read(m, "s", &s) >= 0 && strcmp(s, "kept") == 0 ? "kept" : "something else";
        return 0;
}

static void keep_and_release(bool with_descriptor) {
        sd_bus *a = toy_connect(&toy, true), *b = toy_connect(&toy, false);
        const char *text = NULL;

        if (with_descriptor)
                assert_true(sd_bus_call_method_async(a, NULL, MANAGER, "KeepDescriptor", on_reply, &text, "h", 0) >= 0);
        else
                assert_true(sd_bus_call_method_async(a, NULL, MANAGER, "Keep", on_reply, &text, "") >= 0);
        call_string(a, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "meanwhile", "meanwhile");
        assert_null(text);
        assert_int_equal(toy_status(&toy).pending_calls, 1);
        assert_true(sd_bus_call_method(b, MANAGER, "Release", NULL, NULL, "") >= 0);
        while (!text) {
                assert_true(sd_bus_process(a, NULL) >= 0);
                if (!text)
                        sd_bus_wait(a, 1000000);
        }
        assert_string_equal(text, "kept");
        assert_int_equal(toy_status(&toy).pending_calls, 0);
        sd_bus_close_unref(a);
        sd_bus_close_unref(b);
}

static void test_kept_calls_are_answered_later(void **state) {
        keep_and_release(false);
        keep_and_release(true);
}

static void test_S15_S16_caller_vanishes_while_its_call_is_kept(void **state) {
        unsigned gone = toy.n_gone;

        for (int i = 0; i < 30; i++) {
                sd_bus *a = toy_connect(&toy, i % 2);

                assert_true(sd_bus_call_method_async(a, NULL, MANAGER, "Keep", NULL, NULL, "") >= 0);
                if (i % 3)
                        call_string(a, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "x", "x");
                sd_bus_flush_close_unref(a);
        }
        toy_wait_connections(&toy, 0);
        assert_int_equal(toy.n_gone, gone + 30);
        assert_int_equal(toy_status(&toy).pending_calls, 0);

        sd_bus *b = toy_connect(&toy, true);
        assert_true(sd_bus_call_method(b, MANAGER, "Release", NULL, NULL, "") >= 0);
        sd_bus_close_unref(b);
}

typedef struct Seen {
        unsigned n;
        char what[32], sender[32];
} Seen;

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Seen *seen = userdata;
        const char *what;

        assert_true(sd_bus_message_read(m, "s", &what) >= 0);
        snprintf(seen->what, sizeof(seen->what), "%s", what);
        snprintf(seen->sender, sizeof(seen->sender), "%s", sd_bus_message_get_sender(m) ?: "");
        seen->n++;
        return 0;
}

static void test_S20_signals_reach_those_who_may_see(void **state) {
        sd_bus *a = toy_connect(&toy, true), *b = toy_connect(&toy, true);
        Seen seen = {}, unseen = {};

        assert_true(sd_bus_match_signal(a, NULL, NULL, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Happened",
                            on_signal, &seen) >= 0);
        assert_true(sd_bus_match_signal(b, NULL, NULL, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Happened",
                            on_signal, &unseen) >= 0);
        assert_true(sd_bus_call_method(a, MANAGER, "Subscribe", NULL, NULL, "") >= 0);
        assert_true(sd_bus_call_method(b, MANAGER, "Emit", NULL, NULL, "s", "secret") >= 0);
        assert_true(sd_bus_call_method(b, MANAGER, "Emit", NULL, NULL, "s", "open") >= 0);
        while (seen.n == 0) {
                assert_true(sd_bus_process(a, NULL) >= 0);
                if (seen.n == 0)
                        sd_bus_wait(a, 1000000);
        }
        assert_string_equal(seen.what, "open");
        assert_string_equal(seen.sender, ":1.0");       /* what GetNameOwner says: GDBus drops others */
        call_string(b, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "x", "x");
        while (sd_bus_process(b, NULL) > 0)
                ;
        assert_int_equal(unseen.n, 0);
        sd_bus_close_unref(a);
        sd_bus_close_unref(b);
}

static void test_S26_caller_is_known_by_the_kernel(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t uid, groups;
        const char *unit;
        int private;

        assert_true(sd_bus_call_method(bus, MANAGER, "Who", NULL, &reply, "") >= 0);
        assert_true(sd_bus_message_read(reply, "uusb", &uid, &groups, &unit, &private) >= 0);
        assert_int_equal(uid, getuid());
        assert_true(groups >= 1);
        assert_true(private);
        sd_bus_close_unref(bus);
}

static void test_no_reply_where_none_is_expected(void **state) {
        sd_bus *bus = toy_connect(&toy, true);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *next = NULL;

        assert_true(sd_bus_message_new_method_call(bus, &m, MANAGER, "Fail") >= 0);
        assert_true(sd_bus_message_append(m, "i", 1) >= 0);
        assert_true(sd_bus_message_set_expect_reply(m, false) >= 0);
        assert_true(sd_bus_send(bus, m, NULL) >= 0);
        /* the reply to the next call is the next message there is */
        call_string(bus, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Echo", "x", "x");
        assert_int_equal(sd_bus_process(bus, &next), 0);
        sd_bus_close_unref(bus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_calls_are_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S23_large_calls_and_replies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_errors_have_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_properties, setup, teardown),
                cmocka_unit_test_setup_teardown(test_introspection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_driver_answers_like_a_bus, setup, teardown),
                cmocka_unit_test_setup_teardown(test_descriptors_travel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_kept_calls_are_answered_later, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S15_S16_caller_vanishes_while_its_call_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S20_signals_reach_those_who_may_see, setup, teardown),
                cmocka_unit_test_setup_teardown(test_S26_caller_is_known_by_the_kernel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_reply_where_none_is_expected, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
