/* SPDX-License-Identifier: MIT */
/* The policy from its files: defaults, drop-ins, resets, and every bad line with its file, number, key and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy-tree.h"
#include "span.h"

static void test_defaults_without_a_single_file(void **state) {
        const Service *s;
        Policy *p;
        Tree t;

        tree_make(&t);
        tree_remove(&t);
        p = tree_load(&t);      /* not even the folder */

        assert_int_equal(p->n_services, 1);
        s = policy_find(p, slice_of("default"));
        assert_non_null(s);
        assert_int_equal(s->users, USERS_UNIX);
        assert_string_equal(s->pam_service, "websess");
        assert_false(s->anonymous);
        assert_int_equal(s->anonymous_idle_usec, USEC_PER_HOUR);
        assert_int_equal(s->idle_usec, 2 * USEC_PER_HOUR);
        assert_int_equal(s->lifetime_usec, 24 * USEC_PER_HOUR);
        assert_int_equal(s->remember_usec, 30 * USEC_PER_DAY);
        assert_int_equal(s->touch_usec, 30 * USEC_PER_SEC);
        assert_int_equal(s->max_sessions, 5);
        assert_int_equal(s->on_limit, ON_LIMIT_EVICT);
        assert_int_equal(s->on_role_change, ON_ROLE_CHANGE_REVOKE);
        assert_string_equal(s->token_prefix, "");
        assert_string_equal(s->admin_role, "ADMIN");
        assert_int_equal(s->n_roles, 0);
        assert_string_equal(s->cookie.name, "SESSION");
        assert_string_equal(s->cookie.path, "/");
        assert_string_equal(s->cookie.domain, "");
        assert_string_equal(s->cookie.domain_pattern, "");
        assert_true(s->cookie.max_age_lifetime);
        assert_true(s->cookie.secure);
        assert_true(s->cookie.http_only);
        assert_string_equal(s->cookie.same_site, "Lax");
        for (Right r = 0; r < _RIGHT_MAX; r++)
                assert_int_equal(s->access[r].n_rules, 0);      /* root alone */
        policy_unref(p);
}

static void test_default_settings(void **state) {
        const Settings *s;
        Policy *p;
        Tree t;

        tree_make(&t);
        p = tree_load(&t);
        s = &p->settings;
        assert_int_equal(s->store_max_bytes, UINT64_C(16) << 30);
        assert_int_equal(s->store_reserve_bytes, 4 << 20);
        assert_int_equal(s->max_connections, 4096);
        assert_int_equal(s->max_connections_per_user, 1024);
        assert_int_equal(s->max_pending_per_user, 4096);
        assert_int_equal(s->max_logins_per_user, 64);
        assert_int_equal(s->max_sessions_per_creator, 0);
        assert_int_equal(s->max_bytes_per_user, 16 << 20);
        assert_int_equal(s->idle_helpers, 2);
        assert_int_equal(s->max_helpers, 64);
        assert_int_equal(s->login_timeout_usec, 60 * USEC_PER_SEC);
        assert_int_equal(s->failure_delay_usec, 2 * USEC_PER_SEC);
        policy_unref(p);
        tree_remove(&t);
}

static const char full[] =
        "[Service]\nUsers=app\nPAMService=shop\nAnonymous=yes\nAnonymousIdleSec=10min\nIdleSec=30min\nLifetimeSec="
        "12h\nRememberSec=1w\n"
        "TouchSec=10s\nMaxSessions=0\nOnLimit=refuse\nOnRoleChange=update\nTokenPrefix=CONNECTRIP:\nAdminRole=BOSS\n"
        "[Roles]\nBOSS=acme:1 42\nUSER=*\nLEGAL=\n"
        "[Cookie]\nName=__Secure-S\nPath=/"
        "shop\nDomain=shop.example\nMaxAge=90s\nSecure=on\nHttpOnly=no\nSameSite=Strict\n"
        "[Access]\nLogin=0\nResolve=998 unit:shop.service\nMap=*\nCreate=@root\nManage=root\n";

static void test_F3_every_key_arrives(void **state) {
        const Service *s;
        Policy *p = text_load(full, &s);

        assert_int_equal(s->users, USERS_APP);
        assert_string_equal(s->pam_service, "shop");
        assert_true(s->anonymous);
        assert_int_equal(s->anonymous_idle_usec, 10 * USEC_PER_MINUTE);
        assert_int_equal(s->idle_usec, 30 * USEC_PER_MINUTE);
        assert_int_equal(s->lifetime_usec, 12 * USEC_PER_HOUR);
        assert_int_equal(s->remember_usec, 7 * USEC_PER_DAY);
        assert_int_equal(s->touch_usec, 10 * USEC_PER_SEC);
        assert_int_equal(s->max_sessions, 0);
        assert_int_equal(s->on_limit, ON_LIMIT_REFUSE);
        assert_int_equal(s->on_role_change, ON_ROLE_CHANGE_UPDATE);
        assert_string_equal(s->token_prefix, "CONNECTRIP:");
        assert_string_equal(s->admin_role, "BOSS");
        assert_int_equal(s->n_roles, 3);
        assert_string_equal(s->roles[0].users[1], "42");
        assert_null(s->roles[0].users[2]);
        assert_true(s->roles[1].everyone);
        assert_null(s->roles[2].users);
        assert_string_equal(s->cookie.name, "__Secure-S");
        assert_string_equal(s->cookie.path, "/shop");
        assert_string_equal(s->cookie.domain, "shop.example");
        assert_false(s->cookie.max_age_lifetime);
        assert_int_equal(s->cookie.max_age_sec, 90);
        assert_false(s->cookie.http_only);
        assert_string_equal(s->cookie.same_site, "Strict");
        assert_int_equal(s->access[RIGHT_LOGIN].rules[0].type, ACCESS_UID);
        assert_int_equal(s->access[RIGHT_LOGIN].rules[0].uid, 0);
        assert_int_equal(s->access[RIGHT_RESOLVE].n_rules, 2);
        assert_int_equal(s->access[RIGHT_RESOLVE].rules[0].uid, 998);
        assert_int_equal(s->access[RIGHT_RESOLVE].rules[1].type, ACCESS_UNIT);
        assert_string_equal(s->access[RIGHT_RESOLVE].rules[1].unit, "shop.service");
        assert_string_equal(s->access[RIGHT_RESOLVE].rules[1].text, "unit:shop.service");
        assert_int_equal(s->access[RIGHT_MAP].rules[0].type, ACCESS_ANYONE);
        assert_int_equal(s->access[RIGHT_CREATE].rules[0].type, ACCESS_GID);
        assert_int_equal(s->access[RIGHT_CREATE].rules[0].gid, 0);
        assert_int_equal(s->access[RIGHT_MANAGE].rules[0].uid, 0);
        policy_unref(p);
}

/* The same text in front of a reset of each key gives what nobody said. */
static void test_an_empty_value_resets(void **state) {
        const Service *s;
        Policy *p = text_load(
                "[Service]\nUsers=app\nUsers=\nPAMService=a\nPAMService=\nIdleSec=5h\nIdleSec=\nMaxSessions="
                "1\nMaxSessions=\nAnonymous=yes\nAnonymous=\n"
                "TokenPrefix=A\nTokenPrefix=\nAdminRole=BOSS\nAdminRole=\n[Cookie]\nName=A\nName=\nSameSite="
                "Strict\nSameSite=\nMaxAge=1h\nMaxAge=\n"
                "Domain=a.example\nDomain=\nDomainPattern=(.+)\nDomainPattern=\n[Access]\nLogin=*\nLogin=\nLogin=5\n"
                "[Roles]\nA=bob @root *\nA=\nA=carol\nB=dave\nB=\n",
                &s);

        assert_int_equal(s->users, USERS_UNIX);
        assert_string_equal(s->pam_service, "websess");
        assert_int_equal(s->idle_usec, 2 * USEC_PER_HOUR);
        assert_int_equal(s->max_sessions, 5);
        assert_false(s->anonymous);
        assert_string_equal(s->token_prefix, "");
        assert_string_equal(s->admin_role, "");         /* the exception: nothing said gives no right */
        assert_string_equal(s->cookie.name, "SESSION");
        assert_string_equal(s->cookie.same_site, "Lax");
        assert_true(s->cookie.max_age_lifetime);
        assert_string_equal(s->cookie.domain, "");
        assert_string_equal(s->cookie.domain_pattern, "");
        assert_null(s->cookie.domain_code);
        assert_int_equal(s->access[RIGHT_LOGIN].n_rules, 1);
        assert_int_equal(s->access[RIGHT_LOGIN].rules[0].uid, 5);
        assert_int_equal(s->n_roles, 2);
        assert_string_equal(s->roles[0].users[0], "carol");
        assert_null(s->roles[0].users[1]);
        assert_null(s->roles[0].groups);
        assert_false(s->roles[0].everyone);
        assert_true(service_has_role(s, slice_of("B")));
        assert_null(s->roles[1].users);
        policy_unref(p);
}

static void test_a_repeated_list_key_appends(void **state) {
        const Service *s;
        Policy *p = text_load("[Access]\nLogin=1 2\nLogin=3\n[Roles]\nA=a\nB=*\nA=b @root\n[Access]\nLogin=4\n", &s);

        assert_int_equal(s->access[RIGHT_LOGIN].n_rules, 4);
        assert_int_equal(s->access[RIGHT_LOGIN].rules[3].uid, 4);
        assert_int_equal(s->n_roles, 2);
        assert_string_equal(s->roles[0].users[0], "a");
        assert_string_equal(s->roles[0].users[1], "b");
        assert_string_equal(s->roles[0].groups[0], "root");
        policy_unref(p);
}

static void test_map_follows_resolve(void **state) {
        static const struct {
                const char *text;
                size_t n;
                uid_t first;
        } cases[] = {
                { "[Access]\nResolve=7 8 unit:a.service\n", 3, 7 },
                { "[Access]\nMap=9\nResolve=7 8\n", 1, 9 },
                { "[Access]\nMap=9\nResolve=7 8\nMap=\n", 2, 7 },
                { "[Access]\nResolve=7 8\nMap=root\n", 1, 0 },
                { "[Access]\nLogin=7\n", 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Service *s;
                Policy *p = text_load(cases[i].text, &s);

                assert_int_equal(s->access[RIGHT_MAP].n_rules, cases[i].n);
                if (cases[i].n > 0)
                        assert_int_equal(s->access[RIGHT_MAP].rules[0].uid, cases[i].first);
                policy_unref(p);
        }
}

static void test_R5_touch_is_at_most_a_quarter_of_idle(void **state) {
        static const struct {
                const char *text;
                uint64_t touch_sec;
        } cases[] = {
                { "[Service]\nIdleSec=2min\n", 30 },
                { "[Service]\nIdleSec=1min\n", 15 },
                { "[Service]\nTouchSec=1h\n", 1800 },
                { "[Service]\nTouchSec=1s\nIdleSec=4s\n", 1 },
                { "[Service]\nAnonymousIdleSec=40s\n", 30 },
                { "[Service]\nAnonymousIdleSec=40s\nAnonymous=yes\n", 10 },
                { "[Service]\nIdleSec=20s\nAnonymousIdleSec=40s\nAnonymous=yes\n", 5 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Service *s;
                Policy *p = text_load(cases[i].text, &s);

                assert_int_equal(s->touch_usec, cases[i].touch_sec * USEC_PER_SEC);
                policy_unref(p);
        }
}

static void test_defaults_bow_to_what_is_written(void **state) {
        const Service *s;
        Policy *p = text_load("[Service]\nLifetimeSec=20min\nAnonymous=yes\nIdleSec=9h\nIdleSec=\n", &s);
        Tree t;

        assert_int_equal(s->lifetime_usec, 20 * USEC_PER_MINUTE);
        assert_int_equal(s->idle_usec, 20 * USEC_PER_MINUTE);
        assert_int_equal(s->anonymous_idle_usec, 20 * USEC_PER_MINUTE);
        policy_unref(p);

        tree_make(&t);
        tree_write(&t, "websess.conf", "[Limits]\nMaxConnections=10\n[PAM]\nMaxHelpers=1\n");
        p = tree_load(&t);
        tree_remove(&t);
        assert_int_equal(p->settings.max_connections_per_user, 10);
        assert_int_equal(p->settings.idle_helpers, 1);
        policy_unref(p);
}

static void test_presets_give_the_times_that_are_not_written(void **state) {
        static const struct {
                const char *text;
                uint64_t idle, lifetime, remember;
        } cases[] = {
                { "[Service]\nPreset=aal1\n", 30 * USEC_PER_DAY, 30 * USEC_PER_DAY, 30 * USEC_PER_DAY },
                { "[Service]\nPreset=aal2\n", USEC_PER_HOUR, USEC_PER_DAY, USEC_PER_DAY },
                { "[Service]\nPreset=aal3\n", 15 * USEC_PER_MINUTE, 12 * USEC_PER_HOUR, 12 * USEC_PER_HOUR },
                { "[Service]\nIdleSec=5min\nPreset=aal2\n", 5 * USEC_PER_MINUTE, USEC_PER_DAY, USEC_PER_DAY },
                { "[Service]\nPreset=aal2\nLifetimeSec=30min\n", 30 * USEC_PER_MINUTE, 30 * USEC_PER_MINUTE, USEC_PER_DAY },
                { "[Service]\nPreset=aal2\nPreset=\n", 2 * USEC_PER_HOUR, USEC_PER_DAY, 30 * USEC_PER_DAY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Service *s;
                Policy *p = text_load(cases[i].text, &s);

                assert_true(s->idle_usec == cases[i].idle);
                assert_true(s->lifetime_usec == cases[i].lifetime);
                assert_true(s->remember_usec == cases[i].remember);
                policy_unref(p);
        }
}

static void test_S07_stacks_have_methods_and_levels(void **state) {
        const Service *s;
        Policy *p = text_load("[Service]\nPAMService=a\n", &s);
        Stack stack = service_stack(s, true);

        assert_string_equal(stack.pam_service, "a");
        assert_int_equal(stack.level, 1);
        assert_string_equal(stack.methods->names[0], "pwd");
        policy_unref(p);

        p = text_load("[Service]\nPAMService=a\nAuthMethods=pwd otp\nAuthMethods=mfa otp\nLevel=2\nStepUpPAMService=b\n"
                      "StepUpAuthMethods=hwk\nStepUpLevel=3\n", &s);
        stack = service_stack(s, false);
        assert_string_equal(stack.pam_service, "a");
        assert_int_equal(stack.methods->n, 3);
        assert_int_equal(stack.level, 2);
        stack = service_stack(s, true);
        assert_string_equal(stack.pam_service, "b");
        assert_string_equal(stack.methods->names[0], "hwk");
        assert_int_equal(stack.level, 3);
        policy_unref(p);
}

static void test_R6_services_and_drop_ins(void **state) {
        const Service *s;
        Policy *p;
        Tree t;

        tree_make(&t);
        tree_write(&t, "services.d/shop.conf", "[Service]\nMaxSessions=1\n[Access]\nLogin=1\n");
        tree_write(&t, "services.d/shop.conf.d/20-b.conf", "[Service]\nMaxSessions=3\n[Access]\nLogin=3\n");
        tree_write(&t, "services.d/shop.conf.d/10-a.conf", "[Service]\nMaxSessions=2\n[Access]\nLogin=2\n");
        tree_write(&t, "services.d/shop.conf.d/30.conf~", "rubbish");
        tree_write(&t, "services.d/shop.conf.d/.40.conf", "rubbish");
        tree_write(&t, "services.d/shop-2.conf", "");
        tree_write(&t, "services.d/README", "rubbish");
        tree_write(&t, "services.d/.hidden.conf", "rubbish");
        tree_write(&t, "services.d/left-over.conf.d/1.conf", "rubbish");
        tree_write(&t, "services.d/default.conf.d/1.conf", "[Service]\nMaxSessions=9\n");
        tree_write(&t, "websess.conf", "[PAM]\nIdleHelpers=4\n");
        tree_write(&t, "websess.conf.d/1.conf", "[PAM]\nIdleHelpers=5\n[Store]\nMaxSize=1T\n");
        p = tree_load(&t);
        tree_remove(&t);

        assert_int_equal(p->n_services, 3);
        assert_string_equal(p->services[0]->name, "default");
        assert_string_equal(p->services[1]->name, "shop");
        assert_string_equal(p->services[2]->name, "shop-2");
        s = policy_find(p, slice_of("shop"));
        assert_int_equal(s->max_sessions, 3);
        assert_int_equal(s->access[RIGHT_LOGIN].n_rules, 3);
        assert_int_equal(s->access[RIGHT_LOGIN].rules[1].uid, 2);
        assert_int_equal(policy_find(p, slice_of("shop-2"))->max_sessions, 5);  /* nothing inherited */
        assert_int_equal(policy_find(p, slice_of("default"))->max_sessions, 9);
        assert_null(policy_find(p, slice_of("sho")));
        assert_null(policy_find(p, slice_of("shop-")));
        assert_null(policy_find(p, slice_of("")));
        assert_null(policy_find(p, slice(NULL, 0)));
        assert_null(policy_find(p, slice("shop\0", 5)));
        assert_int_equal(p->settings.idle_helpers, 5);
        assert_int_equal(p->settings.store_max_bytes, UINT64_C(1) << 40);
        assert_ptr_equal(policy_ref(p), p);
        assert_null(policy_unref(p));
        assert_int_equal(p->n_refs, 1);
        assert_null(policy_unref(p));
        assert_null(policy_unref(NULL));
}

static void test_shipped_files_load(void **state) {
        static const char *const names[] = { "default.conf", "websess.conf" };
        char text[16384];
        const Service *s;
        Policy *p;
        Tree t;

        tree_make(&t);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[64];
                FILE *file;

                snprintf(path, sizeof(path), "broker/%s", names[i]);
                file = fopen(path, "re");
                assert_non_null(file);
                text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
                fclose(file);
                /* The group is made when the package is installed; here any group does. */
                for (char *c; (c = strstr(text, "@websess-client"));)
                        memcpy(c, "@root          ", 15);
                tree_write(&t, i == 0 ? "services.d/default.conf" : names[i], text);
        }
        p = tree_load(&t);
        tree_remove(&t);
        s = policy_find(p, slice_of("default"));
        assert_int_equal(s->access[RIGHT_LOGIN].n_rules, 1);
        assert_int_equal(s->access[RIGHT_RESOLVE].n_rules, 1);
        assert_int_equal(s->access[RIGHT_MAP].n_rules, 1);
        assert_int_equal(s->access[RIGHT_CREATE].n_rules, 0);
        assert_int_equal(s->access[RIGHT_MANAGE].n_rules, 0);
        assert_string_equal(s->roles[0].groups[0], "sudo");
        assert_true(s->roles[1].everyone);
        policy_unref(p);
}

static void test_language_that_fits_best(void **state) {
        static const struct {
                const char *wanted, *locale;
        } cases[] = {
                { "", "en_GB.UTF-8" }, { "de", "de_DE.UTF-8" }, { "de-AT", "de_AT.UTF-8" }, { "de_at", "de_AT.UTF-8" }, { "DE-ch", "de_DE.UTF-8" },
                { "fr", "fr.utf8" }, { "fr-CA", "fr.utf8" }, { "d", "en_GB.UTF-8" }, { "deu", "en_GB.UTF-8" }, { "-", "en_GB.UTF-8" },
                { "de_DE-x", "de_DE.UTF-8" }, { "sr", "sr_RS.UTF-8@latin" },
        };
        const Service *s;
        Policy *p = text_load("[Service]\nLanguage=en_GB.UTF-8 de_DE.UTF-8 de_AT.UTF-8\nLanguage=fr.utf8 sr_RS.UTF-8@latin\n", &s);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(service_language(s, cases[i].wanted), cases[i].locale);
        policy_unref(p);
        p = text_load("[Service]\nLanguage=de_DE.UTF-8\nLanguage=\n", &s);
        assert_null(service_language(s, "de"));
        policy_unref(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_language_that_fits_best),
                cmocka_unit_test(test_defaults_without_a_single_file),
                cmocka_unit_test(test_default_settings),
                cmocka_unit_test(test_F3_every_key_arrives),
                cmocka_unit_test(test_an_empty_value_resets),
                cmocka_unit_test(test_a_repeated_list_key_appends),
                cmocka_unit_test(test_map_follows_resolve),
                cmocka_unit_test(test_R5_touch_is_at_most_a_quarter_of_idle),
                cmocka_unit_test(test_defaults_bow_to_what_is_written),
                cmocka_unit_test(test_presets_give_the_times_that_are_not_written),
                cmocka_unit_test(test_S07_stacks_have_methods_and_levels),
                cmocka_unit_test(test_R6_services_and_drop_ins),
                cmocka_unit_test(test_shipped_files_load),
        };

        return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
