/* SPDX-License-Identifier: MIT */
/* One connection to the private socket. */
#pragma once

#include <systemd/sd-bus.h>

#include "bus.h"

typedef struct Peer Peer;

void peer_accept(Bus *b, int fd);       /* take a new connection, or close it */
Peer *peer_free(Peer *p);
sd_bus *peer_connection(const Peer *p);
/* 0 also when the peer is about to lose its connection; else a negative errno that is about the message itself. */
int peer_send(Peer *p, sd_bus_message *m);
void peer_stop_reading(Peer *p);
void peer_go_on(Peer *p);               /* its client's long call is over: the next one may be taken */
int peer_fd(const Peer *p);
bool peer_flush(Peer *p);               /* true: nothing is queued any more */
