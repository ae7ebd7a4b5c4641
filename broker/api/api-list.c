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
#define CHILDREN_MAX 1000u

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

/* Where candidates come from, so that a caller with one user or one uid in mind does not walk over everybody. */
typedef struct Walk {
        Manager *manager;
        const Caller *caller;
        const Options *filter;
        uint64_t now;
        bool own_only;          /* the caller manages nothing: his own uid's sessions */
} Walk;

bool api_manages_any(const Manager *m, const Caller *caller) {
        if (caller_is_root(caller))
                return true;
        for (size_t i = 0; i < m->policy->n_services; i++)
                if (access_allows(m->policy->services[i], RIGHT_MANAGE, caller))
                        return true;
        return false;
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

/* The next candidate behind s (NULL: the first one behind the cursor). */
static Session *advance(const Walk *w, Session *s) {
        const Ident *after = NULL;
        Owner *o;
        Ident id;

        if (s)
                after = &s->id;
        else if (w->filter->after.size > 0 && ident_parse(w->filter->after.data, w->filter->after.size, &id))
                after = &id;

        if (!w->own_only)
                return table_next(w->manager->table, after);
        if (s)
                return TAILQ_NEXT(s, more->of_owner);

        o = table_find_owner(w->manager->table, w->caller->uid);
        s = o ? TAILQ_FIRST(&o->sessions) : NULL;
        while (s && after && ident_compare(&s->id, after) <= 0)
                s = TAILQ_NEXT(s, more->of_owner);
        return s;
}

static int append_page(sd_bus_message *reply, const Walk *w, char cursor[static IDENT_HEX_SIZE + 1]) {
        uint32_t limit = w->filter->limit > 0 && w->filter->limit < PAGE_MAX ? w->filter->limit : PAGE_MAX;
        uint32_t n = 0, scanned = 0;
        Session *s, *last = NULL;
        Record r;
        int k = 0;

        cursor[0] = 0;
        for (s = advance(w, NULL); s; s = advance(w, s)) {
                if (n >= limit || scanned >= SCAN_MAX) {
                        ident_format(&last->id, cursor);
                        break;
                }
                scanned++;
                last = s;
                if (!matches(w, s, &r))
                        continue;
                k = api_append_session(reply, &r, NULL);
                if (k < 0)
                        return k;
                n++;
        }

        return 0;
}

static int check_filter(Manager *m, const Options *o, Fault *f) {
        const Service *s;

        return o->service.size > 0 ? api_service_by_name(m, o->service, &s, f) : 0;
}

HANDLER(api_list_sessions) {
        OPTIONS_DONE Options o = {};
        Manager *manager = userdata;
        char cursor[IDENT_HEX_SIZE + 1];
        sd_bus_message *reply = NULL;
        Walk w = {
                .manager = manager, .caller = bus_client_caller(bus_call_client(call)), .filter = &o,
                .now = manager_now(manager).steady,
        };
        int k;

        k = args_options(m, OPTIONS_FILTER, &o, f);
        if (k != 0)
                return k;
        k = check_filter(manager, &o, f);
        if (k != 0)
                return k;
        w.own_only = !api_manages_any(manager, w.caller);

        k = bus_call_new_reply(call, &reply);
        if (k >= 0)
                k = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (k >= 0)
                k = append_page(reply, &w, cursor);
        if (k >= 0)
                k = sd_bus_message_close_container(reply);
        if (k >= 0)
                k = sd_bus_message_append_basic(reply, 's', cursor);
        if (k >= 0)
                k = bus_call_send(call, reply);
        sd_bus_message_unref(reply);
        return k < 0 ? k : 0;
}

int api_session_children(void *userdata, const BusClient *client, char ***ret) {
        Manager *manager = userdata;
        Walk w = {
                .manager = manager, .caller = bus_client_caller(client), .filter = &(Options) {}, .now = manager_now(manager).steady,
        };
        char **list = calloc(CHILDREN_MAX + 1, sizeof(*list));
        uint32_t scanned = 0;
        size_t n = 0;
        Record r;

        if (!list)
                return -ENOMEM;

        w.own_only = !api_manages_any(manager, w.caller);
        for (Session *s = advance(&w, NULL); s && n < CHILDREN_MAX && scanned++ < SCAN_MAX; s = advance(&w, s)) {
                if (!matches(&w, s, &r))
                        continue;
                list[n] = malloc(IDENT_HEX_SIZE + 1);
                if (!list[n]) {
                        while (n > 0)
                                free(list[--n]);
                        free(list);
                        return -ENOMEM;
                }
                ident_format(&s->id, list[n++]);
        }

        *ret = list;
        return 0;
}
