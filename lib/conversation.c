/* SPDX-License-Identifier: MIT */
/*
 * Logging in by rounds. A conversation owns a connection of its own, since the broker ends it with that, and the
 * answers until they are sent; it wipes them. Nothing here waits but websess_conversation_wait() and what rests on it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "options.h"
#include "validate.h"
#include "websess-names.h"

#define ROUND_TIMEOUT_USEC UINT64_C(130000000)          /* longer than the broker lets a conversation live */
#define MESSAGES_MAX 64u
#define ANSWER_MAX 512u

typedef struct Message {
        uint32_t style;
        char *text;
        char *answer;                   /* NULL: none yet, which is "" */
        size_t answer_size;
} Message;

struct websess_conversation {
        Conn *conn;
        sd_bus_slot *slot;              /* the call that is under way */
        char *path;                     /* NULL until BeginLogin is answered */
        const char *member;             /* of the call under way */
        uint64_t timeout_usec;
        int state;
        int result;                     /* what it ended with */
        Message messages[MESSAGES_MAX];
        size_t n_messages;
        websess_session *session;       /* borrowed, while a reply is being read */
};

DEFINE_CLEANUP(websess_conversation *, websess_conversation_free)

static void forget_answer(Message *m) {
        if (m->answer)
                wipe(m->answer, m->answer_size);
        free(m->answer);
        m->answer = NULL;
        m->answer_size = 0;
}

static void forget_messages(websess_conversation *c) {
        for (; c->n_messages > 0; c->n_messages--) {
                Message *m = &c->messages[c->n_messages - 1];

                forget_answer(m);
                free(m->text);
                *m = (Message) {};
        }
}

static bool asks(const Message *m) {
        return m->style == WEBSESS_ASK_SECRET || m->style == WEBSESS_ASK;
}

websess_conversation *websess_conversation_free(websess_conversation *c) {
        if (!c)
                return NULL;
        forget_messages(c);
        sd_bus_slot_unref(c->slot);
        conn_free(c->conn);
        free(c->path);
        free(c);
        return NULL;
}

static int end(websess_conversation *c, int result) {
        c->state = WEBSESS_CONVERSATION_ENDED;
        c->result = result;
        forget_messages(c);
        return result;
}

/* What sd-bus could not do; a broker that went away among it. */
static int broken(websess_conversation *c, int r, const char *member) {
        bool gone;

        return end(c, client_error(r, &SD_BUS_ERROR_NULL, member, &gone));
}

/* ---- calls ---- */

static int start_call(websess_conversation *c, sd_bus_message *m, const char *member, sd_bus_message_handler_t handler) {
        int r;

        c->slot = sd_bus_slot_unref(c->slot);
        c->member = member;
        r = sd_bus_call_async(c->conn->bus, &c->slot, m, handler, c, c->timeout_usec);
        if (r < 0)
                return broken(c, r, member);
        c->state = WEBSESS_CONVERSATION_WAITING;
        return 0;
}

/* True, and the conversation has ended, when the reply is an error. */
static bool reply_failed(websess_conversation *c, sd_bus_message *m) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        bool gone = false;

        if (!e)
                return false;
        end(c, client_error(-sd_bus_message_get_errno(m), e, c->member, &gone));
        return true;
}

static int read_messages(websess_conversation *c, sd_bus_message *m) {
        uint32_t style;
        const char *text;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(us)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(us)", &style, &text)) > 0) {
                Message *to = &c->messages[c->n_messages];

                if (c->n_messages == MESSAGES_MAX)
                        return -EBADMSG;
                to->style = style;
                to->text = strdup(text);
                if (!to->text)
                        return -ENOMEM;
                c->n_messages++;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_done(websess_conversation *c, sd_bus_message *m) {
        websess_session *s = c->session;
        const char *token;
        int r;

        r = sd_bus_message_read_basic(m, 's', &token);
        if (r <= 0 || strlen(token) > TOKEN_MAX)
                return error_errno(-EBADMSG, "The broker's reply");
        websess_session_clear(s);
        r = session_read(s, m);
        if (r < 0)
                return r;
        session_keep_token(s, token, strlen(token), true);
        return 0;
}

static int on_round(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        websess_conversation *c = userdata;
        const char *state;
        int r;

        (void) sd_bus_message_sensitive(m);
        if (reply_failed(c, m))
                return 0;
        r = sd_bus_message_read_basic(m, 's', &state);
        if (r > 0)
                r = read_messages(c, m);
        if (r < 0)
                end(c, error_errno(r, "The broker's reply"));
        else if (strcmp(state, "prompt") == 0)
                c->state = WEBSESS_CONVERSATION_PROMPT;
        else if (strcmp(state, "denied") == 0)
                end(c, error_set(FAULT_AUTHENTICATION_FAILED, "%s", fault_text(FAULT_AUTHENTICATION_FAILED)));
        else if (strcmp(state, "done") == 0) {
                r = end(c, read_done(c, m));
                if (r == 0)
                        c->state = WEBSESS_CONVERSATION_DONE;
        } else
                end(c, error_set(-EBADMSG, "The broker's reply has the unknown state %.20s", state));
        return 0;
}

static int append_answers(sd_bus_message *m, const websess_conversation *c) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < c->n_messages; i++)
                if (asks(&c->messages[i]))
                        r = client_append_blank(m, c->messages[i].answer_size);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* As client_fill_in(): secrets go in when the message cannot grow any more. */
static int fill_in_answers(sd_bus_message *m, const websess_conversation *c) {
        const char *blank;
        int r = sd_bus_message_enter_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < c->n_messages; i++) {
                if (!asks(&c->messages[i]))
                        continue;
                r = sd_bus_message_read_basic(m, 's', &blank);
                if (r > 0 && c->messages[i].answer_size > 0)
                        memcpy((char *) blank, c->messages[i].answer, c->messages[i].answer_size);
        }
        return r < 0 ? r : sd_bus_message_rewind(m, true);
}

static int send_round(websess_conversation *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->conn->bus, &m, conn_destination(c->conn), c->path, WEBSESS_CONVERSATION_INTERFACE,
                                           "Continue");
        if (r >= 0)
                r = sd_bus_message_sensitive(m);
        if (r >= 0)
                r = append_answers(m, c);
        if (r >= 0)
                r = sd_bus_message_seal(m, 1, c->timeout_usec);
        if (r >= 0)
                r = fill_in_answers(m, c);
        forget_messages(c);
        return r < 0 ? broken(c, r, "Continue") : start_call(c, m, "Continue", on_round);
}

static int on_begun(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        websess_conversation *c = userdata;
        const char *path;
        int r;

        if (reply_failed(c, m))
                return 0;
        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r > 0) {
                c->path = strdup(path);
                r = c->path ? 0 : -ENOMEM;
        }
        if (r < 0) {
                end(c, error_errno(r, "BeginLogin"));
                return 0;
        }
        (void) send_round(c);   /* the first brings nothing, and the first questions back */
        return 0;
}

static int send_begin(websess_conversation *c, const websess *w, const char *user, const websess_options *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->conn->bus, &m, conn_destination(c->conn), WEBSESS_MANAGER_PATH,
                                           WEBSESS_MANAGER_INTERFACE, "BeginLogin");
        if (r >= 0)
                r = sd_bus_message_sensitive(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", w->service, user);
        if (r >= 0)
                r = options_append(m, o, o ? o->texts[OPTION_REQUEST_ID] : NULL, true);
        return r < 0 ? error_errno(r, "BeginLogin") : start_call(c, m, "BeginLogin", on_begun);
}

/* ---- for callers ---- */

int websess_conversation_begin(websess_conversation **ret, websess *w, const char *user, const websess_options *o) {
        _cleanup_(websess_conversation_freep) websess_conversation *c = NULL;
        bool gone;
        Fault f = {};
        int r;

        if (!w || !ret)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", w ? "place for the conversation" : "handle");
        if (!client_service(w, NULL))
                return FAULT_INVALID_ARGUMENT;
        /* Whoever authenticates again is known by the token. */
        if (!(o && o->texts[OPTION_TOKEN] && (!user || !*user)) && validate_user(slice_of(user), &f) != 0)
                return error_fault(&f);
        c = calloc(1, sizeof(*c));
        if (!c)
                return error_memory();
        c->timeout_usec = o && o->timeout_usec ? o->timeout_usec : ROUND_TIMEOUT_USEC;
        r = conn_start(&c->conn, &w->route);
        if (r < 0)
                return client_connect_failed(w, r, &gone);
        r = send_begin(c, w, user ?: "", o);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int websess_conversation_state(const websess_conversation *c) {
        return c ? c->state : WEBSESS_CONVERSATION_ENDED;
}

size_t websess_conversation_message_count(const websess_conversation *c) {
        return c ? c->n_messages : 0;
}

const char *websess_conversation_message(const websess_conversation *c, size_t i, uint32_t *ret_style) {
        if (!c || i >= c->n_messages)
                return NULL;
        if (ret_style)
                *ret_style = c->messages[i].style;
        return c->messages[i].text;
}

int websess_conversation_answer(websess_conversation *c, size_t i, const char *text, size_t len) {
        Message *m = c && i < c->n_messages ? &c->messages[i] : NULL;
        char *copy;

        if (!m || !asks(m))
                return error_set(FAULT_INVALID_ARGUMENT, "There is no such question");
        if (len > ANSWER_MAX || (len > 0 && (!text || memchr(text, 0, len) || !utf8_valid(text, len))))
                return error_set(FAULT_INVALID_ARGUMENT, "An answer is at most %u bytes of UTF-8 without NUL", ANSWER_MAX);
        copy = malloc(len + 1);
        if (!copy)
                return error_memory();
        if (len > 0)
                memcpy(copy, text, len);
        copy[len] = '\0';
        forget_answer(m);
        m->answer = copy;
        m->answer_size = len;
        return 0;
}

int websess_conversation_continue(websess_conversation *c) {
        if (!c || c->state != WEBSESS_CONVERSATION_PROMPT)
                return error_set(FAULT_INVALID_ARGUMENT, "The conversation asks nothing at the moment");
        return send_round(c);
}

int websess_conversation_fd(const websess_conversation *c) {
        return c ? sd_bus_get_fd(c->conn->bus) : -EINVAL;
}

int websess_conversation_events(const websess_conversation *c) {
        return c ? sd_bus_get_events(c->conn->bus) : -EINVAL;
}

int websess_conversation_process(websess_conversation *c, websess_session *s) {
        int r = 1;

        if (!c || !s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", c ? "session value to fill" : "conversation");
        c->session = s;
        while (r > 0 && c->state == WEBSESS_CONVERSATION_WAITING)
                r = sd_bus_process(c->conn->bus, NULL);
        c->session = NULL;
        if (r < 0 && c->state == WEBSESS_CONVERSATION_WAITING)
                broken(c, r, c->member);
        if (c->state == WEBSESS_CONVERSATION_ENDED) {
                websess_session_clear(s);
                return c->result;
        }
        return 0;
}

int websess_conversation_wait(websess_conversation *c, websess_session *s) {
        for (;;) {
                int r = websess_conversation_process(c, s);

                if (r != 0 || c->state != WEBSESS_CONVERSATION_WAITING)
                        return r;
                r = sd_bus_wait(c->conn->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return broken(c, r, c->member);
        }
}

int websess_login_ask(websess *w, const char *user, const websess_options *o, websess_ask_fn ask, void *userdata,
                      websess_session *s) {
        _cleanup_(websess_conversation_freep) websess_conversation *c = NULL;
        int r;

        if (!ask)
                return error_set(FAULT_INVALID_ARGUMENT, "There is nobody to ask");
        r = websess_conversation_begin(&c, w, user, o);
        while (r == 0) {
                r = websess_conversation_wait(c, s);
                if (r != 0 || c->state == WEBSESS_CONVERSATION_DONE)
                        break;
                r = ask(userdata, c);
                if (r == 0)
                        r = websess_conversation_continue(c);
        }
        if (r != 0 && s)
                websess_session_clear(s);
        return r;
}
