/* SPDX-License-Identifier: MIT */
/* Runs PAM. Touches libpam and, through its modules, whatever the machine's administrator has put into the stack. */
#include "stack.h"

#include <errno.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "digest.h"
#include "fault.h"
#include "ident.h"
#include "validate.h"
#include "websess-names.h"

/* What modules show when they ask for the name again; nobody else writes this, so it marks that question. */
#define NAME_PROMPT "websess user name: "

/* One exchange with one stack; appdata of all callbacks. */
typedef struct Exchange {
        const StackRequest *request;
        bool secret_given;
        bool more_wanted;       /* a module asked for something that one secret cannot answer */
        uint64_t delay_usec;
} Exchange;

/* All that depends on who logs in is one outcome, so that nobody learns which users exist or are locked. Results
 * that are not here say that the stack itself is broken or cannot reach what it asks. */
static const struct {
        int pam_result, outcome;
} outcomes[] = {
        { PAM_SUCCESS, FAULT_NONE },
        { PAM_AUTH_ERR, FAULT_AUTHENTICATION_FAILED },
        { PAM_USER_UNKNOWN, FAULT_AUTHENTICATION_FAILED },
        { PAM_MAXTRIES, FAULT_AUTHENTICATION_FAILED },
        { PAM_PERM_DENIED, FAULT_AUTHENTICATION_FAILED },
        { PAM_ACCT_EXPIRED, FAULT_AUTHENTICATION_FAILED },
        { PAM_CRED_INSUFFICIENT, FAULT_AUTHENTICATION_FAILED },
        { PAM_CRED_UNAVAIL, FAULT_AUTHENTICATION_FAILED },
        { PAM_CRED_EXPIRED, FAULT_AUTHENTICATION_FAILED },
        { PAM_CRED_ERR, FAULT_AUTHENTICATION_FAILED },
        { PAM_AUTHTOK_ERR, FAULT_AUTHENTICATION_FAILED },
        { PAM_AUTHTOK_EXPIRED, FAULT_AUTHENTICATION_FAILED },
        { PAM_AUTHTOK_RECOVERY_ERR, FAULT_AUTHENTICATION_FAILED },
        { PAM_NEW_AUTHTOK_REQD, FAULT_CONVERSATION_REQUIRED },
};

int stack_outcome(int pam_result) {
        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (outcomes[i].pam_result == pam_result)
                        return outcomes[i].outcome;
        return FAULT_UNAVAILABLE;
}

static void free_responses(struct pam_response *responses, int n) {
        for (int i = 0; i < n; i++)
                if (responses[i].resp) {
                        wipe(responses[i].resp, strlen(responses[i].resp));
                        free(responses[i].resp);
                }
        free(responses);
}

/* ---- one secret, and nobody to ask ---- */

/* The first hidden question gets the secret, a question for the name the name; any other question needs a person. */
static int answer(Exchange *x, const struct pam_message *message, char **ret) {
        const char *text = NULL;

        switch (message->msg_style) {
        case PAM_TEXT_INFO:
        case PAM_ERROR_MSG:
                return PAM_SUCCESS;
        case PAM_PROMPT_ECHO_OFF:
                if (!x->secret_given)
                        text = x->request->secret;
                x->secret_given = true;
                break;
        case PAM_PROMPT_ECHO_ON:
                if (message->msg && strcmp(message->msg, NAME_PROMPT) == 0)
                        text = x->request->user;
                break;
        }
        if (!text) {
                x->more_wanted = true;
                return PAM_CONV_ERR;
        }
        *ret = strdup(text);
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int answer_all(Exchange *x, int n, const struct pam_message **messages, struct pam_response *responses) {
        int r = PAM_SUCCESS;

        for (int i = 0; r == PAM_SUCCESS && i < n; i++)
                r = answer(x, messages[i], &responses[i].resp);
        return r;
}

/* ---- somebody to ask ---- */

/* AUTH_STYLE_*, or 0 for a style that no text can carry. */
static int style_of(int pam_style) {
        switch (pam_style) {
        case PAM_PROMPT_ECHO_OFF:
                return AUTH_STYLE_SECRET;
        case PAM_PROMPT_ECHO_ON:
        case PAM_RADIO_TYPE:
                return AUTH_STYLE_QUESTION;
        case PAM_ERROR_MSG:
                return AUTH_STYLE_ERROR;
        case PAM_TEXT_INFO:
                return AUTH_STYLE_INFO;
        default:
                return 0;
        }
}

/* The name is not asked for again: the conversation is about this user. */
static bool asks_for_name(const struct pam_message *m) {
        return m->msg_style == PAM_PROMPT_ECHO_ON && m->msg && strcmp(m->msg, NAME_PROMPT) == 0;
}

static int ask_all(Exchange *x, int n, const struct pam_message **messages, struct pam_response *responses) {
        StackMessage asked[PAM_MAX_NUM_MSG];
        char *answers[PAM_MAX_NUM_MSG] = { 0 };
        size_t n_asked = 0, at = 0;
        int r = 0;

        for (int i = 0; i < n; i++) {
                if (asks_for_name(messages[i]))
                        continue;
                asked[n_asked] = (StackMessage) { style_of(messages[i]->msg_style), messages[i]->msg ?: "" };
                if (asked[n_asked++].style == 0)
                        return PAM_CONV_ERR;
        }
        if (n_asked > 0)
                r = x->request->ask(asked, n_asked, answers, x->request->userdata);
        for (int i = 0; i < n; i++)
                responses[i].resp = asks_for_name(messages[i]) ? strdup(x->request->user) : answers[at++];
        return r == 0 ? PAM_SUCCESS : r == -ENOMEM ? PAM_BUF_ERR : PAM_CONV_ERR;
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *appdata) {
        struct pam_response *responses;
        Exchange *x = appdata;
        int r;

        /* Some modules free what they find here even after an error; some pass NULL with messages that ask nothing. */
        if (ret)
                *ret = NULL;
        if (n <= 0 || n > PAM_MAX_NUM_MSG)
                return PAM_CONV_ERR;
        responses = calloc((size_t) n, sizeof(*responses));
        if (!responses)
                return PAM_BUF_ERR;
        r = x->request->ask ? ask_all(x, n, messages, responses) : answer_all(x, n, messages, responses);
        if (r != PAM_SUCCESS) {
                free_responses(responses, n);
                return r;
        }
        if (ret)
                *ret = responses;       /* the module's from here on */
        else
                free_responses(responses, n);
        return PAM_SUCCESS;
}

/* In place of libpam's own sleep: the broker keeps the delay, with a timer. */
static void take_delay(int status, unsigned usec, void *appdata) {
        Exchange *x = appdata;

        if (status != PAM_SUCCESS && usec > x->delay_usec)
                x->delay_usec = usec;
}

/* libpam keeps the callback as an object pointer, as its manual page shows. */
static int set_delay_callback(pam_handle_t *handle) {
        union {
                void (*function)(int, unsigned, void *);
                const void *object;
        } callback = { .function = take_delay };

        return pam_set_item(handle, PAM_FAIL_DELAY, callback.object);
}

static int set_items(pam_handle_t *handle, const StackRequest *request) {
        int r = set_delay_callback(handle);

        if (r == PAM_SUCCESS)
                r = pam_set_item(handle, PAM_USER_PROMPT, NAME_PROMPT);
        /* There is no terminal; some modules refuse to go on without a name for one. */
        if (r == PAM_SUCCESS)
                r = pam_set_item(handle, PAM_TTY, "websess");
        if (r == PAM_SUCCESS && *request->remote_host)
                r = pam_set_item(handle, PAM_RHOST, request->remote_host);
        return r;
}

/* pam_websess has to know which session a new password leaves alone. */
static int set_session(pam_handle_t *handle, const char *id) {
        char variable[sizeof(WEBSESS_ID_VARIABLE) + IDENT_HEX_SIZE + 1];

        if (!*id)
                return PAM_SUCCESS;
        snprintf(variable, sizeof(variable), WEBSESS_ID_VARIABLE "=%s", id);
        return pam_putenv(handle, variable);
}

/* Modules may have mapped the name to another one: from here on only that counts. */
static int read_user(pam_handle_t *handle, char **ret) {
        const void *user = NULL;
        int r = pam_get_item(handle, PAM_USER, &user);

        if (r != PAM_SUCCESS)
                return r;
        if (!user || validate_user(slice_of(user), NULL) != 0)
                return PAM_SERVICE_ERR;
        *ret = strdup(user);
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

/* The fixed order. *step is the call that returned last. Account management is never left out. */
static int run(pam_handle_t *handle, const StackRequest *request, StackResult *ret, const char **step) {
        /* What modules say is for a person, if there is one. */
        int flags = PAM_DISALLOW_NULL_AUTHTOK | (request->ask ? 0 : PAM_SILENT), r;

        *step = "pam_set_item";
        r = set_items(handle, request);
        if (r == PAM_SUCCESS)
                r = set_session(handle, request->session);
        if (r != PAM_SUCCESS)
                return r;
        *step = "pam_authenticate";
        r = pam_authenticate(handle, flags);
        if (r != PAM_SUCCESS)
                return r;
        *step = "pam_acct_mgmt";
        r = pam_acct_mgmt(handle, flags);
        if (r == PAM_NEW_AUTHTOK_REQD && request->ask) {
                *step = "pam_chauthtok";
                r = pam_chauthtok(handle, PAM_CHANGE_EXPIRED_AUTHTOK);
                ret->password_changed = r == PAM_SUCCESS;
        }
        if (r != PAM_SUCCESS)
                return r;
        *step = "PAM_USER";
        return read_user(handle, &ret->user);
}

static void judge(const Exchange *x, const char *step, const char *said, StackResult *ret) {
        const char *name = x->request->pam_service;

        ret->outcome = stack_outcome(ret->pam_result);
        if (ret->outcome != FAULT_NONE && x->more_wanted)
                ret->outcome = FAULT_CONVERSATION_REQUIRED;
        ret->delay_usec = x->delay_usec;
        if (ret->outcome == FAULT_UNAVAILABLE)
                snprintf(ret->text, sizeof(ret->text), "PAM service \"%s\" cannot answer: %s: %s", name, step, said);
        else if (ret->outcome == FAULT_CONVERSATION_REQUIRED)
                snprintf(ret->text, sizeof(ret->text), "PAM service \"%s\" asks for more than one password", name);
        else
                snprintf(ret->text, sizeof(ret->text), "%s: %s", step, said);
}

void stack_authenticate(const StackRequest *request, StackResult *ret) {
        Exchange x = { .request = request };
        struct pam_conv conversation = { .conv = converse, .appdata_ptr = &x };
        pam_handle_t *handle = NULL;
        const char *step = "pam_start";

        *ret = (StackResult) { 0 };
        if (request->pam_confdir)
                ret->pam_result = pam_start_confdir(request->pam_service, request->user, &conversation,
                                                    request->pam_confdir, &handle);
        else
                ret->pam_result = pam_start(request->pam_service, request->user, &conversation, &handle);
        if (ret->pam_result == PAM_SUCCESS)
                ret->pam_result = run(handle, request, ret, &step);
        judge(&x, step, pam_strerror(handle, ret->pam_result), ret);
        if (handle)
                pam_end(handle, ret->pam_result);
}

void stack_result_done(StackResult *r) {
        free(r->user);
        r->user = NULL;
}
