/* SPDX-License-Identifier: MIT */
/* For whoever holds a token: look at its session, change it, end it. Resolve is the call that everything else is for. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "manager-maps.h"
#include "validate.h"
#include "verdict.h"

#define TOUCHES 64u             /* before it is somebody else's turn */

/* Service and token, the first two arguments of all of these. */
static int read_token(Manager *m, BusCall *call, sd_bus_message *message, const Service **ret, Slice *ret_token, Fault *f) {
        int r;

        r = api_service(m, call, message, RIGHT_RESOLVE, ret, f);
        if (r != 0)
                return r;
        r = args_string(message, ret_token);
        return r < 0 ? r : validate_token_text(*ret_token, f);
}

/* A live session to be changed: nothing more is staged on one that is about to end. */
static int find_live(Manager *m, const Service *service, Slice token, Session **ret, Fault *f) {
        Session *s = secret_find(m->table, service, token, true);
        Record r;

        if (!s || s->n_removing > 0)
                return fault_plain(f, FAULT_NO_SESSION);
        session_view(s, &r);
        if (!verdict_live(&r, manager_now(m).steady))
                return fault_plain(f, FAULT_NO_SESSION);

        *ret = s;
        return 0;
}

static int send_session(BusCall *call, const Record *r) {
        sd_bus_message *reply = NULL;
        int k;

        k = bus_call_new_reply(call, &reply);
        if (k >= 0)
                k = api_append_session(reply, r, NULL);
        if (k >= 0)
                k = bus_call_send(call, reply);
        sd_bus_message_unref(reply);
        return k < 0 ? k : 0;
}

int api_verdict(Manager *manager, const Service *service, Slice token, const Need *need, Record *ret, Fault *f) {
        uint64_t now = manager_now(manager).steady;
        VerdictPolicy policy;
        Session *s;
        int k;

        k = require_known_roles(service, need->roles, need->n_roles, f);
        if (k != 0)
                return k;
        s = secret_find(manager->table, service, token, false);
        if (!s)
                return fault_plain(f, FAULT_NO_SESSION);
        session_view(s, ret);

        policy = service_verdict_policy(service);
        k = verdict(ret, need, &policy, now, f);
        if (k != 0)
                return k;

        if (!(need->flags & NEED_NO_TOUCH)) {
                table_touch(manager->table, s, now, service->touch_usec);
                if (s->last_seen > ret->last_seen)
                        ret->last_seen = s->last_seen;
        }
        return 0;
}

Need api_need(const Options *o) {
        return (Need) {
                .roles = o->roles.items, .n_roles = o->roles.n,
                .level = o->level, .max_auth_age_usec = o->max_auth_age_usec,
                .flags = (o->no_touch ? NEED_NO_TOUCH : 0) | (o->allow_anonymous ? NEED_ALLOW_ANONYMOUS : 0),
        };
}

static int resolve(BusCall *call, sd_bus_message *m, Manager *manager, Fault *f) {
        OPTIONS_DONE Options o = {};
        const Service *service;
        Slice token;
        Need need;
        Record r;
        int k;

        k = read_token(manager, call, m, &service, &token, f);
        if (k != 0)
                return k;
        k = args_options(m, OPTIONS_NEED, &o, f);
        if (k != 0)
                return k;
        need = api_need(&o);
        k = api_verdict(manager, service, token, &need, &r, f);
        return k != 0 ? k : send_session(call, &r);
}

HANDLER(api_resolve) {
        Manager *manager = userdata;
        int k;

        k = resolve(call, m, manager, f);
        counters_add(manager->counters.resolves, k);
        return k;
}

/* By the bytes, and only what is usual: roles and NoTouch. */
static bool unmarshal_need(Unmarshal *in, Slice roles[static ROLES_MAX], Need *ret) {
        size_t end = unmarshal_open(in, 8);
        bool roles_known = false, touch_known = false;

        *ret = (Need) { .roles = roles };
        while (!in->bad && in->at < end) {
                Slice key, type;

                unmarshal_align(in, 8);
                key = unmarshal_string(in);
                type = unmarshal_signature(in);
                if (slice_equal(key, slice_of("Roles")) && slice_equal(type, slice_of("as")) && !roles_known) {
                        size_t list = unmarshal_open(in, 4);

                        roles_known = true;
                        while (!in->bad && in->at < list && ret->n_roles < ROLES_MAX)
                                roles[ret->n_roles++] = unmarshal_string(in);
                        if (in->at != list)
                                return false;
                } else if (slice_equal(key, slice_of("NoTouch")) && slice_equal(type, slice_of("b")) && !touch_known) {
                        uint32_t flag = unmarshal_u32(in);

                        touch_known = true;
                        if (flag > 1)
                                return false;
                        ret->flags |= flag ? NEED_NO_TOUCH : 0;
                } else
                        return false;
        }
        return !in->bad && in->at == end;
}

bool api_resolve_quickly(const BusClient *client, Unmarshal *in, Marshal *out, void *userdata) {
        Manager *manager = userdata;
        Slice roles[ROLES_MAX];
        Slice name = unmarshal_string(in), token = unmarshal_string(in);
        const Service *service;
        Need need;
        Record r;

        if (!unmarshal_need(in, roles, &need) || in->at != in->size)
                return false;
        service = policy_find(manager->policy, name);
        if (!service || !access_allows(service, RIGHT_RESOLVE, bus_client_caller(client)) ||
            api_verdict(manager, service, token, &need, &r, NULL) != 0)
                return false;
        api_marshal_session(out, &r);
        manager->counters.resolves[FAULT_NONE]++;
        return true;
}

HANDLER(api_set_attributes) {
        _cleanup_(attributes_done) Attributes set = {};
        _cleanup_(strings_done) Strings unset = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        const Service *service;
        Manager *manager = userdata;
        uint64_t if_version;
        Session *s = NULL;
        Slice token;
        int k;

        k = read_token(manager, call, m, &service, &token, f);
        if (k != 0)
                return k;
        k = args_attributes(m, &set, f);
        if (k != 0)
                return k;
        k = args_keys(m, &unset, f);
        if (k != 0)
                return k;
        k = sd_bus_message_read_basic(m, 't', &if_version);
        if (k < 0)
                return k;
        k = find_live(manager, service, token, &s, f);
        if (k != 0)
                return k;

        k = pending_new(&p, manager, call, pending_reply_version);
        if (k < 0)
                return k;
        k = amend_attributes(p->change, s, &set, &unset, if_version, &p->number, f);
        if (k != 0)
                return k;

        pending_submit(TAKE_PTR(p));
        return 0;
}

static void copy_host(Pending *p, const Options *o) {
        if (o->host.size < sizeof(p->host) && o->host.size > 0)
                memcpy(p->host, o->host.data, o->host.size);
}

HANDLER(api_rotate) {
        OPTIONS_DONE Options o = {};
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        Now now = manager_now(manager);
        const Service *service;
        Slice token;
        int k;

        k = read_token(manager, call, m, &service, &token, f);
        if (k != 0)
                return k;
        k = args_options(m, OPTIONS_ROTATE, &o, f);
        if (k != 0)
                return k;
        if (o.has & OPTIONS_CREATE_RIGHT) {
                k = api_require(call, service, RIGHT_CREATE, f);
                if (k != 0)
                        return k;
        }

        k = pending_new(&p, manager, call, pending_reply_token);
        if (k < 0)
                return k;
        p->service = service;
        copy_host(p, &o);
        k = amend_secret(p->change, manager->table, service, token, &o, bus_client_caller(bus_call_client(call))->uid, &now, &p->session,
                           &p->token, f);
        if (k != 0)
                return k;

        pending_submit(TAKE_PTR(p));
        return 0;
}

/* Idempotent: what is not there is ended. A session that somebody else is ending is waited for: the reply says that it is gone. */
HANDLER(api_logout) {
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        const Service *service;
        Session *s;
        Slice token;
        int k;

        k = read_token(manager, call, m, &service, &token, f);
        if (k != 0)
                return k;
        s = secret_find(manager->table, service, token, false);
        if (!s)
                return bus_call_reply(call, "");

        k = pending_new(&p, manager, call, pending_reply_empty);
        if (k < 0)
                return k;
        k = change_remove(p->change, s, REASON_LOGOUT);
        if (k < 0)
                return k;

        pending_submit(TAKE_PTR(p));
        return 0;
}

typedef struct Touching {
        Manager *manager;
        Policy *policy;                 /* service's */
        const Service *service;
        sd_bus_message *message;        /* read as far as they are touched */
} Touching;

static void touching_done(void *state) {
        Touching *t = state;

        policy_unref(t->policy);
        sd_bus_message_unref(t->message);
        free(t);
}

static void touch_one(const Touching *t, const Ident *id, uint64_t now) {
        Session *s = table_find(t->manager->table, id);
        Record r;

        if (!s)
                return;
        session_view(s, &r);
        if (slice_equal(r.service, slice_of(t->service->name)) && verdict_live(&r, now))
                table_touch(t->manager->table, s, now, t->service->touch_usec);
}

static int touch_on(BusCall *call, void *state, bool *more, Fault *f) {
        Touching *t = state;
        uint64_t now = manager_now(t->manager).steady;

        for (unsigned n = 0; n < TOUCHES; n++) {
                const char *text;
                Ident id;
                int k;

                k = sd_bus_message_read_basic(t->message, 's', &text);
                if (k < 0)
                        return k;
                if (k == 0)
                        return bus_call_reply(call, "");
                if (!ident_parse(text, strlen(text), &id))
                        return fault(f, FAULT_INVALID_ARGUMENT, "ids: a session id is 32 lower-case hex digits");
                touch_one(t, &id, now);
        }
        *more = true;
        return 0;
}

/* There may be a thousand ids and more. Those before one that is none have been touched. */
HANDLER(api_touch) {
        Manager *manager = userdata;
        const Service *service;
        Touching *t;
        int k;

        k = api_service(manager, call, m, RIGHT_RESOLVE, &service, f);
        if (k != 0)
                return k;
        k = sd_bus_message_enter_container(m, 'a', "s");
        if (k < 0)
                return k;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = (Touching) { manager, policy_ref(manager->policy), service, sd_bus_message_ref(m) };
        return bus_call_work(call, touch_on, t, touching_done);
}

/* What was handed out cannot be taken back, but it can be superseded: see maps_supersede(). */
HANDLER(api_open_map) {
        _cleanup_close_ int fd = -EBADF;
        Manager *manager = userdata;
        const Service *service;
        Space *space;
        int k;

        k = api_service(manager, call, m, RIGHT_MAP, &service, f);
        if (k != 0)
                return k;
        k = table_space(manager->table, slice_of(service->name), &space);
        if (k < 0)
                return k;
        fd = space_open(space, bus_client_caller(bus_call_client(call))->uid == geteuid());
        if (fd < 0)
                return fault(f, FAULT_UNAVAILABLE, "there is no map of \"%s\": %s", service->name, strerror(-fd));
        maps_add_reader(manager, bus_call_client(call), space);
        return bus_call_reply(call, "h", fd);
}
