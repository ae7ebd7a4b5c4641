/* SPDX-License-Identifier: MIT */
/*
 * Wiring, start and stop. Order of the start: policy, lock and database, sessions into memory, helpers, then callers. Order of the stop: no further
 * calls, logins finish, everything is committed and answered, then exit.
 */
#include "manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "api.h"
#include "cleanup.h"
#include "log.h"
#include "manager-maps.h"
#include "manager-metrics.h"
#include "manager-store.h"
#include "notify.h"
#include "sockets.h"
#include "span.h"

#define STOP_LOGINS_USEC (5 * USEC_PER_SEC)     /* how long a stop waits for passwords that are being checked */
#define FLUSH_USEC (2 * USEC_PER_SEC)
#define BUS_WAIT_USEC (5 * USEC_PER_SEC)         /* how long a start waits for the name on the bus */

DEFINE_CLEANUP(Manager *, manager_free)

Now manager_now(const Manager *m) {
        return steady_now(&m->steady);
}

void manager_update_status(Manager *m) {
        notify_send("STATUS=%llu sessions, %zu services%s%s", (unsigned long long) (m->table ? m->table->n_visible : 0),
                    m->policy->n_services, m->store_failed ? "; the store cannot write" : "",
                    m->policy_refused ? "; the policy on disk is refused, the one before is in force" : "");
}

/* ---- policy ---- */

static AuthOptions auth_options(const Manager *m, const char *socket_path) {
        const Settings *s = &m->policy->settings;

        return (AuthOptions) {
                .socket_path = socket_path,
                .idle_helpers = s->idle_helpers, .max_helpers = s->max_helpers,
                .timeout_usec = s->login_timeout_usec, .queue_timeout_usec = s->queue_timeout_usec, .failure_floor_usec = s->failure_delay_usec, .account_key = store_account_key(m->store),
        };
}

static BusLimits bus_limits(const Manager *m) {
        const Settings *s = &m->policy->settings;

        return (BusLimits) {
                .max_connections = s->max_connections, .max_connections_per_user = s->max_connections_per_user,
                .max_pending_per_user = s->max_pending_per_user, .max_bytes_per_user = s->max_bytes_per_user,
        };
}

int manager_reload(Manager *m, Fault *f) {
        Policy *p = NULL;
        AuthOptions auth;
        BusLimits limits;
        uint64_t usec = 0;
        int r;

        /* By the clock that systemd compares it with, which stands still while the machine is suspended. */
        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &usec);
        notify_send("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) usec);
        r = policy_load(&p, m->configuration_directory, f);
        m->policy_refused = r != 0;
        if (r == 0) {
                policy_unref(m->policy);
                m->policy = p;
                maps_supersede(m);
                auth = auth_options(m, NULL);
                authenticator_set_options(m->authenticator, &auth);
                limits = bus_limits(m);
                bus_set_limits(m->bus, &limits);
                watch_all(m->watch);
                manager_apply_metrics(m);
                log_event(LOG_EVENT_POLICY_LOADED, LOG_INFO, LOG_NO_FIELDS, "Policy of %zu services loaded from %s", m->policy->n_services,
                          m->configuration_directory);
        } else if (r > 0)
                log_event(LOG_EVENT_POLICY_REFUSED, LOG_ERR, LOG_NO_FIELDS, "Policy refused, the one before stays in force: %s", f->text);
        else
                log_error(r, "Cannot read the policy in %s", m->configuration_directory);

        notify_send("READY=1");
        manager_update_status(m);
        return r;
}

/* ---- stopping ---- */

static bool is_idle(const Manager *m) {
        return TAILQ_EMPTY(&m->logins);
}

static int finish(Manager *m) {
        api_cancel_logins(m);
        sweep_write_touches(m->sweep);
        manager_write_mark(m);
        do {
                store_drain(m->store);
                while (change_go_on(m->table))
                        ;
        } while (m->table->n_changes > 0 && !store_is_dead(m->store));    /* a failed revocation is tried once more */
        (void) bus_flush(m->bus, FLUSH_USEC);
        log_event(LOG_EVENT_STOPPING, LOG_INFO, LOG_NO_FIELDS, "Stopped with %llu sessions", (unsigned long long) m->table->n_visible);
        return sd_event_exit(m->event, 0);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        return finish(userdata);
}

static int on_stop_idle(sd_event_source *source, void *userdata) {
        Manager *m = userdata;

        return is_idle(m) ? finish(m) : 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;
        int r;

        if (m->stopping)
                return finish(m);
        m->stopping = true;
        notify_send("STOPPING=1\nSTATUS=Finishing what was asked");
        bus_stop_reading(m->bus);
        if (is_idle(m))
                return finish(m);
        r = sd_event_add_time_relative(m->event, &m->drain_source, CLOCK_BOOTTIME, STOP_LOGINS_USEC, 0, on_stop_timeout, m);
        /* Only now: it makes the loop turn twice for every event. Floating, the loop owns it. */
        return r < 0 ? r : sd_event_add_post(m->event, NULL, on_stop_idle, m);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Fault f = {};

        (void) manager_reload(userdata, &f);
        return 0;
}

/* ---- life ---- */

static int watch_signals(Manager *m) {
        static const struct { int number; sd_event_signal_handler_t handler; } signals[] = {
                { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload },
        };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&set, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        /* a peer that hangs up is an error of write(2), not the end of the broker */
        (void) signal(SIGPIPE, SIG_IGN);

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(m->event, NULL, signals[i].number, signals[i].handler, m);

                if (r < 0)
                        return r;
        }
        return 0;
}

static const Policy *present_policy(void *userdata) {
        return ((Manager *) userdata)->policy;
}

static int start_helpers(Manager *m, Fault *f) {
        _cleanup_free_ char *path = NULL;
        AuthOptions options;
        int r;

        r = socket_path(m->runtime_directory, "pam.sock", &path, f);
        if (r != 0)
                return r;
        options = auth_options(m, path);
        r = authenticator_new(&m->authenticator, m->event, &options);
        if (r < 0)
                return r;
        return watch_new(&m->watch, m->event, &(WatchOptions) {
                .socket_path = path, .account_key = store_account_key(m->store), .table = m->table, .policy = present_policy, .userdata = m,
        });
}

static int start_bus(Manager *m, Fault *f) {
        int fd, r;

        r = socket_listen(m->runtime_directory, &fd, f);
        if (r != 0)
                return r;
        r = bus_new(&m->bus, m->event, &(BusOptions) {
                .socket_fd = fd, .address = NULL, .objects = api_objects, .userdata = m, .limits = bus_limits(m), .gone = api_client_gone,
        });
        return r < 0 ? r : bus_start(m->bus);
}

static int start_throttle(Manager *m) {
        int r = throttle_new(&m->throttle);

        return r < 0 ? r : throttle_keeper_new(&m->throttle_keeper, m->event, m->throttle, &m->steady, m->state_directory);
}

static int copy_options(Manager *m, const ManagerOptions *o) {
        m->configuration_directory = strdup(o->configuration_directory);
        m->state_directory = strdup(o->state_directory);
        m->runtime_directory = strdup(o->runtime_directory);
        return m->configuration_directory && m->state_directory && m->runtime_directory ? 0 : -ENOMEM;
}

int manager_new(Manager **ret, const ManagerOptions *o, Fault *f) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;

        TAILQ_INIT(&m->logins);
        LIST_INIT(&m->map_readers);
        r = copy_options(m, o);
        if (r < 0)
                return r;
        r = policy_load(&m->policy, m->configuration_directory, f);
        if (r != 0)
                return r;
        r = sd_event_default(&m->event);
        if (r < 0)
                return r;
        r = watch_signals(m);
        if (r < 0)
                return r;
        r = manager_open_store(m, f);
        if (r != 0)
                return r;
        m->started = manager_now(m);
        r = accounts_new(&m->accounts, m->event);
        if (r < 0)
                return r;
        r = start_throttle(m);
        if (r < 0)
                return r;
        r = manager_watch_store(m);
        if (r < 0)
                return r;
        r = start_helpers(m, f);
        if (r != 0)
                return r;
        r = start_bus(m, f);
        if (r != 0)
                return r;
        manager_apply_metrics(m);

        *ret = TAKE_PTR(m);
        return 0;
}

/* Ready means: by its name, too. A bus that is not there, or does not answer, is not waited for. */
static int join_bus(Manager *m) {
        const uint64_t end = steady_now(&m->steady).boottime + BUS_WAIT_USEC;
        BusStatus status;
        int r, code;

        for (;;) {
                uint64_t now = steady_now(&m->steady).boottime;

                bus_status(m->bus, &status);
                if (!status.joining || now >= end || sd_event_get_exit_code(m->event, &code) >= 0)
                        return 0;
                r = sd_event_run(m->event, end - now);
                if (r < 0)
                        return r;
        }
}

int manager_run(Manager *m) {
        int r;

        r = join_bus(m);
        if (r < 0) {
                log_error(r, "The event loop failed");
                return EXIT_FAILURE;
        }
        (void) sd_event_set_watchdog(m->event, true);
        (void) sd_notify(false, "READY=1");
        manager_update_status(m);
        log_event(LOG_EVENT_STARTED, LOG_INFO, LOG_NO_FIELDS, "websessd %s serves %llu sessions of %zu services", WEBSESS_VERSION,
                  (unsigned long long) m->table->n_visible, m->policy->n_services);

        r = sd_event_loop(m->event);
        if (r < 0) {
                log_error(r, "The event loop failed");
                return EXIT_FAILURE;
        }
        return r > 0 ? r : m->exit_status;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;

        /* calls hold sessions, sessions' changes hold calls: the store lets go of its changes first */
        sd_event_source_disable_unref(m->store_source);
        sd_event_source_disable_unref(m->store_mark_source);
        sd_event_source_disable_unref(m->clock_source);
        sd_event_source_disable_unref(m->drain_source);
        m->metrics = metrics_file_free(m->metrics);
        while (m->table && change_go_on(m->table))
                ;
        if (m->bus)
                api_cancel_logins(m);
        sweep_free(m->sweep);
        m->watch = watch_free(m->watch);
        m->authenticator = authenticator_free(m->authenticator);
        m->accounts = accounts_free(m->accounts);
        m->bus = bus_free(m->bus);
        maps_remove_reader(m, NULL);
        throttle_keeper_free(m->throttle_keeper);
        throttle_free(m->throttle);
        m->store = store_free(m->store);
        huge_pages_free(m->huge_pages);
        table_free(m->table);
        ended_done(&m->ended);
        lifeline_free(m->lifeline);
        policy_unref(m->policy);
        sd_event_unref(m->event);
        free(m->configuration_directory);
        free(m->state_directory);
        free(m->runtime_directory);
        free(m);
        return NULL;
}
