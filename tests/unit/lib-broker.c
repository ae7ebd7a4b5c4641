/* SPDX-License-Identifier: MIT */
/* The fake broker's life, its connections, and what tests set and ask. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib-broker-internal.h"

/* ---- connections ---- */

static void send_signal(Client *c) {
        char member[64], id[64];
        bool subscribed;

        pthread_mutex_lock(&c->fake->lock);
        snprintf(member, sizeof(member), "%s", c->signal);
        snprintf(id, sizeof(id), "%s", c->signal_id);
        subscribed = c->subscribed;
        c->signal[0] = '\0';
        pthread_mutex_unlock(&c->fake->lock);
        if (!subscribed || !member[0])
                return;
        if (strcmp(member, "SessionNew") == 0)
                (void) sd_bus_emit_signal(c->bus, "/org/websess1", "org.websess1.Manager", member, "sss", id, "shop",
                                          "anna");
        else
                (void) sd_bus_emit_signal(c->bus, "/org/websess1", "org.websess1.Manager", member, "ssss", id, "shop",
                                          "anna", "logout");
}

static void *serve(void *userdata) {
        Client *c = userdata;

        for (;;) {
                int r = sd_bus_process(c->bus, NULL);
                struct pollfd p[2];

                if (r < 0)
                        break;
                send_signal(c);
                if (r > 0)
                        continue;
                p[0] = (struct pollfd) { .fd = sd_bus_get_fd(c->bus), .events = (short) sd_bus_get_events(c->bus) };
                p[1] = (struct pollfd) { .fd = c->wake, .events = POLLIN };
                if (p[0].fd < 0)
                        break;
                (void) poll(p, 2, -1);
                if (p[1].revents) {
                        uint64_t n = 0;

                        (void) !read(c->wake, &n, sizeof(n));
                        if (n >= 1000)
                                break;
                }
        }
        sd_bus_close_unref(c->bus);
        return NULL;
}

static void accept_one(FakeBroker *t, int fd) {
        Client *c = NULL;
        sd_id128_t id = {};

        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < CLIENTS && !c; i++)
                if (!t->clients[i].used)
                        c = &t->clients[i];
        assert(c);
        *c = (Client) { .fake = t, .used = true, .wake = eventfd(0, EFD_CLOEXEC) };
        t->connections++;
        assert(sd_bus_new(&c->bus) >= 0 && sd_bus_set_fd(c->bus, fd, fd) >= 0 &&
               sd_bus_set_server(c->bus, 1, id) >= 0 &&
               sd_bus_add_filter(c->bus, NULL, fake_on_call, c) >= 0 && sd_bus_start(c->bus) >= 0);
        assert(pthread_create(&c->thread, NULL, serve, c) == 0);
        pthread_mutex_unlock(&t->lock);
}

static void *accept_all(void *userdata) {
        FakeBroker *t = userdata;

        for (;;) {
                struct pollfd p[2] = { { .fd = t->fd, .events = POLLIN }, { .fd = t->stop, .events = POLLIN } };

                (void) poll(p, 2, -1);
                if (p[1].revents)
                        return NULL;
                accept_one(t, accept4(t->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        }
}

void fake_start(FakeBroker *t) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        assert(strlen(t->path) < sizeof(a.sun_path));
        strcpy(a.sun_path, t->path);
        t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        t->stop = eventfd(0, EFD_CLOEXEC);
        assert(t->fd >= 0 && t->stop >= 0 && bind(t->fd, (struct sockaddr *) &a, sizeof(a)) == 0 &&
               listen(t->fd, 64) == 0);
        assert(pthread_create(&t->acceptor, NULL, accept_all, t) == 0);
        t->running = true;
}

void fake_stop(FakeBroker *t) {
        uint64_t all = 1000;

        if (!t->running)
                return;
        (void) !write(t->stop, &all, sizeof(all));
        pthread_join(t->acceptor, NULL);
        unlink(t->path);
        close(t->fd);
        close(t->stop);
        for (size_t i = 0; i < CLIENTS; i++)
                if (t->clients[i].used) {
                        (void) !write(t->clients[i].wake, &all, sizeof(all));
                        pthread_join(t->clients[i].thread, NULL);
                        close(t->clients[i].wake);
                        t->clients[i].used = false;
                }
        t->running = false;
}

FakeBroker *fake_new(void) {
        FakeBroker *t = calloc(1, sizeof(*t));

        assert(t);
        pthread_mutex_init(&t->lock, NULL);
        strcpy(t->folder, "/tmp/websess-fake-XXXXXX");
        assert(mkdtemp(t->folder));
        /* A path with characters that a D-Bus address has to escape. */
        snprintf(t->path, sizeof(t->path), "%s/a b,c;d=e%%.sock", t->folder);
        strcpy(t->user, "anna");
        strcpy(t->roles, "USER");
        t->auth_time = 16;
        t->version = 1;
        fake_start(t);
        return t;
}

FakeBroker *fake_free(FakeBroker *t) {
        fake_stop(t);
        rmdir(t->folder);
        values_done(&t->attributes);
        free(t);
        return NULL;
}

const char *fake_path(const FakeBroker *t) {
        return t->path;
}

/* ---- what tests set and ask ---- */

#define LOCKED(t, ...) do { pthread_mutex_lock(&(t)->lock); __VA_ARGS__; pthread_mutex_unlock(&(t)->lock); } while (0)

void fake_drop_before(FakeBroker *t, int n) {
        LOCKED(t, t->drop_before = n);
}

void fake_drop_after(FakeBroker *t, int n) {
        LOCKED(t, t->drop_after = n);
}

void fake_hang(FakeBroker *t, bool hang) {
        LOCKED(t, t->hang = hang);
}

int fake_calls(FakeBroker *t, const char *member) {
        int n;

        LOCKED(t, n = *fake_counter(t, member, false));
        return n;
}

int fake_effects(FakeBroker *t, const char *member) {
        int n;

        LOCKED(t, n = *fake_counter(t, member, true));
        return n;
}

int fake_connections(FakeBroker *t) {
        int n;

        LOCKED(t, n = t->connections);
        return n;
}

void fake_last(FakeBroker *t, char *request_id, char *options) {
        pthread_mutex_lock(&t->lock);
        if (request_id)
                strcpy(request_id, t->request_id);
        if (options)
                strcpy(options, t->options);
        pthread_mutex_unlock(&t->lock);
}

void fake_set_user(FakeBroker *t, const char *user) {
        LOCKED(t, snprintf(t->user, sizeof(t->user), "%s", user));
}

void fake_set_roles(FakeBroker *t, const char *roles, const char *admin) {
        LOCKED(t, snprintf(t->roles, sizeof(t->roles), "%s", roles); snprintf(t->admin, sizeof(t->admin), "%s", admin));
}

void fake_set_level(FakeBroker *t, uint32_t level, uint64_t auth_time) {
        LOCKED(t, t->level = level; t->auth_time = auth_time);
}

uint64_t fake_version(FakeBroker *t) {
        uint64_t version;

        LOCKED(t, version = t->version);
        return version;
}

void fake_signal(FakeBroker *t, const char *member, const char *id) {
        uint64_t one = 1;

        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < CLIENTS; i++)
                if (t->clients[i].used && t->clients[i].subscribed) {
                        snprintf(t->clients[i].signal, sizeof(t->clients[i].signal), "%s", member);
                        snprintf(t->clients[i].signal_id, sizeof(t->clients[i].signal_id), "%s", id);
                        (void) !write(t->clients[i].wake, &one, sizeof(one));
                }
        pthread_mutex_unlock(&t->lock);
}
