/* SPDX-License-Identifier: MIT */
/* Making sessions. Touches the table through a Change only; draws random bytes. */
#include "create.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "span.h"

int require_known_roles(const Service *s, const Slice *roles, size_t n, Fault *f) {
        for (size_t i = 0; i < n; i++)
                if (!service_has_role(s, roles[i]))
                        return fault(f, FAULT_INVALID_ARGUMENT, "service \"%s\" has no role \"%.*s\": see [Roles] in %s", s->name,
                                     (int) roles[i].size, roles[i].data, s->path);
        return 0;
}

/* Does the secret open this state of the session? */
static bool opens(const Record *r, const Service *service, const uint8_t hash[static DIGEST_SIZE]) {
        return digest_equal(hash, r->secret_hash, DIGEST_SIZE) && slice_equal(r->service, slice_of(service->name));
}

Session *session_by_token(Table *t, const Service *service, Slice text, bool newest) {
        uint8_t hash[DIGEST_SIZE];
        Session *s = NULL;
        Token token;
        Record r;

        if (!token_parse(text.data, text.size, service->token_prefix, strlen(service->token_prefix), &token))
                return NULL;

        if (token_secret_hash(token.secret, hash) == 0)
                s = table_find(t, &token.id);
        wipe(&token, sizeof(token));
        if (!s)
                return NULL;

        session_view(s, &r);
        if (!opens(&r, service, hash))
                return NULL;
        if (newest && s->staged) {
                session_head(s, &r);
                if (!opens(&r, service, hash))
                        return NULL;
        }
        return s;
}

/* ---- requests that may come again ---- */

static uint8_t *put(uint8_t *p, const void *data, size_t size) {
        memcpy(p, data, size);
        return p + size;
}

/* One request of one caller, recognised again: SHA-256 over who asks for what, cut to 16 bytes. Each part carries its length. */
static int request_tag(uint32_t uid, const Slice *parts, size_t n, uint8_t out[static RECORD_TAG_SIZE]) {
        uint8_t text[2048], digest[DIGEST_SIZE], *p = put(text, &uid, sizeof(uid));
        int r;

        for (size_t i = 0; i < n; i++) {
                uint32_t size = (uint32_t) parts[i].size;

                if ((size_t) (p - text) + sizeof(size) + size > sizeof(text))
                        return -ENOBUFS;
                p = put(p, &size, sizeof(size));
                if (size > 0)
                        p = put(p, parts[i].data, size);
        }

        r = digest_sha256(text, (size_t) (p - text), digest);
        if (r < 0)
                return r;
        memcpy(out, digest, RECORD_TAG_SIZE);
        return 0;
}

/* ---- secrets ---- */

static int fresh_secret(Record *r, Token *ret) {
        int k;

        ret->id = r->id;
        k = random_bytes(ret->secret, sizeof(ret->secret));
        if (k < 0)
                return k;
        return token_secret_hash(ret->secret, r->secret_hash);
}

/* ---- lists of a decoded record, as arrays again ---- */

typedef struct Lists {
        Slice roles[ROLES_MAX], methods[METHODS_MAX];
        Attribute attributes[ATTRIBUTES_MAX];
} Lists;

/* A record that was decoded carries its lists encoded; to encode it again they must be arrays. */
static void unpack(Record *r, Lists *l) {
        size_t at, n;

        for (at = 0, n = 0; record_next_role(r, &at, &l->roles[n]); n++)
                ;
        for (at = 0, n = 0; record_next_method(r, &at, &l->methods[n]); n++)
                ;
        for (at = 0, n = 0; record_next_attribute(r, &at, &l->attributes[n]); n++)
                ;
        r->roles = l->roles;
        r->methods = l->methods;
        r->attributes = l->attributes;
}

static ssize_t find_attribute(const Attribute *a, size_t n, Slice key) {
        for (size_t i = 0; i < n; i++)
                if (slice_equal(a[i].key, key))
                        return (ssize_t) i;
        return -1;
}

static int check_attributes(const Attribute *a, size_t n, Fault *f) {
        size_t size = 0;

        for (size_t i = 0; i < n; i++)
                size += attribute_size(&a[i]);
        if (n > ATTRIBUTES_MAX)
                return fault(f, FAULT_INVALID_ARGUMENT, "more than %u attributes", ATTRIBUTES_MAX);
        if (size > ATTRIBUTES_SIZE_MAX)
                return fault(f, FAULT_INVALID_ARGUMENT, "attributes of %zu bytes: at most %u are kept", size, ATTRIBUTES_SIZE_MAX);
        return 0;
}

/* ---- limits ---- */

/* Does it count: live or about to be, and not about to go? */
static bool counts(const Session *s, const Session *replaced, uint64_t now) {
        Record r;

        if (s->dead || s->n_removing > 0 || s == replaced)
                return false;
        session_head(s, &r);
        return verdict_live(&r, now);
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

static bool has(const Options *o, Option which) {
        return o->has & OPTION_BIT(which);
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
        r->idle_usec = at_most(idle, has(o, OPTION_IDLE_USEC), o->idle_usec);
        r->lifetime_end = now->steady + at_most(lifetime, has(o, OPTION_LIFETIME_USEC), o->lifetime_usec);
}

/* AuthTime comes in on the wall clock and is kept on the steady one. */
static int set_auth_time(Record *r, const Options *o, const Now *now, Fault *f) {
        uint64_t ago;

        if (!has(o, OPTION_AUTH_TIME))
                return 0;
        if (o->auth_time > now->realtime)
                return fault(f, FAULT_INVALID_ARGUMENT, "AuthTime lies in the future");

        ago = now->realtime - o->auth_time;
        r->auth_time = ago < now->steady ? now->steady - ago : 0;
        return 0;
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
                        for (size_t i = 0; i < n->options->keep.n; i++)
                                if (slice_equal(n->options->keep.items[i], a.key) &&
                                    find_attribute(out, r->n_attributes, a.key) < 0)
                                        out[r->n_attributes++] = a;
        }

        r->attributes = out;
        return check_attributes(out, r->n_attributes, f);
}

/* The same request again: the session that it made gets a fresh secret, nothing else happens. */
static int repeat(Change *c, Session *s, Session **ret, Token *ret_token) {
        Lists lists;
        Record r;
        int k;

        session_head(s, &r);
        unpack(&r, &lists);
        k = fresh_secret(&r, ret_token);
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
        Attribute attributes[ATTRIBUTES_MAX * 2];
        uint8_t random[10];
        int k;

        k = fill_attributes(r, n, replaced, attributes, f);
        if (k != 0)
                return k;
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
        k = fresh_secret(r, ret_token);
        if (k < 0)
                return k;
        return change_insert(c, r, ret);
}

int create_session(Change *c, Table *t, const NewSession *n, const Now *now, Session **ret, Token *ret_token, Fault *f) {
        const Options *o = n->options;
        Session *known, *replaced = NULL;
        Record r = {
                .flags = (n->user.size == 0 ? RECORD_ANONYMOUS : 0) | (o->remember ? RECORD_REMEMBER : 0) |
                         (n->service->users == USERS_APP ? RECORD_APP_USER : 0),
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

        if (has(o, OPTION_REQUEST_ID)) {
                k = request_tag(n->creator_uid, (Slice[]) { slice_of(n->method), r.service, r.user, o->request_id }, 4, r.request_tag);
                if (k < 0)
                        return k;
                r.request_time = now->steady;
                known = table_find_request(t, r.request_tag, now->steady);
                if (known)
                        return repeat(c, known, ret, ret_token);
        }

        k = check_quota(t, n, f);
        if (k != 0)
                return k;
        fill_times(&r, n, now);
        k = set_auth_time(&r, o, now, f);
        if (k != 0)
                return k;

        if (o->replace_token.size > 0)
                replaced = session_by_token(t, n->service, o->replace_token, false);
        if (replaced && replaced->n_removing > 0)
                replaced = NULL;
        return insert(c, t, n, &r, replaced, now, ret, ret_token, f);
}

/* ---- a session that changes ---- */

/* Which request rotated this token: whoever repeats it has to know the old secret. */
static int rotation_tag(const Token *old, const Options *o, uint32_t uid, uint8_t out[static RECORD_TAG_SIZE]) {
        uint8_t hash[DIGEST_SIZE];
        int k;

        k = token_secret_hash(old->secret, hash);
        if (k < 0)
                return k;
        return request_tag(uid, (Slice[]) { slice_of("Rotate"), slice((const char *) old->id.bytes, IDENT_SIZE),
                                            slice((const char *) hash, sizeof(hash)), o->request_id }, 4, out);
}

/* A lost reply: the token is dead already, but this caller's very request killed it less than a minute ago. */
static Session *find_rotated(Table *t, Slice text, const Service *service, const uint8_t tag[static RECORD_TAG_SIZE], uint64_t now) {
        Session *s = table_find_request(t, tag, now);
        Record r;

        if (!s || !session_visible(s))
                return NULL;
        session_view(s, &r);
        return slice_equal(r.service, slice_of(service->name)) ? s : NULL;
}

static int rotate(Change *c, Session *s, const Options *o, const uint8_t tag[static RECORD_TAG_SIZE], const Now *now, Token *ret_token,
                  Fault *f) {
        Lists lists;
        Record r;
        int k;

        session_head(s, &r);
        unpack(&r, &lists);
        if (has(o, OPTION_LEVEL))
                r.level = o->level;
        if (has(o, OPTION_AUTH_METHODS)) {
                r.methods = o->methods.items;
                r.n_methods = o->methods.n;
        }
        k = set_auth_time(&r, o, now, f);
        if (k != 0)
                return k;

        memcpy(r.request_tag, tag, RECORD_TAG_SIZE);
        r.request_time = has(o, OPTION_REQUEST_ID) ? now->steady : 0;
        r.version++;
        if (now->steady > r.last_seen)
                r.last_seen = now->steady;
        k = fresh_secret(&r, ret_token);
        if (k < 0)
                return k;
        return change_replace(c, s, &r);
}

int rotate_session(Change *c, Table *t, const Service *service, Slice text, const Options *o, uint32_t uid, const Now *now,
                   Session **ret, Token *ret_token, Fault *f) {
        uint8_t tag[RECORD_TAG_SIZE] = {};
        Session *s = session_by_token(t, service, text, true);
        Token old;
        Record r;
        int k;

        if (has(o, OPTION_REQUEST_ID) && token_parse(text.data, text.size, service->token_prefix, strlen(service->token_prefix), &old)) {
                k = rotation_tag(&old, o, uid, tag);
                wipe(&old, sizeof(old));
                if (k < 0)
                        return k;
                if (!s)
                        s = find_rotated(t, text, service, tag, now->steady);
        }

        if (!s || s->n_removing > 0)
                return fault_plain(f, FAULT_NO_SESSION);
        session_view(s, &r);
        if (!verdict_live(&r, now->steady))
                return fault_plain(f, FAULT_NO_SESSION);

        *ret = s;
        return rotate(c, s, o, tag, now, ret_token, f);
}

int set_attributes(Change *c, Session *s, const Attributes *set, const Strings *unset, uint64_t if_version, uint64_t *ret_version,
                   Fault *f) {
        Attribute merged[ATTRIBUTES_MAX * 2];
        Lists lists;
        Record r;
        size_t n = 0;
        int k;

        session_head(s, &r);
        if (if_version != 0 && if_version != r.version)
                return fault(f, FAULT_CONFLICT, "the session is at version %llu, not %llu: read it again", (unsigned long long) r.version,
                             (unsigned long long) if_version);

        unpack(&r, &lists);
        for (size_t i = 0; i < r.n_attributes; i++) {
                bool dropped = find_attribute(set->items, set->n, lists.attributes[i].key) >= 0;

                for (size_t j = 0; j < unset->n && !dropped; j++)
                        dropped = slice_equal(unset->items[j], lists.attributes[i].key);
                if (!dropped)
                        merged[n++] = lists.attributes[i];
        }
        for (size_t i = 0; i < set->n; i++)
                merged[n++] = set->items[i];

        k = check_attributes(merged, n, f);
        if (k != 0)
                return k;
        r.attributes = merged;
        r.n_attributes = n;
        *ret_version = ++r.version;
        return change_replace(c, s, &r);
}

int set_roles(Change *c, Session *s, const Strings *roles, uint64_t *ret_version) {
        Lists lists;
        Record r;

        session_head(s, &r);
        unpack(&r, &lists);
        r.roles = roles->items;
        r.n_roles = roles->n;
        *ret_version = ++r.version;
        return change_replace(c, s, &r);
}
