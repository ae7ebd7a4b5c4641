/* SPDX-License-Identifier: MIT */
/*
 * Turns in the event loop. Owns the epoll set of the private connections and the two event sources that it goes by.
 *
 * Connections are not event sources of their own, since the loop would serve those in the order in which they came: a hundred of one user's, then
 * one of another's. Here all that have something to say are put in the queue first, which costs next to nothing, and before each turn it is looked
 * who has come in meanwhile. A connection is reported once and then not again until it is asked for (EPOLLONESHOT): who waits costs nothing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "bus-internal.h"

#define BATCH_NSEC 20000u       /* turns of private connections and names on the bus; then whatever else the loop has to do */
#define EVENTS_MAX 64

/* ---- who has something to say ---- */

int watch_start(Bus *b, BusWatch *w, int fd) {
        struct epoll_event e = { .events = EPOLLONESHOT, .data.ptr = w };

        w->fd = fd;
        w->events = 0;
        return epoll_ctl(b->watch_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void watch_stop(Bus *b, BusWatch *w) {
        if (w->fd >= 0)
                (void) epoll_ctl(b->watch_fd, EPOLL_CTL_DEL, w->fd, NULL);
        w->fd = -EBADF;
}

int watch_for(Bus *b, BusWatch *w, uint32_t events) {
        struct epoll_event e = { .events = events | EPOLLONESHOT, .data.ptr = w };

        if (events == w->events)
                return 0;
        w->events = events;
        return epoll_ctl(b->watch_fd, EPOLL_CTL_MOD, w->fd, &e) < 0 ? -errno : 0;
}

/* Nobody's connection is freed in here: that too is somebody's turn. */
static void look(Bus *b) {
        struct epoll_event events[EVENTS_MAX];
        int n;

        do {
                n = epoll_wait(b->watch_fd, events, EVENTS_MAX, 0);
                for (int i = 0; i < n; i++) {
                        BusWatch *w = events[i].data.ptr;

                        w->events = 0;
                        w->ready(w, events[i].events);
                }
        } while (n == EVENTS_MAX);
}

/* ---- turns ---- */

static uint64_t now_nsec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void run(Bus *b) {
        uint64_t start = now_nsec(), before = start, now;
        Turn *t;

        while ((t = turns_next(b->turns))) {
                TurnUser *u = turn_take(t);

                t->go(t);
                now = now_nsec();
                turn_over(u, now - before);
                if (now - start > BATCH_NSEC || !turns_next(b->turns))
                        break;
                before = now;
                look(b);
        }
}

/* A descriptor that is ready while somebody waits. A deferred source would be simpler, but the loop takes it for what has been waiting longest every time, and
 * while there are turns nothing else would ever come up: no commit, no timer. */
static int set_ready(Bus *b, bool ready) {
        if (b->turn_ready == ready)
                return 0;
        if ((ready ? eventfd_write(b->turn_fd, 1) : eventfd_read(b->turn_fd, &(eventfd_t) { 0 })) < 0)
                return -errno;
        b->turn_ready = ready;
        return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Bus *b = userdata;

        b->in_turn = true;
        look(b);
        run(b);
        b->in_turn = false;
        return set_ready(b, turns_next(b->turns));
}

int bus_turn_wait(Bus *b, Turn *t) {
        turn_wait(t);
        return b->in_turn ? 0 : set_ready(b, true);
}

int bus_turns_start(Bus *b) {
        int r;

        b->watch_fd = epoll_create1(EPOLL_CLOEXEC);
        if (b->watch_fd < 0)
                return -errno;
        b->turn_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (b->turn_fd < 0)
                return -errno;
        r = turns_new(&b->turns);
        if (r >= 0)
                r = sd_event_add_io(b->event, &b->watch_source, b->watch_fd, EPOLLIN, on_ready, b);
        if (r >= 0)
                r = sd_event_add_io(b->event, &b->turn_source, b->turn_fd, EPOLLIN, on_ready, b);
        return r;
}

void bus_turns_stop(Bus *b) {
        b->turn_source = sd_event_source_disable_unref(b->turn_source);
        b->watch_source = sd_event_source_disable_unref(b->watch_source);
        b->watch_fd = close_fd(b->watch_fd);
        b->turn_fd = close_fd(b->turn_fd);
        b->turns = turns_free(b->turns);
}
