/* SPDX-License-Identifier: MIT */
/* Verbs that end sessions: logout, revoke, revoke-user, revoke-all. */
#include <stdio.h>

#include "say.h"
#include "verbs.h"
#include "view.h"

int verb_logout(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(secret_wipe) Secret token = {};
        int r;

        r = verb_open(c, c->args.items[0], 0, &w);
        if (r == CTL_EXIT_OK)
                r = verb_secret(&token, "Token");
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_logout(w, token.data, token.size);
        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}

/* All are tried: one that has ended already must not keep the others alive. */
int verb_revoke(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        int status;

        status = verb_open(c, NULL, 0, &w);
        if (status != CTL_EXIT_OK)
                return status;
        for (size_t i = 0; i < c->args.n; i++) {
                int r = websess_revoke(w, c->args.items[i]);

                if (r != 0) {
                        int failed = say_outcome(c->args.items[i], r);

                        status = status == CTL_EXIT_OK ? failed : status;
                }
        }
        return status;
}

static int revoked_show(const Ctl *c, int r, uint32_t n) {
        if (r != 0)
                return say_outcome(NULL, r);
        r = view_count(c, "Revoked", n, "session", "ended");
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

int verb_revoke_user(Ctl *c) {
        const char *service = c->args.n == 2 ? c->args.items[0] : "";
        const char *user = c->args.items[c->args.n - 1];
        _cleanup_(websess_closep) websess *w = NULL;
        uint32_t n = 0;
        int r;

        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_revoke_user(w, service, user, c->o.except, c->o.prefix ? WEBSESS_REVOKE_PREFIX : 0, &n);
        return revoked_show(c, r, n);
}

int verb_revoke_all(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        uint32_t n = 0;
        int r;

        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_revoke_all(w, c->args.items[0], &n);
        return revoked_show(c, r, n);
}
