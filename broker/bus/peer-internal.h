/* SPDX-License-Identifier: MIT */
/* Shared by peer.c (life, events, writing) and peer-read.c (bytes in, messages and handshake lines out). */
#pragma once

#include "bus-internal.h"
#include "peer.h"
#include "peer-feed.h"
#include "peer-wire.h"

/* A message that sd-bus could not write at once. */
typedef struct Queued {
        STAILQ_ENTRY(Queued) entry;
        QuotaCharge charge;
} Queued;

STAILQ_HEAD(QueuedList, Queued);

struct Peer {
        LIST_ENTRY(Peer) entry;
        Bus *bus;
        BusClient *client;
        QuotaCharge connection;
        Turn turn;

        int fd;                         /* until the handshake is done; then feed.bus owns it under this number */
        BusWatch watch;
        sd_event_source *patience;
        Feed feed;                      /* all is written through this one */
        Feed fd_feed;                   /* reads a message that carries descriptors; there while it does */

        Sasl sasl;
        bool known;                     /* its unit has been looked up */
        bool greeted;                   /* the NUL byte before the handshake has come */
        size_t handshake_size;

        uint8_t *in;                    /* what came and could not be handled yet: in_size bytes from in_at on */
        size_t in_at, in_size, in_allocated;
        QuotaCharge in_charge;
        int fds[WIRE_FDS_MAX];          /* came, and belong to messages not handled yet */
        unsigned n_fds;
        size_t skip;                    /* bytes still to come of a call that is too long, and is not kept */
        uint32_t skip_serial;           /* … its answer's; 0: it wants none */
        bool partial, waiting;          /* a message has begun and is not finished; the timer runs for one */
        bool begun_anew;                /* … for another one, which has its own time */
        bool backlog;                   /* in[] may begin with a whole one, which waits for its turn */

        struct QueuedList queued;
        uint64_t n_queued;

        uint32_t n_quick;               /* answered without sd-bus */
        bool hung_up;                   /* while it was busy: found out once more when it is not */
        bool doomed;                    /* to be freed when it has its turn */
};

/* peer.c */
void peer_doom(Peer *p);
static inline bool peer_is_up(const Peer *p) {
        return p->feed.bus != NULL;
}
/* Has the handshake been finished, and is the rest still to be done? */
static inline bool peer_begins(const Peer *p) {
        return p->sasl.state == SASL_DONE && !peer_is_up(p);
}
bool peer_may_read(const Peer *p);
/* Answer a whole message without sd-bus, if it is of the kind that can be. */
bool peer_answer_quickly(Peer *p, const uint8_t *message, size_t size);
void peer_refuse_long(Peer *p, uint32_t serial);
int peer_feed(Peer *p, const uint8_t *message, size_t size, unsigned n_fds);    /* uses up the first n_fds of fds[] */

/* peer-read.c: read what has come, once, and handle a message or a line of the handshake; or the next one of what was left. What goes wrong
 * dooms the peer. */
void peer_read(Peer *p);
void peer_handle_backlog(Peer *p);
void peer_fail(Peer *p, int error);     /* the end of the connection; says why */
void peer_forget_input(Peer *p);
