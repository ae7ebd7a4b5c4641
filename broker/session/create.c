/* SPDX-License-Identifier: MIT */
/* Making sessions. Touches the table through a Change only; draws random bytes. */
#include "create.h"

#include <errno.h>
#include <string.h>

#include "amend.h"
#include "span.h"

int require_known_roles(const Service *s, const Slice *roles, size_t n, Fault *f) {
        for (size_t i = 0; i < n; i++)
                if (!service_has_role(s, roles[i]))
                        return fault(f, FAULT_INVALID_ARGUMENT, "service \"%s\" has no role \"%.*s\": see [Roles] in %s", s->name,
                                     (int) roles[i].size, roles[i].data, s->path);
        return 0;
}

/* ---- limits ---- */

static bool counts(const Session *s, const Session *replaced, uint64_t now) {
        return s != replaced && session_lasts(s, now);
}

/* Keep the service's MaxSessions exact: everything that is staged counts. */
static int keep_limit(Change *c, Table *t, const NewSession *n, Session *replaced, uint64_t now, Fault *f) {
        User *u = table_find_user(t, slice_of(n->service->name), n->user);
        unsigned max = n->service->max_sessions, live = 0;
        Session *s;
        int r;

        if (!u || max == 0 || n->user.size == 0)
                return 0;

        TAILQ_FOREACH(s, &u->sessions, of_user)
                live += counts(s, replaced, now);
        if (live < max)
                return 0;
        if (n->service->on_limit == ON_LIMIT_REFUSE)
                return fault(f, FAULT_LIMIT_REACHED, "user has %u sessions of \"%s\" already: end one, or see MaxSessions= in %s", live,
                             n->service->name, n->service->path);

        TAILQ_FOREACH(s, &u->sessions, of_user) {
                if (live < max)
                        break;
                if (!counts(s, replaced, now))
                        continue;
                r = change_remove(c, s, REASON_EVICTED);
                if (r < 0)
                        return r;
                live--;
        }

        return 0;
}

/* ---- a new session ---- */

static uint64_t at_most(uint64_t policy, bool asked, uint64_t value) {
        return asked && value > 0 && value < policy ? value : policy;
}

static void fill_times(Record *r, const NewSession *n, const Now *now) {
        const Service *s = n->service;
        const Options *o = n->options;
        uint64_t idle = s->idle_usec, lifetime = s->lifetime_usec;

        if (n->user.size == 0)
                idle = s->anonymous_idle_usec;
        else if (o->remember)
                idle = lifetime = s->remember_usec;

        r->created_realtime = now->realtime;
        r->created = r->last_seen = r->auth_time = now->steady;
        r->idle_usec = at_most(idle, options_have(o, OPTION_IDLE_USEC), o->idle_usec);
        r->lifetime_end = now->steady + at_most(lifetime, options_have(o, OPTION_LIFETIME_USEC), o->lifetime_usec);
}

static void next_id(Table *t, const Now *now, const uint8_t random[static 10], Ident *ret) {
        *ret = ident_next(&t->idents, now->realtime / USEC_PER_MSEC, random);
}

/* The attributes of the new session: what was given, and what is kept of the replaced one; what was given wins. */
static int fill_attributes(Record *r, const NewSession *n, Session *replaced, Attribute out[static ATTRIBUTES_MAX * 2], Fault *f) {
        Record old;
        Attribute a;

        if (n->attributes)
                for (; r->n_attributes < n->attributes->n; r->n_attributes++)
                        out[r->n_attributes] = n->attributes->items[r->n_attributes];

        if (replaced) {
                session_head(replaced, &old);
                for (size_t at = 0; record_next_attribute(&old, &at, &a); )
                        if (strings_have(&n->options->keep, a.key) && !(n->attributes && attributes_find(n->attributes, a.key)))
                                out[r->n_attributes++] = a;
        }

        r->attributes = out;
        return amend_check_attributes(out, r->n_attributes, f);
}

/* The same request again: the session that it made gets a fresh secret, nothing else happens. */
static int repeat(Change *c, Session *s, Session **ret, Token *ret_token) {
        Record r;
        int k;

        session_head(s, &r);
        k = secret_renew(&r, ret_token);
        if (k < 0)
                return k;
        r.version++;
        k = change_replace(c, s, &r);
        if (k < 0)
                return k;
        *ret = s;
        return 0;
}

static int check_quota(Table *t, const NewSession *n, Fault *f) {
        if (n->max_sessions_per_creator > 0 && n->creator_uid != 0 &&
            table_created_by(t, n->creator_uid) >= n->max_sessions_per_creator)
                return fault(f, FAULT_TOO_MANY, "uid %u has created %llu sessions that still live: see MaxSessionsPerCreator= in websess.conf",
                             n->creator_uid, (unsigned long long) n->max_sessions_per_creator);
        return 0;
}

static int insert(Change *c, Table *t, const NewSession *n, Record *r, Session *replaced, const Now *now, Session **ret,
                  Token *ret_token, Fault *f) {
        uint8_t random[10];
        int k;

        k = keep_limit(c, t, n, replaced, now->steady, f);
        if (k != 0)
                return k;
        if (replaced) {
                k = change_remove(c, replaced, REASON_REPLACED);
                if (k < 0)
                        return k;
        }

        k = random_bytes(random, sizeof(random));
        if (k < 0)
                return k;
        next_id(t, now, random, &r->id);
        k = secret_renew(r, ret_token);
        if (k < 0)
                return k;
        return change_insert(c, r, ret);
}

int create_session(Change *c, Table *t, const NewSession *n, const Now *now, Session **ret, Token *ret_token, Fault *f) {
        const Options *o = n->options;
        Session *known, *replaced = NULL;
        Attribute attributes[ATTRIBUTES_MAX * 2];
        Record r = {
                .flags = (n->user.size == 0 ? RECORD_ANONYMOUS : 0) | (o->remember ? RECORD_REMEMBER : 0) |
                         (n->service->users == USERS_APP ? RECORD_APP_USER : 0) |
                         (n->roles_from_policy ? RECORD_ROLES_FROM_POLICY : 0),
                .version = 1,
                .uid = n->uid, .creator_uid = n->creator_uid, .creator_unit = n->creator_unit,
                .level = n->level,
                .service = slice_of(n->service->name), .user = n->user,
                .remote_host = o->remote_host, .user_agent = o->user_agent,
                .roles = n->roles, .n_roles = n->n_roles,
                .methods = n->methods, .n_methods = n->n_methods,
        };
        int k;

        memcpy(r.account_digest, n->account_digest, sizeof(r.account_digest));

        if (options_have(o, OPTION_REQUEST_ID)) {
                k = secret_request_tag(n->creator_uid, (Slice[]) { slice_of(n->method), r.service, r.user, o->request_id }, 4, r.request_tag);
                if (k < 0)
                        return k;
                r.request_time = now->steady;
                known = table_find_request(t, r.request_tag, now->steady);
                if (known && session_lasts(known, now->steady))
                        return repeat(c, known, ret, ret_token);
        }

        k = check_quota(t, n, f);
        if (k != 0)
                return k;
        fill_times(&r, n, now);
        k = amend_auth_time(&r, o, now, f);
        if (k != 0)
                return k;

        if (o->replace_token.size > 0)
                replaced = secret_find(t, n->service, o->replace_token, false);
        /* What has ended leaves nothing to keep, even where it is not swept yet. */
        if (replaced && !session_lasts(replaced, now->steady))
                replaced = NULL;
        k = fill_attributes(&r, n, replaced, attributes, f);
        if (k != 0)
                return k;
        return insert(c, t, n, &r, replaced, now, ret, ret_token, f);
}
