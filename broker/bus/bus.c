/* SPDX-License-Identifier: MIT */
/* The Bus itself: made, started, stopped, freed. Owns the listener, the peers, the connection to the system bus and the
 * quotas. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bus-internal.h"
#include "listener.h"
#include "peer-internal.h"
#include "span.h"

#define COMPLAINTS_MAX 20       /* log lines about peers per ten seconds: they must not flood the journal */
#define COMPLAINTS_USEC (10 * USEC_PER_SEC)
#define FINISH_USEC (USEC_PER_SEC / 2)   /* for long calls at shutdown */
#define DESCRIPTORS_RESERVED 64u        /* for the store, the helpers, the bus and what else is open */

uint64_t bus_now(void) {
        struct timespec t;

        clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

void bus_complain(Bus *b, LogEvent event, const Caller *c, const char *format, ...) {
        LogFields fields = { .unit = c ? c->unit : NULL, .uid = c && c->uid != (uid_t) -1 ? (int64_t) c->uid : -1 };
        uint64_t now = bus_now();
        char text[256];
        va_list ap;

        if (now - b->complaints_since > COMPLAINTS_USEC) {
                b->complaints_since = now;
                b->n_complaints = 0;
        }
        if (b->n_complaints++ >= COMPLAINTS_MAX)
                return;
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_event(event, LOG_WARNING, &fields, "%s (uid %lld)%s", text, (long long) fields.uid,
                  b->n_complaints == COMPLAINTS_MAX ? "; further lines of this kind are left out for a while" : "");
}

void bus_set_limits(Bus *b, const BusLimits *limits) {
        struct rlimit descriptors;

        b->limits = *limits;
        quota_set_limit(b->quota, QUOTA_CONNECTIONS, limits->max_connections_per_user ?: UINT64_MAX);
        quota_set_limit(b->quota, QUOTA_CALLS, limits->max_pending_per_user ?: UINT64_MAX);
        quota_set_limit(b->quota, QUOTA_BYTES, limits->max_bytes_per_user ?: UINT64_MAX);
        /* Never more connections than there are descriptors for, or the store would run out of them */
        if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY) {
                uint64_t all = descriptors.rlim_cur > 2 * DESCRIPTORS_RESERVED
                        ? descriptors.rlim_cur - DESCRIPTORS_RESERVED
                        : DESCRIPTORS_RESERVED;
                uint64_t most = all / BUS_DESCRIPTORS_PER_PEER;

                if (b->limits.max_connections == 0 || b->limits.max_connections > most)
                        b->limits.max_connections = (unsigned) most;
        }
}

static int bus_set_up(Bus *b, const BusOptions *options) {
        int fd = options->socket_fd, r;

        r = quota_new(&b->quota, geteuid());
        if (r < 0)
                goto fail;
        bus_set_limits(b, &options->limits);
        r = bus_turns_start(b);
        if (r < 0)
                goto fail;
        r = sd_id128_randomize(&b->guid);
        if (r < 0)
                goto fail;
        b->scratch = malloc(BUS_SCRATCH_SIZE);
        if (!b->scratch) {
                r = -ENOMEM;
                goto fail;
        }
        if (options->socket_fd >= 0) {
                r = listener_new(&b->listener, b, TAKE_FD(fd));
                if (r < 0)
                        goto fail;
        }
        if (!options->address || options->address[0] != '\0')
                r = system_new(&b->system, b, options->address);
fail:
        close_fd(fd);
        return r;
}

DEFINE_CLEANUP(Bus *, bus_free)

int bus_new(Bus **ret, sd_event *event, const BusOptions *options) {
        _cleanup_(bus_freep) Bus *b = calloc(1, sizeof(*b));
        int r;

        if (!b) {
                close_fd(options->socket_fd);
                return -ENOMEM;
        }
        b->event = sd_event_ref(event);
        b->objects = options->objects;
        b->userdata = options->userdata;
        b->gone = options->gone;
        b->watch_fd = b->turn_fd = -EBADF;
        b->timeout_usec = options->timeout_usec ?: BUS_TIMEOUT_USEC;
        LIST_INIT(&b->peers);
        LIST_INIT(&b->subscribers);
        TAILQ_INIT(&b->works);
        r = bus_set_up(b, options);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        b->listener = listener_free(b->listener);
        while (!LIST_EMPTY(&b->peers))
                peer_free(LIST_FIRST(&b->peers));
        b->system = system_free(b->system);
        bus_works_drop(b);
        bus_turns_stop(b);
        b->quota = quota_free(b->quota);
        sd_event_unref(b->event);
        free(b->scratch);
        free(b);
        return NULL;
}

int bus_start(Bus *b) {
        int r = 0;

        if (b->listener)
                r = listener_start(b->listener);
        if (r >= 0 && b->system)
                r = system_start(b->system);
        return r < 0 ? r : 0;
}

void bus_stop_reading(Bus *b) {
        Peer *p;

        if (b->system)
                system_stop_reading(b->system);
        b->stopped = true;
        b->listener = listener_free(b->listener);
        LIST_FOREACH(p, &b->peers, entry)
                peer_stop_reading(p);
        bus_works_finish(b, bus_now() + FINISH_USEC);
}

/* Write what can be written; returns how many peers still have something queued, and what to poll for. */
static unsigned flush_round(Bus *b, struct pollfd *fds) {
        unsigned n = 0;
        Peer *p;

        LIST_FOREACH(p, &b->peers, entry)
                if (!peer_flush(p))
                        fds[n++] = (struct pollfd) { .fd = peer_fd(p), .events = POLLOUT };
        return n;
}

static int flush_peers(Bus *b, uint64_t deadline) {
        _cleanup_free_ struct pollfd *fds = calloc(b->n_peers + 1, sizeof(*fds));
        unsigned n;

        if (!fds)
                return -ENOMEM;
        while ((n = flush_round(b, fds)) > 0) {
                uint64_t now = bus_now();

                if (now >= deadline || poll(fds, n, (int) ((deadline - now) / USEC_PER_MSEC) + 1) == 0)
                        return -ETIMEDOUT;
        }
        return 0;
}

int bus_flush(Bus *b, uint64_t timeout_usec) {
        uint64_t deadline = bus_now() + timeout_usec;
        int r = 0, k;

        if (b->system)
                r = system_flush(b->system, deadline);
        k = flush_peers(b, deadline);
        return r < 0 ? r : k;
}

void bus_status(const Bus *b, BusStatus *out) {
        *out = (BusStatus) {
                .connections = b->n_peers,
                .pending_calls = b->n_pending,
                .on_bus = b->system && system_is_on_bus(b->system),
                .joining = b->system && system_is_joining(b->system),
                .refused_connections = quota_refused(b->quota, QUOTA_CONNECTIONS),
                .refused_calls = quota_refused(b->quota, QUOTA_CALLS),
                .refused_bytes = quota_refused(b->quota, QUOTA_BYTES),
        };
}
