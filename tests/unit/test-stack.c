/* SPDX-License-Identifier: MIT */
/*
 * The helper's decision, against a PAM that does what it is told: every call and every result, what modules may ask, and memory that runs out. (The real PAM
 * is in the integration tests.) calloc() and strdup() are called by way of the __wrap functions here.
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
#include <security/pam_appl.h>

#include "../../broker/helper/stack.h"
#include "cleanup.h"
#include "fault.h"

typedef struct pam_handle {
        const struct pam_conv *conversation;
        void (*delay)(int, unsigned, void *);
        char log[256];                  /* what was called, in order */
} Handle;

/* What PAM does next. */
static struct {
        int start, set_item_fails_at, set_item, authenticate, account, password, get_item, put_variable;
        const char *user;
        const struct pam_message *asks; /* by pam_authenticate() */
        int n_asks;
        bool passes_null;
        unsigned delay;

        int n_set_items, said, flags;
        char environment[64];
        char *answers[PAM_MAX_NUM_MSG];
} pam;
static Handle handle;
static unsigned allocations_left;       /* 0: as many as are wanted */

static bool runs_out(void) {
        return allocations_left > 0 && --allocations_left == 0;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *__wrap_calloc(size_t n, size_t size) {
        return runs_out() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text) {
        return runs_out() ? NULL : __real_strdup(text);
}

/* ---- a PAM ---- */

static int note(const char *what, int result) {
        strcat(strcat(handle.log, what), " ");
        return result;
}

static int start(const struct pam_conv *conversation, pam_handle_t **ret) {
        handle = (Handle) { .conversation = conversation };
        if (pam.start == PAM_SUCCESS)
                *ret = &handle;
        return pam.start;
}

int pam_start(const char *service, const char *user, const struct pam_conv *conversation, pam_handle_t **ret) {
        return note("start", start(conversation, ret));
}

int pam_start_confdir(const char *service, const char *user, const struct pam_conv *conversation, const char *folder, pam_handle_t **ret) {
        return start(conversation, ret);
}

int pam_end(pam_handle_t *h, int status) {
        return note("end", PAM_SUCCESS);
}

const char *pam_strerror(pam_handle_t *h, int result) {
        return "text of PAM";
}

int pam_set_item(pam_handle_t *h, int type, const void *item) {
        union {
                const void *object;
                void (*function)(int, unsigned, void *);
        } callback = { item };

        if (type == PAM_FAIL_DELAY)
                h->delay = callback.function;
        return ++pam.n_set_items == pam.set_item_fails_at ? pam.set_item : PAM_SUCCESS;
}

int pam_putenv(pam_handle_t *h, const char *text) {
        snprintf(pam.environment, sizeof(pam.environment), "%s", text);
        return pam.put_variable;
}

int pam_get_item(const pam_handle_t *h, int type, const void **ret) {
        *ret = pam.user;
        return pam.get_item;
}

static void forget_answers(void) {
        for (size_t i = 0; i < PAM_MAX_NUM_MSG; i++) {
                free(pam.answers[i]);
                pam.answers[i] = NULL;
        }
}

static void ask(pam_handle_t *h) {
        const struct pam_message *messages[PAM_MAX_NUM_MSG + 1];
        struct pam_response *responses = NULL;

        for (int i = 0; i < pam.n_asks && i <= PAM_MAX_NUM_MSG; i++)
                messages[i] = &pam.asks[i < 8 ? i : 0];
        pam.said = h->conversation->conv(pam.n_asks, messages, pam.passes_null ? NULL : &responses, h->conversation->appdata_ptr);
        if (pam.said != PAM_SUCCESS)
                assert_null(responses);
        for (int i = 0; responses && i < pam.n_asks; i++)
                pam.answers[i] = responses[i].resp;
        free(responses);
}

int pam_authenticate(pam_handle_t *h, int flags) {
        pam.flags = flags;
        if (pam.asks)
                ask(h);
        if (pam.delay)
                h->delay(pam.authenticate, pam.delay, h->conversation->appdata_ptr);
        return note("authenticate", pam.asks && pam.said != PAM_SUCCESS ? PAM_CONV_ERR : pam.authenticate);
}

int pam_acct_mgmt(pam_handle_t *h, int flags) {
        return note("account", pam.account);
}

int pam_chauthtok(pam_handle_t *h, int flags) {
        return note("password", pam.password);
}

/* ---- runs ---- */

#define ID "00112233445566778899aabbccddeeff"

static int ask_result;
static size_t n_asked;

static int ask_person(const StackMessage *messages, size_t n, char **answers, void *userdata) {
        n_asked = n;
        for (size_t i = 0; i < n; i++)
                answers[i] = messages[i].style <= AUTH_STYLE_QUESTION ? __real_strdup(messages[i].text) : NULL;
        return ask_result;
}

static int reset(void **state) {
        forget_answers();
        memset(&pam, 0, sizeof(pam));
        pam.user = "anna";
        ask_result = 0;
        n_asked = allocations_left = 0;
        return 0;
}

static int run_as(const char *folder, StackAsk person, const char *host, const char *session) {
        StackRequest request = {
                .pam_service = "web", .pam_confdir = folder, .user = "anna", .secret = "geheim", .ask = person, .remote_host = host, .session = session,
        };
        StackResult result;
        int outcome;

        pam.n_set_items = 0;
        stack_authenticate(&request, &result);
        outcome = result.outcome;
        assert_true(outcome == 0 || *result.text);
        assert_true(!result.user || outcome == 0);
        assert_int_equal(result.password_changed, strstr(handle.log, "password") && pam.password == PAM_SUCCESS);
        if (outcome == 0)
                assert_string_equal(result.user, pam.user);
        stack_result_done(&result);
        return outcome;
}

static int run(StackAsk person) {
        return run_as("/etc", person, "192.0.2.1", ID);
}

static void test_S12_the_order_is_fixed(void **state) {
        assert_int_equal(run(NULL), 0);
        assert_string_equal(handle.log, "authenticate account end ");
        assert_string_equal(pam.environment, "WEBSESS_ID=" ID);
        assert_true(pam.flags & PAM_SILENT && pam.flags & PAM_DISALLOW_NULL_AUTHTOK);
        assert_int_equal(run_as(NULL, ask_person, "", ""), 0);
        assert_string_equal(handle.log, "start authenticate account end ");
        assert_false(pam.flags & PAM_SILENT);
        /* a new password only where account management demands one and there is somebody to ask for it */
        pam.account = PAM_NEW_AUTHTOK_REQD;
        assert_int_equal(run(NULL), FAULT_CONVERSATION_REQUIRED);
        assert_string_equal(handle.log, "authenticate account end ");
        assert_int_equal(run(ask_person), 0);
        assert_string_equal(handle.log, "authenticate account password end ");
        pam.password = PAM_AUTHTOK_ERR;
        assert_int_equal(run(ask_person), FAULT_AUTHENTICATION_FAILED);
}

static void test_S12_one_no_is_enough(void **state) {
        int *const steps[] = { &pam.start, &pam.authenticate, &pam.account, &pam.get_item, &pam.put_variable, &pam.set_item };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                for (int result = 1; result < _PAM_RETURN_VALUES; result++)
                        for (int at = 1; at <= (steps[i] == &pam.set_item ? 4 : 1); at++) {
                                reset(NULL);
                                *steps[i] = result;
                                pam.set_item_fails_at = steps[i] == &pam.set_item ? at : 0;
                                assert_int_not_equal(run(NULL), 0);
                        }
        for (int result = -2; result < _PAM_RETURN_VALUES + 2; result++)
                assert_int_equal(stack_outcome(result) == 0, result == PAM_SUCCESS);
}

static void test_S13_the_name_that_counts_is_the_one_PAM_says_at_last(void **state) {
        static const char *const bad[] = { NULL, "", "a\nb" };

        pam.user = "otto";
        assert_int_equal(run(NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                pam.user = bad[i];
                assert_int_equal(run(NULL), FAULT_UNAVAILABLE);
        }
}

static void test_S09_only_the_delay_of_a_failure_counts(void **state) {
        static const int results[] = { PAM_SUCCESS, PAM_AUTH_ERR };
        StackRequest request = { .pam_service = "web", .pam_confdir = "/etc", .user = "anna", .secret = "geheim", .remote_host = "", .session = "" };
        StackResult result;

        for (size_t i = 0; i < ELEMENTSOF(results); i++) {
                pam.authenticate = results[i];
                pam.delay = 2000;
                stack_authenticate(&request, &result);
                assert_int_equal(result.delay_usec, i == 0 ? 0 : 2000);
                stack_result_done(&result);
        }
}

#define NAME "websess user name: "

static void test_one_secret_answers_one_question(void **state) {
        static const struct pam_message plain[] = {
                { PAM_TEXT_INFO, "hello" }, { PAM_ERROR_MSG, "oh" }, { PAM_PROMPT_ECHO_ON, NAME }, { PAM_PROMPT_ECHO_OFF, "Password: " },
        }, hard[][2] = {
                { { PAM_PROMPT_ECHO_OFF, "Password: " }, { PAM_PROMPT_ECHO_OFF, "Code: " } },
                { { PAM_TEXT_INFO, "" }, { PAM_PROMPT_ECHO_ON, "Code: " } },
                { { PAM_TEXT_INFO, "" }, { PAM_PROMPT_ECHO_ON, NULL } },
                { { PAM_TEXT_INFO, "" }, { PAM_RADIO_TYPE, "yes?" } },
                { { PAM_PROMPT_ECHO_OFF, "Password: " }, { PAM_BINARY_PROMPT, "" } },
        };

        pam.asks = plain;
        pam.n_asks = ELEMENTSOF(plain);
        assert_int_equal(run(NULL), 0);
        assert_null(pam.answers[0]);
        assert_null(pam.answers[1]);
        assert_string_equal(pam.answers[2], "anna");
        assert_string_equal(pam.answers[3], "geheim");
        forget_answers();
        for (size_t i = 0; i < ELEMENTSOF(hard); i++) {
                pam.asks = hard[i];
                pam.n_asks = 2;
                assert_int_equal(run(NULL), FAULT_CONVERSATION_REQUIRED);
                assert_int_equal(pam.said, PAM_CONV_ERR);
        }
}

static void test_a_person_is_asked_everything_but_the_name(void **state) {
        static const struct pam_message all[] = {
                { PAM_TEXT_INFO, "hello" }, { PAM_ERROR_MSG, NULL }, { PAM_PROMPT_ECHO_ON, NAME }, { PAM_PROMPT_ECHO_OFF, "Password: " },
                { PAM_PROMPT_ECHO_ON, "Code: " }, { PAM_PROMPT_ECHO_ON, NULL }, { PAM_RADIO_TYPE, "yes?" }, { PAM_BINARY_PROMPT, "" },
        };

        pam.asks = all;
        pam.n_asks = 7;
        assert_int_equal(run(ask_person), 0);
        assert_int_equal(n_asked, 6);
        assert_string_equal(pam.answers[2], "anna");
        assert_string_equal(pam.answers[3], "Password: ");
        assert_string_equal(pam.answers[6], "yes?");
        forget_answers();
        pam.n_asks = 8;                 /* one that no text can carry */
        assert_int_equal(run(ask_person), FAULT_UNAVAILABLE);
        pam.asks = all + 2;             /* the name alone: nobody is bothered */
        pam.n_asks = 1;
        n_asked = 0;
        assert_int_equal(run(ask_person), 0);
        assert_int_equal(n_asked, 0);
        forget_answers();
        pam.asks = all + 3;
        ask_result = -ECONNRESET;
        assert_int_equal(run(ask_person), FAULT_UNAVAILABLE);
        assert_int_equal(pam.said, PAM_CONV_ERR);
        ask_result = -ENOMEM;
        assert_int_equal(run(ask_person), FAULT_UNAVAILABLE);
        assert_int_equal(pam.said, PAM_BUF_ERR);
}

static void test_S11_what_no_module_should_ask_is_refused(void **state) {
        static const struct pam_message info[] = { { PAM_TEXT_INFO, "hello" }, { PAM_TEXT_INFO, "again" } };
        static const int bad[] = { -1, 0, PAM_MAX_NUM_MSG + 1 };

        pam.asks = info;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                pam.n_asks = bad[i];
                assert_int_equal(run(NULL), FAULT_UNAVAILABLE);
                assert_int_equal(pam.said, PAM_CONV_ERR);
        }
        pam.n_asks = 2;
        pam.passes_null = true;
        assert_int_equal(run(NULL), 0);
        assert_int_equal(run(ask_person), 0);
        pam.asks = (const struct pam_message[]) { { PAM_PROMPT_ECHO_OFF, "Password: " } };
        pam.n_asks = 1;
        assert_int_equal(run(ask_person), 0);
}

static void test_L04_memory_that_runs_out_is_no_success(void **state) {
        static const struct pam_message password = { PAM_PROMPT_ECHO_OFF, "Password: " }, name = { PAM_PROMPT_ECHO_ON, NAME };
        static const struct pam_message *const questions[] = { &password, &name };

        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                for (unsigned n = 1; ; n++) {
                        int outcome;

                        reset(NULL);
                        pam.asks = questions[i];
                        pam.n_asks = 1;
                        allocations_left = n;
                        outcome = run(NULL);
                        forget_answers();
                        if (allocations_left > 0) {     /* more than there was need for */
                                assert_int_equal(outcome, 0);
                                assert_true(n > 3);
                                break;
                        }
                        assert_int_equal(outcome, FAULT_UNAVAILABLE);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_S12_the_order_is_fixed, reset),
                cmocka_unit_test_setup(test_S12_one_no_is_enough, reset),
                cmocka_unit_test_setup(test_S13_the_name_that_counts_is_the_one_PAM_says_at_last, reset),
                cmocka_unit_test_setup(test_S09_only_the_delay_of_a_failure_counts, reset),
                cmocka_unit_test_setup(test_one_secret_answers_one_question, reset),
                cmocka_unit_test_setup(test_a_person_is_asked_everything_but_the_name, reset),
                cmocka_unit_test_setup(test_S11_what_no_module_should_ask_is_refused, reset),
                cmocka_unit_test_setup_teardown(test_L04_memory_that_runs_out_is_no_success, reset, reset),
        };

        return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
