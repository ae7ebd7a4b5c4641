/* SPDX-License-Identifier: MIT */
/* Changing sessions. Touches the table through a Change only. */
#include "amend.h"

#include <string.h>

int amend_check_attributes(const Attribute *a, size_t n, Fault *f) {
        size_t size = 0;

        for (size_t i = 0; i < n; i++)
                size += attribute_size(&a[i]);
        if (n > ATTRIBUTES_MAX)
                return fault(f, FAULT_INVALID_ARGUMENT, "more than %u attributes", ATTRIBUTES_MAX);
        if (size > ATTRIBUTES_SIZE_MAX)
                return fault(f, FAULT_INVALID_ARGUMENT, "attributes of %zu bytes: at most %u are kept", size, ATTRIBUTES_SIZE_MAX);
        return 0;
}

/* AuthTime comes in on the wall clock and is kept on the steady one. */
int amend_auth_time(Record *r, const Options *o, const Now *now, Fault *f) {
        uint64_t ago;

        if (!options_have(o, OPTION_AUTH_TIME))
                return 0;
        if (o->auth_time > now->realtime)
                return fault(f, FAULT_INVALID_ARGUMENT, "AuthTime lies in the future");

        ago = now->realtime - o->auth_time;
        r->auth_time = ago < now->steady ? now->steady - ago : 0;
        return 0;
}

/* Which request rotated this token: whoever repeats it has to know the old secret. */
static int rotation_tag(const Token *old, const Options *o, uint32_t uid, uint8_t out[static RECORD_TAG_SIZE]) {
        uint8_t hash[DIGEST_SIZE];
        int k;

        k = token_secret_hash(old->secret, hash);
        if (k < 0)
                return k;
        return secret_request_tag(uid, (Slice[]) { slice_of("Rotate"), slice((const char *) old->id.bytes, IDENT_SIZE),
                                            slice((const char *) hash, sizeof(hash)), o->request_id }, 4, out);
}

/* A lost reply: the token is dead already, or about to be, but this caller's very request killed it less than a minute ago. The id is
 * the same for good; the newest state says which request was the last. */
static Session *find_rotated(Table *t, const Token *old, const Service *service, const uint8_t tag[static RECORD_TAG_SIZE], uint64_t now) {
        Session *s = table_find(t, &old->id);
        Record r;

        if (!s)
                return NULL;
        session_head(s, &r);
        if (memcmp(r.request_tag, tag, RECORD_TAG_SIZE) != 0 || now > r.request_time + REQUEST_WINDOW_USEC)
                return NULL;
        return slice_equal(r.service, slice_of(service->name)) ? s : NULL;
}

static int rotate(Change *c, Session *s, const Options *o, const uint8_t tag[static RECORD_TAG_SIZE], const Now *now, Token *ret_token,
                  Fault *f) {
        Record r;
        int k;

        session_head(s, &r);
        if ((r.flags & RECORD_ANONYMOUS) && o->level > 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "a visitor's session has level 0");
        if (options_have(o, OPTION_LEVEL))
                r.level = o->level;
        if (options_have(o, OPTION_AUTH_METHODS)) {
                r.methods = o->methods.items;
                r.n_methods = o->methods.n;
        }
        k = amend_auth_time(&r, o, now, f);
        if (k != 0)
                return k;

        memcpy(r.request_tag, tag, RECORD_TAG_SIZE);
        r.request_time = options_have(o, OPTION_REQUEST_ID) ? now->steady : 0;
        r.version++;
        if (now->steady > r.last_seen)
                r.last_seen = now->steady;
        k = secret_renew(&r, ret_token);
        if (k < 0)
                return k;
        return change_replace(c, s, &r);
}

int amend_secret(Change *c, Table *t, const Service *service, Slice text, const Options *o, uint32_t uid, const Now *now,
                   Session **ret, Token *ret_token, Fault *f) {
        uint8_t tag[RECORD_TAG_SIZE] = {};
        Session *s = secret_find(t, service, text, true);
        Token old;
        Record r;
        int k;

        if (options_have(o, OPTION_REQUEST_ID) && token_parse(text.data, text.size, service->token_prefix, strlen(service->token_prefix), &old)) {
                k = rotation_tag(&old, o, uid, tag);
                if (k >= 0 && !s)
                        s = find_rotated(t, &old, service, tag, now->steady);
                wipe(&old, sizeof(old));
                if (k < 0)
                        return k;
        }

        if (!s || s->n_removing > 0)
                return fault_plain(f, FAULT_NO_SESSION);
        session_view(s, &r);
        if (!verdict_live(&r, now->steady))
                return fault_plain(f, FAULT_NO_SESSION);

        *ret = s;
        return rotate(c, s, o, tag, now, ret_token, f);
}

/* The methods of a record and those of a list, each once. */
static size_t join_methods(const Record *r, const char *const *more, Slice out[static METHODS_MAX]) {
        size_t n = 0, at = 0;
        Slice s;

        while (n < METHODS_MAX && record_next_method(r, &at, &s))
                out[n++] = s;
        for (; *more && n < METHODS_MAX; more++) {
                bool known = false;

                for (size_t i = 0; i < n && !known; i++)
                        known = slice_equal(out[i], slice_of(*more));
                if (!known)
                        out[n++] = slice_of(*more);
        }
        return n;
}

int amend_authentication(Change *c, Session *s, const char *const *methods, uint32_t level,
                         const uint8_t account_digest[static RECORD_TAG_SIZE], const Now *now, Token *ret_token) {
        static const uint8_t unknown[RECORD_TAG_SIZE];
        Slice joined[METHODS_MAX];
        Record r;
        int k;

        session_head(s, &r);
        r.n_methods = join_methods(&r, methods, joined);
        r.methods = joined;
        if (level > r.level)
                r.level = level;
        if (memcmp(account_digest, unknown, RECORD_TAG_SIZE) != 0)
                memcpy(r.account_digest, account_digest, RECORD_TAG_SIZE);
        r.auth_time = now->steady;
        if (now->steady > r.last_seen)
                r.last_seen = now->steady;
        /* A rotation that was under way is not this one's: its repeat must find nothing. */
        memset(r.request_tag, 0, RECORD_TAG_SIZE);
        r.request_time = 0;
        r.version++;
        k = secret_renew(&r, ret_token);
        return k < 0 ? k : change_replace(c, s, &r);
}

int amend_attributes(Change *c, Session *s, const Attributes *set, const Strings *unset, uint64_t if_version, uint64_t *ret_version,
                   Fault *f) {
        Attribute merged[ATTRIBUTES_MAX * 2], a;
        Record r;
        size_t n = 0;
        int k;

        session_head(s, &r);
        if (if_version != 0 && if_version != r.version)
                return fault(f, FAULT_CONFLICT, "the session is at version %llu, not %llu: read it again", (unsigned long long) r.version,
                             (unsigned long long) if_version);

        for (size_t at = 0; record_next_attribute(&r, &at, &a); )
                if (!attributes_find(set, a.key) && !strings_have(unset, a.key))
                        merged[n++] = a;
        for (size_t i = 0; i < set->n; i++)
                merged[n++] = set->items[i];

        k = amend_check_attributes(merged, n, f);
        if (k != 0)
                return k;
        r.attributes = merged;
        r.n_attributes = n;
        *ret_version = ++r.version;
        return change_replace(c, s, &r);
}

int amend_roles(Change *c, Session *s, const Strings *roles, uint64_t *ret_version) {
        Record r;

        session_head(s, &r);
        r.roles = roles->items;
        r.n_roles = roles->n;
        r.flags &= ~(uint32_t) RECORD_ROLES_FROM_POLICY;
        *ret_version = ++r.version;
        return change_replace(c, s, &r);
}

int amend_account_digest(Change *c, Session *s, const uint8_t digest[static RECORD_TAG_SIZE]) {
        Record r;

        session_head(s, &r);
        memcpy(r.account_digest, digest, RECORD_TAG_SIZE);
        return change_replace(c, s, &r);
}

int amend_account(Change *c, Session *s, const Slice *roles, size_t n_roles, const uint8_t digest[static RECORD_TAG_SIZE]) {
        static const uint8_t unknown[RECORD_TAG_SIZE];
        Record r;

        session_head(s, &r);
        if (memcmp(r.account_digest, unknown, RECORD_TAG_SIZE) == 0)
                memcpy(r.account_digest, digest, RECORD_TAG_SIZE);
        if (roles) {
                r.roles = roles;
                r.n_roles = n_roles;
                r.version++;
        }
        return change_replace(c, s, &r);
}
