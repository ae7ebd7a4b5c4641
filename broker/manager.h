/* SPDX-License-Identifier: MIT */
/*
 * The broker as one object: it owns the policy, the store, the table, the bus, the authenticator and their wiring. No globals:
 * everything that serves a call is reached from here.
 */
#pragma once

#include <systemd/sd-event.h>

#include "accounts.h"
#include "authenticator.h"
#include "bus.h"
#include "counters.h"
#include "ended.h"
#include "metrics-file.h"
#include "policy.h"
#include "steady.h"
#include "store.h"
#include "sweep.h"
#include "table.h"
#include "throttle-keeper.h"
#include "watch.h"

typedef struct Login Login;
typedef struct MapReader MapReader;

typedef struct Manager {
        sd_event *event;
        char *configuration_directory, *state_directory, *runtime_directory;
        Policy *policy;
        Store *store;
        sd_event_source *store_source, *store_mark_source, *clock_source, *drain_source;
        Steady steady;
        LIST_HEAD(, MapReader) map_readers;     /* who was given which map */
        Lifeline *lifeline;             /* NULL: the kernel cannot do it, so there are no maps */
        HugePages *huge_pages;          /* NULL: maps stay in small pages */
        uint64_t time_namespace;
        Table *table;
        Ended ended;                    /* the sessions that ended last */
        Sweep *sweep;
        Accounts *accounts;
        Throttle *throttle;
        ThrottleKeeper *throttle_keeper;
        Authenticator *authenticator;
        Watch *watch;
        Bus *bus;
        TAILQ_HEAD(, Login) logins;     /* in progress */
        uint64_t conversations;         /* how many there have been: the last one's number */
        Now started;
        Counters counters;
        MetricsFile *metrics;           /* NULL: not wanted */
        int exit_status;
        bool stopping;
        bool store_failed;              /* the last change could not be committed */
        bool store_complained;          /* … and that was said */
        uint64_t store_quiet_until;     /* CLOCK_BOOTTIME: not said again before */
        bool policy_refused;            /* the files on disk are not what is in force */
        bool has_backup;                /* one is being made */
} Manager;

typedef struct ManagerOptions {
        const char *configuration_directory, *state_directory, *runtime_directory;
} ManagerOptions;

/* 0; a FAULT_* with f (a policy that is refused, a database that cannot be used, a socket path that is too long); a negative errno. */
int manager_new(Manager **ret, const ManagerOptions *options, Fault *f);
Manager *manager_free(Manager *m);

int manager_run(Manager *m);            /* until SIGTERM; returns the exit status */

Now manager_now(const Manager *m);
int manager_reload(Manager *m, Fault *f);
void manager_update_status(Manager *m); /* what `systemctl status` shows */
