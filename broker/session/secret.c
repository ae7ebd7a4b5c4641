/* SPDX-License-Identifier: MIT */
/* Tokens and request tags against the table. Reads it only. */
#include "secret.h"

#include <errno.h>
#include <string.h>

/* Does the secret open this state of the session? */
static bool opens(const Record *r, const Service *service, const uint8_t hash[static DIGEST_SIZE]) {
        return digest_equal(hash, r->secret_hash, DIGEST_SIZE) && slice_equal(r->service, slice_of(service->name));
}

Session *secret_find(Table *t, const Service *service, Slice text, bool newest) {
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
