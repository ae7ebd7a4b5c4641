/* SPDX-License-Identifier: MIT */
/* The API's table of contents, and what its handlers share. */
#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "validate.h"
#include "websess-names.h"

static const BusMethod manager_methods[] = {
        { "Resolve", "ssa{sv}", "service token need", "a{sv}", "session", api_resolve, .secret = true,
          .quick = api_resolve_quickly },
        { "Login", "sssa{sv}", "service user secret options", "sa{sv}", "token session", api_login, .secret = true },
        { "BeginLogin", "ssa{sv}", "service user options", "o", "conversation", api_begin_login, .secret = true },
        { "CreateSession", "ssasa{sv}a{sv}", "service user roles attributes options", "sa{sv}", "token session", api_create_session,
          .secret = true },
        { "SetAttributes", "ssa{sv}ast", "service token set unset if_version", "t", "version", api_set_attributes, .secret = true },
        { "Rotate", "ssa{sv}", "service token options", "sa{sv}", "token session", api_rotate, .secret = true },
        { "Logout", "ss", "service token", "", "", api_logout, .secret = true },
        { "Touch", "sas", "service ids", "", "", api_touch },
        { "OpenMap", "s", "service", "h", "map", api_open_map },
        { "GetSession", "s", "id", "a{sv}", "session", api_get_session },
        { "ListSessions", "a{sv}", "filter", "aa{sv}s", "sessions cursor", api_list_sessions },
        { "Explain", "sa{sv}", "id_or_token need", "a{sv}a{sv}", "explanation session", api_explain, .secret = true },
        { "RevokeSession", "s", "id", "", "", api_revoke_session },
        { "RevokeUser", "ssa{sv}", "service user options", "u", "revoked", api_revoke_user },
        { "RevokeAll", "s", "service", "u", "revoked", api_revoke_all },
        { "SetRoles", "sas", "id roles", "t", "version", api_set_roles },
        { "SetUserRoles", "ssas", "service user roles", "u", "sessions_changed", api_set_user_roles },
        { "Subscribe", "", "", "", "", api_subscribe },
        { "Unsubscribe", "", "", "", "", api_unsubscribe },
        { "Backup", "h", "destination", "", "", api_backup },
        { "ResetThrottle", "sss", "service user remote_host", "u", "buckets", api_reset_throttle },
        { "Inspect", "", "", "a{sv}", "facts", api_inspect },
        { "Reload", "", "", "", "", api_reload },
        {}
};

static const BusSignal manager_signals[] = {
        { "SessionNew", "sss", "id service user" },
        { "SessionRemoved", "ssss", "id service user reason" },
        {}
};

static const BusInterface manager_interface = {
        WEBSESS_MANAGER_INTERFACE, manager_methods, api_manager_properties, manager_signals,
};

static const BusMethod session_methods[] = {
        { "Revoke", "", "", "", "", api_revoke },
        {}
};

static const BusInterface session_interface = {
        WEBSESS_SESSION_INTERFACE, session_methods, api_session_properties, NULL,
};

static const BusMethod conversation_methods[] = {
        { "Continue", "as", "answers", "sa(us)sa{sv}", "state messages token session", api_continue, .secret = true },
        { "Cancel", "", "", "", "", api_cancel },
        {}
};

static const BusInterface conversation_interface = {
        WEBSESS_CONVERSATION_INTERFACE, conversation_methods, NULL, NULL,
};

const BusObject api_objects[] = {
        {
                .path = WEBSESS_MANAGER_PATH,
                .interfaces = (const BusInterface *const[]) { &manager_interface, NULL },
        },
        {
                .path = WEBSESS_SESSION_PATH,
                .subtree = true,
                .interfaces = (const BusInterface *const[]) { &session_interface, NULL },
                .find = api_find_session,
                .children = api_session_children,
        },
        {
                .path = WEBSESS_CONVERSATION_PATH,
                .subtree = true,
                .interfaces = (const BusInterface *const[]) { &conversation_interface, NULL },
                .find = api_find_conversation,
                .children = api_conversation_children,
        },
        {}
};

/* ---- rights ---- */

int api_service_by_name(Manager *m, Slice name, const Service **ret, Fault *f) {
        int r;

        r = validate_service(name, f);
        if (r != 0)
                return r;

        *ret = policy_find(m->policy, name);
        if (!*ret)
                return fault(f, FAULT_NO_SERVICE, "no service \"%.*s\": make %s/services.d/%.*s.conf and reload", (int) name.size,
                             name.data, m->configuration_directory, (int) name.size, name.data);
        return 0;
}

void api_log_denied(Manager *m, const Caller *caller, Right right, const char *service, const Fault *f) {
        if (m)
                m->counters.denials[right]++;
        log_event(LOG_EVENT_DENIED, LOG_NOTICE, &(LogFields) { .service = service, .unit = caller->unit, .uid = caller->uid }, "%s", f->text);
}

int api_require(BusCall *call, const Service *s, Right right, Fault *f) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        int r;

        r = access_require(s, right, caller, f);
        if (r > 0)
                api_log_denied(bus_call_userdata(call), caller, right, s->name, f);
        return r;
}

int api_service(Manager *m, BusCall *call, sd_bus_message *message, Right right, const Service **ret, Fault *f) {
        Slice name;
        int r;

        r = args_string(message, &name);
        if (r < 0)
                return r;
        r = api_service_by_name(m, name, ret, f);
        if (r != 0)
                return r;
        return api_require(call, *ret, right, f);
}

int api_require_root(BusCall *call, const char *what, Fault *f) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        int r;

        if (caller_is_root(caller))
                return 0;

        r = fault(f, FAULT_ACCESS_DENIED, "uid %u may not %s: only root may", (unsigned) caller->uid, what);
        api_log_denied(bus_call_userdata(call), caller, COUNTERS_ROOT, NULL, f);
        return r;
}

bool api_may_manage(const Manager *m, const Caller *caller, const Record *r) {
        const Service *s;

        if (caller_owns(caller, r))
                return true;
        s = policy_find(m->policy, r->service);
        return s ? access_allows(s, RIGHT_MANAGE, caller) : caller_is_root(caller);
}

/* ---- changes that a call waits for ---- */

int pending_new(Pending **ret, Manager *m, BusCall *call, PendingReply reply) {
        _cleanup_(pending_freep) Pending *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;

        p->manager = m;
        p->call = bus_call_ref(call);
        p->policy = policy_ref(m->policy);
        p->reply = reply;
        r = change_new(&p->change, m->table);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

Pending *pending_free(Pending *p) {
        if (!p)
                return NULL;

        change_free(p->change);
        bus_call_unref(p->call);
        policy_unref(p->policy);
        wipe(&p->token, sizeof(p->token));
        free(p);
        return NULL;
}

void api_store_fault(int error, Fault *f) {
        if (error == -ENOSPC || error == -EDQUOT)
                fault(f, FAULT_UNAVAILABLE, "the store's disk is full (%s): nothing new can be kept until there is room; sessions can still be ended",
                      strerror(-error));
        else if (error == -E2BIG)
                fault(f, FAULT_UNAVAILABLE, "the store has reached MaxSize= of websess.conf: sessions can still be ended");
        else if (error == -EUSERS)
                fault(f, FAULT_UNAVAILABLE, "all readers of the store's database are taken: another program holds it open");
        else if (error == -ECANCELED)
                fault(f, FAULT_UNAVAILABLE, "the store could not keep an earlier change, on which this one rests: try again");
        else
                fault(f, FAULT_UNAVAILABLE, "the store cannot write: %s", strerror(-error));
}

static void pending_done(int result, void *userdata) {
        _cleanup_(pending_freep) Pending *p = userdata;
        Fault f = {};

        if (result < 0) {
                api_store_fault(result, &f);
                bus_call_fail(p->call, f.code, &f);
                return;
        }

        result = p->reply(p);
        if (result < 0 && !bus_call_is_gone(p->call))
                bus_call_fail(p->call, result, NULL);
}

void pending_submit(Pending *p) {
        change_submit(TAKE_PTR(p->change), pending_done, p);
}

int pending_reply_empty(Pending *p) {
        return bus_call_reply(p->call, "");
}

int pending_reply_version(Pending *p) {
        return bus_call_reply(p->call, "t", p->number);
}

int pending_reply_count(Pending *p) {
        return bus_call_reply(p->call, "u", (uint32_t) p->number);
}

/* The ready Set-Cookie value. A policy whose cookie cannot be written was refused when it was loaded; so what is left is a Host that
 * gives nothing, and then there is no cookie to set. */
static const char *cookie(Pending *p, const char *token, const Record *r, char *out, size_t size) {
        uint64_t now = manager_now(p->manager).steady;

        if (service_cookie(p->service, token, p->host[0] ? p->host : NULL, r->lifetime_end > now ? r->lifetime_end - now : 0, out, size,
                           NULL) != 0)
                return NULL;
        return out;
}

/* Room for a string, to be written over when the message cannot grow any more. */
static int append_blank(sd_bus_message *m, size_t size) {
        char *space;
        int k = sd_bus_message_append_string_space(m, size, &space);

        if (k >= 0)
                memset(space, '-', size);
        return k;
}

/* A message that grows leaves old copies of its bytes in the heap, which nobody wipes: so the token goes in last. The serial of a
 * reply is nobody's business. */
static int fill_in_token(sd_bus_message *reply, bool conversation, const char *token) {
        const char *blank;
        int k;

        k = sd_bus_message_seal(reply, 1, 0);
        if (k >= 0 && conversation)
                k = sd_bus_message_skip(reply, "sa(us)");
        if (k >= 0)
                k = sd_bus_message_read_basic(reply, 's', &blank);
        if (k < 0)
                return k;
        memcpy((char *) blank, token, strlen(token));
        return sd_bus_message_rewind(reply, true);
}

static int reply_token(Pending *p, bool conversation) {
        char token[TOKEN_PREFIX_MAX + TOKEN_BODY_SIZE + 1], set_cookie[COOKIE_HEADER_MAX];
        sd_bus_message *reply = NULL;
        Record r;
        int k;

        session_view(p->session, &r);
        token_format(&p->token, p->service->token_prefix, token);

        k = bus_call_new_reply(p->call, &reply);
        if (k >= 0 && conversation)
                k = sd_bus_message_append(reply, "sa(us)", "done", 0);
        if (k >= 0)
                k = append_blank(reply, strlen(token));
        if (k >= 0)
                k = api_append_session(reply, &r, cookie(p, token, &r, set_cookie, sizeof(set_cookie)));
        if (k >= 0)
                k = fill_in_token(reply, conversation, token);
        if (k >= 0)
                k = bus_call_send(p->call, reply);

        sd_bus_message_unref(reply);
        wipe(token, sizeof(token));
        wipe(set_cookie, sizeof(set_cookie));
        return k;
}

int pending_reply_token(Pending *p) {
        return reply_token(p, false);
}

int pending_reply_conversation(Pending *p) {
        return reply_token(p, true);
}
