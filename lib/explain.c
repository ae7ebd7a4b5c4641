/* SPDX-License-Identifier: MIT */
/* Asking the broker why. Owns nothing. */
#include <errno.h>
#include <string.h>

#include "client.h"

typedef struct Request {
        const char *service;            /* NULL: the session's own */
        const TokenText *text;
        const Need *need;
} Request;

typedef struct Reply {
        websess_values *values;
        websess_session *session;
} Reply;

static int append_request(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = client_append_blank(m, q->text->size);
        return r < 0 ? r : need_append_with(m, q->need, "Service", q->service);
}

/* A session that is not there is an empty dictionary. */
static int read_session(sd_bus_message *m, websess_session *s) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return error_errno(r, "The broker's reply");
        r = sd_bus_message_at_end(m, false);
        if (r != 0)
                return r < 0 ? error_errno(r, "The broker's reply") : 0;
        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_skip(m, "a{sv}");
        return r < 0 ? error_errno(r, "The broker's reply") : session_read(s, m);
}

static int read_reply(sd_bus_message *m, const Call *call) {
        const Reply *reply = call->out;
        int r;

        websess_values_clear(reply->values);
        websess_session_clear(reply->session);
        r = values_read(reply->values, m);
        return r < 0 ? error_errno(r, "The broker's reply") : read_session(m, reply->session);
}

int websess_explain(websess *w, const char *service, const char *id_or_token, size_t size, const websess_need *need,
                    websess_values *v, websess_session *s) {
        _cleanup_(token_text_done) TokenText text;
        const Need any = {};
        Request q = { .service = service && *service ? service : NULL, .text = &text, .need = need ? &need->need : &any };
        Reply reply = { v, s };
        Call call = { .member = "Explain", .is_secret = true, .append = append_request, .read = read_reply, .in = &q, .out = &reply };
        int r;

        if (!w || !v || !s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", !w ? "handle" : !v ? "values to fill" : "session value to fill");
        r = client_token_text(&text, id_or_token, size);
        if (r != 0)
                return r;
        call.secret = slice(text.data, text.size);
        return q.service && (r = client_check_text("The service", q.service)) != 0 ? r : client_call(w, &call);
}
