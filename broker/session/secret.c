/* SPDX-License-Identifier: MIT */
/* Tokens and request tags against the table. Reads it only. */
#include "secret.h"

#include <errno.h>
#include <string.h>

/* What is this secret to this state of the session? */
static SecretMatch match(const Record *r, const Service *service, const uint8_t hash[static DIGEST_SIZE]) {
        if (!digest_equal(hash, r->secret_hash, DIGEST_SIZE))
                return SECRET_WRONG;
        return slice_equal(r->service, slice_of(service->name)) ? SECRET_OPENS : SECRET_OTHER_SERVICE;
}

/* The session of the token's id, NULL for none, and the hash of its secret. */
static SecretMatch look_up(Table *t, const Service *service, Slice text, uint8_t hash[static DIGEST_SIZE], Session **ret) {
        Token token;

        *ret = NULL;
        if (!token_parse(text.data, text.size, service->token_prefix, strlen(service->token_prefix), &token))
                return SECRET_MALFORMED;

        if (token_secret_hash(token.secret, hash) == 0)
                *ret = table_find(t, &token.id);
        wipe(&token, sizeof(token));
        return *ret ? SECRET_OPENS : SECRET_UNKNOWN;
}

SecretMatch secret_match(Table *t, const Service *service, Slice text, Session **ret) {
        uint8_t hash[DIGEST_SIZE];
        SecretMatch k = look_up(t, service, text, hash, ret);
        Record r;

        if (k != SECRET_OPENS)
                return k;
        session_view(*ret, &r);
        return match(&r, service, hash);
}

Session *secret_find(Table *t, const Service *service, Slice text, bool newest) {
        uint8_t hash[DIGEST_SIZE];
        Session *s;
        Record r;

        if (look_up(t, service, text, hash, &s) != SECRET_OPENS)
                return NULL;

        session_view(s, &r);
        if (match(&r, service, hash) != SECRET_OPENS)
                return NULL;
        if (newest && s->staged) {
                session_head(s, &r);
                if (match(&r, service, hash) != SECRET_OPENS)
                        return NULL;
        }
        return s;
}

static uint8_t *put(uint8_t *p, const void *data, size_t size) {
        memcpy(p, data, size);
        return p + size;
}

/* Each part carries its length, so that no two lists of parts look alike. */
int secret_request_tag(uint32_t uid, const Slice *parts, size_t n, uint8_t out[static RECORD_TAG_SIZE]) {
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

int secret_renew(Record *r, Token *ret) {
        int k;

        ret->id = r->id;
        k = random_bytes(ret->secret, sizeof(ret->secret));
        if (k < 0)
                return k;
        return token_secret_hash(ret->secret, r->secret_hash);
}
