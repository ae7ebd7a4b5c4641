/* SPDX-License-Identifier: MIT */
/*
 * Finding sessions: the request path. In the handle's map (resolve-map.c), and where that cannot answer, by a call to the broker. Owns nothing.
 */
#include <string.h>

#include "client.h"
#include "quick.h"

typedef struct Request {
        const char *service;
        const TokenText *token;
        const Need *need;
} Request;

static int append_request(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = client_append_token(m, q->service, q->token->size);
        return r < 0 ? r : need_append(m, q->need);
}

static bool has_one_of(const websess_session *s, const Need *need) {
        for (size_t i = 0; i < need->n_roles; i++)
                if (websess_session_has_role(s, need->roles[i].data))
                        return true;
        return false;
}

static int read_reply(sd_bus_message *m, const Call *call) {
        websess_session *s = call->out;
        int r;

        websess_session_clear(s);
        r = session_read(s, m);
        return r;
}

static int call_with(websess *w, const TokenText *token, const Need *need, websess_session *s) {
        Request q = { .service = client_service(w, NULL), .token = token, .need = need };
        Call call = {
                .member = "Resolve",
                .is_secret = true,
                .secret = slice(token->data, token->size),
                .secret_index = 1,
                .append = append_request,
                .read = read_reply,
                .in = &q,
                .out = s,
        };
        int r;

        if (!q.service)
                return FAULT_INVALID_ARGUMENT;
        if (token->size == 0)
                return error_set(FAULT_NO_SESSION, "%s", fault_text(FAULT_NO_SESSION));
        if (!quick_resolve(w, q.service, token, need, s, &call.timeout_usec, &r))
                r = client_call(w, &call);
        /* Whatever it said, it is there. */
        if (r >= 0 && r != FAULT_UNAVAILABLE) {
                touch_flush_now(w);
                map_handle_open(w);
        }
        return r;
}

static int call_broker(websess *w, Slice token, const Need *need, websess_session *s) {
        _cleanup_(token_text_done) TokenText text;
        int r;

        r = client_token_text(&text, token.data, token.size);
        return r != 0 ? r : call_with(w, &text, need, s);
}

static int look_up(websess *w, Slice token, const Need *need, websess_session *s) {
        int r;

        r = resolve_by_map(w, token, need, s);
        if (r == RESOLVE_ASK)
                r = call_broker(w, token, need, s);
        if (r != 0)
                return r;
        session_keep_token(s, token.data, token.size, false);
        /* Only the policy's AdminRole passes where none of the roles is there. */
        s->admin = need->n_roles > 0 && !has_one_of(s, need);
        return 0;
}

int client_resolve_plain(websess *w, const TokenText *token, const websess_need *need, websess_session *s) {
        return look_up(w, slice(token->data, token->size), &need->need, s);
}

/* The daemon's need and the call's: both. Two sets of roles are looked at in turn, since one call asks for any one of a
 * set; the second call is made only when the session's own roles do not decide, that is for an administrator. */
static int resolve(websess *w, Slice token, const websess_need *need, websess_session *s) {
        Need both = need_both(need, w->need), own;
        int r;

        r = look_up(w, token, &both, s);
        if (r != 0 || !need || !w->need || need->need.n_roles == 0 || w->need->need.n_roles == 0)
                return r;
        if (s->admin || has_one_of(s, &w->need->need))
                return 0;
        own = w->need->need;
        own.flags |= NEED_NO_TOUCH;
        return look_up(w, token, &own, s);
}

static bool within(const char *p, const char *data, size_t size) {
        return (uintptr_t) p - (uintptr_t) data < size;
}

/* A token that the session value itself holds is kept elsewhere while the value is filled. */
static int resolve_own(websess *w, Slice token, const websess_need *need, websess_session *s) {
        _cleanup_(token_text_done) TokenText text;
        int r;

        r = client_token_text(&text, token.data, token.size);
        return r != 0 ? r : resolve(w, slice(text.data, text.size), need, s);
}

int websess_resolve(websess *w, const char *token, size_t len, const websess_need *need, websess_session *s) {
        Slice text = slice(token, token ? len : 0);
        int r;

        if (!w || !s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", w ? "session value to fill" : "handle");
        r = within(token, s->token, sizeof(s->token)) || within(token, s->text.data, s->text.used) ? resolve_own(w, text, need, s) :
                resolve(w, text, need, s);
        if (r != 0)
                websess_session_clear(s);
        return r;
}

int websess_resolve_cookie(websess *w, const char *cookie_header, size_t len, const websess_need *need,
                           websess_session *s) {
        const char *token = NULL;
        size_t size = 0;
        int r;

        r = websess_cookie_token(w, cookie_header, len, &token, &size);
        if (r != 0) {
                websess_session_clear(s);
                return r;
        }
        return websess_resolve(w, token, size, need, s);
}

int websess_require(const websess_session *s, const websess_need *need) {
        static const Need login;
        Fault f = {};
        int r;

        if (!s || !s->loaded)
                return error_set(FAULT_NO_SESSION, "%s", fault_text(FAULT_NO_SESSION));
        r = session_require(s, need ? &need->need : &login, &f);
        return r != 0 ? error_fault(&f) : 0;
}
