/* SPDX-License-Identifier: MIT */
/*
 * Ending sessions and changing roles, by whoever manages a service or owns the sessions. One call is one change: all of it or nothing, and
 * its reply says that it is done. Sessions on their way in are ended too: they were asked for before.
 */
#include "api.h"

#include <errno.h>
#include <pwd.h>
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

/* Walk the users of one service, or of all, whose name is name or begins with it. */
typedef struct UserWalk {
        Table *table;
        Slice service, name;
        bool prefix;
} UserWalk;

static bool user_matches(const UserWalk *w, const User *u) {
        Slice name = user_name(u);

        if (w->service.size > 0 && !slice_equal(user_service(u), w->service))
                return false;
        if (w->prefix)
                return name.size >= w->name.size && memcmp(name.data, w->name.data, w->name.size) == 0;
        return slice_equal(name, w->name);
}

/* Users are ordered by service, then name: within one service the walk ends at the first name that is past. */
static User *next_user(const UserWalk *w, User *u) {
        if (!u)
                u = table_first_user(w->table, w->service, w->service.size > 0 ? w->name : slice(NULL, 0));
        else
                u = table_next_user(u);

        for (; u; u = table_next_user(u)) {
                if (user_matches(w, u))
                        return u;
                if (w->service.size > 0)
                        return NULL;
        }
        return NULL;
}

static bool may_end(const Manager *m, BusCall *call, const Session *s) {
        Record r;

        session_head(s, &r);
        return api_may_manage(m, bus_client_caller(bus_call_client(call)), &r);
}

/* Nothing was found that this caller may end. That is an answer for a manager, and for somebody who asked for his own name; for
 * anybody else it must not tell whether there is something. */
static int check_own_name(BusCall *call, Slice user, Fault *f) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        char buffer[4096];
        struct passwd p, *found = NULL;

        if (caller_valid(caller) && getpwuid_r(caller->uid, &p, buffer, sizeof(buffer), &found) == 0 && found &&
            slice_equal(slice_of(found->pw_name), user))
                return 0;
        return fault(f, FAULT_ACCESS_DENIED, "uid %u may end its own sessions only: others take Manage in [Access] of the service",
                     (unsigned) caller->uid);
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

static int end_user(Manager *m, BusCall *call, Change *c, User *u, const Ident *except, Reason reason, uint64_t *n) {
        uint64_t now = manager_now(m).steady;
        Session *s;
        int k;

        TAILQ_FOREACH(s, &u->sessions, of_user) {
                if ((except && ident_compare(&s->id, except) == 0) || !may_end(m, call, s))
                        continue;
                if ((reason == REASON_PASSWORD && !has_password(s)) || !concerns(s, now, n))
                        continue;
                k = change_remove(c, s, reason);
                if (k < 0)
                        return k;
        }
        return 0;
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

HANDLER(api_revoke_user) {
        OPTIONS_DONE Options o = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        UserWalk w = { .table = manager->table };
        bool has_except;
        Ident except;
        int k;

        k = read_user_args(manager, m, &w.service, &w.name, f);
        if (k != 0)
                return k;
        k = args_options(m, OPTIONS_REVOKE, &o, f);
        if (k != 0)
                return k;
        w.prefix = o.prefix;
        has_except = o.except.size > 0 && ident_parse(o.except.data, o.except.size, &except);

        k = pending_new(&p, manager, call, pending_reply_count);
        if (k < 0)
                return k;
        for (User *u = next_user(&w, NULL); u; u = next_user(&w, u)) {
                k = end_user(manager, call, p->change, u, has_except ? &except : NULL, o.password ? REASON_PASSWORD : REASON_REVOKED, &p->number);
                if (k < 0)
                        return k;
        }
        if (p->number == 0 && !manages(manager, call, w.service)) {
                k = check_own_name(call, w.name, f);
                if (k != 0)
                        return k;
        }

        log_many(call, "RevokeUser", w.service, w.name, p->number);
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
        UserWalk w = { .table = manager->table, .name = slice("", 0), .prefix = true };
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
        for (User *u = next_user(&w, NULL); u; u = next_user(&w, u)) {
                k = end_user(manager, call, p->change, u, NULL, REASON_REVOKED, &p->number);
                if (k < 0)
                        return k;
        }

        log_many(call, "RevokeAll", w.service, slice(NULL, 0), p->number);
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
        k = args_roles(m, &roles, f);
        if (k != 0)
                return k;
        k = require_known_roles(service, roles.items, roles.n, f);
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
        k = args_roles(m, &roles, f);
        if (k != 0)
                return k;
        k = require_known_roles(service, roles.items, roles.n, f);
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
