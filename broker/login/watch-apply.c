/* SPDX-License-Identifier: MIT */
/* Owns the list of doubts. What ends sessions is a change of its own, so that it may use the store's reserve. */
#include "watch-apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "amend.h"
#include "change.h"
#include "cleanup.h"
#include "log.h"

#define DOUBTS_MAX 1024u        /* more at once are a directory that is down */
#define OTHERS_PER_CHANGE 256u  /* sessions written anew in one go: what is too much for a store that is nearly full takes others' changes down with it */

typedef struct Doubt {
        TAILQ_ENTRY(Doubt) link;
        uid_t uid;
        uint64_t since;
} Doubt;

struct WatchApply {
        Table *table;
        WatchKeep *keep;
        WatchApplyFailed failed;
        void *userdata;
        TAILQ_HEAD(, Doubt) doubts;
        unsigned n_doubts;
};

DEFINE_CLEANUP(WatchApply *, watch_apply_free)

/* ---- doubts ---- */

static void forget(WatchApply *a, Doubt *d) {
        TAILQ_REMOVE(&a->doubts, d, link);
        a->n_doubts--;
        free(d);
}

static Doubt *find(WatchApply *a, uid_t uid) {
        Doubt *d;

        TAILQ_FOREACH(d, &a->doubts, link)
                if (d->uid == uid)
                        return d;
        return NULL;
}

/* Has the account been missing for long enough to be believed? */
static bool is_gone(WatchApply *a, uid_t uid, uint64_t now, uint64_t doubt_usec) {
        Doubt *d = find(a, uid);

        if (d)
                return now >= d->since + doubt_usec;
        d = a->n_doubts < DOUBTS_MAX ? calloc(1, sizeof(*d)) : NULL;
        if (d) {
                d->uid = uid;
                d->since = now;
                TAILQ_INSERT_TAIL(&a->doubts, d, link);
                a->n_doubts++;
        }
        return false;
}

/* ---- one account ---- */

typedef struct Work {
        WatchKeep *keep;
        const Policy *policy;
        const AccountView *view;
        Change *ends, *others;
        unsigned n_ends, n_others, n_roles;
        bool gone;
} Work;

static void work_done(Work *w) {
        change_free(w->ends);
        change_free(w->others);
}

static int end(Work *w, Session *s, Reason reason) {
        w->n_ends++;
        return change_remove(w->ends, s, reason);
}

static int change_roles(Work *w, const Service *service, Session *s, const Slice *roles, size_t n) {
        if (service->on_role_change == ON_ROLE_CHANGE_REVOKE)
                return end(w, s, REASON_ROLES);
        w->n_others++;
        w->n_roles++;
        return amend_account(w->others, s, roles, n, w->view->digest);
}

static int password_changed(Work *w, Session *s) {
        switch (watch_keep_seen(w->keep, s, w->view->digest)) {
        case WATCH_KEPT_ASKED:
                return 0;
        case WATCH_KEPT_YES:
                w->n_others++;
                return amend_account_digest(w->others, s, w->view->digest);
        case WATCH_KEPT_NO:
                break;
        }
        return end(w, s, REASON_PASSWORD);
}

static int judge(Work *w, Session *s) {
        Slice roles[ROLES_MAX];
        const Service *service;
        size_t n = 0;
        Record r;

        session_head(s, &r);
        if (s->n_removing > 0 || !slice_equal(r.user, slice_of(w->view->user)))
                return 0;
        service = policy_find(w->policy, r.service);
        switch (watch_judge(&r, w->view, service, roles, &n)) {
        case WATCH_KEEP:
                return 0;
        case WATCH_ADOPT:
                w->n_others++;
                return amend_account(w->others, s, NULL, 0, w->view->digest);
        case WATCH_ROLES:
                return change_roles(w, service, s, roles, n);
        case WATCH_PASSWORD:
                return password_changed(w, s);
        case WATCH_DOUBT:
                return w->gone ? end(w, s, REASON_ACCOUNT) : 0;
        case WATCH_END_ACCOUNT:
                return end(w, s, REASON_ACCOUNT);
        case WATCH_END_PASSWORD:
                return end(w, s, REASON_PASSWORD);
        }
        return -EINVAL;
}

static void committed(int result, void *userdata) {
        WatchApply *a = userdata;

        if (result < 0)
                a->failed(a->userdata);
}

static void submit(WatchApply *a, Work *w) {
        if (w->n_roles > 0)
                log_event(LOG_EVENT_ROLES_CHANGED, LOG_NOTICE, &(LogFields) { .user = w->view->user, .uid = -1 },
                          "Roles of %s changed with the user's groups: %u sessions", w->view->user, w->n_roles);
        if (w->n_ends > 0)
                change_submit(TAKE_PTR(w->ends), committed, a);
        if (w->n_others > 0)
                change_submit(TAKE_PTR(w->others), committed, a);
}

static int submit_some(WatchApply *a, Work *w) {
        if (w->n_others < OTHERS_PER_CHANGE)
                return 0;
        change_submit(TAKE_PTR(w->others), committed, a);
        w->n_others = 0;
        return change_new(&w->others, a->table);
}

int watch_apply(WatchApply *a, const Policy *policy, uid_t uid, const AccountView *view, uint64_t now, uint64_t doubt_usec) {
        _cleanup_(work_done) Work w = { .keep = a->keep, .policy = policy, .view = view };
        Owner *owner = table_find_owner(a->table, uid);
        Doubt *doubt = find(a, uid);
        Session *s;
        int r;

        if (view->state == AUTH_ACCOUNT_UNKNOWN)
                w.gone = is_gone(a, uid, now, doubt_usec);
        else if (doubt && view->state != AUTH_ACCOUNT_UNSURE)
                forget(a, doubt);
        if (!owner)
                return 0;

        r = change_new(&w.ends, a->table);
        if (r == 0)
                r = change_new(&w.others, a->table);
        if (r < 0)
                return r;
        TAILQ_FOREACH(s, &owner->sessions, more->of_owner) {
                r = judge(&w, s);
                if (r == 0)
                        r = submit_some(a, &w);
                if (r < 0)
                        return r;
        }
        submit(a, &w);
        return 0;
}

WatchKeep *watch_apply_keep(WatchApply *a) {
        return a->keep;
}

int watch_apply_new(WatchApply **ret, sd_event *event, Table *table, WatchApplyFailed failed, void *userdata) {
        _cleanup_(watch_apply_freep) WatchApply *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        TAILQ_INIT(&a->doubts);
        a->table = table;
        a->failed = failed;
        a->userdata = userdata;
        r = watch_keep_new(&a->keep, event, table, committed, a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

WatchApply *watch_apply_free(WatchApply *a) {
        Doubt *d;

        if (!a)
                return NULL;
        while ((d = TAILQ_FIRST(&a->doubts)))
                forget(a, d);
        watch_keep_free(a->keep);
        free(a);
        return NULL;
}
