/* SPDX-License-Identifier: MIT */
/*
 * One connection to the broker, and the way to it. A connection is used by one thread at a time and owns every
 * message that came over it: messages are let go of before the connection is handed on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "error.h"

/* Where the broker is. With both set: the socket, and where there is no such file, the bus. */
typedef struct Route {
        char *socket;           /* path */
        char *bus;              /* D-Bus address */
} Route;

/* From the environment, read now. 0, -ENAMETOOLONG, -ENOMEM, with the error text set. */
int route_from_environment(Route *out);
int route_to_socket(Route *out, const char *path);
void route_done(Route *r);

typedef struct Conn {
        sd_bus *bus;
        bool on_bus;            /* by way of a bus daemon */
        unsigned generation;    /* of the process that made it */
        uint32_t n_quick;       /* requests sent past sd-bus: quick.c */
} Conn;

/* Connect and authenticate, until the deadline (CLOCK_MONOTONIC, µs). 0 or a negative errno; no error text is set. */
int conn_open(Conn **ret, const Route *route, uint64_t deadline);

/* Begin to connect, without waiting. */
int conn_start(Conn **ret, const Route *route);

/* In a forked child it only lets go: nothing is sent to the broker, which knows the connection as the parent's. */
Conn *conn_free(Conn *c);
DEFINE_CLEANUP(Conn *, conn_free)

static inline const char *conn_destination(const Conn *c) {
        return c->on_bus ? "org.websess1" : NULL;
}

/* How often this process is a child of one that used the library: a connection of another generation is not ours. */
unsigned process_generation(void);

uint64_t client_now(void);
