/* SPDX-License-Identifier: MIT */
/* Owns nothing beyond one call but the tokens it hangs into the PAM handle. Talks to the broker's private socket
 * and to syslog. */
#include "client.h"
#include "module.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <security/pam_modutil.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cleanup.h"
#include "digest.h"
#include "record.h"

/* ---- outcomes ---- */

/* Every result is here or is broken; broken is never success. In column order: authentication, account,
 * session, password. */
static const int codes[][_MODULE_KIND_MAX] = {
        [WEBSESS_OK] = { PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS },
        [WEBSESS_E_NO_SESSION] = { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_FORBIDDEN] = { PAM_PERM_DENIED, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_STEP_UP_REQUIRED] = { PAM_CRED_INSUFFICIENT, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_AUTHENTICATION_FAILED] = { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_CONVERSATION_REQUIRED] = { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_LIMIT_REACHED] = { PAM_MAXTRIES, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_ACCESS_DENIED] = { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_NO_SERVICE] = { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_INVALID_ARGUMENT] = { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_CONFLICT] = { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_TOO_MANY] = { PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
        [WEBSESS_E_UNAVAILABLE] = { PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, PAM_SESSION_ERR, PAM_AUTHTOK_ERR },
};

int module_pam_code(ModuleKind kind, int result) {
        if (result >= 0 && (size_t) result < ELEMENTSOF(codes))
                return codes[result][kind];
        if (result == -ENOMEM)
                return PAM_BUF_ERR;
        return kind == MODULE_SESSION ? PAM_SESSION_ERR : kind == MODULE_PASSWORD ? PAM_AUTHTOK_ERR : PAM_SYSTEM_ERR;
}

void module_log(const Module *m, int priority, const char *format, ...) {
        va_list list;

        if (priority == LOG_DEBUG && !m->arguments.debug)
                return;
        va_start(list, format);
        pam_vsyslog(m->handle, priority, format, list);
        va_end(list);
}

/* What a client can bring about is a notice; what only an administrator can mend is an error. */
int module_result(const Module *m, int result, const char *doing) {
        bool usual = result > 0 && result <= WEBSESS_E_LIMIT_REACHED;

        if (result != 0)
                module_log(m, usual ? LOG_NOTICE : LOG_ERR, "%s for user %s in service %s: %s", doing,
                           m->user, m->arguments.service, websess_last_error_text());
        return module_pam_code(m->kind, result);
}

/* ---- life ---- */

static int find_user(Module *m) {
        const struct passwd *entry;
        int r = pam_get_user(m->handle, &m->user, NULL);

        if (r != PAM_SUCCESS)
                return r == PAM_CONV_AGAIN ? PAM_INCOMPLETE : r;
        if (!m->user || !*m->user)
                return PAM_USER_UNKNOWN;
        entry = pam_modutil_getpwnam(m->handle, m->user);
        if (!entry) {
                module_log(m, LOG_NOTICE, "user %s is not known to this machine", m->user);
                return PAM_USER_UNKNOWN;
        }
        m->uid = entry->pw_uid;
        return PAM_SUCCESS;
}

int module_begin(Module *m, pam_handle_t *handle, ModuleKind kind, int argc, const char **argv) {
        char error[256];
        int r;

        *m = (Module) { .handle = handle, .kind = kind };
        if (!module_arguments_parse(&m->arguments, argc, argv, error, sizeof(error))) {
                module_log(m, LOG_ERR, "%s", error);
                return PAM_SERVICE_ERR;
        }
        r = find_user(m);
        if (r != PAM_SUCCESS)
                return r;
        r = websess_open_socket(&m->broker, m->arguments.service, m->arguments.socket, m->arguments.timeout_usec);
        if (r == 0) {
                m->broker->map.off = true;      /* one question, and the process goes: a call is the shorter way */
                r = websess_session_new(&m->session);
        }
        return module_result(m, r, "cannot prepare");
}

void module_end(Module *m) {
        websess_session_free(m->session);
        websess_close(m->broker);
}

/* ---- what makes a session count here ---- */

/* Otherwise a daemon that may create sessions in a service of its own could mint itself a login as anybody. */
int module_check_session(const Module *m) {
        const char *service = websess_session_service(m->session), *user = websess_session_user(m->session);
        uint32_t uid = websess_session_uid(m->session);
        const char *wrong = NULL;

        if (!service || strcmp(service, m->arguments.service) != 0)
                wrong = "is of another service";
        else if (!user || strcmp(user, m->user) != 0)
                wrong = "belongs to another user";
        else if (uid == RECORD_NO_UID)
                wrong = "is of a user that is not this machine's";
        else if (uid != m->uid)
                wrong = "is of an account that had another uid";
        else if (websess_session_level(m->session) == 0)
                wrong = "says of nobody that he authenticated (level 0)";
        if (!wrong)
                return PAM_SUCCESS;
        module_log(m, LOG_NOTICE, "session %s %s: refused for user %s in service %s", websess_session_id(m->session),
                   wrong, m->user, m->arguments.service);
        return module_pam_code(m->kind, WEBSESS_E_NO_SESSION);
}

static void free_need(websess_need **n) {
        websess_need_free(*n);
}

static int make_need(const Module *m, bool touch, websess_need **ret) {
        const char *roles = m->arguments.roles;
        char role[ROLE_MAX + 1];
        int r = websess_need_new(ret);

        if (r == 0 && !touch)
                r = websess_need_flags(*ret, WEBSESS_NEED_NO_TOUCH);
        if (r == 0 && m->arguments.level > 0)
                r = websess_need_level(*ret, m->arguments.level);
        if (r == 0 && m->arguments.max_age_usec > 0)
                r = websess_need_max_auth_age_usec(*ret, m->arguments.max_age_usec);
        while (r == 0 && module_next_role(&roles, role, sizeof(role)) > 0)
                r = websess_need_role(*ret, role);
        return r;
}

int module_check_token(Module *m, const char *token, bool touch) {
        _cleanup_(free_need) websess_need *need = NULL;
        int r = make_need(m, touch, &need);

        if (r == 0)
                r = websess_resolve(m->broker, token, strlen(token), need, m->session);
        if (r != 0)
                return module_result(m, r, "token refused");
        return module_check_session(m);
}

int module_check_id(Module *m, const char *id) {
        _cleanup_(free_need) websess_need *need = NULL;
        int r = make_need(m, false, &need);

        if (r == 0)
                r = websess_get(m->broker, id, m->session);
        if (r == 0)
                r = websess_require(m->session, need);
        if (r != 0)
                return module_result(m, r, "session refused");
        return module_check_session(m);
}

/* ---- tokens kept in the handle ---- */

/* By service, so that two lines of one stack do not end each other's sessions. */
static void data_name(const Module *m, ModuleToken which, char *out, size_t size) {
        static const char *const names[_MODULE_TOKEN_MAX] = { "offered", "session" };

        snprintf(out, size, "websess-%s-%s", names[which], m->arguments.service);
}

static void wipe_token(pam_handle_t *handle, void *data, int status) {
        wipe(data, strlen(data));
        free(data);
}

#define DATA_NAME_SIZE (SERVICE_MAX + 32)

int module_keep_token(const Module *m, ModuleToken which, const char *token) {
        char name[DATA_NAME_SIZE];
        char *copy = strdup(token);
        int r;

        if (!copy)
                return PAM_BUF_ERR;
        data_name(m, which, name, sizeof(name));
        r = pam_set_data(m->handle, name, copy, wipe_token);
        if (r != PAM_SUCCESS)
                wipe_token(m->handle, copy, r);
        return r;
}

const char *module_kept_token(const Module *m, ModuleToken which) {
        char name[DATA_NAME_SIZE];
        const void *data = NULL;

        data_name(m, which, name, sizeof(name));
        return pam_get_data(m->handle, name, &data) == PAM_SUCCESS ? data : NULL;
}
