/* SPDX-License-Identifier: MIT */
/* Touches on the wire. Owns a connection only while it is being made. Failures are nobody's business: a session that is seen again is touched again. */
#include "touch-send.h"

#include <errno.h>
#include <poll.h>

#include "client.h"
#include "websess-names.h"

static int append_ids(sd_bus_message *m, const Ident *ids, size_t n) {
        char text[IDENT_HEX_SIZE + 1];
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                ident_format(&ids[i], text);
                r = sd_bus_message_append_basic(m, 's', text);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int send_ids(const websess *w, Conn *c, const Ident *ids, size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, conn_destination(c), WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Touch");
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', w->service);
        if (r >= 0)
                r = append_ids(m, ids, n);
        return r < 0 ? r : sd_bus_send(c->bus, m, NULL);
}

/* As far as it goes without waiting. */
static int go_on(Conn *c) {
        int r;

        do
                r = sd_bus_process(c->bus, NULL);
        while (r > 0);
        return r;
}

static bool is_stuck(Conn *c) {
        int events = sd_bus_get_events(c->bus);

        return sd_bus_is_ready(c->bus) > 0 && (events < 0 || (events & POLLOUT));
}

/* An idle connection, as a rule the one that the map came over. Else one is begun; its messages go out when it is ready. */
static Conn *get_connection(websess *w) {
        Conn *c = conn_pool_take(&w->pool);

        if (c)
                return c;
        c = atomic_exchange(&w->toucher.conn, NULL);
        if (c && c->generation != process_generation())
                c = conn_free(c);
        if (!c && conn_start(&c, &w->route) < 0)
                return NULL;
        return c;
}

/* Idle connections have nothing queued: quick.c writes past sd-bus. */
static void put_connection(websess *w, Conn *c) {
        if (sd_bus_is_ready(c->bus) > 0 && !is_stuck(c))
                conn_pool_put(&w->pool, c);
        else
                conn_free(atomic_exchange(&w->toucher.conn, c));
}

static void send_waiting(websess *w) {
        Ident ids[TOUCHES_MAX];
        Conn *c = get_connection(w);
        size_t n;
        int r;

        if (!c)
                return;
        r = go_on(c);
        if (r >= 0 && !is_stuck(c)) {
                n = touches_take(&w->toucher.table, ids, TOUCHES_MAX);
                r = n > 0 ? send_ids(w, c, ids, n) : 0;
                if (r >= 0)
                        r = go_on(c);
        }
        if (r < 0)
                conn_free(c);
        else
                put_connection(w, c);
}

static bool something_waits(const Toucher *t) {
        return touches_wait(&t->table) || atomic_load_explicit(&t->conn, memory_order_relaxed);
}

void touch_flush_now(websess *w) {
        unsigned mine = process_generation() + 1, other = atomic_load_explicit(&w->toucher.sending, memory_order_relaxed);

        if (!something_waits(&w->toucher))
                return;
        /* A mark of another generation is that of a thread which fork() left behind in the parent. */
        if (other == mine || !atomic_compare_exchange_strong(&w->toucher.sending, &other, mine))
                return;
        send_waiting(w);
        atomic_store(&w->toucher.sending, 0);
}

void touch_flush(websess *w, uint64_t now) {
        uint64_t not_before = atomic_load_explicit(&w->toucher.not_before, memory_order_relaxed);

        if (!something_waits(&w->toucher) || now < not_before ||
            !atomic_compare_exchange_strong(&w->toucher.not_before, &not_before, now + TOUCH_PAUSE_USEC))
                return;
        touch_flush_now(w);
}

uint64_t touch_session(websess *w, const Ident *id, uint64_t last_seen, uint64_t now, uint64_t interval, uint64_t idle_usec) {
        Touches *t = &w->toucher.table;
        TouchAnswer answer;
        uint64_t when;

        if (now < last_seen || now - last_seen < interval)
                return last_seen;
        answer = touches_add(t, id, now, interval, &when);
        if (answer == TOUCH_FULL) {
                touch_flush_now(w);
                answer = touches_add(t, id, now, interval, &when);
        }
        if (answer == TOUCH_ADDED && now - last_seen >= idle_usec / 2)
                touch_flush_now(w);
        return when > last_seen ? when : last_seen;
}

uint64_t touch_last_seen(const websess *w, const Ident *id, uint64_t last_seen, uint64_t now, uint64_t interval) {
        uint64_t when;

        return touches_know(&w->toucher.table, id, now, interval, &when) && when > last_seen ? when : last_seen;
}

void touch_done(Toucher *t) {
        conn_free(atomic_exchange(&t->conn, NULL));
}
