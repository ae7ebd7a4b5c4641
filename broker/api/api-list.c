/* SPDX-License-Identifier: MIT */
/* Looking at sessions: one by id, many by a filter, page by page in order of creation. Changes nothing. */
#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "validate.h"
#include "websess-names.h"

#define PAGE_MAX 1000u
#define SCAN_MAX 100000u        /* records looked at in one call; a page may then be short, and its cursor leads on */
#define PIECE 64u               /* records looked at before it is somebody else's turn … */
#define LISTED 15u              /* … each that is listed costing as much as so many more */

/* ---- one ---- */

int api_session_by_id(Manager *m, Slice id, const Caller *caller, Session **ret, Fault *f) {
        Session *s = NULL;
        Record r;
        Ident i;

        if (ident_parse(id.data, id.size, &i))
                s = table_find(m->table, &i);
        if (!s)
                return fault_plain(f, FAULT_NO_SESSION);

        session_view(s, &r);
        if (!verdict_live(&r, manager_now(m).steady))
                return fault_plain(f, FAULT_NO_SESSION);
        if (!api_may_manage(m, caller, &r)) {
                fault(f, FAULT_ACCESS_DENIED, "uid %u lacks Manage on \"%.*s\", and the session is not its own", (unsigned) caller->uid,
                      (int) r.service.size, r.service.data);
                api_log_denied(m, caller, RIGHT_MANAGE, NULL, f);
                return FAULT_ACCESS_DENIED;
        }
        *ret = s;
        return 0;
}

HANDLER(api_get_session) {
        Manager *manager = userdata;
        sd_bus_message *reply = NULL;
        Session *s;
        Slice id;
        Record r;
        int k;

        k = args_string(m, &id);
        if (k < 0)
                return k;
        k = api_session_by_id(manager, id, bus_client_caller(bus_call_client(call)), &s, f);
        if (k != 0)
                return k;

        session_view(s, &r);
        k = bus_call_new_reply(call, &reply);
        if (k >= 0)
                k = api_append_session(reply, &r, NULL);
        if (k >= 0)
                k = bus_call_send(call, reply);
        sd_bus_message_unref(reply);
        return k < 0 ? k : 0;
}

int api_find_session(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f) {
        Session *s;
        int k;

        k = api_session_by_id(userdata, slice_of(child), bus_client_caller(client), &s, f);
        if (k == 0)
                *ret = s;
        return k;
}

/* ---- many ---- */

bool api_manages_any(const Manager *m, const Caller *caller) {
        if (caller_is_root(caller))
                return true;
        for (size_t i = 0; i < m->policy->n_services; i++)
                if (access_allows(m->policy->services[i], RIGHT_MANAGE, caller))
                        return true;
        return false;
}

/* Where candidates come from, so that a caller with one user or one uid in mind does not walk over everybody. */
typedef struct Walk {
        Manager *manager;
        const Caller *caller;
        const Options *filter;
        uint64_t now;
        bool own_only;          /* the caller manages nothing: his own uid's sessions */
} Walk;

static Walk walk(Manager *m, const BusClient *client, const Options *filter) {
        const Caller *caller = bus_client_caller(client);

        return (Walk) { .manager = m, .caller = caller, .filter = filter, .now = manager_now(m).steady, .own_only = !api_manages_any(m, caller) };
}

static bool has_prefix(Slice s, Slice prefix) {
        return s.size >= prefix.size && (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

static bool matches(const Walk *w, const Session *s, Record *r) {
        const Options *o = w->filter;

        if (!session_visible(s))
                return false;
        session_view(s, r);
        if (o->service.size > 0 && !slice_equal(o->service, r->service))
                return false;
        if (o->user.size > 0 && !slice_equal(o->user, r->user))
                return false;
        if (!has_prefix(r->user, o->user_prefix))
                return false;
        if (o->role.size > 0 && !record_has_role(r, o->role))
                return false;
        return verdict_live(r, w->now) && api_may_manage(w->manager, w->caller, r);
}

/* The next candidate behind the one of this id (NULL: the first of all). An owner's sessions are gone through in a list of his own, and where it goes on behind
 * one that is gone is not known: then it is begun anew, and the caller passes over those that he has had. */
static Session *next_behind(const Walk *w, const Ident *at) {
        Session *s;
        Owner *o;

        if (!w->own_only)
                return table_next(w->manager->table, at);
        o = table_find_owner(w->manager->table, w->caller->uid);
        s = o && at ? table_find(w->manager->table, at) : NULL;
        if (s && session_owner(s) == o)
                return TAILQ_NEXT(s, more->of_owner);
        return o ? TAILQ_FIRST(&o->sessions) : NULL;
}

static Session *next(const Walk *w, const Session *s) {
        return w->own_only ? TAILQ_NEXT(s, more->of_owner) : table_next(w->manager->table, &s->id);
}

static int check_filter(Manager *m, const Options *o, Fault *f) {
        const Service *s;

        return o->service.size > 0 ? api_service_by_name(m, o->service, &s, f) : 0;
}

/* A page on the way. What it says is true of each session when its turn comes. */
typedef struct Listing {
        Manager *manager;
        Options filter;                 /* points into the call's message */
        sd_bus_message *message, *reply;
        Ident last, at;                 /* the last one that was looked at, and the one that the walk has come to */
        bool begun;                     /* there are these */
        uint32_t limit, n, scanned;
} Listing;

static void listing_done(void *state) {
        Listing *l = state;

        options_done(&l->filter);
        sd_bus_message_unref(l->reply);
        sd_bus_message_unref(l->message);
        free(l);
}

static int send_page(BusCall *call, Listing *l, bool whole) {
        char cursor[IDENT_HEX_SIZE + 1] = "";
        int r;

        if (!whole)
                ident_format(&l->last, cursor);
        r = sd_bus_message_close_container(l->reply);
        if (r >= 0)
                r = sd_bus_message_append_basic(l->reply, 's', cursor);
        if (r >= 0)
                r = bus_call_send(call, l->reply);
        return r < 0 ? r : 0;
}

static int list_on(BusCall *call, void *state, bool *more, Fault *f) {
        Listing *l = state;
        Walk w = walk(l->manager, bus_call_client(call), &l->filter);
        unsigned left = PIECE;
        Session *s;
        Record r;
        int k;

        if (bus_call_is_gone(call))
                return 0;
        for (s = next_behind(&w, l->begun ? &l->at : NULL); s; s = next(&w, s)) {
                bool had = l->begun && ident_compare(&s->id, &l->last) <= 0;

                if (!had && (l->n >= l->limit || l->scanned >= SCAN_MAX))
                        return send_page(call, l, false);
                if (left == 0) {
                        *more = true;
                        return 0;
                }
                left--;
                l->at = s->id;
                if (had)
                        continue;
                l->last = s->id;
                l->begun = true;
                l->scanned++;
                if (!matches(&w, s, &r))
                        continue;
                k = api_append_session(l->reply, &r, NULL);
                if (k < 0)
                        return k;
                l->n++;
                left -= left < LISTED ? left : LISTED;
        }
        return send_page(call, l, true);
}

HANDLER(api_list_sessions) {
        Manager *manager = userdata;
        Listing *l = calloc(1, sizeof(*l));
        int k;

        if (!l)
                return -ENOMEM;
        l->manager = manager;
        l->message = sd_bus_message_ref(m);
        k = args_options(m, OPTIONS_FILTER, &l->filter, f);
        if (k == 0)
                k = check_filter(manager, &l->filter, f);
        if (k == 0)
                k = bus_call_new_reply(call, &l->reply);
        if (k >= 0 && l->reply)
                k = sd_bus_message_open_container(l->reply, 'a', "a{sv}");
        if (k < 0 || !l->reply) {
                listing_done(l);
                return k;
        }
        l->limit = l->filter.limit > 0 && l->filter.limit < PAGE_MAX ? l->filter.limit : PAGE_MAX;
        l->begun = l->filter.after.size > 0 && ident_parse(l->filter.after.data, l->filter.after.size, &l->last);
        l->at = l->last;
        return bus_call_work(call, list_on, l, listing_done);
}

int api_session_children(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to) {
        Walk w = walk(userdata, client, &(Options) {});
        char name[IDENT_HEX_SIZE + 1];
        unsigned left = PIECE;
        Ident last;
        bool begun = ident_parse(cursor, strlen(cursor), &last);
        Session *s;
        Record r;

        s = next_behind(&w, begun ? &last : NULL);
        for (cursor[0] = 0; s; s = next(&w, s)) {
                if (begun && ident_compare(&s->id, &last) <= 0)
                        continue;
                if (left-- == 0) {
                        ident_format(&last, cursor);
                        break;
                }
                last = s->id;
                begun = true;
                if (!matches(&w, s, &r))
                        continue;
                ident_format(&s->id, name);
                each(to, name);
        }
        return 0;
}
