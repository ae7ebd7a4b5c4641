/* SPDX-License-Identifier: MIT */
/* Verbs that change a session: set-roles, set-attr, touch. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "say.h"
#include "verbs.h"
#include "view.h"

static int version_show(const Ctl *c, uint64_t version) {
        int r;

        if (c->o.quiet)
                return CTL_EXIT_OK;
        if (c->o.json == CTL_JSON_OFF) {
                printf("version %" PRIu64 "\n", version);
                return CTL_EXIT_OK;
        }
        r = json_number(stdout, c->o.json, "Version", version);
        putchar('\n');
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

/* ID ROLE…, or with --user SERVICE USER ROLE… */
int verb_set_roles(Ctl *c) {
        size_t n_names = c->o.by_user ? 2 : 1;
        const char *const *names = c->args.items, *const *roles = c->args.items + n_names;
        size_t n_roles = c->args.n - n_names;
        _cleanup_(websess_closep) websess *w = NULL;
        uint64_t version = 0;
        uint32_t changed = 0;
        int r;

        if (c->args.n <= n_names)
                return say_usage("which roles? \"\" takes all of them away");
        /* Said in full, for a forgotten word would do the same. */
        if (n_roles == 1 && !*roles[0])
                n_roles = 0;
        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        if (c->o.by_user)
                r = websess_set_user_roles(w, names[0], names[1], roles, n_roles, &changed);
        else
                r = websess_set_roles(w, names[0], roles, n_roles, &version);
        if (r != 0)
                return say_outcome(NULL, r);
        if (!c->o.by_user)
                return version_show(c, version);
        r = view_count(c, "SessionsChanged", changed, "session", "changed or ended, as OnRoleChange= says");
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

int verb_set_attr(Ctl *c) {
        const CtlWords words = { c->args.items + 1, c->args.n - 1 };
        _cleanup_(websess_values_freep) websess_values *values = NULL;
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(secret_wipe) Secret token = {};
        uint64_t version = 0;
        int r;

        if (words.n == 0 && c->o.unset.n == 0)
                return say_usage("which attributes? KEY=VALUE sets one, --unset=KEY takes one away");
        r = websess_values_new(&values);
        if (r != 0)
                return say_errno(NULL, r);
        r = verb_attributes(c, &words, values);
        if (r == CTL_EXIT_OK)
                r = verb_open(c, c->args.items[0], 0, &w);
        if (r == CTL_EXIT_OK)
                r = verb_secret(&token, "Token");
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_set_attributes(w, token.data, token.size, values, c->o.unset.items, c->o.unset.n,
                                   c->o.if_version, &version);
        return r == 0 ? version_show(c, version) : say_outcome(NULL, r);
}

int verb_touch(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        r = verb_open(c, c->args.items[0], 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_touch(w, c->args.items + 1, c->args.n - 1);
        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}
