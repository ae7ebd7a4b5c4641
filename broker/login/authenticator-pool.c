/* SPDX-License-Identifier: MIT */
/* Owns the connections and their event sources, and one timer for backing off. Nothing here waits. */
#include "authenticator-pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "digest.h"
#include "span.h"

#define BACKOFF_FIRST (20u * USEC_PER_MSEC)
#define BACKOFF_LAST (10u * USEC_PER_SEC)
#define ACCURACY USEC_PER_MSEC
#define FAILURES_HOPELESS 3u            /* helpers that died in a row before those who wait are told */

typedef enum HelperState { HELPER_STARTING, HELPER_READY, HELPER_LENT } HelperState;

typedef LIST_HEAD(HelperList, PoolHelper) HelperList;

struct PoolHelper {
        Pool *pool;
        LIST_ENTRY(PoolHelper) link;
        HelperState state;
        int fd;
        sd_event_source *io, *start_timer;
        PoolReply reply;                /* while lent */
        void *userdata;
};

struct Pool {
        sd_event *event;
        struct sockaddr_un address;
        PoolOptions options;
        PoolEvents events;
        void *userdata;
        HelperList helpers;
        unsigned counts[HELPER_LENT + 1];
        unsigned failures;              /* in a row */
        sd_event_source *backoff;       /* enabled while the pool backs off */
        uint8_t *packet;                /* AUTH_MESSAGE_MAX bytes, for whichever helper is being read */
        uint64_t started, failed;
};

DEFINE_CLEANUP(Pool *, pool_free)
DEFINE_CLEANUP(PoolHelper *, helper_free)

static void set_state(PoolHelper *h, HelperState state) {
        h->pool->counts[h->state]--;
        h->pool->counts[state]++;
        h->state = state;
}

PoolHelper *helper_free(PoolHelper *h) {
        if (!h)
                return NULL;
        LIST_REMOVE(h, link);
        h->pool->counts[h->state]--;
        sd_event_source_disable_unref(h->io);
        sd_event_source_disable_unref(h->start_timer);
        close_fd(h->fd);
        free(h);
        return NULL;
}

/* ---- failing ---- */

static bool backing_off(const Pool *p) {
        int enabled = SD_EVENT_OFF;

        return sd_event_source_get_enabled(p->backoff, &enabled) >= 0 && enabled != SD_EVENT_OFF;
}

/* Twice as long each time, so that a helper that cannot start costs next to nothing. */
static void back_off(Pool *p) {
        unsigned doublings = p->failures > 0 ? p->failures - 1 : 0;
        uint64_t usec = doublings < 16 ? BACKOFF_FIRST << doublings : BACKOFF_LAST;

        if (usec > BACKOFF_LAST)
                usec = BACKOFF_LAST;
        if (sd_event_source_set_time_relative(p->backoff, usec) >= 0)
                sd_event_source_set_enabled(p->backoff, SD_EVENT_ONESHOT);
}

static void note_failure(Pool *p) {
        p->failed++;
        if (p->failures < UINT32_MAX)
                p->failures++;
        back_off(p);
}

static void tell_failed(Pool *p, const char *reason) {
        Fault f;

        fault(&f, FAULT_UNAVAILABLE, "no PAM helper at %s: %s; see systemctl status websess-pam.socket",
              p->address.sun_path, reason);
        p->events.failed(p->userdata, &f);
}

static bool hopeless(const Pool *p) {
        return p->failures >= FAILURES_HOPELESS && p->counts[HELPER_READY] + p->counts[HELPER_STARTING] == 0;
}

/* A helper that nobody had asked anything yet is gone, does not say READY, or says rubbish. */
static void lose_helper(PoolHelper *h, const char *reason) {
        Pool *p = h->pool;

        helper_free(h);
        note_failure(p);
        if (hopeless(p))
                tell_failed(p, reason);
}

/* ---- reading ---- */

/* 1 and a message, 0 when there is nothing yet, or a negative errno. */
static int receive(PoolHelper *h, AuthMessage *ret, size_t *ret_size) {
        ssize_t n = recv(h->fd, h->pool->packet, AUTH_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
        int r;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        if ((size_t) n > AUTH_MESSAGE_MAX)
                return -EBADMSG;
        *ret_size = (size_t) n;
        r = auth_message_decode(h->pool->packet, (size_t) n, ret);
        return r < 0 ? r : 1;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        PoolHelper *h = userdata;
        Pool *p = h->pool;
        size_t size = 0;
        AuthMessage m;
        int r = receive(h, &m, &size);

        if (r == 0)
                return 0;
        if (h->state == HELPER_LENT) {
                h->reply(h, r > 0 ? &m : NULL, r > 0 ? 0 : r, h->userdata);     /* h may be gone now */
                wipe(p->packet, size);
                return 0;
        }
        if (r > 0 && h->state == HELPER_STARTING && m.operation == AUTH_READY) {
                set_state(h, HELPER_READY);
                h->start_timer = sd_event_source_disable_unref(h->start_timer);
                p->events.ready(p->userdata);
                return 0;
        }
        lose_helper(h, r == -ECONNRESET ? "helpers end before they were asked anything"
                                        : "what answers there is not websess-pam");
        return 0;
}

static int on_start_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        lose_helper(userdata, "helpers do not get ready");
        return 0;
}

/* ---- connecting ---- */

/* Returns 0, or a negative errno: -EAGAIN when the socket's queue is full. */
static int start_helper(Pool *p) {
        _cleanup_(helper_freep) PoolHelper *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        h->pool = p;
        h->fd = -EBADF;
        h->state = HELPER_STARTING;
        p->counts[h->state]++;
        LIST_INSERT_HEAD(&p->helpers, h, link);

        h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (h->fd < 0)
                return -errno;
        if (connect(h->fd, (const struct sockaddr *) &p->address, sizeof(p->address)) < 0)
                return -errno;
        r = sd_event_add_io(p->event, &h->io, h->fd, EPOLLIN, on_io, h);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(p->event, &h->start_timer, CLOCK_BOOTTIME, p->options.start_timeout_usec,
                                       ACCURACY, on_start_timeout, h);
        if (r < 0)
                return r;
        p->started++;
        TAKE_PTR(h);
        return 0;
}

static unsigned total(const Pool *p) {
        return p->counts[HELPER_STARTING] + p->counts[HELPER_READY] + p->counts[HELPER_LENT];
}

/* To start a helper costs more than most logins: while one works and another stands ready, the reserve can wait for the answer. */
static bool reserve_can_wait(const Pool *p) {
        return p->counts[HELPER_LENT] > 0 && p->counts[HELPER_READY] > 0;
}

/* How many to start: those that are asked for now, and those to have in reserve. While backing off only the former,
 * and only when urgent. */
static unsigned missing(const Pool *p, bool urgent) {
        unsigned room = p->options.max > total(p) ? p->options.max - total(p) : 0;
        unsigned coming = p->counts[HELPER_STARTING] + p->counts[HELPER_READY];
        unsigned target = p->events.wanted(p->userdata), n;

        if (backing_off(p)) {
                if (!urgent)
                        return 0;
        } else if (!reserve_can_wait(p))
                target += p->options.idle;
        n = target > coming ? target - coming : 0;
        return n < room ? n : room;
}

void pool_pump(Pool *p, bool urgent) {
        /* Helpers that were lost when they were to be lent: pool_take() could not say so. */
        if (!urgent && backing_off(p) && hopeless(p) && total(p) < p->options.max)
                tell_failed(p, "helpers end before they were asked anything");
        for (unsigned n = missing(p, urgent); n > 0; n--) {
                int r = start_helper(p);

                if (r == 0)
                        continue;
                note_failure(p);
                if (r != -EAGAIN)
                        tell_failed(p, strerror(-r));
                break;
        }
}

static int on_backoff(sd_event_source *source, uint64_t usec, void *userdata) {
        pool_pump(userdata, false);
        return 0;
}

/* ---- lending ---- */

PoolHelper *pool_take(Pool *p, const void *packet, size_t size, PoolReply reply, void *userdata) {
        PoolHelper *h, *next;

        for (h = LIST_FIRST(&p->helpers); h; h = next) {
                next = LIST_NEXT(h, link);
                if (h->state != HELPER_READY)
                        continue;
                if (send(h->fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) size) {
                        set_state(h, HELPER_LENT);
                        h->reply = reply;
                        h->userdata = userdata;
                        return h;
                }
                /* Died while it waited: it has seen nothing, so the next one may be asked. */
                helper_free(h);
                note_failure(p);
        }
        return NULL;
}

int helper_send(PoolHelper *h, const void *packet, size_t size) {
        ssize_t n = send(h->fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

void pool_worked(Pool *p) {
        p->failures = 0;
        sd_event_source_set_enabled(p->backoff, SD_EVENT_OFF);
}

/* ---- life ---- */

void pool_set_options(Pool *p, const PoolOptions *options) {
        p->options = *options;
        p->options.socket_path = NULL;  /* the address is the copy that counts */
        for (PoolHelper *h = LIST_FIRST(&p->helpers), *next; h && p->counts[HELPER_READY] > options->idle; h = next) {
                next = LIST_NEXT(h, link);
                if (h->state == HELPER_READY)
                        helper_free(h);
        }
}

int pool_new(Pool **ret, sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata) {
        _cleanup_(pool_freep) Pool *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->event = sd_event_ref(event);
        p->events = *events;
        p->userdata = userdata;
        LIST_INIT(&p->helpers);
        p->address.sun_family = AF_UNIX;
        if (strlen(options->socket_path) >= sizeof(p->address.sun_path))
                return -ENAMETOOLONG;
        strcpy(p->address.sun_path, options->socket_path);
        pool_set_options(p, options);
        p->packet = malloc(AUTH_MESSAGE_MAX);
        if (!p->packet)
                return -ENOMEM;
        r = sd_event_add_time_relative(event, &p->backoff, CLOCK_BOOTTIME, 0, ACCURACY, on_backoff, p);
        if (r < 0)
                return r;
        /* The first helpers are started by the running loop, not by whoever builds the broker. */
        *ret = TAKE_PTR(p);
        return 0;
}

Pool *pool_free(Pool *p) {
        if (!p)
                return NULL;
        while (!LIST_EMPTY(&p->helpers))
                helper_free(LIST_FIRST(&p->helpers));
        sd_event_source_disable_unref(p->backoff);
        sd_event_unref(p->event);
        free(p->packet);
        free(p);
        return NULL;
}

void pool_status(const Pool *p, PoolStatus *out) {
        *out = (PoolStatus) {
                .idle = p->counts[HELPER_READY],
                .lent = p->counts[HELPER_LENT],
                .starting = p->counts[HELPER_STARTING],
                .started = p->started,
                .failed = p->failed,
        };
}
