/* SPDX-License-Identifier: MIT */
/* Owns the listening socket and its event sources. One connection a turn: they cost more than
 * most calls. Out of descriptors it pauses for a moment: the event loop would spin otherwise. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bus-internal.h"
#include "listener.h"
#include "peer.h"
#include "span.h"

#define ACCEPT_PAUSE_USEC (USEC_PER_SEC / 10)

struct Listener {
        Bus *bus;
        int fd;
        sd_event_source *io, *resume;
};

static int listener_resume(sd_event_source *source, uint64_t usec, void *userdata) {
        Listener *l = userdata;

        return sd_event_source_set_enabled(l->io, SD_EVENT_ON);
}

static int listener_pause(Listener *l, int error) {
        int r;

        bus_complain(
                l->bus, LOG_EVENT_INTERNAL, NULL, "cannot accept connections for the moment: %s", strerror(-error));
        r = sd_event_source_set_time_relative(l->resume, ACCEPT_PAUSE_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->resume, SD_EVENT_ONESHOT);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
        return r;
}

static int listener_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Listener *l = userdata;

        int connection = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (connection < 0)
                return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR ? 0 : listener_pause(l, -errno);
        peer_accept(l->bus, connection);
        return 0;
}

int listener_new(Listener **ret, Bus *b, int fd) {
        Listener *l = calloc(1, sizeof(*l));
        int r;

        if (!l) {
                close_fd(fd);
                return -ENOMEM;
        }
        l->bus = b;
        l->fd = fd;
        r = sd_event_add_io(b->event, &l->io, fd, EPOLLIN, listener_io, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        b->event, &l->resume, CLOCK_MONOTONIC, ACCEPT_PAUSE_USEC, 0, listener_resume, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->resume, SD_EVENT_OFF);
        if (r < 0) {
                listener_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

Listener *listener_free(Listener *l) {
        if (!l)
                return NULL;
        sd_event_source_disable_unref(l->io);
        sd_event_source_disable_unref(l->resume);
        close_fd(l->fd);
        free(l);
        return NULL;
}

int listener_start(Listener *l) {
        return sd_event_source_set_enabled(l->io, SD_EVENT_ON);
}
