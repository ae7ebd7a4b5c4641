/* SPDX-License-Identifier: MIT */
/*
 * The watch: a connection of its own that is subscribed to the broker's signals, and that subscribes again when the
 * broker comes back. Everything it waits for (the connection, its time-outs, the pause before it tries again) lies
 * behind one epoll descriptor, which is what the caller polls. One thread at a time.
 */
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "client.h"
#include "websess-names.h"

#define PAUSE_USEC UINT64_C(100000)

typedef enum WatchState {
        WATCH_OFF,
        WATCH_PAUSE,            /* until it tries again */
        WATCH_SUBSCRIBING,
        WATCH_ON,
} WatchState;

struct Watch {
        websess *handle;
        WatchState state;
        int epoll_fd, timer_fd;
        int bus_fd;             /* in the epoll set; the bus's own */
        Conn *conn;
        char *broker;           /* the broker's unique name on a bus: nobody else's signals count */
        unsigned generation;
        int code;               /* why subscribing failed last: FAULT_* or a negative errno */
        websess_watch_fn fn;
        void *userdata;
};

/* ---- life ---- */

static void disconnect(Watch *x) {
        if (x->bus_fd >= 0)
                (void) epoll_ctl(x->epoll_fd, EPOLL_CTL_DEL, x->bus_fd, NULL);
        x->bus_fd = -EBADF;
        x->conn = conn_free(x->conn);
        free(x->broker);
        x->broker = NULL;
}

void watch_free(Watch *x) {
        if (!x)
                return;
        /* A child must not take its parent's connection out of the epoll set they share. */
        if (x->generation != process_generation())
                x->bus_fd = -EBADF;
        disconnect(x);
        close_fd(x->timer_fd);
        close_fd(x->epoll_fd);
        free(x);
}

static int watch_new(Watch **ret, websess *w) {
        struct epoll_event e = { .events = EPOLLIN };
        Watch *x;
        int r = 0;

        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        *x = (Watch) { .handle = w, .bus_fd = -EBADF, .generation = process_generation() };
        x->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        x->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (x->epoll_fd < 0 || x->timer_fd < 0 || epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->timer_fd, &e) < 0)
                r = -errno;
        if (r < 0)
                watch_free(x);
        else
                *ret = x;
        return r;
}

/* The handle's watch; a forked child gets one of its own, which watches nothing yet. */
static int watch_get(websess *w, Watch **ret) {
        int r;

        if (!w)
                return error_set(-EINVAL, "There is no handle");
        if (w->watch && w->watch->generation != process_generation()) {
                watch_free(w->watch);
                w->watch = NULL;
        }
        if (!w->watch) {
                r = watch_new(&w->watch, w);
                if (r < 0)
                        return error_errno(r, "The watch");
        }
        *ret = w->watch;
        return 0;
}

/* ---- what comes in ---- */

static void tell(Watch *x, int event, const char *id, const char *service, const char *user, const char *reason) {
        if (x->fn)
                x->fn(x->userdata, event, id, service, user, reason);
}

static void arm(Watch *x, uint64_t at) {
        struct itimerspec t = {
                .it_value.tv_sec = (time_t) (at / 1000000),
                .it_value.tv_nsec = (long) (at % 1000000) * 1000 + (at == 0),   /* 0 would disarm it */
        };

        if (at == UINT64_MAX)
                t = (struct itimerspec) {};
        (void) timerfd_settime(x->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void lost(Watch *x) {
        bool was_on = x->state == WATCH_ON;

        disconnect(x);
        x->state = WATCH_PAUSE;
        arm(x, client_now() + PAUSE_USEC);
        if (was_on)
                tell(x, WEBSESS_EVENT_LOST, NULL, NULL, NULL, NULL);
}

static void on_session(Watch *x, sd_bus_message *m, bool is_new) {
        const char *id, *service, *user, *reason = NULL;
        int r;

        r = sd_bus_message_read(m, "sss", &id, &service, &user);
        if (r > 0 && !is_new)
                r = sd_bus_message_read(m, "s", &reason);
        if (r > 0)
                tell(x, is_new ? WEBSESS_EVENT_NEW : WEBSESS_EVENT_REMOVED, id, service, user, reason);
}

/* On a bus anybody can send us a signal that looks like the broker's: the sender, which the bus vouches for,
 * decides. */
static bool is_brokers(const Watch *x, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        return !x->conn->on_bus || (x->broker && sender && strcmp(sender, x->broker) == 0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *x = userdata;

        if (x->state != WATCH_ON || !is_brokers(x, m))
                return 0;
        if (sd_bus_message_is_signal(m, WEBSESS_MANAGER_INTERFACE, "SessionNew"))
                on_session(x, m, true);
        else if (sd_bus_message_is_signal(m, WEBSESS_MANAGER_INTERFACE, "SessionRemoved"))
                on_session(x, m, false);
        return 0;
}

/* The bus outlives the broker: a change of the name's owner is a lost broker. Noted here, acted on outside of
 * sd-bus. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *x = userdata;
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) > 0 && x->state == WATCH_ON &&
            strcmp(new, x->broker ?: "") != 0)
                x->code = FAULT_UNAVAILABLE;
        return 0;
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Watch *x = userdata;
        bool gone;

        if (e) {
                x->code = client_error(-sd_bus_message_get_errno(m), e, "Subscribe", &gone);
                if (gone)
                        x->code = FAULT_UNAVAILABLE;
                return 0;
        }
        x->broker = strdup(sd_bus_message_get_sender(m) ?: "");
        x->state = WATCH_ON;
        return 0;
}

/* ---- going out ---- */

static int subscribe(Watch *x) {
        sd_bus *bus;
        int r;

        x->code = 0;
        r = conn_start(&x->conn, &x->handle->route);
        if (r < 0)
                return r;
        bus = x->conn->bus;
        x->bus_fd = sd_bus_get_fd(bus);
        r = epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->bus_fd, &(struct epoll_event) {}) < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_message, x);
        if (r >= 0 && x->conn->on_bus)
                r = sd_bus_add_match_async(bus, NULL,
                                           "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                           "arg0='" WEBSESS_BUS_NAME "'", on_owner, NULL, x);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, conn_destination(x->conn), WEBSESS_MANAGER_PATH,
                                             WEBSESS_MANAGER_INTERFACE, "Subscribe", on_subscribed, x, NULL);
        if (r >= 0)
                x->state = WATCH_SUBSCRIBING;
        return r < 0 ? r : 0;
}

/* Let the epoll set wait for what sd-bus waits for. */
static void wait_for_bus(Watch *x) {
        uint64_t until = UINT64_MAX;
        struct epoll_event e = {};
        int events;

        if (!x->conn)
                return;
        events = sd_bus_get_events(x->conn->bus);
        e.events = (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
        (void) epoll_ctl(x->epoll_fd, EPOLL_CTL_MOD, x->bus_fd, &e);
        (void) sd_bus_get_timeout(x->conn->bus, &until);
        arm(x, until);
}

/* One step. 1: did something, 0: nothing to do for now, else why the broker is lost. */
static int step(Watch *x) {
        WatchState before = x->state;
        int r;

        r = sd_bus_process(x->conn->bus, NULL);
        if (r < 0)
                return r;
        if (x->code != 0)
                return x->code > 0 ? -ENOTCONN : x->code;
        if (before != WATCH_ON && x->state == WATCH_ON)
                return 2;
        return r > 0;
}

/* Is the pause over? Reading the timer also makes the descriptor unreadable again. */
static bool timer_expired(Watch *x) {
        uint64_t ignored;

        return read(x->timer_fd, &ignored, sizeof(ignored)) == (ssize_t) sizeof(ignored);
}

int websess_dispatch(websess *w) {
        bool expired;
        Watch *x;
        int r;

        r = watch_get(w, &x);
        if (r < 0)
                return r;
        touch_flush_now(w);
        expired = timer_expired(x);
        if (x->state == WATCH_OFF || (x->state == WATCH_PAUSE && !expired))
                return 0;
        r = x->state == WATCH_PAUSE ? subscribe(x) : 0;
        while (r >= 0) {
                r = step(x);
                if (r == 0)
                        break;
                if (r == 2)
                        tell(x, WEBSESS_EVENT_BACK, NULL, NULL, NULL, NULL);
        }
        if (r < 0)
                lost(x);
        else
                wait_for_bus(x);
        return 0;
}

/* ---- the beginning ---- */

static int start_failed(Watch *x, int r) {
        disconnect(x);
        x->state = WATCH_OFF;
        arm(x, UINT64_MAX);
        return r;
}

/* Subscribe and wait for the answer. What comes behind it stays for websess_dispatch(). */
static int subscribe_now(Watch *x, uint64_t deadline) {
        int r;

        r = subscribe(x);
        while (r >= 0 && x->state != WATCH_ON) {
                uint64_t now = client_now();

                r = step(x);
                if (r != 0)
                        continue;
                if (now >= deadline)
                        return -ETIMEDOUT;
                r = sd_bus_wait(x->conn->bus, deadline - now);
                if (r == -EINTR)
                        r = 0;
        }
        return r < 0 ? r : 0;
}

int websess_watch(websess *w, websess_watch_fn fn, void *userdata) {
        uint64_t deadline, now;
        Watch *x;
        int r;

        r = watch_get(w, &x);
        if (r < 0)
                return r;
        (void) start_failed(x, 0);
        x->fn = fn;
        x->userdata = userdata;
        if (!fn)
                return 0;

        deadline = client_now() + w->timeout_usec;
        for (;;) {
                bool gone = false;

                r = subscribe_now(x, deadline);
                if (r == 0) {
                        atomic_store_explicit(&w->was_there, true, memory_order_relaxed);
                        wait_for_bus(x);
                        return 0;
                }
                if (x->code != 0 && x->code != FAULT_UNAVAILABLE)
                        return start_failed(x, x->code);
                r = client_connect_failed(w, r, &gone);
                now = client_now();
                if (!gone || now >= deadline)
                        return start_failed(x, r);
                disconnect(x);
                client_pause(PAUSE_USEC < deadline - now ? PAUSE_USEC : deadline - now);
        }
}

int websess_fd(websess *w) {
        Watch *x;
        int r;

        r = watch_get(w, &x);
        return r < 0 ? r : x->epoll_fd;
}
