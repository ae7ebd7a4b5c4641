/* SPDX-License-Identifier: MIT */
/* Verbs that only look: list, show. */
#include <errno.h>
#include <stdio.h>

#include "json.h"
#include "say.h"
#include "text.h"
#include "verbs.h"
#include "view.h"

DEFINE_CLEANUP(Grid *, grid_free)

static int list_make(const CtlOptions *o, websess_list **ret) {
        const struct {
                const char *text;
                int (*set)(websess_list *l, const char *text);
        } filters[] = {
                { o->service ? o->service : "", websess_list_service },
                { o->user, websess_list_user },
                { o->user_prefix, websess_list_user_prefix },
                { o->role_filter, websess_list_role },
                { o->after, websess_list_after },
        };
        _cleanup_(websess_list_freep) websess_list *l = NULL;
        int r;

        r = websess_list_new(&l);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(filters); i++) {
                if (filters[i].text)
                        r = filters[i].set(l, filters[i].text);
        }
        if (r == 0)
                r = websess_list_limit(l, o->limit);
        if (r == 0)
                *ret = TAKE_PTR(l);
        return r;
}

/* What is done with each session of a list. 0 or a negative errno. */
typedef int (*ListSink)(const Ctl *c, void *userdata, size_t index, const websess_session *s);

/* 0 at the end of the list, else a number of the library. */
static int list_walk(const Ctl *c, websess *w, websess_list *l, websess_session *s, ListSink sink, void *userdata) {
        for (size_t n = 0;; n++) {
                int r = websess_list_next(w, l, s);

                if (r == 0)
                        r = sink(c, userdata, n, s);
                if (r != 0)
                        return r == WEBSESS_E_NO_SESSION ? 0 : r;
        }
}

typedef struct Table {
        Grid *grid;
        uint64_t now;
} Table;

static int sink_row(const Ctl *c, void *userdata, size_t index, const websess_session *s) {
        Table *t = userdata;

        return view_list_row(t->grid, s, t->now);
}

/* Written as it comes: a million sessions need not fit into memory. */
static int sink_json(const Ctl *c, void *userdata, size_t index, const websess_session *s) {
        if (index > 0)
                fputs(c->o.json == CTL_JSON_PRETTY ? ",\n" : ",", stdout);
        return json_session(stdout, c->o.json, s);
}

static int list_table(const Ctl *c, websess *w, websess_list *l, websess_session *s) {
        _cleanup_(grid_freep) Grid *g = NULL;
        const char *cursor;
        int r;

        r = grid_new(&g, view_list_titles, VIEW_LIST_COLUMNS);
        if (r == 0)
                r = list_walk(c, w, l, s, sink_row, &(Table) { g, text_now() });
        if (r != 0)
                return r;
        grid_print(g, stdout, !c->o.no_legend && !c->o.quiet);
        if (c->o.no_legend || c->o.quiet)
                return 0;
        cursor = websess_list_cursor(l);
        printf("\n%zu session%s listed", grid_rows(g), grid_rows(g) == 1 ? "" : "s");
        if (cursor && *cursor)
                printf(", there may be more: --after=%s", cursor);
        puts(".");
        return 0;
}

static int list_json(const Ctl *c, websess *w, websess_list *l, websess_session *s) {
        int r;

        putchar('[');
        r = list_walk(c, w, l, s, sink_json, NULL);
        /* An array that ends early is no JSON: a reader must not take half a list for the whole. */
        if (r == 0)
                puts("]");
        return r;
}

int verb_list(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_list_freep) websess_list *l = NULL;
        int r;

        r = verb_open_session(c, NULL, 0, &w, &s);
        if (r != CTL_EXIT_OK)
                return r;
        r = list_make(&c->o, &l);
        if (r == 0)
                r = c->o.json == CTL_JSON_OFF ? list_table(c, w, l, s) : list_json(c, w, l, s);
        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}

int verb_show(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        int status, r;
        bool first = true;

        status = verb_open_session(c, NULL, 0, &w, &s);
        if (status != CTL_EXIT_OK)
                return status;
        for (size_t i = 0; i < c->args.n; i++) {
                r = websess_get(w, c->args.items[i], s);
                if (r != 0) {
                        int failed = say_outcome(c->args.items[i], r);

                        /* The first failure is the verb's. */
                        status = status == CTL_EXIT_OK ? failed : status;
                        continue;
                }
                if (!first && c->o.json == CTL_JSON_OFF)
                        putchar('\n');
                first = false;
                r = view_session(c, s);
                if (r < 0)
                        return say_errno(NULL, r);
        }
        return status;
}
