/* SPDX-License-Identifier: MIT */
/* The pure parts of pam_websess.so: what may stand on its line, and what each outcome means to a stack. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "../../pam/arguments.h"
#include "../../pam/module.h"

#define ARGUMENTS_MAX 8

static bool parse(ModuleArguments *a, const char *line) {
        static char copy[512], error[256];
        const char *argv[ARGUMENTS_MAX];
        int argc = 0;

        strcpy(copy, line);
        for (char *state, *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state))
                argv[argc++] = word;
        strcpy(error, "");
        if (module_arguments_parse(a, argc, argv, error, sizeof(error)))
                return true;
        assert_non_null(strstr(error, "pam_websess(8)"));
        return false;
}

static void test_defaults(void **state) {
        ModuleArguments a;

        assert_true(parse(&a, ""));
        assert_string_equal(a.service, "default");
        assert_string_equal(a.socket, "/run/websess/websess.sock");
        assert_null(a.roles);
        assert_false(a.debug || a.export_token || a.use_first_pass || a.try_first_pass);
}

static void test_every_argument_is_understood(void **state) {
        ModuleArguments a;

        assert_true(parse(&a, "service=shop socket=/run/x.sock roles=ADMIN,USER debug export_token use_first_pass "
                              "try_first_pass"));
        assert_string_equal(a.service, "shop");
        assert_string_equal(a.socket, "/run/x.sock");
        assert_string_equal(a.roles, "ADMIN,USER");
        assert_true(a.debug && a.export_token && a.use_first_pass && a.try_first_pass);
}

static void test_S11_anything_else_is_refused(void **state) {
        static const char *const lines[] = {
                "x", "=", "=shop", "service", "service=", "service=..", "service=a/b", "servic=shop", "services=shop",
                "Service=shop", "socket=x", "socket=", "roles=", "roles=,", "roles=A,", "roles=,A", "roles=A,,B",
                "roles=@A", "debug=1", "debug=", "export_token=yes", "service=shop maxage=1h", "debug nullok", "max_age=", "max_age=0",
                "max_age=-1h", "max_age=soon", "level=", "level=0", "level=1001", "level=00001", "level=1x", "level=-1", "timeout=0", "timeout=2min",
        };
        ModuleArguments a;

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (parse(&a, lines[i]))
                        fail_msg("%s", lines[i]);
}

static void test_roles_are_walked(void **state) {
        const char *list = "ADMIN,USER,X";
        char role[6];

        assert_int_equal(module_next_role(&list, role, sizeof(role)), 1);
        assert_string_equal(role, "ADMIN");
        assert_int_equal(module_next_role(&list, role, sizeof(role)), 1);
        assert_string_equal(role, "USER");
        assert_int_equal(module_next_role(&list, role, sizeof(role)), 1);
        assert_string_equal(role, "X");
        assert_int_equal(module_next_role(&list, role, sizeof(role)), 0);
        list = "TOOLONG";
        assert_int_equal(module_next_role(&list, role, sizeof(role)), -1);
        list = NULL;
        assert_int_equal(module_next_role(&list, role, sizeof(role)), 0);
}

static void test_S11_only_zero_is_success_and_nothing_is_ignored(void **state) {
        for (ModuleKind kind = 0; kind < _MODULE_KIND_MAX; kind++) {
                assert_int_equal(module_pam_code(kind, 0), PAM_SUCCESS);
                for (int result = -4096; result < 4096; result++) {
                        int code = module_pam_code(kind, result);

                        if (result != 0)
                                assert_true(code != PAM_SUCCESS && code != PAM_IGNORE);
                        assert_true(code >= 0 && code < _PAM_RETURN_VALUES);
                }
                assert_int_equal(module_pam_code(kind, -ENOMEM), PAM_BUF_ERR);
                assert_true(module_pam_code(kind, INT32_MIN) != PAM_SUCCESS);
                assert_true(module_pam_code(kind, INT32_MAX) != PAM_SUCCESS);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_every_argument_is_understood),
                cmocka_unit_test(test_S11_anything_else_is_refused),
                cmocka_unit_test(test_roles_are_walked),
                cmocka_unit_test(test_S11_only_zero_is_success_and_nothing_is_ignored),
        };

        return cmocka_run_group_tests_name("module", tests, NULL, NULL);
}
