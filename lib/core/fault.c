/* SPDX-License-Identifier: MIT */
/* The table of named outcomes and the questions asked of it. Owns no state. */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DBUS_PREFIX "org.websess1.Error."

typedef struct Outcome {
        const char *dbus_name;
        int http_status;
        const char *text;
} Outcome;

static const Outcome outcomes[_FAULT_MAX] = {
        [FAULT_NO_SESSION] = {
                DBUS_PREFIX "NoSession", 401,
                "No such session: the token is unknown, malformed or of another service, or the session has ended. "
                "Let the user log in again.",
        },
        [FAULT_FORBIDDEN] = {
                DBUS_PREFIX "Forbidden", 403,
                "The session is live, but has none of the roles that are needed: see [Roles] in the service's policy.",
        },
        [FAULT_STEP_UP_REQUIRED] = {
                DBUS_PREFIX "StepUpRequired", 401,
                "The session's level is too low or its authentication too long ago: let the user authenticate again.",
        },
        [FAULT_AUTHENTICATION_FAILED] = {
                DBUS_PREFIX "AuthenticationFailed", 401,
                "The user is unknown, the secret is wrong, or the account may not log in now.",
        },
        [FAULT_CONVERSATION_REQUIRED] = {
                DBUS_PREFIX "ConversationRequired", 401,
                "This PAM stack asks for more than a password: use BeginLogin.",
        },
        [FAULT_LIMIT_REACHED] = {
                DBUS_PREFIX "LimitReached", 429,
                "The user has as many sessions as MaxSessions= allows, and OnLimit=refuse is set: end one of them "
                "first.",
        },
        [FAULT_ACCESS_DENIED] = {
                DBUS_PREFIX "AccessDenied", 500,
                "The calling process may not do this: see [Access] in the service's policy.",
        },
        [FAULT_NO_SERVICE] = {
                DBUS_PREFIX "NoService", 500,
                "There is no such service: it needs a NAME.conf in services.d, and a reload.",
        },
        [FAULT_INVALID_ARGUMENT] = {
                DBUS_PREFIX "InvalidArgument", 400,
                "An argument is not acceptable: the call has to be mended, repeating it does not help.",
        },
        [FAULT_CONFLICT] = {
                DBUS_PREFIX "Conflict", 409,
                "The session was changed by somebody else meanwhile: resolve it again and repeat the change.",
        },
        [FAULT_TOO_MANY] = {
                DBUS_PREFIX "TooMany", 429,
                "Too many requests, connections or failed logins: wait and try again.",
        },
        [FAULT_UNAVAILABLE] = {
                DBUS_PREFIX "Unavailable", 503,
                "The session broker, its database or PAM cannot answer now: look at the journal of websessd.service.",
        },
};

static const Outcome *outcome_of(int code) {
        if (code <= FAULT_NONE || code >= _FAULT_MAX)
                return NULL;
        return &outcomes[code];
}

/* Cut the last character away if its tail is missing. text is as long as its buffer allows. */
static void cut_at_character(char *text, size_t length) {
        size_t start = length, need = 1;

        while (start > 0 && length - start < 3 && ((unsigned char) text[start - 1] & 0xc0) == 0x80)
                start--;
        if (start == 0)
                return;

        unsigned char lead = (unsigned char) text[--start];
        if (lead >= 0xf0)
                need = 4;
        else if (lead >= 0xe0)
                need = 3;
        else if (lead >= 0xc0)
                need = 2;
        if (length - start < need)
                text[start] = '\0';
}

int fault(Fault *f, int code, const char *format, ...) {
        char text[FAULT_TEXT_SIZE];
        va_list ap;
        int n;

        if (!f)
                return code;

        /* Not straight into f->text: the arguments may quote what is there. */
        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n < 0)
                text[0] = '\0';
        else if ((size_t) n >= sizeof(text))
                cut_at_character(text, sizeof(text) - 1);

        f->code = code;
        memcpy(f->text, text, strlen(text) + 1);
        return code;
}

const char *fault_dbus_name(int code) {
        const Outcome *o = outcome_of(code);

        return o ? o->dbus_name : NULL;
}

int fault_from_dbus_name(const char *name) {
        if (!name)
                return FAULT_NONE;

        for (int code = FAULT_NONE + 1; code < _FAULT_MAX; code++)
                if (strcmp(outcomes[code].dbus_name, name) == 0)
                        return code;
        return FAULT_NONE;
}

const char *fault_name(int code) {
        const Outcome *o = outcome_of(code);

        return o ? o->dbus_name + strlen(DBUS_PREFIX) : NULL;
}

int fault_http_status(int code) {
        const Outcome *o = outcome_of(code);

        return o ? o->http_status : 500;
}

const char *fault_text(int code) {
        const Outcome *o = outcome_of(code);

        if (o)
                return o->text;
        return code == FAULT_NONE ? "Nothing is wrong." : "An error without a name.";
}
