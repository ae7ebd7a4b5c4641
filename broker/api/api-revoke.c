/* SPDX-License-Identifier: MIT */
/*
 * Ending sessions and changing roles, by whoever manages a service or owns the sessions. One call is one change: all of it or nothing, and
 * its reply says that it is done. Sessions on their way in are ended too: they were asked for before.
 */
#include "api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "validate.h"

/* ---- one session ---- */

static int revoke_one(Manager *m, BusCall *call, Session *s) {
        _cleanup_(pending_freep) Pending *p = NULL;
        int k;

        k = pending_new(&p, m, call, pending_reply_empty);
        if (k < 0)
                return k;
        k = change_remove(p->change, s, REASON_REVOKED);
        if (k < 0)
                return k;

        pending_submit(TAKE_PTR(p));
        return 0;
}

static int find(Manager *m, BusCall *call, sd_bus_message *message, Session **ret, Fault *f) {
        const char *id;
        int k;

        k = sd_bus_message_read_basic(message, 's', &id);
        if (k < 0)
                return k;
        return api_find_session(m, bus_call_client(call), id, (void **) ret, f);
}

HANDLER(api_revoke_session) {
        Session *s = NULL;
        int k;

        k = find(userdata, call, m, &s, f);
        return k != 0 ? k : revoke_one(userdata, call, s);
}

HANDLER(api_revoke) {
        return revoke_one(userdata, call, object);
}

/* ---- all of a user, all of a service ---- */

/* Whose sessions: of one service, or of all, and of users whose name is name or begins with it. */
typedef struct Whose {
        Slice service, name;
        bool prefix;
        bool has_except;
        Ident except;           /* a session that is left alone */
} Whose;

static bool name_matches(const Whose *w, const User *u) {
        Slice name = user_name(u);

        if (w->prefix)
                return name.size >= w->name.size && memcmp(name.data, w->name.data, w->name.size) == 0;
        return slice_equal(name, w->name);
}

static bool may_end(const Manager *m, BusCall *call, const Session *s) {
        Record r;

        session_head(s, &r);
        return api_may_manage(m, bus_client_caller(bus_call_client(call)), &r);
}

static bool manages(const Manager *m, BusCall *call, Slice service) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        const Service *s = policy_find(m->policy, service);

        return caller_is_root(caller) || (s && access_allows(s, RIGHT_MANAGE, caller));
}

/* Does it concern this session, and does it count? What is on its way out is ended once more and not counted: the change that ends it
 * may fail, and this one is not to lean on it. What has ended by time is the sweep's. */
static bool concerns(const Session *s, uint64_t now, uint64_t *n) {
        bool lasts = session_lasts(s, now);

        *n += lasts;
        return lasts || s->n_removing > 0;
}

/* The machine's password says nothing about the application's own users, whatever they are called. */
static bool has_password(const Session *s) {
        Record r;

        session_head(s, &r);
        return !(r.flags & RECORD_APP_USER);
}

typedef struct Ending {
        Manager *manager;
        BusCall *call;
        Change *change;
        Reason reason;
        uint64_t now, n, n_staged;
} Ending;

static int end_one(Ending *e, const Whose *w, Session *s) {
        int k;

        if ((w->has_except && ident_compare(&s->id, &w->except) == 0) || !may_end(e->manager, e->call, s))
                return 0;
        if ((e->reason == REASON_PASSWORD && !has_password(s)) || !concerns(s, e->now, &e->n))
                return 0;
        k = change_remove(e->change, s, e->reason);
        if (k == 0)
                e->n_staged++;
        return k;
}

/* Users are ordered by name within a service: the walk ends at the first that is past. */
static int end_in_service(Ending *e, const Whose *w, Slice service) {
        Session *s;
        int k;

        for (User *u = table_first_user(e->manager->table, service, w->name); u; u = table_next_user(u)) {
                if (!slice_equal(user_service(u), service) || !name_matches(w, u))
                        break;
                TAILQ_FOREACH(s, &u->sessions, of_user) {
                        k = end_one(e, w, s);
                        if (k < 0)
                                return k;
                }
        }
        return 0;
}

static int end_own(Ending *e, const Whose *w, uid_t uid) {
        Owner *o = table_find_owner(e->manager->table, uid);
        Session *s;
        int k;

        for (s = o ? TAILQ_FIRST(&o->sessions) : NULL; s; s = TAILQ_NEXT(s, more->of_owner)) {
                if ((w->service.size > 0 && !slice_equal(user_service(s->user), w->service)) || !name_matches(w, s->user))
                        continue;
                k = end_one(e, w, s);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* Who manages nothing ends what is his own, and must not be able to make the broker walk over everybody else's. */
static int end_all(Ending *e, const Whose *w) {
        const Caller *caller = bus_client_caller(bus_call_client(e->call));
        TableSpace *space;
        int k;

        if (!api_manages_any(e->manager, caller))
                return end_own(e, w, caller->uid);
        if (w->service.size > 0)
                return end_in_service(e, w, w->service);
        LIST_FOREACH(space, &e->manager->table->spaces, link) {
                k = end_in_service(e, w, space_service(space->space));
                if (k < 0)
                        return k;
        }
        return 0;
}

/* ---- nothing was found ---- */

static void own_name_known(int result, const Account *account, void *userdata) {
        BusCall *call = userdata;
        const Caller *caller = bus_client_caller(bus_call_client(call));
        Fault f = {};
        int k;

        if (result < 0)
                k = fault(&f, FAULT_UNAVAILABLE, "NSS cannot say who uid %u is: %s", (unsigned) caller->uid, strerror(-result));
        else if (caller_valid(caller) && account->uid == caller->uid)
                k = bus_call_reply(call, "u", UINT32_C(0));
        else {
                k = fault(&f, FAULT_ACCESS_DENIED, "uid %u may end its own sessions only: others take Manage in [Access] of the service",
                          (unsigned) caller->uid);
                api_log_denied(bus_call_userdata(call), caller, RIGHT_MANAGE, NULL, &f);
        }
        if (k != 0)
                bus_call_fail(call, k, &f);
        bus_call_unref(call);
}

/* Nothing was found that this caller may end. That is an answer for a manager, and for somebody who asked for his own name; for
 * anybody else it must not tell whether there is something. */
static int answer_none(Manager *m, BusCall *call, Slice user) {
        char name[USER_MAX + 1];
        int k;

        snprintf(name, sizeof(name), "%.*s", (int) user.size, user.data);
        k = accounts_look_up(m->accounts, name, own_name_known, bus_call_ref(call));
        if (k < 0)
                bus_call_unref(call);
        return k;
}

static void log_many(BusCall *call, const char *what, Slice service, Slice user, uint64_t n) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        char service_text[SERVICE_MAX + 1], user_text[USER_MAX + 1];

        snprintf(service_text, sizeof(service_text), "%.*s", (int) service.size, service.size ? service.data : "");
        snprintf(user_text, sizeof(user_text), "%.*s", (int) user.size, user.size ? user.data : "");
        log_event(LOG_EVENT_REVOKED_MANY, LOG_NOTICE,
                  &(LogFields) { .service = service_text, .user = user_text, .reason = what, .unit = caller->unit, .uid = caller->uid },
                  "uid %u called %s: %llu sessions", (unsigned) caller->uid, what, (unsigned long long) n);
}

static int read_user_args(Manager *m, sd_bus_message *message, Slice *service, Slice *user, Fault *f) {
        const Service *s;
        int k;

        k = args_string(message, service);
        if (k < 0)
                return k;
        if (service->size > 0) {
                k = api_service_by_name(m, *service, &s, f);
                if (k != 0)
                        return k;
        }
        k = args_string(message, user);
        return k < 0 ? k : validate_user(*user, f);
}

/* Root's word that the user himself has changed his password, and from where. Nobody else's is taken: it keeps a session alive. */
static void spare(const Ending *e, const Whose *w) {
        Session *s = w->has_except && !w->prefix ? table_find(e->manager->table, &w->except) : NULL;

        if (!s || e->reason != REASON_PASSWORD || !caller_is_root(bus_client_caller(bus_call_client(e->call))))
                return;
        if (has_password(s) && slice_equal(user_name(s->user), w->name))
                watch_password_changed(e->manager->watch, s);
}

HANDLER(api_revoke_user) {
        OPTIONS_DONE Options o = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        Ending e = { .manager = manager, .call = call, .reason = REASON_REVOKED, .now = manager_now(manager).steady };
        Whose w = {};
        int k;

        k = read_user_args(manager, m, &w.service, &w.name, f);
        if (k != 0)
                return k;
        k = args_options(m, OPTIONS_REVOKE, &o, f);
        if (k != 0)
                return k;
        w.prefix = o.prefix;
        e.reason = o.password ? REASON_PASSWORD : REASON_REVOKED;
        w.has_except = o.except.size > 0 && ident_parse(o.except.data, o.except.size, &w.except);

        k = pending_new(&p, manager, call, pending_reply_count);
        if (k < 0)
                return k;
        e.change = p->change;
        k = end_all(&e, &w);
        if (k < 0)
                return k;
        if (e.n_staged == 0 && !manages(manager, call, w.service))
                return answer_none(manager, call, w.name);

        spare(&e, &w);
        p->number = e.n;
        log_many(call, "RevokeUser", w.service, w.name, e.n);
        pending_submit(TAKE_PTR(p));
        return 0;
}

static int check_revoke_all(Manager *m, BusCall *call, Slice service, Fault *f) {
        const Service *s;
        int k;

        if (service.size == 0)
                return api_require_root(call, "end the sessions of all services", f);
        k = api_service_by_name(m, service, &s, f);
        return k != 0 ? k : api_require(call, s, RIGHT_MANAGE, f);
}

HANDLER(api_revoke_all) {
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        Ending e = { .manager = manager, .call = call, .reason = REASON_REVOKED, .now = manager_now(manager).steady };
        Whose w = { .name = slice("", 0), .prefix = true };
        int k;

        k = args_string(m, &w.service);
        if (k < 0)
                return k;
        k = check_revoke_all(manager, call, w.service, f);
        if (k != 0)
                return k;

        k = pending_new(&p, manager, call, pending_reply_count);
        if (k < 0)
                return k;
        e.change = p->change;
        k = end_all(&e, &w);
        if (k < 0)
                return k;

        p->number = e.n;
        log_many(call, "RevokeAll", w.service, slice(NULL, 0), e.n);
        pending_submit(TAKE_PTR(p));
        return 0;
}

/* ---- roles ---- */

static void log_roles(BusCall *call, const Service *s, Slice user, uint64_t n) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        char text[USER_MAX + 1];

        snprintf(text, sizeof(text), "%.*s", (int) user.size, user.data);
        log_event(LOG_EVENT_ROLES_CHANGED, LOG_NOTICE,
                  &(LogFields) { .service = s->name, .user = text, .unit = caller->unit, .uid = caller->uid },
                  "Roles of %s on %s changed by uid %u: %llu sessions", text, s->name, (unsigned) caller->uid, (unsigned long long) n);
}

/* SetRoles takes the Manage right; owning the session does not suffice. */
static int find_managed(Manager *m, BusCall *call, sd_bus_message *message, Session **ret, const Service **ret_service, Fault *f) {
        Session *s = NULL;
        Record r;
        int k;

        k = find(m, call, message, &s, f);
        if (k != 0)
                return k;
        session_view(s, &r);
        k = api_service_by_name(m, r.service, ret_service, f);
        if (k != 0)
                return k;
        k = api_require(call, *ret_service, RIGHT_MANAGE, f);
        if (k != 0)
                return k;
        if (s->n_removing > 0 || r.flags & RECORD_ANONYMOUS)
                return fault_plain(f, FAULT_NO_SESSION);
        *ret = s;
        return 0;
}

static int read_roles(sd_bus_message *message, const Service *service, Strings *roles, Fault *f) {
        int k = args_roles(message, roles, f);

        return k != 0 ? k : require_known_roles(service, roles->items, roles->n, f);
}

HANDLER(api_set_roles) {
        _cleanup_(strings_done) Strings roles = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        const Service *service;
        Session *s = NULL;
        Record r;
        int k;

        k = find_managed(manager, call, m, &s, &service, f);
        if (k != 0)
                return k;
        k = read_roles(m, service, &roles, f);
        if (k != 0)
                return k;

        k = pending_new(&p, manager, call, pending_reply_version);
        if (k < 0)
                return k;
        k = amend_roles(p->change, s, &roles, &p->number);
        if (k < 0)
                return k;

        session_view(s, &r);
        log_roles(call, service, r.user, 1);
        pending_submit(TAKE_PTR(p));
        return 0;
}

/* What the policy says happens when a user's rights change: his sessions end, or carry the new roles from now on. */
static int change_roles(Change *c, const Service *service, Session *s, const Strings *roles) {
        uint64_t version;

        if (service->on_role_change == ON_ROLE_CHANGE_REVOKE || s->n_removing > 0)
                return change_remove(c, s, REASON_ROLES);
        return amend_roles(c, s, roles, &version);
}

HANDLER(api_set_user_roles) {
        _cleanup_(strings_done) Strings roles = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        const Service *service;
        Slice user;
        User *u;
        int k;

        k = api_service(manager, call, m, RIGHT_MANAGE, &service, f);
        if (k != 0)
                return k;
        k = args_string(m, &user);
        if (k < 0)
                return k;
        k = validate_user(user, f);
        if (k != 0)
                return k;
        k = read_roles(m, service, &roles, f);
        if (k != 0)
                return k;

        k = pending_new(&p, manager, call, pending_reply_count);
        if (k < 0)
                return k;

        u = table_find_user(manager->table, slice_of(service->name), user);
        for (Session *s = u ? TAILQ_FIRST(&u->sessions) : NULL; s; s = TAILQ_NEXT(s, of_user)) {
                if (!concerns(s, manager_now(manager).steady, &p->number))
                        continue;
                k = change_roles(p->change, service, s, &roles);
                if (k < 0)
                        return k;
        }

        log_roles(call, service, user, p->number);
        pending_submit(TAKE_PTR(p));
        return 0;
}
