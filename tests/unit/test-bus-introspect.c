/* SPDX-License-Identifier: MIT */
/* XML from tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bus-introspect.h"
#include "cleanup.h"

static void test_first_type_of_a_signature(void **state) {
        static const struct {
                const char *signature;
                size_t n;
        } cases[] = {
                { "s", 1 },
                { "sa{sv}", 1 },
                { "a{sv}s", 5 },
                { "aa{sv}s", 6 },
                { "a(us)s", 5 },
                { "(s(ii)a{s(ii)})x", 15 },
                { "ay", 2 },
                { "", 0 },
                { "a", 0 },
                { "(s", 0 },
                { "a{s", 0 },
                { ")", 0 },
                { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaas", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(signature_first(cases[i].signature), cases[i].n);
}

static const BusInterface interface = {
        .name = "a.b.C",
        .methods = (const BusMethod[]) { { "Find", "ssa{sv}", "where what how", "a(us)s", "found cursor" }, { "Stop" },
                {} },
        .properties = (const BusProperty[]) { { "Version", "s" }, {} },
        .signals = (const BusSignal[]) { { "Gone", "su", "what number" }, {} },
};

static void test_tables_become_xml(void **state) {
        static const char expected[] =
                "<node>\n"
                "  <interface name=\"a.b.C\">\n"
                "    <method name=\"Find\">\n"
                "      <arg type=\"s\" name=\"where\" direction=\"in\"/>\n"
                "      <arg type=\"s\" name=\"what\" direction=\"in\"/>\n"
                "      <arg type=\"a{sv}\" name=\"how\" direction=\"in\"/>\n"
                "      <arg type=\"a(us)\" name=\"found\" direction=\"out\"/>\n"
                "      <arg type=\"s\" name=\"cursor\" direction=\"out\"/>\n"
                "    </method>\n"
                "    <method name=\"Stop\">\n"
                "    </method>\n"
                "    <property name=\"Version\" type=\"s\" access=\"read\">\n"
                "      <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" value=\"false\"/>\n"
                "    </property>\n"
                "    <signal name=\"Gone\">\n"
                "      <arg type=\"s\" name=\"what\"/>\n"
                "      <arg type=\"u\" name=\"number\"/>\n"
                "    </signal>\n"
                "  </interface>\n"
                "  <node name=\"x\"/>\n"
                "  <node name=\"y\"/>\n"
                "</node>\n";
        const BusInterface *list[] = { &interface, NULL };
        _cleanup_free_ char *xml = NULL;
        size_t size;
        FILE *f = open_memstream(&xml, &size);

        assert_non_null(f);
        introspect_begin(f, NULL, list);
        introspect_child(f, "x");
        introspect_child(f, "y");
        introspect_end(f);
        assert_int_equal(fclose(f), 0);
        assert_non_null(strstr(xml, "<node>"));
        assert_string_equal(strstr(xml, "<node>"), expected);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_type_of_a_signature),
                cmocka_unit_test(test_tables_become_xml),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
