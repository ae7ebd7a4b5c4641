/* SPDX-License-Identifier: MIT */
/* Connections to the broker. Owns sockets; the only file that looks at the environment. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "websess-names.h"

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

/* A count of forks, not state of any handle: a child cannot be told in another way without a system call per
 * look-up. */
static atomic_uint generation;

static void count_fork(void) {
        atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

static void watch_forks(void) {
        (void) pthread_atfork(NULL, NULL, count_fork);
}

unsigned process_generation(void) {
        return atomic_load_explicit(&generation, memory_order_relaxed);
}

uint64_t client_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* ---- the way ---- */

int route_to_socket(Route *out, const char *path) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        Route r = {};

        (void) pthread_once(&once, watch_forks);
        if (strlen(path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return error_set(-ENAMETOOLONG, "The path of the broker's socket is longer than %zu bytes: %s",
                                 sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1, path);
        r.socket = strdup(path);
        if (!r.socket)
                return error_memory();
        *out = r;
        return 0;
}

int route_from_environment(Route *out) {
        const char *path = secure_getenv("WEBSESS_SOCKET"), *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        Route r = {};
        int q;

        q = route_to_socket(&r, path && *path ? path : WEBSESS_SOCKET_PATH);
        if (q < 0)
                return q;
        if (!path || !*path) {
                r.bus = strdup(address && *address ? address : SYSTEM_BUS_ADDRESS);
                if (!r.bus) {
                        route_done(&r);
                        return error_memory();
                }
                if (address && *address) {
                        free(r.socket);
                        r.socket = NULL;
                }
        }
        *out = r;
        return 0;
}

void route_done(Route *r) {
        free(r->socket);
        free(r->bus);
        *r = (Route) {};
}

/* A path as a D-Bus address: what is not plain is written %XX. */
static char *socket_address(const char *path) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/.";
        static const char hex[] = "0123456789abcdef";
        const char prefix[] = "unix:path=";
        char *address, *p;

        address = malloc(sizeof(prefix) + 3 * strlen(path));
        if (!address)
                return NULL;
        p = stpcpy(address, prefix);
        for (; *path; path++) {
                unsigned char c = (unsigned char) *path;

                if (strchr(plain, c))
                        *p++ = *path;
                else {
                        *p++ = '%';
                        *p++ = hex[c >> 4];
                        *p++ = hex[c & 15];
                }
        }
        *p = '\0';
        return address;
}

/* ---- connections ---- */

Conn *conn_free(Conn *c) {
        if (!c)
                return NULL;
        /* In a forked child unref only frees memory and closes the child's copy of the descriptor. */
        if (c->generation != process_generation())
                sd_bus_unref(c->bus);
        else
                sd_bus_close_unref(c->bus);
        free(c);
        return NULL;
}

/* Through connect and authentication. sd-bus's own time-outs for these cannot be set, so it is done by hand. */
static int wait_until_ready(sd_bus *bus, uint64_t deadline) {
        for (;;) {
                uint64_t now;
                int r;

                r = sd_bus_is_ready(bus);
                if (r != 0)
                        return r < 0 ? r : 0;
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                now = client_now();
                if (now >= deadline)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus, deadline - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int start(sd_bus *bus, const Route *route, bool *ret_on_bus) {
        bool on_bus = !route->socket || (route->bus && access(route->socket, F_OK) < 0);
        _cleanup_free_ char *address = NULL;
        int r;

        address = on_bus ? strdup(route->bus) : socket_address(route->socket);
        if (!address)
                return -ENOMEM;
        r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, on_bus);
        if (r >= 0)
                r = sd_bus_start(bus);
        *ret_on_bus = on_bus;
        return r;
}

int conn_start(Conn **ret, const Route *route) {
        _cleanup_(conn_freep) Conn *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->generation = process_generation();
        r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = start(c->bus, route, &c->on_bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int conn_open(Conn **ret, const Route *route, uint64_t deadline) {
        _cleanup_(conn_freep) Conn *c = NULL;
        int r;

        r = conn_start(&c, route);
        if (r >= 0)
                r = wait_until_ready(c->bus, deadline);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}
