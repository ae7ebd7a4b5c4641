/* SPDX-License-Identifier: MIT */
/* Everything a policy is refused for: file, line, key and reason, letter by letter, since an administrator has nothing
 * else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy-files.h"
#include "policy-tree.h"
#include "validate.h"

typedef struct Case {
        const char *text, *reason;
} Case;

static void run(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                text_refused(cases[i].text, cases[i].reason);
}

static void test_S23_keys_and_sections(void **state) {
        static const Case cases[] = {
                { "[Service]\nIdleSecs=1h\n", "2: IdleSecs: unknown key in [Service]" },
                { "[Service]\nidlesec=1h\n", "2: idlesec: unknown key in [Service]" },
                { "[Service]\nSecure=yes\n", "2: Secure: unknown key in [Service]: it belongs in [Cookie]" },
                { "[Services]\nIdle=1h\n", "2: Idle: unknown section [Services]" },
                { "[Store]\nMaxSize=1G\n", "2: MaxSize: unknown section [Store]" },
                { "\nIdleSec=1h\n", "2: IdleSec: stands before any [Section]" },
                { "[Service]\nIdleSec=1h # short\n", "2: IdleSec: a comment needs a line of its own" },
                { "[Service]\nIdleSec=1h\nLifetimeSec\n", "3: neither [Section], Key=value nor a comment" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_S23_values(void **state) {
        static const Case cases[] = {
                { "[Service]\nUsers=linux\n", "2: Users: \"linux\" is none of: unix, app" },
                { "[Service]\nUsers=Unix\n", "2: Users: \"Unix\" is none of: unix, app" },
                { "[Service]\nOnLimit=kill\n", "2: OnLimit: \"kill\" is none of: evict, refuse" },
                { "[Service]\nOnRoleChange=x\n", "2: OnRoleChange: \"x\" is none of: revoke, update" },
                { "[Cookie]\nSameSite=lax\n", "2: SameSite: \"lax\" is none of: Lax, Strict, None" },
                { "[Service]\nAnonymous=maybe\n", "2: Anonymous: \"maybe\" is neither yes nor no" },
                { "[Cookie]\nSecure=2\n", "2: Secure: \"2\" is neither yes nor no" },
                { "[Service]\nIdleSec=2 hors\n", "2: IdleSec: \"2 hors\" is not a span of time such as 90, 30min or 1h 30min" },
                { "[Service]\nIdleSec=-1h\n", "2: IdleSec: \"-1h\" is not a span of time such as 90, 30min or 1h 30min" },
                { "[Service]\nIdleSec=infinity\n", "2: IdleSec: \"infinity\" is not a span of time such as 90, 30min or 1h 30min" },
                { "[Service]\nIdleSec=0\n", "2: IdleSec: the span must be longer than zero" },
                { "[Service]\nLifetimeSec=0\n", "2: LifetimeSec: the span must be longer than zero" },
                { "[Service]\nRememberSec=0s\n", "2: RememberSec: the span must be longer than zero" },
                { "[Service]\nTouchSec=0\n", "2: TouchSec: the span must be longer than zero" },
                { "[Service]\nAnonymousIdleSec=0ms\n", "2: AnonymousIdleSec: the span must be longer than zero" },
                { "[Service]\nMaxSessions=-1\n", "2: MaxSessions: \"-1\" is not a number from 0 to 1000000" },
                { "[Service]\nMaxSessions=five\n", "2: MaxSessions: \"five\" is not a number from 0 to 1000000" },
                { "[Service]\nMaxSessions=1000001\n", "2: MaxSessions: \"1000001\" is not a number from 0 to 1000000" },
                { "[Service]\nMaxSessions=99999999999999999999999\n",
                  "2: MaxSessions: \"99999999999999999999999\" is not a number from 0 to 1000000" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_S14_languages(void **state) {
        static const char *const bad[] = {
                "de_DE", "C", "POSIX", ".UTF-8", "de_DE.ISO-8859-1", "../../tmp/x.UTF-8", "/tmp/x.UTF-8", "de%n.UTF-8",
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
        };
        static const char *const good[] = { "de_DE.UTF-8", "C.UTF-8 de_DE.utf8", "sr_RS.utf8@latin", "" };
        char text[256], reason[256];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                snprintf(text, sizeof(text), "[Service]\nLanguage=%s\n", bad[i]);
                snprintf(reason, sizeof(reason), "2: Language: \"%s\" names no locale in UTF-8, as de_DE.UTF-8 does", bad[i]);
                text_refused(text, reason);
        }
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                snprintf(text, sizeof(text), "[Service]\nLanguage=%s\n[Service]\nOnLimit=x\n", good[i]);
                text_refused(text, "4: OnLimit: \"x\" is none of: evict, refuse");
        }
}

#define COOKIE_TEXT "a cookie cannot hold white space, quotes, commas, semicolons, backslashes, or anything but ASCII"

static void test_F3_token_prefix(void **state) {
        static const Case cases[] = {
                { "[Service]\nTokenPrefix=a b\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=a;b\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=a,b\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=\"a\"\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=a\\b\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=\xc3\xbc\n", "2: TokenPrefix: " COOKIE_TEXT },
                { "[Service]\nTokenPrefix=0123456789012345678901234567890123456789012345678901234567890123x\n",
                  "2: TokenPrefix: longer than 64 characters" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_keys_that_do_not_fit_name_the_later_line(void **state) {
        static const Case cases[] = {
                { "[Service]\nIdleSec=25h\n", "2: IdleSec: LifetimeSec= must not be shorter than IdleSec=" },
                { "[Service]\nIdleSec=5h\n\nLifetimeSec=4h\n", "4: LifetimeSec: LifetimeSec= must not be shorter than IdleSec=" },
                { "[Service]\nLifetimeSec=4h\n\nIdleSec=5h\n", "4: IdleSec: LifetimeSec= must not be shorter than IdleSec=" },
                { "[Service]\nAnonymousIdleSec=30h\nAnonymous=yes\n",
                  "2: AnonymousIdleSec: LifetimeSec= must not be shorter than AnonymousIdleSec=" },
                { "[Roles]\nA=@root\nB=bob\n[Service]\nUsers=app\n",
                  "2: A: \"@root\": the users of a service with Users=app have no groups" },
                { "[Roles]\nA=bob\nA=carol @root\nA=dave\n[Service]\nUsers=app\n",
                  "3: A: \"@root\": the users of a service with Users=app have no groups" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_C5_roles(void **state) {
        static const Case cases[] = {
                { "[Roles]\nA=@no-such-group\n", "2: A: group \"no-such-group\" does not exist" },
                { "[Roles]\nA=bob\nA=carol @no-such-group\n", "3: A: group \"no-such-group\" does not exist" },
                { "[Roles]\nA=@\n", "2: A: group \"\" does not exist" },
                { "[Service]\nAdminRole=two words\n", NULL },
                { "[Roles]\n@A=bob\n", NULL },
                { "[Roles]\n*=bob\n", NULL },
                { "[Roles]\ntwo words=bob\n", NULL },
                { "[Roles]\n0123456789012345678901234567890123456789012345678901234567890123x=bob\n", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char reason[512];
                Fault f = {};
                const char *equals = strchr(cases[i].text, '='), *key = strchr(cases[i].text, '\n') + 1;

                if (cases[i].reason) {
                        text_refused(cases[i].text, cases[i].reason);
                        continue;
                }
                /* the reason is validate_role()'s */
                if (strncmp(key, "AdminRole", 9) == 0)
                        validate_role(slice(equals + 1, strlen(equals) - 2), &f);
                else
                        validate_role(slice(key, (size_t) (equals - key)), &f);
                assert_int_equal(f.code, FAULT_INVALID_ARGUMENT);
                snprintf(reason, sizeof(reason), "2: %.*s: %.400s", (int) (equals - key), key, f.text);
                text_refused(cases[i].text, reason);
        }
}

static void test_S26_access_entries(void **state) {
        static const Case cases[] = {
                { "[Access]\nLogin=no-such-user\n", "2: Login: user \"no-such-user\" does not exist" },
                { "[Access]\nLogin=root\nLogin=0 @no-such-group\n",
                        "3: Login: group \"no-such-group\" does not exist" },
                { "[Access]\nResolve=@\n", "2: Resolve: group \"\" does not exist" },
                { "[Access]\nResolve=65534\n",
                        "2: Resolve: \"65534\" can match nobody: 65534 and 4294967295 stand for users that are not "
                        "known" },
                { "[Access]\nMap=4294967295\n",
                        "2: Map: \"4294967295\" can match nobody: 65534 and 4294967295 stand for users that are not "
                        "known" },
                { "[Access]\nMap=18446744073709551616\n",
                        "2: Map: \"18446744073709551616\" can match nobody: 65534 and 4294967295 stand for users that "
                        "are not known" },
                { "[Access]\nMap=nobody\n",
                        "2: Map: \"nobody\" can match nobody: 65534 and 4294967295 stand for users that are not "
                        "known" },
                { "[Access]\nMap=@nogroup\n",
                        "2: Map: \"@nogroup\" can match nobody: gid 65534 stands for groups that are not known" },
                { "[Access]\nCreate=-1\n", "2: Create: user \"-1\" does not exist" },
                { "[Access]\nCreate=**\n", "2: Create: user \"**\" does not exist" },
                { "[Access]\nCreate=root,bin\n", "2: Create: user \"root,bin\" does not exist" },
                { "[Access]\nManage=unit:shop\n",
                        "2: Manage: \"unit:shop\" does not name a unit such as unit:shop.service" },
                { "[Access]\nManage=unit:.service\n",
                        "2: Manage: \"unit:.service\" does not name a unit such as unit:shop.service" },
                { "[Access]\nManage=unit:shop.socket\n",
                        "2: Manage: \"unit:shop.socket\" does not name a unit such as unit:shop.service" },
                { "[Access]\nManage=unit:a/b.service\n",
                        "2: Manage: \"unit:a/b.service\" holds a character that no unit's name has" },
                { "[Access]\nManage=unit:shop@.service\n",
                        "2: Manage: \"unit:shop@.service\" is a template: name its instances" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_presets_and_methods(void **state) {
        static const Case cases[] = {
                { "[Service]\nPreset=aal4\n", "2: Preset: \"aal4\" is none of: none, aal1, aal2, aal3" },
                { "[Service]\nPreset=aal2\nLifetimeSec=2d\n", "3: LifetimeSec: LifetimeSec= is longer than Preset= allows" },
                { "[Service]\nIdleSec=20min\nPreset=aal3\n", "3: Preset: IdleSec= is longer than Preset= allows" },
                { "[Service]\nPreset=aal3\nRememberSec=13h\n", "3: RememberSec: RememberSec= is longer than Preset= allows" },
                { "[Service]\nLevel=0\n", "2: Level: \"0\" is not a number from 1 to 1000" },
                { "[Service]\nStepUpLevel=1001\n", "2: StepUpLevel: \"1001\" is not a number from 0 to 1000" },
        };

        run(cases, ELEMENTSOF(cases));
}

static void test_settings(void **state) {
        static const Case cases[] = {
                { "[Store]\nMaxSize=lots\n", "2: MaxSize: \"lots\" is not a size from 1M to 16T, such as 64M" },
                { "[Store]\nMaxSize=1\n", "2: MaxSize: \"1\" is not a size from 1M to 16T, such as 64M" },
                { "[Store]\nMaxSize=1GB\n", "2: MaxSize: \"1GB\" is not a size from 1M to 16T, such as 64M" },
                { "[Store]\nMaxSize=99999999999999T\n", "2: MaxSize: \"99999999999999T\" is not a size from 1M to 16T, such as 64M" },
                { "[Store]\nReserve=2M\nMaxSize=1M\n", "3: MaxSize: Reserve= must be smaller than MaxSize=" },
                { "[Limits]\nMaxConnections=0\n", "2: MaxConnections: \"0\" is not a number from 1 to 1000000" },
                { "[Limits]\nMaxConnectionsPerUser=11\nMaxConnections=10\n", "3: MaxConnections: MaxConnectionsPerUser= must not exceed MaxConnections=" },
                { "[Limits]\nMaxBytesPerUser=1K\n", "2: MaxBytesPerUser: \"1K\" is not a size from 256K to 4G, such as 64M" },
                { "[PAM]\nIdleHelpers=2\nMaxHelpers=1\n", "3: MaxHelpers: IdleHelpers= must not exceed MaxHelpers=" },
                { "[PAM]\nMaxHelpers=300\n", "2: MaxHelpers: \"300\" is not a number from 1 to 256" },
                { "[PAM]\nLoginTimeoutSec=0\n", "2: LoginTimeoutSec: the span must be longer than zero" },
                { "[Service]\nIdleSec=1h\n", "2: IdleSec: unknown section [Service]" },
                { "[Limits]\nMaxSize=1G\n", "2: MaxSize: unknown key in [Limits]: it belongs in [Store]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char full[512];
                Tree t;

                tree_make(&t);
                tree_write(&t, "websess.conf", cases[i].text);
                snprintf(full, sizeof(full), "%%/websess.conf:%s", cases[i].reason);
                tree_refused(&t, full);
                tree_remove(&t);
        }
}

static void test_drop_in_is_named(void **state) {
        Tree t;

        tree_make(&t);
        tree_write(&t, "services.d/shop.conf", "[Service]\nLifetimeSec=3h\n");
        tree_write(&t, "services.d/shop.conf.d/10.conf", "\n[Service]\nIdleSec=4h\n");
        tree_refused(&t, "%/services.d/shop.conf.d/10.conf:3: IdleSec: LifetimeSec= must not be shorter than IdleSec=");
        tree_write(&t, "services.d/shop.conf.d/20.conf", "\n[Service]\nIdlSec=1h\n");
        tree_refused(&t, "%/services.d/shop.conf.d/20.conf:3: IdlSec: unknown key in [Service]");
        tree_remove(&t);
}

static void test_S23_service_names(void **state) {
        static const char *const bad[] = { "a b", "a..b", ("gr\xc3\xbc" "n"), "a@b",
                                           "01234567890123456789012345678901234567890123456789012345678901234" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char file[128], start[256], expected[512];
                Policy *p = NULL;
                Fault f = {};
                Tree t;

                tree_make(&t);
                snprintf(file, sizeof(file), "services.d/%s.conf", bad[i]);
                snprintf(start, sizeof(start), "%%/%s:0: a service cannot have this name: ", file);
                tree_write(&t, file, "");
                tree_expand(&t, start, expected, sizeof(expected));
                assert_int_equal(policy_load(&p, t.root, &f), FAULT_INVALID_ARGUMENT);
                assert_int_equal(strncmp(f.text, expected, strlen(expected)), 0);
                tree_remove(&t);
        }
}

static void test_S23_files_that_are_none(void **state) {
        char path[128];
        char *large;
        Tree t;

        tree_make(&t);
        tree_write(&t, "services.d/x.conf", "");
        tree_chmod(&t, "services.d/x.conf", 0666);
        tree_refused(&t, "%/services.d/x.conf:0: anybody may write to it: chmod o-w");
        tree_chmod(&t, "services.d/x.conf", 0664);      /* a group is the administrator's to choose */
        policy_unref(tree_load(&t));
        tree_chmod(&t, "services.d", 0777);
        tree_refused(&t, "%/services.d:0: anybody may write to it: chmod o-w");
        tree_chmod(&t, "services.d", 0755);

        snprintf(path, sizeof(path), "%s/services.d/x.conf", t.root);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        tree_refused(&t, "%/services.d/x.conf:0: not a regular file");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0644), 0);
        alarm(10);      /* whoever waits for the FIFO's writer is ended */
        tree_refused(&t, "%/services.d/x.conf:0: not a regular file");
        alarm(0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("nowhere", path), 0);
        tree_refused(&t, "%/services.d/x.conf:0: cannot be read: No such file or directory");
        assert_int_equal(unlink(path), 0);
        tree_write(&t, "services.d/y.conf.d", "");      /* belongs to no service: not looked at */
        policy_unref(tree_load(&t));

        large = malloc(POLICY_FILE_MAX + 2);
        assert_non_null(large);
        memset(large, '\n', POLICY_FILE_MAX + 1);
        large[POLICY_FILE_MAX + 1] = '\0';
        tree_write(&t, "services.d/x.conf", large);
        tree_refused(&t, "%/services.d/x.conf:0: larger than 1 MiB");
        large[POLICY_FILE_MAX] = '\0';
        tree_write(&t, "services.d/x.conf", large);
        policy_unref(tree_load(&t));
        free(large);

        tree_write(&t, "services.d/x.conf.d", "");
        tree_refused(&t, "%/services.d/x.conf.d:0: cannot be read: Not a directory");
        tree_remove(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S23_keys_and_sections),
                cmocka_unit_test(test_S23_values),
                cmocka_unit_test(test_S14_languages),
                cmocka_unit_test(test_F3_token_prefix),
                cmocka_unit_test(test_keys_that_do_not_fit_name_the_later_line),
                cmocka_unit_test(test_C5_roles),
                cmocka_unit_test(test_S26_access_entries),
                cmocka_unit_test(test_presets_and_methods),
                cmocka_unit_test(test_settings),
                cmocka_unit_test(test_drop_in_is_named),
                cmocka_unit_test(test_S23_service_names),
                cmocka_unit_test(test_S23_files_that_are_none),
        };

        return cmocka_run_group_tests_name("policy-refusals", tests, NULL, NULL);
}
