/* SPDX-License-Identifier: MIT */
/*
 * Everything that is counted, as families of metrics. Reads what the parts tell of themselves; there is no label but a service, a result, a reason, a
 * right or a resource: nothing that names a user, a session or a caller.
 */
#include "manager-metrics.h"

#include <string.h>

#include "exposition.h"
#include "log.h"
#include "manager-maps.h"
#include "span.h"

static void put_outcomes(Exposition *e, const uint64_t counters[static _FAULT_MAX]) {
        exposition_sample(e, "result", "success", counters[FAULT_NONE]);
        for (int i = FAULT_NONE + 1; i < _FAULT_MAX; i++)
                if (counters[i] > 0)
                        exposition_sample(e, "result", fault_name(i), counters[i]);
}

static void put_broker(Exposition *e, const Manager *m) {
        uint64_t healthy = !m->store_failed && !m->policy_refused;

        exposition_family(e, "websess_build_info", EXPOSITION_GAUGE, "The version that runs; always 1.");
        exposition_sample(e, "version", WEBSESS_VERSION, 1);
        exposition_one(e, "websess_start_time_seconds", EXPOSITION_GAUGE, "When the broker started, in seconds since 1970.", m->started.realtime / USEC_PER_SEC);
        exposition_one(e, "websess_healthy", EXPOSITION_GAUGE, "1 while the store can write and the policy on disk is the one in force.", healthy);
        exposition_one(e, "websess_policy_refused", EXPOSITION_GAUGE, "1 while the policy on disk is refused and the one before in force.", m->policy_refused);
        exposition_one(e, "websess_services", EXPOSITION_GAUGE, "Services in the policy.", m->policy->n_services);
}

/* ---- sessions ---- */

static void put_of_spaces(Exposition *e, const Manager *m, uint64_t (*value)(const Manager *m, const Space *space, const SpaceStatus *s)) {
        const TableSpace *t;

        LIST_FOREACH(t, &m->table->spaces, link) {
                Slice service = space_service(t->space);
                char name[SERVICE_MAX + 1];
                SpaceStatus s;

                space_status(t->space, &s);
                snprintf(name, sizeof(name), "%.*s", (int) service.size, service.data);
                exposition_sample(e, "service", name, value(m, t->space, &s));
        }
}

static uint64_t sessions_of(const Manager *m, const Space *space, const SpaceStatus *s) {
        return s->visible;
}

static uint64_t bytes_of(const Manager *m, const Space *space, const SpaceStatus *s) {
        return s->bytes;
}

static uint64_t generation_of(const Manager *m, const Space *space, const SpaceStatus *s) {
        return s->generation;
}

static uint64_t readers_of(const Manager *m, const Space *space, const SpaceStatus *s) {
        return maps_count_readers(m, space);
}

static uint64_t is_incomplete(const Manager *m, const Space *space, const SpaceStatus *s) {
        return s->incomplete;
}

static void put_sessions(Exposition *e, const Manager *m) {
        const Counters *c = &m->counters;

        exposition_family(e, "websess_sessions", EXPOSITION_GAUGE, "Sessions that there are.");
        put_of_spaces(e, m, sessions_of);
        exposition_one(e, "websess_sessions_begun_total", EXPOSITION_COUNTER, "Sessions that began.", c->begun);
        exposition_family(e, "websess_sessions_ended_total", EXPOSITION_COUNTER, "Sessions that ended, by why.");
        for (Reason r = 0; r < _REASON_MAX; r++)
                exposition_sample(e, "reason", reason_name(r), c->ended[r]);

        exposition_family(e, "websess_map_bytes", EXPOSITION_GAUGE, "Memory of the services' maps that is in use.");
        put_of_spaces(e, m, bytes_of);
        exposition_family(e, "websess_map_generation", EXPOSITION_GAUGE, "How many maps of the service there have been.");
        put_of_spaces(e, m, generation_of);
        exposition_family(e, "websess_map_readers", EXPOSITION_GAUGE, "Connections that were given the present map.");
        put_of_spaces(e, m, readers_of);
        exposition_family(e, "websess_map_incomplete", EXPOSITION_GAUGE, "1 while some sessions found no room in the map: see MaxMemory= in [Map].");
        put_of_spaces(e, m, is_incomplete);
}

/* ---- calls ---- */

static void put_calls(Exposition *e, const Manager *m) {
        const Counters *c = &m->counters;
        BusStatus bus = {};

        bus_status(m->bus, &bus);
        exposition_family(e, "websess_resolves_total", EXPOSITION_COUNTER, "Calls of Resolve, by result. Look-ups in a map are not seen by the broker.");
        put_outcomes(e, c->resolves);
        exposition_family(e, "websess_denials_total", EXPOSITION_COUNTER, "Calls refused since their caller lacked a right, by right; root: only root may.");
        for (Right r = 0; r < _RIGHT_MAX; r++)
                exposition_sample(e, "right", right_name(r), c->denials[r]);
        exposition_sample(e, "right", "root", c->denials[COUNTERS_ROOT]);

        exposition_one(e, "websess_connections", EXPOSITION_GAUGE, "Connections to the private socket.", bus.connections);
        exposition_one(e, "websess_calls_pending", EXPOSITION_GAUGE, "Calls that are not answered yet.", bus.pending_calls);
        exposition_one(e, "websess_on_bus", EXPOSITION_GAUGE, "1 while the broker has its name on the system bus.", bus.on_bus);
        exposition_family(e, "websess_quota_refusals_total", EXPOSITION_COUNTER, "What quotas per uid have refused, by resource: see [Limits].");
        exposition_sample(e, "resource", "connections", bus.refused_connections);
        exposition_sample(e, "resource", "calls", bus.refused_calls);
        exposition_sample(e, "resource", "bytes", bus.refused_bytes);
}

static void put_logins(Exposition *e, const Manager *m) {
        const Counters *c = &m->counters;
        AuthStatus auth = {};

        authenticator_status(m->authenticator, &auth);
        exposition_family(e, "websess_logins_total", EXPOSITION_COUNTER, "Attempts to log in that PAM or the throttle has decided, by result.");
        put_outcomes(e, c->logins);
        exposition_family(e, "websess_login_duration_seconds", EXPOSITION_HISTOGRAM, "From a call of Login to PAM's decision, delays of failures included.");
        exposition_histogram(e, &c->login_usec, &histogram_login);
        exposition_one(e, "websess_conversations_total", EXPOSITION_COUNTER, "Conversations that were begun.", m->conversations);
        exposition_one(e, "websess_logins_active", EXPOSITION_GAUGE, "Logins that a helper is at work for.", auth.active);
        exposition_one(e, "websess_logins_waiting", EXPOSITION_GAUGE, "Logins that wait for a helper.", auth.waiting);
        exposition_one(e, "websess_helpers_idle", EXPOSITION_GAUGE, "Helpers that are started and wait.", auth.idle);
        exposition_one(e, "websess_helpers_started_total", EXPOSITION_COUNTER, "Helpers that were started.", auth.started);
        exposition_one(e, "websess_helpers_failed_total", EXPOSITION_COUNTER, "Helpers that ended before they had done anything.", auth.failed);
        exposition_one(e, "websess_throttle_buckets", EXPOSITION_GAUGE, "Buckets of failed logins that are kept.", throttle_size(m->throttle));
        exposition_one(e, "websess_throttle_buckets_full", EXPOSITION_GAUGE, "Those that are full.",
                       throttle_count_full(m->throttle, &m->policy->settings.throttle, manager_now(m).steady));
}

/* ---- the store ---- */

static void put_store(Exposition *e, const Manager *m) {
        StoreStatus s = {};

        store_status(m->store, &s);
        exposition_family(e, "websess_store_commit_duration_seconds", EXPOSITION_HISTOGRAM, "How long commits took until they were safe on the disk.");
        exposition_histogram(e, &s.commit_usec, &histogram_commit);
        exposition_family(e, "websess_store_commit_changes", EXPOSITION_HISTOGRAM, "How many changes went into one commit.");
        exposition_histogram(e, &s.group_changes, &histogram_group);
        exposition_one(e, "websess_store_failures_total", EXPOSITION_COUNTER, "Commits that failed.", s.failures);
        exposition_one(e, "websess_store_changes_waiting", EXPOSITION_GAUGE, "Changes that are not committed yet.", s.waiting);
        exposition_one(e, "websess_store_records", EXPOSITION_GAUGE, "Records in the database.", s.sessions);
        exposition_one(e, "websess_store_used_bytes", EXPOSITION_GAUGE, "The database up to its last page in use.", s.used_bytes);
        exposition_one(e, "websess_store_file_bytes", EXPOSITION_GAUGE, "What the database has of the disk, its reserve included.", s.file_bytes);
        exposition_one(e, "websess_store_max_bytes", EXPOSITION_GAUGE, "What the database may have: see MaxSize= in [Store].", s.max_bytes);
        exposition_one(e, "websess_store_reserved", EXPOSITION_GAUGE, "1 while the reserve for ending sessions on a full disk is there.", s.reserved);
}

static int metrics_text(void *userdata, char **ret, size_t *ret_size) {
        const Manager *m = userdata;
        Exposition e;
        int r;

        r = exposition_begin(&e);
        if (r < 0)
                return r;
        put_broker(&e, m);
        put_sessions(&e, m);
        put_calls(&e, m);
        put_logins(&e, m);
        put_store(&e, m);
        return exposition_end(&e, ret, ret_size);
}

void manager_apply_metrics(Manager *m) {
        const Settings *s = &m->policy->settings;
        int r;

        m->metrics = metrics_file_free(m->metrics);
        if (!*s->metrics_file)
                return;
        r = metrics_file_new(&m->metrics, m->event, s->metrics_file, s->metrics_interval_usec, metrics_text, m);
        if (r < 0)
                log_error(r, "Cannot write metrics to %s", s->metrics_file);
}
