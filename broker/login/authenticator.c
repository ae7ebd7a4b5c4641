/* SPDX-License-Identifier: MIT */
/*
 * Requests for an authentication: a queue of those that wait for a helper, those that have one, and those whose
 * failure is held back until its time. Owns the requests' packets, in which secrets lie, and wipes them. The
 * helpers are the pool's.
 */
#include "authenticator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "auth-protocol.h"
#include "authenticator-pool.h"
#include "cleanup.h"
#include "digest.h"
#include "span.h"
#include "validate.h"

#define WAITING_PER_HELPER 4u                   /* the queue's bound: this many for each helper there may be */
#define DELAY_MAX USEC_PER_MINUTE               /* a module that asks for more would hold memory for ever */
#define ACCURACY USEC_PER_MSEC

typedef enum State { STATE_WAITING, STATE_ASKED, STATE_HELD } State;

typedef TAILQ_HEAD(AuthenticationList, Authentication) AuthenticationList;

struct Authentication {
        Authenticator *authenticator;
        TAILQ_ENTRY(Authentication) link;       /* in waiting while STATE_WAITING, in others after that */
        State state;
        uint8_t *packet;                        /* BEGIN with the secret; only while waiting */
        size_t packet_size;
        PoolHelper *helper;                     /* only while asked */
        sd_event_source *timer;                 /* the time-out, then the end of the delay */
        uint64_t started;
        AuthDone done;                          /* NULL once it is being called */
        void *userdata;

        int result;
        Fault fault;
        int pam_result;
        char reason[AUTH_TEXT_MAX + 1];
};

struct Authenticator {
        sd_event *event;
        AuthOptions options;                    /* without socket_path */
        Pool *pool;
        AuthenticationList waiting, others;
        unsigned n_waiting;
        bool urgent;                            /* somebody has asked since the pool was last pumped */
        sd_event_source *pump;                  /* runs once in the loop when there may be helpers to start */
};

DEFINE_CLEANUP(Authenticator *, authenticator_free)

/* ---- one request ---- */

static void forget_packet(Authentication *x) {
        if (x->packet)
                wipe(x->packet, x->packet_size);
        free(x->packet);
        x->packet = NULL;
}

static void set_state(Authentication *x, State state) {
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
        set_state(x, STATE_HELD);
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

static void deliver(Authentication *x, const AuthIdentity *identity) {
        AuthDone done = x->done;

        x->done = NULL;
        done(x, x->result, identity, x->result > 0 ? &x->fault : NULL, x->userdata);
        authentication_free(x);
}

static void give_helper_back(Authentication *x) {
        x->helper = helper_free(x->helper);
        set_state(x, STATE_HELD);
        schedule_pump(x->authenticator);
}

/* A failure is held back until its time, so that answers do not tell by their speed what was wrong. */
static void finish_failed(Authentication *x, int result, uint64_t delay_usec) {
        uint64_t wait = x->authenticator->options.failure_floor_usec, now;

        give_helper_back(x);
        x->result = result;
        if (delay_usec > DELAY_MAX)
                delay_usec = DELAY_MAX;
        if (delay_usec > wait)
                wait = delay_usec;
        if (sd_event_now(x->authenticator->event, CLOCK_BOOTTIME, &now) >= 0 && now < x->started + wait &&
            sd_event_source_set_time(x->timer, x->started + wait) >= 0 &&
            sd_event_source_set_enabled(x->timer, SD_EVENT_ONESHOT) >= 0)
                return;
        deliver(x, NULL);
}

static void finish_unavailable(Authentication *x, const char *why) {
        finish_failed(x, fault(&x->fault, FAULT_UNAVAILABLE, "%s", why), 0);
}

/* Lists as C programs like them: pointers into one block of text, NULL at the end. */
typedef struct NameList {
        char **names;
        char *text;
} NameList;

static void name_list_done(NameList *l) {
        free(l->names);
        free(l->text);
}

typedef bool (*NextName)(const AuthMessage *m, size_t *position, Slice *out);

static int name_list_read(NameList *l, const AuthMessage *m, NextName next, size_t n) {
        size_t position = 0, i = 0;
        char *at;
        Slice s;

        l->names = calloc(n + 1, sizeof(char *));
        l->text = at = malloc(m->fields.size + n + 1);
        if (!l->names || !l->text)
                return -ENOMEM;
        while (i < n && next(m, &position, &s)) {
                memcpy(at, s.data, s.size);
                at[s.size] = '\0';
                l->names[i++] = at;
                at += s.size + 1;
        }
        return 0;
}

static void finish_success(Authentication *x, const AuthMessage *m) {
        _cleanup_(name_list_done) NameList groups = { 0 }, methods = { 0 };
        _cleanup_free_ char *user = NULL;
        AuthIdentity identity = { .uid = m->uid };

        if (m->user.size == 0 || validate_user(m->user, NULL) != 0) {
                finish_unavailable(x, "the PAM helper names no user that can be: see PAM_USER in its stack");
                return;
        }
        user = strndup(m->user.data, m->user.size);
        if (!user || name_list_read(&groups, m, auth_message_next_group, m->n_groups) < 0 ||
            name_list_read(&methods, m, auth_message_next_method, m->n_methods) < 0) {
                finish_failed(x, -ENOMEM, 0);
                return;
        }
        identity.user = user;
        identity.groups = groups.names;
        identity.methods = (const char *const *) methods.names;
        memcpy(identity.account_digest, m->account_digest, sizeof(identity.account_digest));
        give_helper_back(x);
        x->result = 0;
        deliver(x, &identity);
}

static void take_result(Authentication *x, const AuthMessage *m) {
        x->pam_result = (int) m->pam_result;
        if (m->text.size > 0)
                memcpy(x->reason, m->text.data, m->text.size);          /* the decoder holds it to AUTH_TEXT_MAX */
        x->reason[m->text.size] = '\0';
        switch (m->outcome) {
        case FAULT_NONE:
                finish_success(x, m);
                break;
        case FAULT_AUTHENTICATION_FAILED:
                /* One text whatever the reason was. */
                fault(&x->fault, FAULT_AUTHENTICATION_FAILED, "%s", fault_text(FAULT_AUTHENTICATION_FAILED));
                finish_failed(x, FAULT_AUTHENTICATION_FAILED, m->delay_usec);
                break;
        case FAULT_CONVERSATION_REQUIRED:
        case FAULT_UNAVAILABLE:
                fault(&x->fault, (int) m->outcome, "%s", *x->reason ? x->reason : fault_text((int) m->outcome));
                finish_failed(x, (int) m->outcome, m->delay_usec);
                break;
        default:
                finish_unavailable(x, "the PAM helper answered with an outcome that is none");
        }
}

static void on_reply(PoolHelper *h, const AuthMessage *m, int error, void *userdata) {
        Authentication *x = userdata;

        if (error == -ECONNRESET)
                finish_unavailable(x, "the PAM helper died before it answered: see journalctl -u 'websess-pam@*'");
        else if (error < 0 || m->operation != AUTH_RESULT)
                finish_unavailable(x, "the PAM helper answered with rubbish: are websessd and websess-pam of one "
                                      "version?");
        else {
                pool_worked(x->authenticator->pool);
                take_result(x, m);
        }
}

/* ---- asking ---- */

static void serve_waiting(Authenticator *a) {
        Authentication *x;

        while ((x = TAILQ_FIRST(&a->waiting))) {
                x->helper = pool_take(a->pool, x->packet, x->packet_size, on_reply, x);
                if (!x->helper)
                        break;
                set_state(x, STATE_ASKED);
        }
        schedule_pump(a);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        static const char *const late[] = {
                [STATE_WAITING] = "no PAM helper was free in time: see MaxHelpers= in websess.conf",
                [STATE_ASKED] = "PAM did not answer in time: see LoginTimeoutSec= in websess.conf, and the PAM stack",
        };
        Authentication *x = userdata;

        if (x->state == STATE_HELD)
                deliver(x, NULL);
        else
                finish_unavailable(x, late[x->state]);
        return 0;
}

static int make_packet(Authentication *x, const AuthRequest *request) {
        AuthMessage m = {
                .operation = AUTH_BEGIN,
                .service = slice_of(request->service),
                .user = slice_of(request->user),
                .secret = slice_of(request->secret),
                .remote_host = slice_of(request->remote_host),
        };

        x->packet_size = auth_message_size(&m);
        if (x->packet_size == 0)
                return -EINVAL;
        x->packet = malloc(x->packet_size);
        if (!x->packet)
                return -ENOMEM;
        return auth_message_encode(&m, x->packet, x->packet_size, &x->packet_size);
}

static int check_request(const Authenticator *a, const AuthRequest *request, Fault *f) {
        int r = validate_service(slice_of(request->service), f);

        if (r == 0)
                r = validate_user(slice_of(request->user), f);
        if (r == 0)
                r = validate_password(slice_of(request->secret), f);
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
        x->done = done;
        x->userdata = userdata;
        TAILQ_INSERT_TAIL(&a->waiting, x, link);
        a->n_waiting++;
        r = make_packet(x, request);
        if (r >= 0)
                r = sd_event_add_time(a->event, &x->timer, CLOCK_BOOTTIME, x->started + a->options.timeout_usec,
                                      ACCURACY, on_timer, x);
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
                finish_unavailable(x, f->text);
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
                .waiting = a->n_waiting,
                .started = pool.started,
                .failed = pool.failed,
        };
}
