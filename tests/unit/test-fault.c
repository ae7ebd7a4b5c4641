/* SPDX-License-Identifier: MIT */
/* The table of named outcomes, and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "cleanup.h"
#include "fault.h"
#include "validate.h"

/* The table that other programs are written against. */
static const struct {
        int code;
        const char *name;
        int http_status;
} contract[] = {
        { 1, "NoSession", 401 }, { 2, "Forbidden", 403 }, { 3, "StepUpRequired", 401 },
        { 4, "AuthenticationFailed", 401 }, { 5, "ConversationRequired", 401 }, { 6, "LimitReached", 429 },
        { 7, "AccessDenied", 500 }, { 8, "NoService", 500 }, { 9, "InvalidArgument", 400 },
        { 10, "Conflict", 409 }, { 11, "TooMany", 429 }, { 12, "Unavailable", 503 },
};

static void test_codes_names_and_statuses(void **state) {
        assert_int_equal(ELEMENTSOF(contract), _FAULT_MAX - 1);
        for (size_t i = 0; i < ELEMENTSOF(contract); i++) {
                char dbus_name[100];

                snprintf(dbus_name, sizeof(dbus_name), "org.websess1.Error.%s", contract[i].name);
                assert_string_equal(fault_name(contract[i].code), contract[i].name);
                assert_string_equal(fault_dbus_name(contract[i].code), dbus_name);
                assert_int_equal(fault_from_dbus_name(dbus_name), contract[i].code);
                assert_int_equal(fault_http_status(contract[i].code), contract[i].http_status);
        }
}

static void test_numbers_that_are_none(void **state) {
        static const int none[] = { INT32_MIN, -1, 0, _FAULT_MAX, INT32_MAX };

        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                assert_null(fault_name(none[i]));
                assert_null(fault_dbus_name(none[i]));
                assert_int_equal(fault_http_status(none[i]), 500);
                assert_non_null(fault_text(none[i]));
        }
}

static void test_foreign_dbus_names(void **state) {
        static const char *const foreign[] = {
                "", "NoSession", "org.websess1.Error.", "org.websess1.Error.NoSessio", "org.websess1.Error.NoSessions",
                "org.websess1.Error.nosession", "org.freedesktop.DBus.Error.Failed",
        };

        assert_int_equal(fault_from_dbus_name(NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                assert_int_equal(fault_from_dbus_name(foreign[i]), 0);
}

static void test_every_code_has_a_text_of_its_own(void **state) {
        for (int a = 1; a < _FAULT_MAX; a++) {
                const char *text = fault_text(a);

                assert_true(strlen(text) > 40 && text[strlen(text) - 1] == '.');
                for (int b = 0; b < a; b++)
                        assert_string_not_equal(text, fault_text(b));
        }
}

static void test_fault_fills_and_returns_the_code(void **state) {
        Fault f = { 0 };

        assert_int_equal(fault(&f, FAULT_CONFLICT, "version %d, not %d", 3, 4), FAULT_CONFLICT);
        assert_int_equal(f.code, FAULT_CONFLICT);
        assert_string_equal(f.text, "version 3, not 4");
        assert_int_equal(fault(NULL, FAULT_FORBIDDEN, "%s", "x"), FAULT_FORBIDDEN);
}

static void test_fault_may_quote_itself(void **state) {
        Fault f = { 0 };

        fault(&f, FAULT_INVALID_ARGUMENT, "too long");
        fault(&f, FAULT_INVALID_ARGUMENT, "[Roles] ADMIN: %s", f.text);
        assert_string_equal(f.text, "[Roles] ADMIN: too long");
}

/* Characters of one to four bytes, at every place around the end of the buffer. */
static void test_long_texts_are_cut_between_characters(void **state) {
        static const char *const characters[] = { "a", "é", "€", "😀" };

        for (size_t i = 0; i < ELEMENTSOF(characters); i++)
                for (size_t lead = 500; lead < 520; lead++) {
                        size_t n = strlen(characters[i]), length;
                        char text[600] = "";
                        Fault f;

                        memset(text, 'x', lead);
                        for (size_t at = lead; at + n < sizeof(text); at += n)
                                memcpy(text + at, characters[i], n);
                        text[sizeof(text) - 1] = '\0';
                        fault(&f, FAULT_TOO_MANY, "%s", text);

                        length = strlen(f.text);
                        assert_true(length < sizeof(f.text) && length >= sizeof(f.text) - 4);
                        assert_true(utf8_valid(f.text, length));
                        assert_memory_equal(f.text, text, length);
                }
}

/* Whatever stands at the cut, the text ends within the buffer. */
static void test_rubbish_at_the_cut(void **state) {
        for (unsigned c = 0x80; c <= 0xff; c++) {
                char text[600];
                Fault f;

                memset(text, (int) c, sizeof(text) - 1);
                text[sizeof(text) - 1] = '\0';
                fault(&f, FAULT_TOO_MANY, "%s", text);
                assert_true(strlen(f.text) < sizeof(f.text));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codes_names_and_statuses),
                cmocka_unit_test(test_numbers_that_are_none),
                cmocka_unit_test(test_foreign_dbus_names),
                cmocka_unit_test(test_every_code_has_a_text_of_its_own),
                cmocka_unit_test(test_fault_fills_and_returns_the_code),
                cmocka_unit_test(test_fault_may_quote_itself),
                cmocka_unit_test(test_long_texts_are_cut_between_characters),
                cmocka_unit_test(test_rubbish_at_the_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
