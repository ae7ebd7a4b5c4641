/* SPDX-License-Identifier: MIT */
/* Views of one session. Touches nothing but the session it is given. */
#include "session.h"

#include <assert.h>

#include "verdict.h"

static void decode(const uint8_t *data, uint64_t last_seen, Record *ret) {
        int r;

        /* The broker encoded these bytes itself, or checked them when it read the database. */
        r = record_decode_trusted(data, record_length(data), ret);
        assert(r == 0);
        (void) r;
        if (last_seen > ret->last_seen)
                ret->last_seen = last_seen;
}

void session_view(const Session *s, Record *ret) {
        decode(s->data, s->last_seen, ret);
}

void session_head(const Session *s, Record *ret) {
        decode(s->staged ?: s->data, s->last_seen, ret);
}

bool session_lasts(const Session *s, uint64_t now) {
        Record r;

        if (s->dead || s->n_removing > 0)
                return false;
        session_head(s, &r);
        return verdict_live(&r, now);
}

const char *reason_name(Reason r) {
        static const char *const names[_REASON_MAX] = {
                [REASON_LOGOUT] = "logout",
                [REASON_REVOKED] = "revoked",
                [REASON_IDLE] = "idle",
                [REASON_EXPIRED] = "expired",
                [REASON_EVICTED] = "evicted",
                [REASON_REPLACED] = "replaced",
                [REASON_ROLES] = "roles",
                [REASON_ACCOUNT] = "account",
                [REASON_PASSWORD] = "password",
        };

        return names[r];
}
