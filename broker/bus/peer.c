/* SPDX-License-Identifier: MIT */
/*
 * One private connection: life, events, writing. Owns the socket (with its sd_bus), a timer and its BusClient.
 * What it has sent is handled in turns with other users.
 *
 * A peer that has to go is doomed at once and freed when it has its turn, never below a handler that still works for
 * it. While replies queue up because it does not read, nothing is read from it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "creds.h"
#include "peer-internal.h"
#include "peer-size.h"

#define QUICK_REPLY_MAX 4096u   /* on the stack; longer ones are sd-bus's */

/* A long call of its own is worked on. */
static bool peer_is_busy(const Peer *p) {
        return p->client && p->client->n_works > 0;
}

bool peer_may_read(const Peer *p) {
        return !p->doomed && !p->bus->stopped && p->n_queued == 0 && !peer_is_busy(p);
}

/* Where even that fails there is nothing left to try: it is freed with the Bus. */
void peer_doom(Peer *p) {
        if (p->doomed)
                return;
        p->doomed = true;
        watch_stop(p->bus, &p->watch);
        (void) sd_event_source_set_enabled(p->patience, SD_EVENT_OFF);
        (void) bus_turn_wait(p->bus, &p->turn);
}

static int peer_set_patience(Peer *p, bool on) {
        int r;

        if (!on)
                return sd_event_source_set_enabled(p->patience, SD_EVENT_OFF);
        r = sd_event_source_set_time_relative(p->patience, p->bus->timeout_usec);
        return r < 0 ? r : sd_event_source_set_enabled(p->patience, SD_EVENT_ONESHOT);
}

/* Make what it waits for agree with the state. */
static void peer_settle(Peer *p) {
        bool reads = peer_may_read(p), waits = p->partial && reads;
        uint32_t events = p->n_queued > 0 ? EPOLLOUT : 0;
        int r = 0;

        if (p->doomed)
                return;
        if (reads && (p->backlog || peer_begins(p)))
                r = bus_turn_wait(p->bus, &p->turn);
        if (reads && !p->backlog && !p->turn.waiting)
                events |= EPOLLIN;
        if (peer_is_busy(p) && !p->hung_up)
                events |= EPOLLHUP;     /* told to whoever asks for anything */
        if (r >= 0)
                r = watch_for(p->bus, &p->watch, events);
        if (r >= 0 && peer_is_up(p) && (waits != p->waiting || (waits && p->begun_anew))) {
                r = peer_set_patience(p, waits);
                p->waiting = waits;
                p->begun_anew = false;
        }
        if (r < 0)
                peer_doom(p);
}

/* sd-bus has written what it could: let go of what is no longer queued. */
static void peer_count_queued(Peer *p) {
        uint64_t n = 0;
        Queued *q;

        (void) sd_bus_get_n_queued_write(p->feed.bus, &n);
        while (p->n_queued > n && (q = STAILQ_FIRST(&p->queued))) {
                STAILQ_REMOVE_HEAD(&p->queued, entry);
                p->n_queued--;
                quota_refund(&q->charge);
                free(q);
        }
}

static int peer_charge_queued(Peer *p, sd_bus_message *m) {
        Queued *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        r = quota_charge(p->bus->quota, &q->charge, p->client->caller.uid, QUOTA_BYTES, message_size(m));
        if (r != 0) {
                free(q);
                return r > 0 ? -EDQUOT : r;
        }
        STAILQ_INSERT_TAIL(&p->queued, q, entry);
        p->n_queued++;
        return 0;
}

int peer_send(Peer *p, sd_bus_message *m) {
        uint64_t n = 0;
        int r;

        if (p->doomed || !peer_is_up(p))
                return 0;
        r = sd_bus_send(p->feed.bus, m, NULL);
        if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ENOBUFS) {
                peer_doom(p);
                return 0;
        }
        if (r < 0)
                return r;
        r = sd_bus_get_n_queued_write(p->feed.bus, &n);
        if (r >= 0 && n == p->n_queued)
                return 0;
        if (r >= 0)
                r = peer_charge_queued(p, m);
        if (r < 0) {
                bus_complain(p->bus, LOG_EVENT_QUOTA, &p->client->caller,
                        "connection %s closed: it does not read its replies and signals", p->client->name);
                peer_doom(p);
        } else
                peer_settle(p);
        return 0;
}

bool peer_flush(Peer *p) {
        int r;

        if (p->doomed || p->n_queued == 0)
                return true;
        do
                r = sd_bus_process(p->feed.bus, NULL);
        while (r > 0);
        if (r < 0) {
                peer_doom(p);
                return true;
        }
        peer_count_queued(p);
        return p->n_queued == 0;
}

void peer_stop_reading(Peer *p) {
        peer_settle(p);
}

void peer_go_on(Peer *p) {
        peer_settle(p);
}

int peer_fd(const Peer *p) {
        return p->fd;
}

sd_bus *peer_connection(const Peer *p) {
        return p->doomed ? NULL : p->feed.bus;
}

static void peer_ready(BusWatch *w, uint32_t events) {
        Peer *p = (Peer *) (void *) ((char *) w - offsetof(Peer, watch));
        bool hung_up = events & (EPOLLHUP | EPOLLERR);

        if (hung_up || events & EPOLLOUT)
                peer_flush(p);
        /* What it sent before it hung up is handled all the same */
        if (peer_may_read(p) && (hung_up || events & EPOLLIN)) {
                if (bus_turn_wait(p->bus, &p->turn) < 0)
                        peer_doom(p);
        } else if (hung_up && peer_is_busy(p))
                p->hung_up = true;      /* its long call is gone on with, and what it sent behind it is read then */
        else if (hung_up)
                peer_doom(p);
        peer_settle(p);
}

static int peer_impatient(sd_event_source *source, uint64_t usec, void *userdata) {
        Peer *p = userdata;

        /* It is not the peer who keeps us waiting */
        if ((p->turn.waiting || p->backlog) && peer_set_patience(p, true) >= 0)
                return 0;
        bus_complain(p->bus, LOG_EVENT_HOSTILE_PEER, &p->client->caller, "connection %s closed: %s", p->client->name,
                     peer_is_up(p) ? "it began a message and did not finish it" : "it did not authenticate in time");
        peer_doom(p);
        return 0;
}

/* Serials of replies that are not sd-bus's are in the upper half: the lower is its own. */
static uint32_t quick_serial(Peer *p) {
        return UINT32_C(0x80000000) | ++p->n_quick;
}

/* Past sd-bus, in which nothing is queued, so the order is kept. False: it does not read, nothing is sent. */
static bool send_quickly(Peer *p, const Marshal *reply) {
        ssize_t n = send(p->fd, reply->data, reply->used, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
                return false;
        if (n != (ssize_t) reply->used)
                peer_doom(p);
        return true;
}

bool peer_answer_quickly(Peer *p, const uint8_t *message, size_t size) {
        uint8_t bytes[QUICK_REPLY_MAX];
        Marshal reply = { .data = bytes, .size = sizeof(bytes) };

        /* Where it does not read, sd-bus answers again, and queues the answer */
        return p->n_queued == 0 && bus_dispatch_quickly(p->client, message, size, quick_serial(p), &reply) &&
               send_quickly(p, &reply);
}

void peer_refuse_long(Peer *p, uint32_t serial) {
        uint8_t bytes[512];
        Marshal m = { .data = bytes, .size = sizeof(bytes) };
        char text[128];

        snprintf(text, sizeof(text), "the call is too long: no method takes more than %u bytes", WIRE_CALL_MAX);
        marshal_header(&m, &(MarshalHeader) {
                .type = MARSHAL_ERROR, .flags = MARSHAL_NO_REPLY_EXPECTED, .serial = quick_serial(p), .reply_serial = serial,
                .error = slice_of(WEBSESS_ERROR_PREFIX "InvalidArgument"), .sender = slice_of(BUS_PRIVATE_NAME),
                .signature = slice_of("s"),
        });
        marshal_string(&m, slice_of(text));
        marshal_end(&m);
        /* Whoever sends so much and leaves so many answers unread is not waited for */
        if (p->n_queued > 0 || !send_quickly(p, &m))
                peer_doom(p);
}

static int peer_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peer *p = userdata;
        uint8_t type;

        /* Of sd-bus itself, to which a read failed: this is no message of the peer's, and the one that was written is lost */
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0)
                return 1;
        p->feed.seen = p->fd_feed.seen = true;
        /* Whatever else a client sends, a signal or a reply to nothing, is of no interest */
        if (!p->doomed && sd_bus_message_get_type(m, &type) >= 0 && type == SD_BUS_MESSAGE_METHOD_CALL)
                bus_dispatch(p->client, m);
        return 1;
}

int peer_feed(Peer *p, const uint8_t *message, size_t size, unsigned n_fds) {
        int r;

        if (n_fds == 0)
                return feed_message(&p->feed, message, size, NULL, 0);
        r = feed_open(&p->fd_feed, p->fd, true, true, p->bus->guid, BUS_PRIVATE_NAME, peer_message, p);
        if (r < 0)
                return r;               /* the connection ends, and the descriptors with it */
        r = feed_message(&p->fd_feed, message, size, p->fds, n_fds);
        /* Rare enough to be made anew each time; kept, it would double the descriptors that each peer costs */
        feed_close(&p->fd_feed);
        p->n_fds -= n_fds;
        memmove(p->fds, p->fds + n_fds, p->n_fds * sizeof(int));
        return r;
}

static int peer_begin(Peer *p) {
        int r;

        r = feed_open(&p->feed, p->fd, p->sasl.fds, false, p->bus->guid, BUS_PRIVATE_NAME, peer_message, p);
        if (r < 0)
                return r;
        /* Before the old number is closed: epoll would go on watching it, since the socket lives on */
        watch_stop(p->bus, &p->watch);
        r = watch_start(p->bus, &p->watch, p->feed.out);
        close_fd(p->fd);
        p->fd = p->feed.out;
        if (r < 0)
                return r;
        p->waiting = false;
        return peer_set_patience(p, false);
}

/* Three pieces of work that take about as long as ten calls, one a turn: who it is and its handshake, an sd_bus for it, what it says. */
static void peer_work(Peer *p) {
        if (!p->known) {
                p->client->caller.unit = creds_unit_of_socket(p->fd);
                p->known = true;
        }
        if (peer_begins(p)) {
                int r = peer_begin(p);

                if (r < 0)
                        peer_fail(p, r);
        } else if (p->backlog)
                peer_handle_backlog(p);
        else
                peer_read(p);
}

static void peer_go(Turn *t) {
        Peer *p = (Peer *) (void *) ((char *) t - offsetof(Peer, turn));

        if (p->doomed) {
                peer_free(p);
                return;
        }
        if (!peer_may_read(p))
                return;
        peer_work(p);
        peer_settle(p);
}

static int peer_watch(Peer *p) {
        int r;

        p->watch.ready = peer_ready;
        r = watch_start(p->bus, &p->watch, p->fd);
        if (r >= 0)
                r = watch_for(p->bus, &p->watch, EPOLLIN);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        p->bus->event, &p->patience, CLOCK_MONOTONIC, p->bus->timeout_usec, 0, peer_impatient, p);
        return r;
}

static int peer_new(Peer **ret, Bus *b, int fd, Caller *caller) {
        Peer *p = calloc(1, sizeof(*p));
        char name[32];
        int r;

        if (!p)
                return -ENOMEM;
        p->bus = b;
        p->fd = p->watch.fd = -EBADF;
        STAILQ_INIT(&p->queued);
        p->sasl.uid = caller->uid;
        LIST_INSERT_HEAD(&b->peers, p, entry);
        b->n_peers++;
        snprintf(name, sizeof(name), ":1.%llu", (unsigned long long) ++b->last_name);
        r = quota_charge(b->quota, &p->connection, caller->uid, QUOTA_CONNECTIONS, 1);
        if (r == 0)
                r = client_new(&p->client, b, caller, name, true);
        if (r == 0) {
                p->client->peer = p;
                p->fd = fd;
                r = turn_begin(&p->turn, b->turns, p->sasl.uid, peer_go);
        }
        if (r == 0)
                r = peer_watch(p);
        if (r != 0) {
                p->fd = -EBADF;         /* stays the caller's */
                peer_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

static bool peer_is_privileged(const Caller *c) {
        return c->uid == 0 || c->uid == geteuid();
}

void peer_accept(Bus *b, int fd) {
        Caller caller = CALLER_NONE;
        Peer *p;
        int r;

        r = creds_of_socket(fd, &caller);
        if (r >= 0 && b->limits.max_connections > 0 && b->n_peers >= b->limits.max_connections &&
                !peer_is_privileged(&caller))
                r = FAULT_TOO_MANY;
        if (r == 0)
                r = peer_new(&p, b, fd, &caller);
        if (r == FAULT_TOO_MANY)
                bus_complain(b, LOG_EVENT_QUOTA, &caller, "connection refused: too many connections");
        else if (r < 0)
                bus_complain(b, LOG_EVENT_INTERNAL, &caller, "connection refused: %s", strerror(-r));
        if (r != 0)
                close_fd(fd);
        caller_done(&caller);
}

Peer *peer_free(Peer *p) {
        Queued *q;

        if (!p)
                return NULL;
        if (p->client)
                client_disconnect(p->client);
        watch_stop(p->bus, &p->watch);
        p->patience = sd_event_source_disable_unref(p->patience);
        turn_end(&p->turn);
        if (!peer_is_up(p))
                close_fd(p->fd);
        feed_close(&p->feed);
        peer_forget_input(p);
        while ((q = STAILQ_FIRST(&p->queued))) {
                STAILQ_REMOVE_HEAD(&p->queued, entry);
                quota_refund(&q->charge);
                free(q);
        }
        quota_refund(&p->connection);
        LIST_REMOVE(p, entry);
        p->bus->n_peers--;
        client_unref(p->client);
        free(p);
        return NULL;
}
