/* SPDX-License-Identifier: MIT */
/*
 * The entry points of pam_websess.so; see pam_websess(8) for what each does. None of them answers PAM_SUCCESS
 * unless the broker has said so in this very call, and none answers PAM_IGNORE: a stack must never go on as if
 * this module had not been there.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cleanup.h"
#include "digest.h"
#include "module.h"
#include "token.h"
#include "websess-names.h"

#define TOKEN_VARIABLE "WEBSESS_TOKEN"

/* ---- auth ---- */

/* Could this be a token at all? What cannot is most likely a password meant for the next module: it goes nowhere. */
static bool looks_like_token(const char *text) {
        size_t size = strlen(text);
        Token token;
        bool yes;

        if (size < TOKEN_BODY_SIZE || size > TOKEN_MAX)
                return false;
        yes = token_parse(text, size, text, size - TOKEN_BODY_SIZE, &token);
        wipe(&token, sizeof(token));
        return yes;
}

/* What was typed: for an earlier module, or now. */
static int offered_token(const Module *m, const char **ret) {
        const void *item = NULL;
        int r;

        if (m->arguments.use_first_pass) {
                r = pam_get_item(m->handle, PAM_AUTHTOK, &item);
                *ret = item;
        } else
                r = pam_get_authtok(m->handle, PAM_AUTHTOK, ret, NULL);
        if (r == PAM_SUCCESS && !*ret)
                r = PAM_AUTH_ERR;
        if (r == PAM_SUCCESS && !looks_like_token(*ret)) {
                module_log(m, LOG_DEBUG, "what user %s offered is no token", m->user);
                r = PAM_AUTH_ERR;
        }
        return r;
}

static int authenticate(Module *m) {
        const char *token = NULL;
        int r = offered_token(m, &token);

        if (r != PAM_SUCCESS)
                return r;
        r = module_check_token(m, token, true);
        if (r != PAM_SUCCESS)
                return r;
        module_log(m, LOG_DEBUG, "user %s authenticated by session %s", m->user, websess_session_id(m->session));
        return module_keep_token(m, MODULE_TOKEN_OFFERED, token);
}

/* There are no credentials to set beyond the token. Whoever was not let in by this module has none. */
static int set_credentials(Module *m) {
        return module_kept_token(m, MODULE_TOKEN_OFFERED) ? PAM_SUCCESS : PAM_CRED_UNAVAIL;
}

/* ---- account ---- */

static int check_account(Module *m) {
        const char *offered = module_kept_token(m, MODULE_TOKEN_OFFERED);
        const char *token = offered ? offered : pam_getenv(m->handle, TOKEN_VARIABLE);
        const char *id = pam_getenv(m->handle, WEBSESS_ID_VARIABLE);

        if (token)
                return module_check_token(m, token, false);
        if (id)
                return module_check_id(m, id);
        module_log(m, LOG_NOTICE, "user %s came with no session of service %s", m->user, m->arguments.service);
        return PAM_PERM_DENIED;
}

/* ---- session ---- */

static int put_variable(const Module *m, const char *name, const char *value) {
        char *text = NULL;
        int r;

        if (asprintf(&text, "%s=%s", name, value) < 0)
                return PAM_BUF_ERR;
        r = pam_putenv(m->handle, text);        /* copies */
        wipe(text, strlen(text));
        free(text);
        return r;
}

/* Only for listings: what a session cannot carry is left out. */
static void describe(const Module *m, websess_options *o) {
        const void *host = NULL, *program = NULL, *tty = NULL;
        char agent[600];

        if (pam_get_item(m->handle, PAM_RHOST, &host) == PAM_SUCCESS && host &&
            websess_options_remote_host(o, host) != 0)
                module_log(m, LOG_DEBUG, "the remote host cannot be kept: %s", websess_last_error_text());
        if (pam_get_item(m->handle, PAM_SERVICE, &program) != PAM_SUCCESS || !program)
                return;
        if (pam_get_item(m->handle, PAM_TTY, &tty) != PAM_SUCCESS || !tty || !*(const char *) tty)
                snprintf(agent, sizeof(agent), "PAM %s", (const char *) program);
        else
                snprintf(agent, sizeof(agent), "PAM %s on %s", (const char *) program, (const char *) tty);
        if (websess_options_user_agent(o, agent) != 0)
                module_log(m, LOG_DEBUG, "the name of the program cannot be kept: %s", websess_last_error_text());
}

static void free_options(websess_options **o) {
        websess_options_free(*o);
}

static int create_session(Module *m) {
        _cleanup_(free_options) websess_options *options = NULL;
        const char *before = module_kept_token(m, MODULE_TOKEN_SESSION);
        int r = websess_options_new(&options);

        /* The stack before this line has authenticated the user. */
        if (r == 0)
                r = websess_options_level(options, 1);
        if (r == 0 && before)
                r = websess_options_replace_token(options, before, strlen(before));
        if (r == 0) {
                describe(m, options);
                r = websess_create(m->broker, m->user, options, m->session);
        }
        return module_result(m, r, "no session");
}

static int publish_session(Module *m, const char *token) {
        int r = module_check_session(m);

        if (r == PAM_SUCCESS)
                r = module_keep_token(m, MODULE_TOKEN_SESSION, token);
        if (r == PAM_SUCCESS)
                r = put_variable(m, WEBSESS_ID_VARIABLE, websess_session_id(m->session));
        if (r == PAM_SUCCESS && m->arguments.export_token)
                r = put_variable(m, TOKEN_VARIABLE, token);
        return r;
}

static int open_session(Module *m) {
        const char *token;
        int r = create_session(m);

        if (r != PAM_SUCCESS)
                return r;
        token = websess_session_token(m->session);
        if (!token) {
                module_log(m, LOG_ERR, "the broker made a session without a token");
                return PAM_SESSION_ERR;
        }
        r = publish_session(m, token);
        if (r != PAM_SUCCESS) {
                websess_logout(m->broker, token, strlen(token));        /* nobody would ever close it */
                return r;
        }
        module_log(m, LOG_DEBUG, "session %s opened for user %s", websess_session_id(m->session), m->user);
        return PAM_SUCCESS;
}

/* A session that another process opened. The PAM environment may hold what a user wrote: only his own is ended. */
static int close_by_id(Module *m, const char *id) {
        int r = websess_get(m->broker, id, m->session);

        if (r == 0) {
                int code = module_check_session(m);

                if (code != PAM_SUCCESS)
                        return code;
                r = websess_revoke(m->broker, id);
        }
        if (r == WEBSESS_E_NO_SESSION)
                r = 0;          /* it has ended already */
        return module_result(m, r, "session not closed");
}

static int close_session(Module *m) {
        const char *token = module_kept_token(m, MODULE_TOKEN_SESSION);
        const char *id = pam_getenv(m->handle, WEBSESS_ID_VARIABLE);

        if (token)
                return module_result(m, websess_logout(m->broker, token, strlen(token)), "session not closed");
        if (!id) {
                module_log(m, LOG_ERR, "no session to close for user %s: no " WEBSESS_ID_VARIABLE " in the PAM environment",
                           m->user);
                return PAM_SESSION_ERR;
        }
        return close_by_id(m, id);
}

/* ---- password ---- */

/* Before the password is changed: is there a broker to tell? Afterwards it would be too late to stop. */
static int prepare_password(Module *m) {
        websess_values *facts = NULL;
        int r = websess_values_new(&facts);

        if (r == 0)
                r = websess_status(m->broker, facts);
        websess_values_free(facts);
        return module_result(m, r, "the broker cannot be told of a new password");
}

/* The lines before this one have changed it. Whoever knows the old one must not stay inside: what that opened ends, in
 * every service; the user goes on in the session that this was done from. */
static int end_other_sessions(Module *m) {
        const char *id = pam_getenv(m->handle, WEBSESS_ID_VARIABLE);
        uint32_t n = 0;
        int r = websess_revoke_user(m->broker, "", m->user, id, WEBSESS_REVOKE_PASSWORD, &n);

        if (r == 0)
                module_log(m, LOG_DEBUG, "password of user %s changed: %u sessions ended", m->user, n);
        return module_result(m, r, "sessions of the old password not ended");
}

/* ---- entry points ---- */

static int enter(pam_handle_t *handle, ModuleKind kind, int argc, const char **argv, int (*work)(Module *m)) {
        Module m;
        int r = module_begin(&m, handle, kind, argc, argv);

        if (r == PAM_SUCCESS)
                r = work(&m);
        module_end(&m);
        return r;
}

int pam_sm_authenticate(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_AUTH, argc, argv, authenticate);
}

int pam_sm_setcred(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_AUTH, argc, argv, set_credentials);
}

int pam_sm_acct_mgmt(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_ACCOUNT, argc, argv, check_account);
}

int pam_sm_open_session(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_SESSION, argc, argv, open_session);
}

int pam_sm_close_session(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_SESSION, argc, argv, close_session);
}

int pam_sm_chauthtok(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return enter(handle, MODULE_PASSWORD, argc, argv,
                     flags & PAM_UPDATE_AUTHTOK ? end_other_sessions : prepare_password);
}
