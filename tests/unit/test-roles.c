/* SPDX-License-Identifier: MIT */
/* Who gets which role at login, and which roles a service has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy.h"

#define LIST(...) ((char **) (const char *const[]) { __VA_ARGS__, NULL })

static RoleRule rules[] = {
        { .role = (char *) "ADMIN", .users = NULL, .groups = NULL },    /* filled by set_up() */
        { .role = (char *) "USER", .everyone = true },
        { .role = (char *) "AUDIT" },
        { .role = (char *) "SHOP", .everyone = true },
        { .role = (char *) "LEGAL" },                                   /* nobody at login */
};
static char *admins[] = { (char *) "root", (char *) "alice", NULL };
static char *admin_groups[] = { (char *) "sudo", (char *) "wheel", NULL };
static char *auditors[] = { (char *) "audit", NULL };
static char *shoppers[] = { (char *) "alice", NULL };
static Service service = {
        .name = (char *) "x", .admin_role = (char *) "CHIEF", .roles = rules, .n_roles = ELEMENTSOF(rules)
};

static int set_up(void **state) {
        rules[0].users = admins;
        rules[0].groups = admin_groups;
        rules[2].groups = auditors;
        rules[3].users = shoppers;      /* named and everyone: still once */
        return 0;
}

static void test_roles_at_login_in_the_order_of_the_file(void **state) {
        const struct {
                const char *user;
                char **groups;
                const char *roles;
        } cases[] = {
                { "bob", NULL, "USER SHOP " },
                { "bob", LIST("bob"), "USER SHOP " },
                { "bob", LIST("sudo"), "ADMIN USER SHOP " },
                { "bob", LIST("wheel", "sudo", "bob"), "ADMIN USER SHOP " },    /* two ways to it, one role */
                { "bob", LIST("audit", "sudo"), "ADMIN USER AUDIT SHOP " },     /* not the order of the groups */
                { "alice", NULL, "ADMIN USER SHOP " },
                { "sudo", NULL, "USER SHOP " },                 /* a user called like a group */
                { "bob", LIST("alice"), "USER SHOP " },         /* a group called like a user */
                { "Alice", NULL, "USER SHOP " },
                { "alic", LIST("sud", "sudoo", ""), "USER SHOP " },
                { "*", NULL, "USER SHOP " },
                { "@sudo", NULL, "USER SHOP " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Slice out[ROLES_MAX];
                char text[256] = "";
                size_t n = service_roles_for(&service, cases[i].user, cases[i].groups, out);

                for (size_t j = 0; j < n; j++)
                        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s ", (int) out[j].size,
                                out[j].data);
                assert_string_equal(text, cases[i].roles);
        }
}

static void test_S23_never_more_than_a_session_can_hold(void **state) {
        RoleRule many[ROLES_MAX + 8];
        char names[ROLES_MAX + 8][8];
        Service s = { .admin_role = (char *) "", .roles = many, .n_roles = ELEMENTSOF(many) };
        Slice out[ROLES_MAX];

        for (size_t i = 0; i < ELEMENTSOF(many); i++) {
                snprintf(names[i], sizeof(names[i]), "R%zu", i);
                many[i] = (RoleRule) { .role = names[i], .everyone = true };
        }
        assert_int_equal(service_roles_for(&s, "bob", NULL, out), ROLES_MAX);
        assert_true(slice_equal(out[ROLES_MAX - 1], slice_of("R31")));
}

static void test_no_roles_at_all(void **state) {
        Service s = { .admin_role = (char *) "" };
        Slice out[ROLES_MAX];

        assert_int_equal(service_roles_for(&s, "root", LIST("sudo"), out), 0);
        assert_false(service_has_role(&s, slice_of("")));
        assert_false(service_has_role(&s, slice_of("ADMIN")));
}

static void test_C5_the_role_set_is_closed(void **state) {
        static const struct {
                const char *role;
                bool known;
        } cases[] = {
                { "ADMIN", true }, { "USER", true }, { "AUDIT", true }, { "LEGAL", true },
                { "USRE", false }, { "user", false }, { "USE", false }, { "USERS", false }, { "", false }, { "*", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (service_has_role(&service, slice_of(cases[i].role)) != cases[i].known)
                        fail_msg("%s", cases[i].role);
        assert_true(service_has_role(&service, slice("USERS", 4)));     /* counted, not terminated */
        assert_false(service_has_role(&service, slice("USER\0", 5)));
}

static void test_C3_the_admin_role_is_one_of_the_set(void **state) {
        VerdictPolicy v = service_verdict_policy(&service);

        assert_true(service_has_role(&service, slice_of("CHIEF")));     /* no line in [Roles] names it */
        assert_true(slice_equal(v.admin_role, slice_of("CHIEF")));
        assert_true(slice_equal(v.service, slice_of("x")));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_roles_at_login_in_the_order_of_the_file),
                cmocka_unit_test(test_S23_never_more_than_a_session_can_hold),
                cmocka_unit_test(test_no_roles_at_all),
                cmocka_unit_test(test_C5_the_role_set_is_closed),
                cmocka_unit_test(test_C3_the_admin_role_is_one_of_the_set),
        };

        return cmocka_run_group_tests_name("roles", tests, set_up, NULL);
}
