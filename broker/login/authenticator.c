/* SPDX-License-Identifier: MIT */
/*
 * Requests for an authentication: a queue of those that wait for a helper, those that have one, and those whose
 * failure is held back until its time. Owns the requests' packets, in which secrets lie, and wipes them. The
 * helpers are the pool's.
 */
#include "authenticator-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "digest.h"
#include "span.h"
#include "validate.h"

#define WAITING_PER_HELPER 4u                   /* the queue's bound: this many for each helper there may be */
#define DELAY_MAX USEC_PER_MINUTE               /* a module that asks for more would hold memory for ever */

DEFINE_CLEANUP(Authenticator *, authenticator_free)

/* ---- one request ---- */

static void forget_packet(Authentication *x) {
        if (x->packet)
                wipe(x->packet, x->packet_size);
        free(x->packet);
        x->packet = NULL;
}

void authentication_set_state(Authentication *x, State state) {
        Authenticator *a = x->authenticator;

        if (x->state == STATE_WAITING && state != STATE_WAITING) {
                TAILQ_REMOVE(&a->waiting, x, link);
                TAILQ_INSERT_TAIL(&a->others, x, link);
                a->n_waiting--;
                forget_packet(x);
        }
        x->state = state;
}

static Authentication *authentication_free(Authentication *x) {
        if (!x)
                return NULL;
        authentication_set_state(x, STATE_HELD);
        TAILQ_REMOVE(&x->authenticator->others, x, link);
        helper_free(x->helper);
        sd_event_source_disable_unref(x->timer);
        free(x);
        return NULL;
}

static void schedule_pump(Authenticator *a) {
        sd_event_source_set_enabled(a->pump, SD_EVENT_ONESHOT);
}

Authentication *authentication_cancel(Authentication *x) {
        if (!x || !x->done)     /* while done is being called it is freed by whoever calls it */
                return NULL;
        schedule_pump(x->authenticator);
        return authentication_free(x);
}

int authentication_pam_result(const Authentication *x) {
        return x->pam_result;
}

const char *authentication_reason(const Authentication *x) {
        return x->reason;
}

/* ---- answering ---- */

void authentication_deliver(Authentication *x, const AuthIdentity *identity) {
        AuthDone done = x->done;

        x->done = NULL;
        done(x, x->result, identity, x->result > 0 ? &x->fault : NULL, x->userdata);
        authentication_free(x);
}

void authentication_give_helper_back(Authentication *x) {
        x->helper = helper_free(x->helper);
        authentication_set_state(x, STATE_HELD);
        schedule_pump(x->authenticator);
}

/* A failure is held back until its time, so that answers do not tell by their speed what was wrong. */
void authentication_failed(Authentication *x, int result, uint64_t delay_usec) {
        uint64_t wait = x->authenticator->options.failure_floor_usec, now;

        authentication_give_helper_back(x);
        x->result = result;
        if (delay_usec > DELAY_MAX)
                delay_usec = DELAY_MAX;
        if (delay_usec > wait)
                wait = delay_usec;
        if (sd_event_now(x->authenticator->event, CLOCK_BOOTTIME, &now) >= 0 && now < x->started + wait &&
            sd_event_source_set_time(x->timer, x->started + wait) >= 0 &&
            sd_event_source_set_enabled(x->timer, SD_EVENT_ONESHOT) >= 0)
                return;
        authentication_deliver(x, NULL);
}

void authentication_unavailable(Authentication *x, const char *why) {
        authentication_failed(x, fault(&x->fault, FAULT_UNAVAILABLE, "%s", why), 0);
}

/* ---- asking ---- */

/* A helper has been found: from here on it is PAM that takes the time. */
static void limit_time(Authentication *x) {
        if (x->deadline == 0)
                (void) sd_event_source_set_enabled(x->timer, SD_EVENT_OFF);
        else
                (void) sd_event_source_set_time(x->timer, x->deadline);
}

static uint64_t queue_deadline(const Authentication *x) {
        const AuthOptions *o = &x->authenticator->options;
        uint64_t end = x->started + (o->queue_timeout_usec ?: o->timeout_usec);

        return x->deadline != 0 && x->deadline < end ? x->deadline : end;
}

static void serve_waiting(Authenticator *a) {
        Authentication *x;

        while ((x = TAILQ_FIRST(&a->waiting))) {
                x->helper = pool_take(a->pool, x->packet, x->packet_size, authentication_on_reply, x);
                if (!x->helper)
                        break;
                authentication_set_state(x, STATE_ASKED);
                limit_time(x);
        }
        schedule_pump(a);
}

/* Too many at once is another thing than helpers that do not start. */
static void give_up_waiting(Authentication *x) {
        PoolStatus pool;

        pool_status(x->authenticator->pool, &pool);
        if (pool.lent < x->authenticator->options.max_helpers)
                authentication_unavailable(x, "no PAM helper was ready in time: see systemctl status websess-pam.socket");
        else
                authentication_failed(x, fault(&x->fault, FAULT_TOO_MANY, "%u logins are in progress, and none ended in "
                                               "time to make room: see MaxHelpers= in websess.conf", pool.lent), 0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Authentication *x = userdata;

        if (x->state == STATE_HELD)
                authentication_deliver(x, NULL);
        else if (x->state == STATE_WAITING)
                give_up_waiting(x);
        else
                authentication_unavailable(
                        x, "PAM did not answer in time: see LoginTimeoutSec= in websess.conf, and the PAM stack");
        return 0;
}

static int check_request(const Authenticator *a, const AuthRequest *request, Fault *f) {
        int r = validate_service(slice_of(request->service), f);

        if (r == 0)
                r = validate_user(slice_of(request->user), f);
        if (r == 0)
                r = request->secret ? validate_password(slice_of(request->secret), f) : 0;
        if (r == 0)
                r = validate_remote_host(slice_of(request->remote_host), f);
        if (r == 0 && a->n_waiting >= a->options.max_helpers * WAITING_PER_HELPER)
                r = fault(f, FAULT_TOO_MANY,
                          "%u logins wait for a PAM helper already: see MaxHelpers= in websess.conf", a->n_waiting);
        return r;
}

int authenticator_begin(Authenticator *a, Authentication **ret, const AuthRequest *request, AuthDone done,
                        void *userdata, Fault *f) {
        Authentication *x;
        int r = check_request(a, request, f);

        if (r != 0)
                return r;
        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        x->authenticator = a;
        x->started = request->started;
        x->deadline = request->secret ? request->started + a->options.timeout_usec : 0;
        x->prompted = request->prompted;
        x->done = done;
        x->userdata = userdata;
        TAILQ_INSERT_TAIL(&a->waiting, x, link);
        a->n_waiting++;
        r = authentication_make_packet(x, request);
        if (r >= 0)
                r = sd_event_add_time(a->event, &x->timer, CLOCK_BOOTTIME, queue_deadline(x), ACCURACY, on_timer, x);
        if (r < 0) {
                authentication_free(x);
                return r;
        }
        *ret = x;
        a->urgent = true;
        serve_waiting(a);
        return 0;
}

/* ---- the pool's events ---- */

static unsigned pool_wanted(void *userdata) {
        Authenticator *a = userdata;

        return a->n_waiting;
}

static void pool_ready(void *userdata) {
        serve_waiting(userdata);
}

static void pool_failed(void *userdata, const Fault *f) {
        Authenticator *a = userdata;
        unsigned n = a->n_waiting;      /* not those that a callback adds: each gets a try of its own */

        for (Authentication *x; n > 0 && (x = TAILQ_FIRST(&a->waiting)); n--)
                authentication_unavailable(x, f->text);
}

static int on_pump(sd_event_source *source, void *userdata) {
        Authenticator *a = userdata;

        bool urgent = a->urgent;

        a->urgent = false;
        pool_pump(a->pool, urgent);
        return 0;
}

/* ---- life ---- */

static PoolOptions pool_options(const AuthOptions *o) {
        return (PoolOptions) {
                .socket_path = o->socket_path,
                .idle = o->idle_helpers < o->max_helpers ? o->idle_helpers : o->max_helpers,
                .max = o->max_helpers,
                .start_timeout_usec = o->timeout_usec,
        };
}

int authenticator_new(Authenticator **ret, sd_event *event, const AuthOptions *options) {
        static const PoolEvents events = { .wanted = pool_wanted, .ready = pool_ready, .failed = pool_failed };
        _cleanup_(authenticator_freep) Authenticator *a = calloc(1, sizeof(*a));
        PoolOptions pool = pool_options(options);
        int r;

        if (!a)
                return -ENOMEM;
        TAILQ_INIT(&a->waiting);
        TAILQ_INIT(&a->others);
        a->event = sd_event_ref(event);
        a->options = *options;
        a->options.socket_path = NULL;
        r = pool_new(&a->pool, event, &pool, &events, a);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &a->pump, on_pump, a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Authenticator *authenticator_free(Authenticator *a) {
        Authentication *x;

        if (!a)
                return NULL;
        while ((x = TAILQ_FIRST(&a->waiting)) || (x = TAILQ_FIRST(&a->others)))
                authentication_free(x);
        sd_event_source_disable_unref(a->pump);
        pool_free(a->pool);
        sd_event_unref(a->event);
        free(a);
        return NULL;
}

void authenticator_set_options(Authenticator *a, const AuthOptions *options) {
        PoolOptions pool = pool_options(options);

        a->options = *options;
        a->options.socket_path = NULL;
        pool_set_options(a->pool, &pool);
        schedule_pump(a);
}

void authenticator_status(const Authenticator *a, AuthStatus *out) {
        PoolStatus pool;

        pool_status(a->pool, &pool);
        *out = (AuthStatus) {
                .idle = pool.idle,
                .active = pool.lent,
                .starting = pool.starting,
                .waiting = a->n_waiting,
                .started = pool.started,
                .failed = pool.failed,
        };
}
