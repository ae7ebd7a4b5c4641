/* SPDX-License-Identifier: MIT */
/*
 * A broker that answers anything at all, and the library as its client. The first byte chooses the call. Then come replies, each behind its length (2), as
 * bodies of the signature that the call expects; a length with the highest bit is that of an error's body. With 0x80 in the first byte all the rest
 * is sent as it stands. Whatever comes: a session value is a whole one, or empty.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "fuzz.h"

#define TIMEOUT_USEC 2000u
#define STREAM_MAX 65536u
#define TOKEN "AAIBD_deP1wbHgxVSXr-cymgbD0twkRQBOXahIz6ravmQIGoEAwd39B3JMrT-aDk"
#define ID "00112233445566778899aabbccddeeff"

static char folder[] = "/dev/shm/websess-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener = -1;
static websess_session *session;
static websess_values *values;
static websess_need *high;              /* a need that sd-bus has to carry */

/* ---- calls ---- */

static int resolve(websess *w) {
        return websess_resolve(w, TOKEN, strlen(TOKEN), NULL, session);
}

static int resolve_high(websess *w) {
        return websess_resolve(w, TOKEN, strlen(TOKEN), high, session);
}

static int get(websess *w) {
        return websess_get(w, ID, session);
}

static int create(websess *w) {
        return websess_create(w, "anna", NULL, session);
}

static int rotate(websess *w) {
        return websess_rotate(w, TOKEN, strlen(TOKEN), NULL, session);
}

static int list(websess *w) {
        websess_list *l;
        int r;

        CHECK(websess_list_new(&l) == 0);
        for (unsigned n = 0; (r = websess_list_next(w, l, session)) == 0 && n < 32; n++)
                ;
        websess_list_free(l);
        return r;
}

static int status(websess *w) {
        return websess_status(w, values);
}

static int revoke_user(websess *w) {
        uint32_t n;

        return websess_revoke_user(w, NULL, "anna", NULL, 0, &n);
}

static int set(websess *w) {
        uint64_t version;

        return websess_set_attributes(w, TOKEN, strlen(TOKEN), NULL, (const char *const[]) { "cart" }, 1, 1, &version);
}

typedef struct Kind {
        int (*call)(websess *w);
        const char *signatures[2];      /* of the first reply, and of all that follow */
        uint32_t serial;
} Kind;

static const Kind kinds[] = {
        { resolve, { "a{sv}", "a{sv}" }, UINT32_C(0x80000001) },
        { resolve_high, { "a{sv}", "a{sv}" }, 1 },
        { get, { "a{sv}", "a{sv}" }, 1 },
        { create, { "sa{sv}", "sa{sv}" }, 1 },
        { rotate, { "sa{sv}", "sa{sv}" }, 1 },
        { list, { "aa{sv}s", "aa{sv}s" }, 1 },
        { status, { "a{sv}", "a{sv}" }, 1 },
        { revoke_user, { "u", "u" }, 1 },
        { set, { "t", "a{sv}" }, 1 },
        { NULL, { "o", "sa(us)sa{sv}" }, 1 },   /* a conversation, which opens its own connection */
};

/* ---- the broker ---- */

static void one_reply(Marshal *m, const Kind *k, size_t n, bool is_error, uint32_t serial, const uint8_t *body, size_t size) {
        size_t start = m->used;
        Marshal one = { .data = m->data + start, .size = m->size - start };

        marshal_header(&one, &(MarshalHeader) {
                .type = is_error ? MARSHAL_ERROR : MARSHAL_REPLY, .serial = (uint32_t) n + 1, .reply_serial = serial,
                .error = slice_of(is_error ? "org.websess1.Error.Forbidden" : ""), .signature = slice_of(is_error ? "s" : k->signatures[n > 0]),
        });
        for (size_t i = 0; i < size; i++)
                marshal_byte(&one, body[i]);
        marshal_end(&one);
        if (one.full)
                m->full = true;
        else
                m->used += one.used;
}

static size_t make_stream(const Kind *k, const uint8_t *data, size_t size, uint8_t out[static STREAM_MAX]) {
        Marshal m = { .data = out, .size = STREAM_MAX };

        for (size_t n = 0; size >= 2 && !m.full; n++) {
                size_t length = (data[0] | (size_t) data[1] << 8) & 0x7fff;
                bool is_error = data[1] & 0x80;

                data += 2;
                size -= 2;
                length = length < size ? length : size;
                /* pages of a list are asked for one after the other; so are rounds, but those are numbered by hand */
                one_reply(&m, k, n, is_error, k->call == list ? (uint32_t) n + 1 : k->serial, data, length);
                data += length;
                size -= length;
        }
        return m.used;
}

static void send_all(int fd, const void *data, size_t size) {
        CHECK(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t) size);
}

static int accept_one(void) {
        static const char handshake[] = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        CHECK(fd >= 0);
        send_all(fd, handshake, strlen(handshake));
        return fd;
}

/* What the library tried again and nobody answered. */
static void drop_others(void) {
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                close(fd);
}

static int connect_pool(websess *w) {
        Conn *c;
        int fd;

        CHECK(conn_start(&c, &w->route) == 0);
        fd = accept_one();
        for (unsigned n = 0; sd_bus_is_ready(c->bus) == 0 && n < 100; n++)
                CHECK(sd_bus_process(c->bus, NULL) >= 0);
        CHECK(sd_bus_is_ready(c->bus) > 0);
        conn_pool_put(&w->pool, c);
        return fd;
}

/* ---- what came of it ---- */

static void look_at(const websess_values *v) {
        const char *const *list_of, *text, *key;
        size_t n, sum = 0;

        for (size_t i = 0; (key = websess_values_key_at(v, i)); i++) {
                CHECK(strchr("bxdsya", websess_values_type(v, key)) && strcmp(key, "stale") != 0);
                if (websess_values_get_string(v, key, &text, &n) == 0)
                        CHECK(strlen(text) == n);
                if (websess_values_get_strings(v, key, &list_of, &n) == 0)
                        for (size_t j = 0; j < n; j++)
                                sum += strlen(list_of[j]);
        }
        CHECK(sum < STREAM_MAX);
}

static void look_at_session(int r) {
        const char *text;

        if (!session->loaded) {
                CHECK(!websess_session_user(session) && websess_session_role_count(session) == 0 && !websess_session_token(session));
                return;
        }
        CHECK(r == 0 && strlen(websess_session_id(session)) == IDENT_HEX_SIZE);
        for (size_t i = 0; (text = websess_session_role_at(session, i)); i++)
                CHECK(*text && strlen(text) <= ROLE_MAX);
        look_at(websess_session_attributes(session));
}

static int talk(websess *w, int *fd, const uint8_t *stream, size_t size) {
        websess_conversation *c;
        int r;

        CHECK(websess_conversation_begin(&c, w, "anna", NULL) == 0);
        *fd = accept_one();
        send_all(*fd, stream, size);
        CHECK(shutdown(*fd, SHUT_WR) == 0);
        for (;;) {
                r = websess_conversation_wait(c, session);
                if (r != 0 || websess_conversation_state(c) != WEBSESS_CONVERSATION_PROMPT)
                        break;
                for (size_t i = 0; i < websess_conversation_message_count(c); i++)
                        if (websess_conversation_message(c, i, NULL))
                                (void) websess_conversation_answer(c, i, "one two three", 13);
                if (websess_conversation_continue(c) != 0)
                        break;
        }
        websess_conversation_free(c);
        return r;
}

/* A value that is used again must keep nothing of what it held. */
static void fill_session(void) {
        static const Attribute stale = { .key = { "stale", 5 }, .type = 'b', .boolean = true };

        websess_session_clear(session);
        CHECK(values_set(&session->attributes, &stale) == 0);
}

static void remove_folder(void) {
        unlink(address.sun_path);
        rmdir(folder);
}

static void set_up(void) {
        CHECK(mkdtemp(folder) && atexit(remove_folder) == 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(listener >= 0 && bind(listener, (struct sockaddr *) &address, sizeof(address)) == 0 && listen(listener, 64) == 0);
        CHECK(websess_session_new(&session) == 0 && websess_values_new(&values) == 0 && websess_need_new(&high) == 0);
        CHECK(websess_need_level(high, 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static uint8_t stream[STREAM_MAX];
        const uint8_t *send_this = stream;
        const Kind *k;
        websess *w;
        int fd, r;

        if (listener < 0)
                set_up();
        if (size == 0 || size > STREAM_MAX)
                return 0;
        k = &kinds[(data[0] & 0x7f) % ELEMENTSOF(kinds)];
        if (data[0] & 0x80) {
                send_this = data + 1;
                size--;
        } else
                size = make_stream(k, data + 1, size - 1, stream);
        CHECK(websess_open_socket(&w, "shop", address.sun_path, TIMEOUT_USEC) == 0);
        w->map.off = true;
        fill_session();
        if (!k->call)
                r = talk(w, &fd, send_this, size);
        else {
                fd = connect_pool(w);
                send_all(fd, send_this, size);
                CHECK(shutdown(fd, SHUT_WR) == 0);
                r = k->call(w);
        }
        if (k->call == status)
                look_at(values);
        else if (k->call != revoke_user && k->call != set && k->call != list)
                look_at_session(r);
        websess_close(w);
        close(fd);
        drop_others();
        return 0;
}
