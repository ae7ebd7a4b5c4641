/* SPDX-License-Identifier: MIT */
/*
 * The D-Bus API: handlers unpack, check rights, call the rules, reply. userdata is the Manager. api.c has the table of
 * contents; the handlers stand in api-*.c by what they are about.
 */
#pragma once

#include "amend.h"
#include "args.h"
#include "bus.h"
#include "create.h"
#include "lines.h"
#include "manager.h"

extern const BusObject api_objects[];

#define HANDLER(name) int name(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f)

/* api-login.c: sessions begin */
HANDLER(api_login);
HANDLER(api_create_session);

/* api-conversation.c: … and are asked for in rounds */
HANDLER(api_begin_login);
HANDLER(api_continue);
HANDLER(api_cancel);
int api_find_conversation(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f);
int api_conversation_children(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to);

void api_client_gone(void *userdata, BusClient *client);
/* Shutdown: logins still in progress are answered Unavailable. */
void api_cancel_logins(Manager *m);

/* api-token.c: whoever holds a token */
HANDLER(api_resolve);
/* The verdict on a session by its token, for the need that o says; *ret is it, as of now. Touches it unless NEED_NO_TOUCH. */
int api_verdict(Manager *m, const Service *service, Slice token, const Need *need, Record *ret, Fault *f);
Need api_need(const Options *o);
bool api_resolve_quickly(const BusClient *client, Unmarshal *in, Marshal *out, void *userdata);
HANDLER(api_set_attributes);
HANDLER(api_rotate);
HANDLER(api_logout);
HANDLER(api_touch);
HANDLER(api_open_map);

/* api-list.c: looking */
HANDLER(api_get_session);
HANDLER(api_list_sessions);
/* The live session of an id, if the caller may manage it or it is his own. */
int api_session_by_id(Manager *m, Slice id, const Caller *caller, Session **ret, Fault *f);
int api_find_session(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f);
int api_session_children(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to);

/* api-explain.c: why */
HANDLER(api_explain);

/* api-inspect.c: for a check-up of the machine */
HANDLER(api_inspect);

/* api-revoke.c: ending and roles */
HANDLER(api_revoke_session);
HANDLER(api_revoke);            /* of org.websess1.Session */
HANDLER(api_revoke_user);
HANDLER(api_revoke_all);
HANDLER(api_set_roles);
HANDLER(api_set_user_roles);

/* api-machine.c: the broker itself */
HANDLER(api_subscribe);
HANDLER(api_unsubscribe);
HANDLER(api_backup);
HANDLER(api_reload);
extern const BusProperty api_manager_properties[];

/* api-throttle.c: brute force. Where a login begins and where it ends: result is what the authenticator said. */
int api_throttle_begin(Manager *m, BusCall *call, ThrottleTicket *ret, const Service *s, const char *user, Slice remote_host, Fault *f);
void api_throttle_end(Manager *m, ThrottleTicket *ticket, int result);
HANDLER(api_reset_throttle);
int api_get_throttled(const BusClient *client, sd_bus_message *reply, void *object, void *userdata);

/* api-events.c: what is told to the journal and to subscribers */
extern const TableEvents api_events;

/* ---- shared by the handlers ---- */

/* Read a service's name, find its policy, and see that the caller has the right. */
int api_service(Manager *m, BusCall *call, sd_bus_message *message, Right right, const Service **ret, Fault *f);
int api_service_by_name(Manager *m, Slice name, const Service **ret, Fault *f);
int api_require(BusCall *call, const Service *s, Right right, Fault *f);
int api_require_root(BusCall *call, const char *what, Fault *f);
/* May the caller see and end this session: Manage on its service, or his own uid? */
bool api_manages_any(const Manager *m, const Caller *caller);
/* Log and count it. f says what was refused; service may be NULL. right: COUNTERS_ROOT for what only root may. */
void api_log_denied(Manager *m, const Caller *caller, Right right, const char *service, const Fault *f);
bool api_may_manage(const Manager *m, const Caller *caller, const Record *r);

/* A change that a call waits for: handlers stage into it and submit it. */
typedef struct Pending Pending;
typedef int (*PendingReply)(Pending *p);

struct Pending {
        Manager *manager;
        BusCall *call;
        Change *change;                 /* until it is submitted */
        PendingReply reply;             /* after the commit; a negative errno is answered for it */
        Session *session;               /* with a record; kept readable until the reply */
        Token token;                    /* wiped */
        const Service *service;         /* policy is referenced */
        Policy *policy;
        char host[REMOTE_HOST_MAX + 1];
        uint64_t number;                /* a version, or how many */
        bool has_token;
};

int pending_new(Pending **ret, Manager *m, BusCall *call, PendingReply reply);
Pending *pending_free(Pending *p);
DEFINE_CLEANUP(Pending *, pending_free)
void pending_submit(Pending *p);         /* takes it */

int pending_reply_empty(Pending *p);
int pending_reply_version(Pending *p);          /* t */
int pending_reply_count(Pending *p);            /* u */
int pending_reply_token(Pending *p);            /* s, a{sv} */
int pending_reply_conversation(Pending *p);     /* s, a(us), s, a{sv}: done */

/* What a failed commit means to a caller. */
void api_store_fault(int error, Fault *f);

/* ---- api-dict.c ---- */
void api_marshal_session(Marshal *m, const Record *r);
/* Append a{sv}, the session dictionary; set_cookie may be NULL. */
int api_append_session(sd_bus_message *m, const Record *r, const char *set_cookie);
/* One {sv} of texts. */
int api_append_lines(sd_bus_message *m, const char *key, const Lines *l);
extern const BusProperty api_session_properties[];
