/* SPDX-License-Identifier: MIT */
/* The verb resolve: by token, by Cookie header, and as a CGI program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgi.h"
#include "say.h"
#include "verbs.h"
#include "view.h"

static int need_fill(websess_need *n, const CtlOptions *o, uint32_t level) {
        uint32_t flags = (o->no_touch ? WEBSESS_NEED_NO_TOUCH : 0u) |
                (o->allow_anonymous ? WEBSESS_NEED_ALLOW_ANONYMOUS : 0u);
        int r = 0;

        for (size_t i = 0; r == 0 && i < o->roles.n; i++)
                r = websess_need_role(n, o->roles.items[i]);
        if (r == 0)
                r = websess_need_level(n, level);
        if (r == 0)
                r = websess_need_max_auth_age_usec(n, o->max_age_usec);
        if (r == 0)
                r = websess_need_flags(n, flags);
        return r;
}

int verb_need(const Ctl *c, websess_need **ret) {
        _cleanup_(websess_need_freep) websess_need *n = NULL;
        uint32_t level = 0;
        int r;

        r = verb_level(c, &level);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_need_new(&n);
        if (r == 0)
                r = need_fill(n, &c->o, level);
        if (r != 0)
                return say_outcome(NULL, r);
        *ret = TAKE_PTR(n);
        return CTL_EXIT_OK;
}

/* Everything that must be there before a token is looked at. */
static int resolve_prepare(const Ctl *c, websess **ret, websess_session **ret_session, websess_need **ret_need) {
        int r;

        r = verb_need(c, ret_need);
        if (r == CTL_EXIT_OK)
                r = verb_open_session(c, c->args.items[0], 0, ret, ret_session);
        if (r != CTL_EXIT_OK || !c->o.cookie_name)
                return r;
        r = websess_set_cookie_name(*ret, c->o.cookie_name);
        return r == 0 ? CTL_EXIT_OK : say_outcome("--cookie-name", r);
}

/* A web server's request without a Cookie header is one without a session, like any other. The verdict is in the
 * answer, so the program itself did its job: the exit status is 0. */
static int resolve_cgi(websess *w, const websess_need *need, websess_session *s) {
        const char *header = getenv("HTTP_COOKIE");
        int r = websess_resolve_cookie(w, header, header ? strlen(header) : 0, need, s);

        cgi_answer(stdout, r, s);
        /* To the web server's log: what is wrong with this machine, but not every visitor without a session. */
        if (r != 0 && r != WEBSESS_E_NO_SESSION && r != WEBSESS_E_FORBIDDEN && r != WEBSESS_E_STEP_UP_REQUIRED)
                (void) say_outcome(NULL, r);
        return CTL_EXIT_OK;
}

static int resolve_input(const Ctl *c, websess *w, const websess_need *need, websess_session *s) {
        _cleanup_(secret_wipe) Secret secret = {};
        int r;

        r = verb_secret(&secret, c->o.cookie ? "Cookie header" : "Token");
        if (r != CTL_EXIT_OK)
                return r;
        if (c->o.cookie)
                r = websess_resolve_cookie(w, secret.data, secret.size, need, s);
        else
                r = websess_resolve(w, secret.data, secret.size, need, s);
        if (r != 0)
                return c->o.quiet && r > 0 ? say_status(r) : say_outcome(NULL, r);
        if (c->o.quiet)
                return CTL_EXIT_OK;
        r = view_session(c, s);
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

int verb_resolve(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_need_freep) websess_need *need = NULL;
        int r;

        r = resolve_prepare(c, &w, &s, &need);
        if (r != CTL_EXIT_OK)
                return r;
        return c->o.cgi ? resolve_cgi(w, need, s) : resolve_input(c, w, need, s);
}
