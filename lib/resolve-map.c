/* SPDX-License-Identifier: MIT */
/* A look-up in the map of the handle: what the broker would answer, without asking it. Makes no call, but hands over touches (touch.h). */
#include <time.h>

#include "client.h"
#include "validate.h"

typedef struct LookUp {
        websess *handle;
        const MapView *view;
        const Need *need;
        websess_session *session;
        uint64_t boottime, now;         /* µs; now by the broker's steady clock */
} LookUp;

static bool roles_known(const MapView *v, const Need *need) {
        for (size_t i = 0; i < need->n_roles; i++)
                if (!map_knows_role(v, need->roles[i]))
                        return false;
        return true;
}

static void read_clock(LookUp *l) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_BOOTTIME, &ts);
        l->boottime = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
        l->now = l->boottime + l->view->clock_offset;
}

static int no_session(void) {
        return error_set(FAULT_NO_SESSION, "%s", fault_text(FAULT_NO_SESSION));
}

/* The session of the token as it is in the map: 0, FAULT_NO_SESSION or RESOLVE_ASK. In an order that never waits for memory while there is something to do. */
static int find(LookUp *l, const Token *token, Record *ret) {
        MapCopy *copy = &l->session->copy;
        uint8_t hash[DIGEST_SIZE];
        MapKey key;

        map_seek(l->view, &token->id, &key);
        read_clock(l);
        websess_session_clear(l->session);
        map_prefetch(l->view, &key);
        if (token_secret_hash(token->secret, hash) < 0)
                return RESOLVE_ASK;
        switch (map_read(l->view, &key, copy)) {
        case MAP_FOUND:
                break;
        case MAP_MISS:
                return no_session();
        case MAP_GONE:
                map_handle_give_up(&l->handle->map, l->view);
                return RESOLVE_ASK;
        default:
                return RESOLVE_ASK;
        }
        if (record_decode_trusted(copy->words, copy->size, ret) < 0)
                return RESOLVE_ASK;
        if (!digest_equal(hash, ret->secret_hash, DIGEST_SIZE))
                return no_session();
        if (copy->last_seen > ret->last_seen)
                ret->last_seen = copy->last_seen;
        return 0;
}

/* A sign of life, unless the need says otherwise. As after a call the caller sees it in what he gets. */
static void touch(const LookUp *l, Record *r) {
        uint64_t interval = l->view->touch_usec < r->idle_usec / 4 ? l->view->touch_usec : r->idle_usec / 4;

        if (l->need->flags & NEED_NO_TOUCH)
                r->last_seen = touch_last_seen(l->handle, &r->id, r->last_seen, l->now, interval);
        else
                r->last_seen = touch_session(l->handle, &r->id, r->last_seen, l->now, interval, r->idle_usec);
}

static int judge(const LookUp *l, Record *r) {
        VerdictPolicy policy = map_policy(l->view);
        Fault f;
        int k;

        f.text[0] = '\0';
        k = verdict(r, l->need, &policy, l->now, &f);
        if (k != 0)
                return error_fault(&f);
        touch(l, r);
        return session_fill(l->session, r, l->now, l->boottime);
}

static int look_up(LookUp *l, Slice text) {
        const MapText *prefix = &l->view->token_prefix;
        Token token;
        Record r;
        int k;

        if (!token_parse(text.data, text.size, prefix->text, prefix->size, &token)) {
                Fault f;

                if (validate_token_text(text, &f) != 0)
                        return error_fault(&f);
                /* It can't be a token of this service, if the service is still what it was. */
                if (map_check(l->view) == MAP_GONE) {
                        map_handle_give_up(&l->handle->map, l->view);
                        return RESOLVE_ASK;
                }
                return no_session();
        }
        k = find(l, &token, &r);
        wipe(&token, sizeof(token));
        return k != 0 ? k : judge(l, &r);
}

int resolve_by_map(websess *w, Slice text, const Need *need, websess_session *s) {
        LookUp l = { .handle = w, .view = map_handle_view(&w->map), .need = need, .session = s };
        int r;

        if (!l.view || !roles_known(l.view, need))
                return RESOLVE_ASK;
        r = look_up(&l, text);
        touch_flush(w, l.now);
        return r;
}
