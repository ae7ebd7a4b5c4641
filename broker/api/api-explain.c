/* SPDX-License-Identifier: MIT */
/*
 * Explain: why a session is valid or not. NoSession is one answer for every reason, and stays so for whoever may not know more: those
 * with Manage on the session's service, and root, are told everything; everybody else what GetSession says of an id and Resolve of a
 * token, word by word. Changes nothing, not even LastSeen.
 */
#include "api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "ended.h"
#include "explain.h"
#include "secret.h"
#include "validate.h"

/* What is asked about, and what is known of it. */
typedef struct Subject {
        Slice text;                     /* an id or a token */
        bool is_token;                  /* not an id */
        bool has_id;
        Ident id;
        char hex[IDENT_HEX_SIZE + 1];   /* of the id; "" without one */
        const Service *asked;           /* the service that was named; NULL: none */
        Session *session;               /* NULL: there is none */
        const Service *service;         /* its policy; NULL: none, or not in force any more */
        Record record;                  /* with a session */
        const EndedEntry *ended;        /* without one: NULL when nothing is known */
        SecretMatch match;              /* of a token */
} Subject;

/* A token's id is told without its prefix: which service's it is, is to be found out. */
static bool id_of_token(Slice text, Ident *ret) {
        Token token;

        if (text.size < TOKEN_BODY_SIZE || !token_parse(text.data + text.size - TOKEN_BODY_SIZE, TOKEN_BODY_SIZE, "", 0, &token))
                return false;
        *ret = token.id;
        wipe(&token, sizeof(token));
        return true;
}

static void look_up(Manager *m, Subject *s) {
        Session *ignored;
        const Service *service;

        s->is_token = !ident_parse(s->text.data, s->text.size, &s->id);
        s->has_id = !s->is_token || id_of_token(s->text, &s->id);
        s->match = s->has_id ? SECRET_UNKNOWN : SECRET_MALFORMED;
        if (!s->has_id)
                return;
        ident_format(&s->id, s->hex);
        s->session = table_find(m->table, &s->id);
        if (!s->session) {
                s->ended = ended_find(&m->ended, &s->id);
                return;
        }
        session_view(s->session, &s->record);
        s->service = policy_find(m->policy, s->record.service);
        service = s->asked ? s->asked : s->service;
        if (s->is_token && service)
                s->match = secret_match(m->table, service, s->text, &ignored);
}

/* ---- who may know ---- */

static bool manages(const Manager *m, const Caller *caller, Slice service) {
        const Service *s = policy_find(m->policy, service);

        return s ? access_allows(s, RIGHT_MANAGE, caller) : caller_is_root(caller);
}

/* Everything about this one? What is not there belongs to nobody: whoever manages anything may know that. */
static bool may_know(const Manager *m, const Caller *caller, const Subject *s) {
        if (s->session)
                return manages(m, caller, s->record.service);
        if (s->ended)
                return manages(m, caller, slice_of(s->ended->service));
        return api_manages_any(m, caller);
}

/* What Resolve says of it. Without a service it is the session's own, if the caller may resolve there at all. */
static int as_resolve(Manager *m, BusCall *call, Subject *s, const Options *o, Fault *f) {
        const Service *service = s->asked ? s->asked : s->service;
        Need need = api_need(o);
        int k;

        need.flags |= NEED_NO_TOUCH;
        if (!s->asked && (!service || !access_allows(service, RIGHT_RESOLVE, bus_client_caller(bus_call_client(call)))))
                return fault_plain(f, FAULT_NO_SESSION);
        k = api_require(call, service, RIGHT_RESOLVE, f);
        return k != 0 ? k : api_verdict(m, service, s->text, &need, &s->record, f);
}

/* 0: the caller may have the session itself. */
static int as_others(Manager *m, BusCall *call, Subject *s, const Options *o, Fault *f) {
        if (s->is_token)
                return as_resolve(m, call, s, o, f);
        return api_session_by_id(m, s->text, bus_client_caller(bus_call_client(call)), &s->session, f);
}

/* ---- what is said ---- */

typedef struct Answer {
        const char *state;
        int outcome;                    /* what Resolve would answer: 0 or FAULT_* */
        Fault why;
} Answer;

static Answer answer(const char *state, int outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));
static Answer answer(const char *state, int outcome, const char *format, ...) {
        Answer a = { .state = state, .outcome = outcome };
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(a.why.text, sizeof(a.why.text), format, ap);
        va_end(ap);
        return a;
}

static Answer answer_absent(const Subject *s) {
        if (s->ended)
                return answer("ended", FAULT_NO_SESSION, "It has ended: %s.", explain_reason(s->ended->reason));
        if (!s->has_id)
                return answer("malformed", FAULT_NO_SESSION, "This is neither an id, 32 lower-case hex digits, nor a token, which ends in 64 "
                              "characters of base64url.");
        return answer("unknown", FAULT_NO_SESSION, "There is no such session: it has ended, or there never was one. It is not among the last %u "
                      "that ended since the broker started; the journal may know.", ENDED_MAX);
}

/* A token that does not open the session whose id it carries. */
static Answer answer_closed(const Subject *s) {
        const Slice *of = &s->record.service;

        switch (s->match) {
        case SECRET_MALFORMED:
                return answer("malformed", FAULT_NO_SESSION, "The token is not one of the service \"%s\": it does not begin with its TokenPrefix=.",
                              (s->asked ? s->asked : s->service)->name);
        case SECRET_OTHER_SERVICE:
                return answer("other-service", FAULT_NO_SESSION, "The token is good, but for the service \"%.*s\".", (int) of->size, of->data);
        default:
                return answer("wrong-secret", FAULT_NO_SESSION, "The session is there, but this is not its token: one from before a Rotate or a new "
                              "login, or a forged one.");
        }
}

static Answer answer_verdict(const Subject *s, const Need *need, uint64_t now) {
        const VerdictPolicy policy = service_verdict_policy(s->service);
        Answer a = { .state = "live" };

        a.outcome = verdict(&s->record, need, &policy, now, &a.why);
        if (a.outcome == FAULT_NO_SESSION)
                return answer("live", a.outcome, "It is a visitor's session, and to this need a visitor is not logged in: see AllowAnonymous.");
        if (a.outcome == 0 && s->session && s->session->n_removing > 0)
                return answer("live", 0, "It is about to end: its end is on its way to the disk.");
        return a.outcome != 0 ? a : answer("live", 0, "It is live, and good for what was asked.");
}

static Answer answer_for(const Subject *s, const Need *need, uint64_t now) {
        if (!s->session)
                return answer_absent(s);
        if (!s->service)
                return answer("no-service", FAULT_NO_SERVICE, "Its service \"%.*s\" is in no policy any more, so nobody can resolve it.",
                              (int) s->record.service.size, s->record.service.data);
        if (s->is_token && s->match != SECRET_OPENS)
                return answer_closed(s);
        switch (verdict_end(&s->record, now)) {
        case VERDICT_END_IDLE:
                return answer("idle", FAULT_NO_SESSION, "It has ended, and is yet to be taken away: %s.", explain_reason(REASON_IDLE));
        case VERDICT_END_LIFETIME:
                return answer("expired", FAULT_NO_SESSION, "It has ended, and is yet to be taken away: %s.", explain_reason(REASON_EXPIRED));
        case VERDICT_END_NONE:
                break;
        }
        return answer_verdict(s, need, now);
}

/* ---- the reply ---- */

static int put_text(sd_bus_message *m, const char *key, const char *value) {
        return sd_bus_message_append(m, "{sv}", key, "s", value);
}

static int put_answer(sd_bus_message *m, const Subject *s, const Answer *a) {
        char journal[64];
        int k;

        k = put_text(m, "State", a->state);
        if (k >= 0)
                k = put_text(m, "Outcome", a->outcome ? fault_name(a->outcome) : "");
        if (k >= 0)
                k = put_text(m, "Why", a->why.text);
        if (k < 0 || !s->has_id)
                return k;
        snprintf(journal, sizeof(journal), "journalctl WEBSESS_SESSION=%s", s->hex);
        k = put_text(m, "Id", s->hex);
        return k < 0 ? k : put_text(m, "Journal", journal);
}

static int put_ended(sd_bus_message *m, const EndedEntry *e) {
        return sd_bus_message_append(m, "{sv}{sv}{sv}", "Service", "s", e->service, "Reason", "s", reason_name(e->reason), "Ended", "t", e->realtime);
}

/* The two ends that everybody who sees the session can work out from it. */
static int put_times(sd_bus_message *m, const Record *r) {
        uint64_t idle = r->last_seen + r->idle_usec;

        return sd_bus_message_append(m, "{sv}{sv}", "IdleEnd", "t", record_realtime(r, idle),
                                     "EndsBy", "s", idle < r->lifetime_end ? "idle" : "lifetime");
}

static Standing standing(const Manager *m, const Subject *s, uint64_t now) {
        const User *u = table_find_user(m->table, s->record.service, s->record.user);
        Standing result = {};
        const Session *other;

        if (u)
                TAILQ_FOREACH(other, &u->sessions, of_user) {
                        result.live += session_lasts(other, now);
                        if (other == s->session)
                                result.position = result.live;
                }
        return result;
}

static int put_policy(sd_bus_message *m, const Manager *manager, const Caller *caller, const Subject *s, uint64_t now) {
        _cleanup_(lines_done) Lines ends = {}, roles = {}, login = {}, access = {};
        const Standing place = standing(manager, s, now);
        const struct { const char *key; const Lines *lines; } rows[] = {
                { "Ends", &ends }, { "RolesFrom", &roles }, { "LoginBy", &login }, { "Access", &access },
        };
        int k = 0;

        explain_ends(s->service, &s->record, &place, &ends);
        explain_roles(s->service, &s->record, &roles);
        explain_login(s->service, &s->record, &login);
        explain_access(s->service, &s->record, caller, &access);
        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(rows); i++)
                k = api_append_lines(m, rows[i].key, rows[i].lines);
        return k < 0 ? k : put_text(m, "Policy", s->service->path);
}

static int put_session(sd_bus_message *m, const Subject *s) {
        int k;

        if (s->session)
                return api_append_session(m, &s->record, NULL);
        k = sd_bus_message_open_container(m, 'a', "{sv}");
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static int send(BusCall *call, const Manager *manager, const Subject *s, const Answer *a, bool everything) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int k;

        k = bus_call_new_reply(call, &reply);
        if (k >= 0)
                k = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (k >= 0)
                k = put_answer(reply, s, a);
        if (k >= 0 && s->session)
                k = put_times(reply, &s->record);
        if (k >= 0 && everything && s->ended)
                k = put_ended(reply, s->ended);
        if (k >= 0 && everything && s->session && s->service)
                k = put_policy(reply, manager, bus_client_caller(bus_call_client(call)), s, manager_now(manager).steady);
        if (k >= 0)
                k = sd_bus_message_close_container(reply);
        if (k >= 0)
                k = put_session(reply, s);
        return k < 0 ? k : bus_call_send(call, reply);
}

static int read_arguments(Manager *manager, sd_bus_message *m, Subject *s, Options *o, Fault *f) {
        int k;

        k = args_string(m, &s->text);
        if (k >= 0)
                k = validate_token_text(s->text, f);
        if (k == 0)
                k = args_options(m, OPTIONS_EXPLAIN, o, f);
        if (k == 0 && o->service.size > 0)
                k = api_service_by_name(manager, o->service, &s->asked, f);
        return k;
}

/* Somebody else's, which this caller must not know: as if there were no such session. */
static void forget(Subject *s) {
        s->session = NULL;
        s->ended = NULL;
        s->service = NULL;
}

HANDLER(api_explain) {
        OPTIONS_DONE Options o = {};
        const Caller *caller = bus_client_caller(bus_call_client(call));
        Manager *manager = userdata;
        Subject s = {};
        bool everything;
        Answer a;
        Need need;
        int k;

        k = read_arguments(manager, m, &s, &o, f);
        if (k != 0)
                return k;
        look_up(manager, &s);
        everything = may_know(manager, caller, &s);
        if (!everything) {
                k = as_others(manager, call, &s, &o, f);
                if (k == FAULT_NO_SESSION && api_manages_any(manager, caller))
                        forget(&s);
                else if (k != 0)
                        return k;
        }
        need = api_need(&o);
        if (s.session && s.service) {
                k = require_known_roles(s.asked ? s.asked : s.service, need.roles, need.n_roles, f);
                if (k != 0)
                        return k;
        }
        a = answer_for(&s, &need, manager_now(manager).steady);
        return send(call, manager, &s, &a, everything);
}
