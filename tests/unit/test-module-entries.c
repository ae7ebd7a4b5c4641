/* SPDX-License-Identifier: MIT */
/*
 * Every return code of pam_websess.so: its entry points against a libpam that gives what it is told to, and a library that answers as it is told. (The real ones are
 * in the integration tests.) What is listed for this program in the Makefile is called by way of the __wrap functions here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pwd.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>

#include "../../pam/module.h"
#include "cleanup.h"
#include "session.h"

#define TOKEN "AAIBD_deP1wbHgxVSXr-cymgbD0twkRQBOXahIz6ravmQIGoEAwd39B3JMrT-aDk"
#define ID "00112233445566778899aabbccddeeff"
#define KEPT 4

typedef struct pam_handle {
        struct { char name[64]; void *data; void (*cleanup)(pam_handle_t *, void *, int); } kept[KEPT];
} Handle;

/* What libpam says. */
static struct {
        const char *user, *authtok, *id, *token, *host, *program, *tty;
        int user_result, authtok_result, set_data, put, put_fails_at, item_result;
        int n_put;
        bool no_account;
} pam;

/* What the library says. */
static struct {
        int resolve, get, create, status, revoke, revoke_user, logout;
        const char *service, *user, *token;     /* of the session that it finds or makes */
        uint32_t uid, level;
        bool no_role;
        int n_logouts, n_revokes;
} lib;

static Handle handle;
static unsigned allocations_left;       /* 0: as many as are wanted */

/* ---- memory ---- */

static bool runs_out(void) {
        return allocations_left > 0 && --allocations_left == 0;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_calloc(size_t n, size_t size) {
        return runs_out() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text) {
        return runs_out() ? NULL : __real_strdup(text);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list list;
        int n;

        if (runs_out())
                return -1;
        va_start(list, format);
        n = vasprintf(ret, format, list);
        va_end(list);
        return n;
}

/* ---- libpam ---- */

int pam_get_user(pam_handle_t *h, const char **ret, const char *prompt) {
        *ret = pam.user;
        return pam.user_result;
}

int pam_get_authtok(pam_handle_t *h, int item, const char **ret, const char *prompt) {
        *ret = pam.authtok;
        return pam.authtok_result;
}

int pam_get_item(const pam_handle_t *h, int type, const void **ret) {
        *ret = type == PAM_AUTHTOK ? pam.authtok : type == PAM_RHOST ? pam.host : type == PAM_SERVICE ? pam.program : pam.tty;
        return type == pam.item_result ? PAM_BAD_ITEM : PAM_SUCCESS;
}

int pam_set_data(pam_handle_t *h, const char *name, void *data, void (*cleanup)(pam_handle_t *, void *, int)) {
        size_t i = 0;

        if (pam.set_data != PAM_SUCCESS)
                return pam.set_data;
        while (h->kept[i].data && strcmp(h->kept[i].name, name) != 0)
                assert_true(++i < KEPT);
        if (h->kept[i].data)
                h->kept[i].cleanup(h, h->kept[i].data, 0);
        snprintf(h->kept[i].name, sizeof(h->kept[i].name), "%s", name);
        h->kept[i].data = data;
        h->kept[i].cleanup = cleanup;
        return PAM_SUCCESS;
}

int pam_get_data(const pam_handle_t *h, const char *name, const void **ret) {
        for (size_t i = 0; i < KEPT; i++)
                if (h->kept[i].data && strcmp(h->kept[i].name, name) == 0) {
                        *ret = h->kept[i].data;
                        return PAM_SUCCESS;
                }
        return PAM_NO_MODULE_DATA;
}

const char *pam_getenv(pam_handle_t *h, const char *name) {
        return strcmp(name, "WEBSESS_ID") == 0 ? pam.id : pam.token;
}

int pam_putenv(pam_handle_t *h, const char *text) {
        return ++pam.n_put == pam.put_fails_at ? pam.put : PAM_SUCCESS;
}

void pam_vsyslog(const pam_handle_t *h, int priority, const char *format, va_list list) {
        char line[1024];

        assert_true(vsnprintf(line, sizeof(line), format, list) > 0);
        assert_null(strstr(line, TOKEN));
        assert_null(strstr(line, "(null)"));
}

struct passwd *pam_modutil_getpwnam(pam_handle_t *h, const char *user) {
        static struct passwd entry = { .pw_uid = 1000 };

        return pam.no_account ? NULL : &entry;
}

/* ---- the library ---- */

#define FAKE(name, ...) int __wrap_websess_##name(__VA_ARGS__); int __wrap_websess_##name(__VA_ARGS__)

static size_t put(websess_session *s, const char *text) {
        size_t at = ARENA_NONE;

        if (text)
                assert_int_equal(arena_add(&s->text, text, strlen(text), &at), 0);
        return at;
}

static int fill(websess_session *s, int result, const char *token) {
        websess_session_clear(s);
        if (result != 0)
                return error_set(result, "as it was told");
        s->loaded = true;
        s->id = put(s, ID);
        s->service = put(s, lib.service);
        s->user = put(s, lib.user);
        s->uid = lib.uid;
        s->level = lib.level;
        if (!lib.no_role)
                s->roles[s->n_roles++] = put(s, "ADMIN");
        if (token)
                session_keep_token(s, token, strlen(token), true);
        return 0;
}

FAKE(resolve, websess *w, const char *token, size_t len, const websess_need *need, websess_session *s) {
        return fill(s, lib.resolve, NULL);
}

FAKE(get, websess *w, const char *id, websess_session *s) {
        return fill(s, lib.get, NULL);
}

FAKE(create, websess *w, const char *user, const websess_options *o, websess_session *s) {
        return fill(s, lib.create, lib.token);
}

FAKE(logout, websess *w, const char *token, size_t len) {
        lib.n_logouts++;
        return lib.logout;
}

FAKE(revoke, websess *w, const char *id) {
        lib.n_revokes++;
        return lib.revoke;
}

FAKE(revoke_user, websess *w, const char *service, const char *user, const char *except, uint32_t flags, uint32_t *n) {
        return lib.revoke_user;
}

FAKE(status, websess *w, websess_values *v) {
        return lib.status;
}

/* ---- each test begins with all well ---- */

static void forget_kept(void) {
        for (size_t i = 0; i < KEPT; i++)
                if (handle.kept[i].data)
                        handle.kept[i].cleanup(&handle, handle.kept[i].data, 0);
        memset(&handle, 0, sizeof(handle));
}

static int reset(void **state) {
        forget_kept();
        memset(&pam, 0, sizeof(pam));
        memset(&lib, 0, sizeof(lib));
        pam.user = "anna";
        pam.authtok = TOKEN;
        pam.program = "login";
        pam.item_result = -1;
        lib.service = "default";
        lib.user = "anna";
        lib.token = TOKEN;
        lib.uid = 1000;
        lib.level = 1;
        allocations_left = 0;
        return 0;
}

typedef int (*Entry)(pam_handle_t *h, int flags, int argc, const char **argv);
static const Entry entries[] = {
        pam_sm_authenticate, pam_sm_setcred, pam_sm_acct_mgmt, pam_sm_open_session, pam_sm_close_session, pam_sm_chauthtok,
};

static int call_with(Entry entry, int flags, const char *argument) {
        const char *argv[] = { "debug", argument };

        return entry(&handle, flags, argument ? 2 : 1, argv);
}

static int call(Entry entry) {
        return call_with(entry, 0, NULL);
}

static void test_all_is_well(void **state) {
        assert_int_equal(call(pam_sm_setcred), PAM_CRED_UNAVAIL);
        assert_int_equal(call(pam_sm_authenticate), PAM_SUCCESS);
        assert_int_equal(call(pam_sm_setcred), PAM_SUCCESS);
        assert_int_equal(call(pam_sm_acct_mgmt), PAM_SUCCESS);
        assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
        assert_int_equal(pam.n_put, 1);
        assert_int_equal(call_with(pam_sm_open_session, 0, "export_token"), PAM_SUCCESS);       /* in the other's place */
        assert_int_equal(pam.n_put, 3);
        assert_int_equal(call(pam_sm_close_session), PAM_SUCCESS);
        assert_int_equal(lib.n_logouts, 1);
        assert_int_equal(call_with(pam_sm_chauthtok, PAM_PRELIM_CHECK, NULL), PAM_SUCCESS);
        assert_int_equal(call_with(pam_sm_chauthtok, PAM_UPDATE_AUTHTOK, NULL), PAM_SUCCESS);
        assert_int_equal(pam_sm_authenticate(&handle, 0, 0, NULL), PAM_SUCCESS);                /* and without debug */
}

static void test_S11_nobody_comes_in_without_being_somebody_here(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
                reset(NULL);
                assert_int_equal(call_with(entries[i], 0, "nonsense"), PAM_SERVICE_ERR);
                pam.user_result = PAM_CONV_AGAIN;
                assert_int_equal(call(entries[i]), PAM_INCOMPLETE);
                pam.user_result = PAM_CONV_ERR;
                assert_int_equal(call(entries[i]), PAM_CONV_ERR);
                pam.user_result = PAM_SUCCESS;
                pam.user = NULL;
                assert_int_equal(call(entries[i]), PAM_USER_UNKNOWN);
                pam.user = "";
                assert_int_equal(call(entries[i]), PAM_USER_UNKNOWN);
                pam.user = "anna";
                pam.no_account = true;
                assert_int_equal(call(entries[i]), PAM_USER_UNKNOWN);
        }
}

static void test_S11_what_is_no_token_is_asked_of_nobody(void **state) {
        static char long_one[512];
        static const char *const bad[] = { NULL, "", "geheim", "A" TOKEN "=", TOKEN "%", long_one };
        static const char *const passes[] = { NULL, "use_first_pass" };

        memset(long_one, 'A', sizeof(long_one) - 1);
        lib.resolve = WEBSESS_E_UNAVAILABLE;            /* would be heard */
        for (size_t p = 0; p < ELEMENTSOF(passes); p++)
                for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                        pam.authtok = bad[i];
                        assert_int_equal(call_with(pam_sm_authenticate, 0, passes[p]), PAM_AUTH_ERR);
                }
        pam.authtok = TOKEN;
        pam.authtok_result = PAM_CONV_ERR;
        assert_int_equal(call(pam_sm_authenticate), PAM_CONV_ERR);
        pam.item_result = PAM_AUTHTOK;
        assert_int_equal(call_with(pam_sm_authenticate, 0, "use_first_pass"), PAM_BAD_ITEM);
}

/* Each outcome of the library in each call that it may come from: the table's code, and success only for 0. */
static void each_outcome(int *where, Entry entry, int flags, ModuleKind kind, int fine) {
        static const int errors[] = { -ENOMEM, -EIO, -ETIMEDOUT, 99 };

        for (int i = 1; i <= WEBSESS_E_UNAVAILABLE + (int) ELEMENTSOF(errors); i++) {
                int result = i <= WEBSESS_E_UNAVAILABLE ? i : errors[i - WEBSESS_E_UNAVAILABLE - 1];
                int code;

                *where = result;
                code = call_with(entry, flags, NULL);
                assert_int_equal(code, result == fine ? PAM_SUCCESS : module_pam_code(kind, result));
                assert_true((code != PAM_SUCCESS && code != PAM_IGNORE) || result == fine);
        }
        *where = 0;
}

static void test_S11_the_table_decides_every_call(void **state) {
        each_outcome(&lib.resolve, pam_sm_authenticate, 0, MODULE_AUTH, 0);
        pam.token = TOKEN;
        each_outcome(&lib.resolve, pam_sm_acct_mgmt, 0, MODULE_ACCOUNT, 0);
        pam.token = NULL;
        pam.id = ID;
        each_outcome(&lib.get, pam_sm_acct_mgmt, 0, MODULE_ACCOUNT, 0);
        each_outcome(&lib.create, pam_sm_open_session, 0, MODULE_SESSION, 0);
        /* one that has ended already is closed */
        each_outcome(&lib.get, pam_sm_close_session, 0, MODULE_SESSION, WEBSESS_E_NO_SESSION);
        each_outcome(&lib.revoke, pam_sm_close_session, 0, MODULE_SESSION, WEBSESS_E_NO_SESSION);
        each_outcome(&lib.status, pam_sm_chauthtok, PAM_PRELIM_CHECK, MODULE_PASSWORD, 0);
        each_outcome(&lib.revoke_user, pam_sm_chauthtok, PAM_UPDATE_AUTHTOK, MODULE_PASSWORD, 0);
        assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
        each_outcome(&lib.logout, pam_sm_close_session, 0, MODULE_SESSION, 0);
}

static void test_S26_a_session_counts_only_for_its_user_of_this_machine(void **state) {
        static const struct {
                const char *service, *user;
                uint32_t uid, level;
        } bad[] = {
                { "shop", "anna", 1000, 1 }, { NULL, "anna", 1000, 1 }, { "default", "otto", 1000, 1 }, { "default", NULL, 1000, 1 },
                { "default", "", 1000, 1 }, { "default", "anna", RECORD_NO_UID, 1 }, { "default", "anna", 1001, 1 }, { "default", "anna", 1000, 0 },
        };

        pam.id = ID;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                lib.service = bad[i].service;
                lib.user = bad[i].user;
                lib.uid = bad[i].uid;
                lib.level = bad[i].level;
                assert_int_equal(call(pam_sm_authenticate), PAM_AUTH_ERR);
                assert_int_equal(call(pam_sm_setcred), PAM_CRED_UNAVAIL);
                assert_int_equal(call(pam_sm_acct_mgmt), PAM_PERM_DENIED);
                lib.n_logouts = lib.n_revokes = 0;
                assert_int_equal(call(pam_sm_open_session), PAM_SESSION_ERR);
                assert_int_equal(lib.n_logouts, 1);     /* nobody would ever close it */
                assert_int_equal(call(pam_sm_close_session), PAM_SESSION_ERR);
                assert_int_equal(lib.n_revokes, 0);     /* another's is left alone */
        }
}

static void test_an_account_needs_a_session_and_its_role(void **state) {
        assert_int_equal(call(pam_sm_acct_mgmt), PAM_PERM_DENIED);
        pam.id = ID;
        assert_int_equal(call_with(pam_sm_acct_mgmt, 0, "roles=USER,ADMIN"), PAM_SUCCESS);
        assert_int_equal(call_with(pam_sm_acct_mgmt, 0, "level=1"), PAM_SUCCESS);
        assert_int_equal(call_with(pam_sm_acct_mgmt, 0, "level=2"), PAM_PERM_DENIED);
        assert_int_equal(call_with(pam_sm_acct_mgmt, 0, "max_age=1s"), PAM_PERM_DENIED);
        lib.no_role = true;
        assert_int_equal(call_with(pam_sm_acct_mgmt, 0, "roles=USER,ADMIN"), PAM_PERM_DENIED);
}

static void test_what_only_describes_a_session_keeps_nobody_out(void **state) {
        static char long_name[2000];
        const char *texts[] = { NULL, "", "tty1", long_name, "bad\nname" };

        memset(long_name, 'x', sizeof(long_name) - 1);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                pam.host = pam.tty = texts[i];
                assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
                pam.program = texts[i];
                assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
                pam.program = "login";
        }
        for (int item = PAM_SERVICE; item <= PAM_RHOST; item++) {
                pam.item_result = item;
                assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
        }
}

static void test_what_cannot_be_kept_is_not_opened(void **state) {
        pam.set_data = PAM_BUF_ERR;
        assert_int_equal(call(pam_sm_authenticate), PAM_BUF_ERR);
        assert_int_equal(call(pam_sm_open_session), PAM_BUF_ERR);
        assert_int_equal(lib.n_logouts, 1);
        pam.set_data = PAM_SUCCESS;
        for (pam.put_fails_at = 1; pam.put_fails_at <= 2; pam.put_fails_at++) {
                pam.n_put = lib.n_logouts = 0;
                pam.put = PAM_PERM_DENIED;
                assert_int_equal(call_with(pam_sm_open_session, 0, "export_token"), PAM_PERM_DENIED);
                assert_int_equal(lib.n_logouts, 1);
        }
        pam.put_fails_at = 0;
        lib.token = NULL;
        assert_int_equal(call(pam_sm_open_session), PAM_SESSION_ERR);
        forget_kept();
        assert_int_equal(call(pam_sm_close_session), PAM_SESSION_ERR);   /* there is nothing to close */
}

static void test_L04_an_id_is_checked_with_the_whole_need_or_not_at_all(void **state) {
        pam.id = ID;
        for (unsigned n = 1; ; n++) {
                int code;

                allocations_left = n;
                code = call_with(pam_sm_acct_mgmt, 0, "roles=USER");
                if (allocations_left > 0) {             /* more than there was need for: the role decides */
                        assert_int_equal(code, PAM_PERM_DENIED);
                        assert_true(n > 3);
                        break;
                }
                assert_int_equal(code, PAM_BUF_ERR);
        }
}

static void test_L04_memory_that_runs_out_is_no_success(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(entries); i++)
                for (unsigned n = 1; ; n++) {
                        int code;

                        reset(NULL);
                        assert_int_equal(call(pam_sm_authenticate), PAM_SUCCESS);
                        assert_int_equal(call(pam_sm_open_session), PAM_SUCCESS);
                        pam.program = NULL;             /* what only describes a session is left out then */
                        allocations_left = n;
                        code = call_with(entries[i], 0, "export_token");
                        assert_true(code != PAM_IGNORE && (code != PAM_SUCCESS || allocations_left > 0));
                        if (allocations_left > 0) {     /* more than there was need for */
                                assert_int_equal(code, PAM_SUCCESS);
                                assert_true(n > 1);
                                break;
                        }
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_all_is_well, reset, reset),
                cmocka_unit_test_setup_teardown(test_S11_nobody_comes_in_without_being_somebody_here, reset, reset),
                cmocka_unit_test_setup_teardown(test_S11_what_is_no_token_is_asked_of_nobody, reset, reset),
                cmocka_unit_test_setup_teardown(test_S11_the_table_decides_every_call, reset, reset),
                cmocka_unit_test_setup_teardown(test_S26_a_session_counts_only_for_its_user_of_this_machine, reset, reset),
                cmocka_unit_test_setup_teardown(test_an_account_needs_a_session_and_its_role, reset, reset),
                cmocka_unit_test_setup_teardown(test_what_only_describes_a_session_keeps_nobody_out, reset, reset),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_kept_is_not_opened, reset, reset),
                cmocka_unit_test_setup_teardown(test_L04_an_id_is_checked_with_the_whole_need_or_not_at_all, reset, reset),
                cmocka_unit_test_setup_teardown(test_L04_memory_that_runs_out_is_no_success, reset, reset),
        };

        return cmocka_run_group_tests_name("module entries", tests, NULL, NULL);
}
