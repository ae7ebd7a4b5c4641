/* SPDX-License-Identifier: MIT */
/* Beginning a session, giving it a fresh token, ending it. Owns nothing; wipes what it copies. */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "options.h"
#include "validate.h"

#define REQUEST_ID_SIZE 16u

typedef struct Request {
        const char *service;
        const char *user;
        Slice secret;                   /* Login */
        const TokenText *token;         /* Rotate, Logout */
        const websess_options *options;
        char request_id[2 * REQUEST_ID_SIZE + 1];
} Request;

/* A call that makes something may have to be sent twice: by this id the broker knows that it is the same. */
static int request_id(const websess_options *o, char out[static 2 * REQUEST_ID_SIZE + 1]) {
        uint8_t random[REQUEST_ID_SIZE];
        int r;

        out[0] = '\0';
        if (o && o->texts[OPTION_REQUEST_ID])
                return 0;
        r = random_bytes(random, sizeof(random));
        if (r < 0)
                return error_errno(r, "random bytes");
        for (size_t i = 0; i < sizeof(random); i++) {
                out[2 * i] = "0123456789abcdef"[random[i] >> 4];
                out[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
        }
        out[2 * sizeof(random)] = '\0';
        return 0;
}

static const char *id_of(const Request *q) {
        return q->request_id[0] || !q->options ? q->request_id : q->options->texts[OPTION_REQUEST_ID];
}

static int append_login(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = sd_bus_message_append(m, "ss", q->service, q->user);
        if (r >= 0)
                r = client_append_blank(m, q->secret.size);
        return r < 0 ? r : options_append(m, q->options, id_of(q), true);
}

static int append_create(sd_bus_message *m, const Call *call) {
        static const websess_values none;
        const Request *q = call->in;
        const websess_options *o = q->options;
        int r;

        r = sd_bus_message_append(m, "ss", q->service, q->user);
        if (r >= 0)
                r = client_append_strings(m, o ? (const char *const *) o->roles.items : NULL, o ? o->roles.n : 0);
        if (r >= 0)
                r = values_append(m, o ? &o->attributes : &none);
        return r < 0 ? r : options_append(m, o, id_of(q), false);
}

static int append_rotate(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = client_append_token(m, q->service, q->token->size);
        return r < 0 ? r : options_append(m, q->options, id_of(q), true);
}

static int append_logout(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;

        return client_append_token(m, q->service, q->token->size);
}

static int read_reply(sd_bus_message *m, const Call *call) {
        websess_session *s = call->out;
        const char *token;
        int r;

        websess_session_clear(s);
        r = sd_bus_message_read_basic(m, 's', &token);
        if (r <= 0 || strlen(token) > TOKEN_MAX)
                return error_errno(-EBADMSG, "The broker's reply");
        r = session_read(s, m);
        if (r < 0)
                return r;
        session_keep_token(s, token, strlen(token), true);
        return 0;
}

/* The three that return a token and a session. */
static int begin(websess *w, const char *member, int (*append)(sd_bus_message *, const Call *), Request *q,
                 websess_session *s) {
        Call call = {
                .member = member,
                .is_secret = true,
                .secret = q->token ? slice(q->token->data, q->token->size) : q->secret,
                .secret_index = q->token ? 1 : 2,
                .timeout_usec = q->options ? q->options->timeout_usec : 0,
                .append = append,
                .read = read_reply,
                .in = q,
                .out = s,
        };
        int r;

        q->service = client_service(w, NULL);
        r = q->service ? request_id(q->options, q->request_id) : FAULT_INVALID_ARGUMENT;
        if (r == 0)
                r = client_call(w, &call);
        return r;
}

static int check_objects(const websess *w, const websess_session *s) {
        return w && s ? 0 : error_set(FAULT_INVALID_ARGUMENT, "There is no %s", w ? "session value to fill" : "handle");
}

int websess_login(websess *w, const char *user, const char *secret, size_t secret_len, const websess_options *o,
                  websess_session *s) {
        Request q = { .user = user, .secret = slice(secret ?: "", secret ? secret_len : 0), .options = o };
        Fault f = {};
        int r;

        r = check_objects(w, s);
        if (r != 0)
                return r;
        if (validate_user(slice_of(user), &f) != 0 || validate_password(q.secret, &f) != 0)
                r = error_fault(&f);
        else
                r = begin(w, "Login", append_login, &q, s);
        if (r != 0)
                websess_session_clear(s);
        return r;
}

int websess_create(websess *w, const char *user, const websess_options *o, websess_session *s) {
        Request q = { .user = user ?: "", .options = o };
        Fault f = {};
        int r;

        r = check_objects(w, s);
        if (r != 0)
                return r;
        if (*q.user && validate_user(slice_of(q.user), &f) != 0)
                r = error_fault(&f);
        else
                r = begin(w, "CreateSession", append_create, &q, s);
        if (r != 0)
                websess_session_clear(s);
        return r;
}

int websess_rotate(websess *w, const char *token, size_t len, const websess_options *o, websess_session *s) {
        _cleanup_(token_text_done) TokenText text = {};
        Request q = { .token = &text, .options = o };
        int r;

        r = check_objects(w, s);
        if (r != 0)
                return r;
        r = client_token_text(&text, token, len);
        if (r == 0)
                r = begin(w, "Rotate", append_rotate, &q, s);
        if (r != 0)
                websess_session_clear(s);
        return r;
}

int websess_logout(websess *w, const char *token, size_t len) {
        _cleanup_(token_text_done) TokenText text = {};
        Request q = { .token = &text };
        Call call = { .member = "Logout", .is_secret = true, .secret_index = 1, .append = append_logout, .in = &q };
        int r;

        if (!w)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
        q.service = client_service(w, NULL);
        if (!q.service)
                return FAULT_INVALID_ARGUMENT;
        r = client_token_text(&text, token, len);
        if (r != 0 || text.size == 0)
                return r;
        call.secret = slice(text.data, text.size);
        return client_call(w, &call);
}
