/* SPDX-License-Identifier: MIT */
/* The verb explain: what the broker knows of a session, an ended one or something that is none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "say.h"
#include "text.h"
#include "verbs.h"
#include "view.h"

/* A resolve would end with this; scripts need not read. */
static int status_of(const websess_values *v) {
        const char *outcome = "", *name;

        (void) websess_values_get_string(v, "Outcome", &outcome, NULL);
        if (!*outcome)
                return CTL_EXIT_OK;
        for (int code = 1; (name = websess_code_name(code)); code++) {
                if (strcmp(name, outcome) == 0)
                        return say_status(code);
        }
        return CTL_EXIT_ERROR;
}

static void view_text(const websess_values *v, const char *key, const char *label) {
        const char *text = NULL;

        if (websess_values_get_string(v, key, &text, NULL) == 0)
                view_field(label, text);
}

static void view_point(const websess_values *v, const char *key, const char *label) {
        int64_t usec;

        if (websess_values_get_int64(v, key, &usec) == 0)
                view_time(label, (uint64_t) usec, text_now());
}

static void view_lines(const websess_values *v, const char *key, const char *label) {
        const char *const *lines = NULL;
        size_t n = 0;

        if (websess_values_get_strings(v, key, &lines, &n) != 0)
                return;
        for (size_t i = 0; i < n; i++)
                view_field(i == 0 ? label : "", lines[i]);
}

static void view_explanation(const Ctl *c, const websess_values *v, const websess_session *s) {
        view_text(v, "State", "State");
        view_text(v, "Why", "Why");
        if (websess_session_id(s))
                (void) view_session(c, s);
        else
                view_text(v, "Id", "Session");
        view_text(v, "Service", "Service");
        view_text(v, "Reason", "Reason");
        view_point(v, "Ended", "Ended");
        view_point(v, "IdleEnd", "Idle end");
        view_lines(v, "Ends", "What ends it");
        view_lines(v, "RolesFrom", "Roles from");
        view_lines(v, "LoginBy", "Login by");
        view_lines(v, "Access", "You may");
        view_text(v, "Policy", "Policy");
        view_text(v, "Journal", "Journal");
}

static int view(const Ctl *c, const websess_values *v, const websess_session *s) {
        int r;

        if (c->o.quiet)
                return 0;
        if (c->o.json == CTL_JSON_OFF) {
                view_explanation(c, v, s);
                return 0;
        }
        r = json_explanation(stdout, c->o.json, v, s);
        putchar('\n');
        return r;
}

/* An id may stand on the command line: it is no secret. */
static int read_subject(const Ctl *c, Secret *ret) {
        const char *id = c->args.n > 0 ? c->args.items[0] : NULL;

        if (!id)
                return verb_secret(ret, "Token or id");
        if (strlen(id) >= sizeof(ret->data))
                return say_usage("%.40s…: longer than any id", id);
        ret->size = strlen(id);
        memcpy(ret->data, id, ret->size + 1);
        return CTL_EXIT_OK;
}

int verb_explain(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_need_freep) websess_need *need = NULL;
        _cleanup_(websess_values_freep) websess_values *v = NULL;
        _cleanup_(secret_wipe) Secret subject = {};
        int r;

        r = verb_need(c, &need);
        if (r == CTL_EXIT_OK)
                r = verb_open_session(c, NULL, 0, &w, &s);
        if (r == CTL_EXIT_OK)
                r = read_subject(c, &subject);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_values_new(&v);
        if (r == 0)
                r = websess_explain(w, c->o.service, subject.data, subject.size, need, v, s);
        if (r != 0)
                return c->o.quiet && r > 0 ? say_status(r) : say_outcome(NULL, r);
        r = view(c, v, s);
        return r < 0 ? say_errno(NULL, r) : status_of(v);
}
