/* SPDX-License-Identifier: MIT */
/* The list of verbs, and the steps that several of them begin with. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attr.h"
#include "cmdline.h"
#include "say.h"
#include "text.h"
#include "verbs.h"

#define ANY_NUMBER SIZE_MAX
#define FILTERS                                                                                         \
        (CTL_BIT(SERVICE) | CTL_BIT(USER) | CTL_BIT(USER_PREFIX) | CTL_BIT(ROLE_FILTER) |               \
         CTL_BIT(LIMIT) | CTL_BIT(AFTER))
#define RESOLVING                                                                                       \
        (CTL_BIT(ROLE) | CTL_BIT(LEVEL) | CTL_BIT(MAX_AGE) | CTL_BIT(NO_TOUCH) |                        \
         CTL_BIT(ALLOW_ANONYMOUS) | CTL_BIT(COOKIE) | CTL_BIT(COOKIE_NAME) | CTL_BIT(CGI))
#define EXPLAINING                                                                                      \
        (CTL_BIT(SERVICE) | CTL_BIT(ROLE) | CTL_BIT(LEVEL) | CTL_BIT(MAX_AGE) | CTL_BIT(ALLOW_ANONYMOUS))
#define BEGINNING                                                                                       \
        (CTL_BIT(ROLE) | CTL_BIT(ATTR) | CTL_BIT(METHOD) | CTL_BIT(LEVEL) | CTL_BIT(REMOTE_HOST) |      \
         CTL_BIT(USER_AGENT) | CTL_BIT(IDLE) | CTL_BIT(LIFETIME) | CTL_BIT(REMEMBER) | CTL_BIT(REQUEST_ID))

const CtlVerb ctl_verbs[] = {
        { "status", "", "Show how the broker is", 0, 0, 0, verb_status },
        { "doctor", "", "Look for what is wrong with the broker and its machine", 0, 0, 0, verb_doctor },
        { "services", "", "List the services that you may use", 0, 0, 0, verb_services },
        { "list", "", "List sessions, the oldest first", 0, 0, FILTERS, verb_list },
        { "show", "ID…", "Show sessions", 1, ANY_NUMBER, 0, verb_show },
        { "explain", "[ID]", "Tell why a session is valid or not; reads a token where there is no ID", 0, 1, EXPLAINING, verb_explain },
        { "login", "SERVICE USER", "Check a password and begin a session; reads the password",
          2, 2, BEGINNING, verb_login },
        { "create", "SERVICE USER", "Begin a session for a user whom you vouch for; \"\" is a visitor",
          2, 2, BEGINNING, verb_create },
        { "resolve", "SERVICE", "Find the session behind a token; reads the token",
          1, 1, RESOLVING, verb_resolve },
        { "rotate", "SERVICE", "Give a session a new token; reads the old one",
          1, 1, CTL_BIT(REQUEST_ID), verb_rotate },
        { "logout", "SERVICE", "End the session behind a token; reads the token", 1, 1, 0, verb_logout },
        { "set-attr", "SERVICE [KEY[:TYPE]=VALUE]…", "Change attributes of a session; reads its token",
          1, ANY_NUMBER, CTL_BIT(UNSET) | CTL_BIT(IF_VERSION), verb_set_attr },
        { "touch", "SERVICE ID…", "Note that sessions were seen", 2, ANY_NUMBER, 0, verb_touch },
        { "set-roles", "ID ROLE… | --user SERVICE USER ROLE…",
          "Change the roles of a session, or of all of a user's; \"\" for none",
          2, ANY_NUMBER, CTL_BIT(BY_USER), verb_set_roles },
        { "revoke", "ID…", "End sessions", 1, ANY_NUMBER, 0, verb_revoke },
        { "revoke-user", "[SERVICE] USER", "End all sessions of a user, in one service or in all",
          1, 2, CTL_BIT(EXCEPT) | CTL_BIT(PREFIX), verb_revoke_user },
        { "revoke-all", "SERVICE", "End all sessions of a service", 1, 1, 0, verb_revoke_all },
        { "watch", "", "Show sessions as they begin and end",
          0, 0, CTL_BIT(SERVICE) | CTL_BIT(USER) | CTL_BIT(LIMIT), verb_watch },
        { "reset-throttle", "[SERVICE [USER [HOST]]]", "Let logins be tried again of which too many have failed",
          0, 3, 0, verb_reset_throttle },
        { "reload", "", "Read the policy again", 0, 0, 0, verb_reload },
        { "backup", "FILE", "Write a backup of all sessions into a new file", 1, 1, 0, verb_backup },
        { NULL },
};

const CtlVerb *ctl_verb_find(const char *name) {
        for (const CtlVerb *v = ctl_verbs; v->name; v++) {
                if (strcmp(v->name, name) == 0)
                        return v;
        }
        return NULL;
}

int verb_open(const Ctl *c, const char *service, uint64_t usually_usec, websess **ret) {
        int r = websess_open(ret, service, c->o.timeout_usec ? c->o.timeout_usec : usually_usec);

        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}

int verb_open_session(const Ctl *c, const char *service, uint64_t usually_usec, websess **ret,
                      websess_session **ret_session) {
        int r = websess_session_new(ret_session);

        return r == 0 ? verb_open(c, service, usually_usec, ret) : say_errno(NULL, r);
}

int verb_secret(Secret *ret, const char *what) {
        _cleanup_free_ char *escaped = text_escape(what, strlen(what)), *prompt = NULL;
        int r;

        if (!escaped || asprintf(&prompt, "%s: ", escaped) < 0)
                return say_errno(NULL, -ENOMEM);
        r = secret_read(ret, prompt);
        if (r == -ENODATA)
                return say_usage("%s: nothing came from standard input", escaped);
        if (r == -EMSGSIZE)
                return say_usage("%s: longer than %u bytes", escaped, SECRET_MAX);
        return r < 0 ? say_errno(escaped, r) : CTL_EXIT_OK;
}

int verb_attributes(const Ctl *c, const CtlWords *words, websess_values *v) {
        for (size_t i = 0; i < words->n; i++) {
                Fault f = {};
                int r = attr_parse(v, words->items[i], &f);

                if (r != 0)
                        return say_fault(&f, r);
        }
        return CTL_EXIT_OK;
}

int verb_level(const Ctl *c, uint32_t *ret) {
        if (c->o.level > UINT32_MAX)
                return say_usage("--level is too large");
        *ret = (uint32_t) c->o.level;
        return CTL_EXIT_OK;
}
