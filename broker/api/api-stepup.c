/* SPDX-License-Identifier: MIT */
/* Authenticating again. Touches one session, through a Change. The session is looked up twice: what is true when the
 * question is asked may not be when it is answered. */
#include "api-stepup.h"

#include <string.h>

#include "amend.h"
#include "cleanup.h"
#include "log.h"
#include "validate.h"

static int find_session(const Login *l, Session **ret, Record *r, Fault *f) {
        Session *s = secret_find(l->manager->table, l->service, l->options.token, true);

        if (!s || s->n_removing > 0)
                return fault_plain(f, FAULT_NO_SESSION);
        session_view(s, r);
        if (!verdict_live(r, manager_now(l->manager).steady) || r->user.size == 0)
                return fault_plain(f, FAULT_NO_SESSION);
        *ret = s;
        return 0;
}

int step_up_begin(Login *l, Slice user, Fault *f) {
        Session *s;
        Record r;
        int k;

        if (l->options.has & ~OPTIONS_STEP_UP)
                return fault(f, FAULT_INVALID_ARGUMENT, "with Token, only RemoteHost, UserAgent, Host and Language are taken: the rest is the session's already");
        k = find_session(l, &s, &r, f);
        if (k != 0)
                return k;
        if (user.size > 0 && !slice_equal(user, r.user))
                return fault(f, FAULT_INVALID_ARGUMENT, "user: the token's session is another user's; \"\" stands for whoever it is");
        ident_format(&s->id, l->session);
        return login_set_user(l, r.user, f);
}

/* A new password makes another digest. It is the helper's word that the user changed it in this conversation, and by the old one; that nobody
 * has been given name and uid meanwhile, is the watch's. */
static bool changed_password(Manager *m, const AuthIdentity *identity) {
        return identity->password_changed && identity->local && watch_settled(m->watch);
}

/* Whom PAM named must be whom the session is of: the name alone may have been given to somebody else. */
static bool same_account(Manager *m, const Record *r, const AuthIdentity *identity) {
        static const uint8_t unknown[RECORD_TAG_SIZE];

        if (!slice_equal(r->user, slice_of(identity->user)) || r->uid != identity->uid)
                return false;
        return memcmp(r->account_digest, unknown, RECORD_TAG_SIZE) == 0 ||
               memcmp(identity->account_digest, unknown, RECORD_TAG_SIZE) == 0 ||
               memcmp(r->account_digest, identity->account_digest, RECORD_TAG_SIZE) == 0 || changed_password(m, identity);
}

static void log_step_up(const Login *l, const Session *s) {
        const Caller *caller = bus_client_caller(bus_call_client(l->call));
        char id[IDENT_HEX_SIZE + 1];

        ident_format(&s->id, id);
        log_event(LOG_EVENT_LOGIN, LOG_INFO,
                  &(LogFields) { .service = l->service->name, .user = l->user, .session = id, .remote_host = l->host, .reason = "StepUp",
                                 .unit = caller->unit, .uid = caller->uid },
                  "%s authenticated again for a session on %s", l->user, l->service->name);
}

static int stage(Login *l, const AuthIdentity *identity, Pending *p, Fault *f) {
        Now now = manager_now(l->manager);
        Record r;
        int k;

        k = find_session(l, &p->session, &r, f);
        if (k != 0)
                return k;
        if (!same_account(l->manager, &r, identity)) {
                fault(f, FAULT_AUTHENTICATION_FAILED, "PAM let in \"%s\" (uid %u), who is not the session's user", identity->user,
                      (unsigned) identity->uid);
                login_log_failed(l, f, f->text);
                return fault_plain(f, FAULT_AUTHENTICATION_FAILED);
        }
        return amend_authentication(p->change, p->session, identity->methods, identity->level, identity->account_digest, &now,
                                    &p->token);
}

static int finish(Login *l, const AuthIdentity *identity, Fault *f) {
        _cleanup_(pending_freep) Pending *p = NULL;
        int k;

        k = pending_new(&p, l->manager, l->call, l->reply);
        if (k < 0)
                return k;
        policy_unref(p->policy);
        p->policy = policy_ref(l->policy);
        p->service = l->service;
        if (l->options.host.size < sizeof(p->host) && l->options.host.size > 0)
                memcpy(p->host, l->options.host.data, l->options.host.size);
        k = stage(l, identity, p, f);
        if (k != 0)
                return k;
        log_step_up(l, p->session);
        pending_submit(TAKE_PTR(p));
        return 0;
}

void step_up_finish(Login *l, const AuthIdentity *identity) {
        Fault f = {};
        int k = finish(l, identity, &f);

        if (k != 0)
                conversation_fail(l->call, k, &f);
        login_free(l);
}
