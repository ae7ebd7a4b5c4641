/* SPDX-License-Identifier: MIT */
/* Callers on either transport as one kind of object, and signals to those of them that subscribed. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "bus-internal.h"
#include "peer.h"

int client_new(BusClient **ret, Bus *b, Caller *caller, const char *name, bool private) {
        BusClient *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->name = strdup(name);
        if (!c->name) {
                free(c);
                return -ENOMEM;
        }
        c->n_refs = 1;
        c->bus = b;
        c->caller = *caller;
        *caller = CALLER_NONE;
        c->private = private;
        *ret = c;
        return 0;
}

BusClient *client_ref(BusClient *c) {
        c->n_refs++;
        return c;
}

BusClient *client_unref(BusClient *c) {
        if (!c || --c->n_refs > 0)
                return NULL;
        caller_done(&c->caller);
        free(c->name);
        free(c);
        return NULL;
}

void client_disconnect(BusClient *c) {
        Bus *b = c->bus;

        if (c->gone)
                return;
        bus_client_subscribe(c, false);
        c->gone = true;
        if (b->gone)
                b->gone(b->userdata, c);
        b->n_pending -= c->n_pending;
        c->n_pending = 0;
        c->bus = NULL;
        c->peer = NULL;
}

sd_bus *client_connection(const BusClient *c) {
        if (c->gone)
                return NULL;
        return c->peer ? peer_connection(c->peer) : system_connection(c->bus->system);
}

int client_send(BusClient *c, sd_bus_message *m) {
        int r;

        if (c->gone)
                return 0;
        if (c->peer)
                return peer_send(c->peer, m);
        r = sd_bus_send(system_connection(c->bus->system), m, NULL);
        /* The connection to the bus is lost, and the client with it */
        return r < 0 && r != -ENOTCONN && r != -ECONNRESET ? r : 0;
}

const Caller *bus_client_caller(const BusClient *c) {
        return &c->caller;
}

const char *bus_client_name(const BusClient *c) {
        return c->name;
}

bool bus_client_is_private(const BusClient *c) {
        return c->private;
}

void bus_client_set_data(BusClient *c, void *data) {
        c->data = data;
}

void *bus_client_data(const BusClient *c) {
        return c->data;
}

void bus_client_subscribe(BusClient *c, bool on) {
        if (c->gone || c->subscribed == on)
                return;
        if (on)
                LIST_INSERT_HEAD(&c->bus->subscribers, c, subscription);
        else
                LIST_REMOVE(c, subscription);
        c->subscribed = on;
}

/* Built by hand with a destination: sd-bus's helpers would broadcast. */
static int client_signal(
        BusClient *c, const char *path, const char *interface, const char *member, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *connection = client_connection(c);
        int r;

        if (!connection)
                return 0;
        r = sd_bus_message_new_signal(connection, &m, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_destination(m, c->name);
        if (r >= 0 && types && *types)
                r = sd_bus_message_appendv(m, types, ap);
        if (r < 0)
                return r == -ENOTCONN ? 0 : r;
        return client_send(c, m);
}

int bus_client_signal(
        BusClient *c, const char *path, const char *interface, const char *member, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = client_signal(c, path, interface, member, types, ap);
        va_end(ap);
        return r;
}

int bus_signal(Bus *b, const char *interface, const char *member, BusMaySee may_see, const void *subject,
        const char *types, ...) {
        BusClient *c, *next;
        int error = 0;

        /* A client that does not read loses its connection later, from the event loop: the list stays as it is */
        for (c = LIST_FIRST(&b->subscribers); c; c = next) {
                va_list ap;
                int r;

                next = LIST_NEXT(c, subscription);
                if (may_see && !may_see(b->userdata, c, subject))
                        continue;
                va_start(ap, types);
                r = client_signal(c, WEBSESS_MANAGER_PATH, interface, member, types, ap);
                va_end(ap);
                if (r < 0)
                        error = r;
        }
        return error;
}
