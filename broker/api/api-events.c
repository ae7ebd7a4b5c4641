/* SPDX-License-Identifier: MIT */
/* What became true is told: to subscribers who may see it, and to the journal. Called after the commit and after the reply. */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "span.h"
#include "websess-names.h"

#define COMPLAIN_EVERY_USEC (10 * USEC_PER_SEC)

/* What is sent follows Manage, Resolve or the own uid. */
static bool may_see(void *userdata, const BusClient *client, const void *subject) {
        const Caller *caller = bus_client_caller(client);
        const Manager *m = userdata;
        const Record *r = subject;
        const Service *s;

        if (api_may_manage(m, caller, r))
                return true;
        s = policy_find(m->policy, r->service);
        return s && access_allows(s, RIGHT_RESOLVE, caller);
}

/* The parts of a record that are told, as C strings. */
typedef struct Names {
        char id[IDENT_HEX_SIZE + 1], service[SERVICE_MAX + 1], user[USER_MAX + 1], remote_host[REMOTE_HOST_MAX + 1], unit[UNIT_MAX + 1];
} Names;

static void copy(char *to, size_t size, Slice s) {
        snprintf(to, size, "%.*s", (int) s.size, s.size ? s.data : "");
}

static Names names(const Record *r) {
        Names n = {};

        ident_format(&r->id, n.id);
        copy(n.service, sizeof(n.service), r->service);
        copy(n.user, sizeof(n.user), r->user);
        copy(n.remote_host, sizeof(n.remote_host), r->remote_host);
        copy(n.unit, sizeof(n.unit), r->creator_unit);
        return n;
}

static void added(void *userdata, Session *s) {
        Manager *m = userdata;
        Record r;
        Names n;
        int k;

        m->counters.begun++;
        watch_added(m->watch, s);
        session_view(s, &r);
        n = names(&r);
        log_event(LOG_EVENT_LOGIN, LOG_INFO,
                  &(LogFields) { .service = n.service, .user = n.user, .session = n.id, .remote_host = n.remote_host, .unit = n.unit,
                                 .uid = r.creator_uid },
                  "Session %s of %s began on %s", n.id, n.user[0] ? n.user : "a visitor", n.service);
        k = bus_signal(m->bus, WEBSESS_MANAGER_INTERFACE, "SessionNew", may_see, &r, "sss", n.id, n.service, n.user);
        if (k < 0)
                log_error(k, "Cannot send SessionNew");
}

static void removed(void *userdata, Session *s, Reason reason) {
        Manager *m = userdata;
        Record r;
        Names n;
        int k;

        m->counters.ended[reason]++;
        session_view(s, &r);
        ended_add(&m->ended, &r, reason, manager_now(m).realtime);
        n = names(&r);
        log_event(LOG_EVENT_ENDED, LOG_INFO,
                  &(LogFields) { .service = n.service, .user = n.user, .session = n.id, .reason = reason_name(reason), .uid = -1 },
                  "Session %s of %s ended: %s", n.id, n.user[0] ? n.user : "a visitor", reason_name(reason));
        k = bus_signal(m->bus, WEBSESS_MANAGER_INTERFACE, "SessionRemoved", may_see, &r, "ssss", n.id, n.service, n.user,
                       reason_name(reason));
        if (k < 0)
                log_error(k, "Cannot send SessionRemoved");
}

/* Said once when it begins, and once when it is over (manager.c), and not each time that a small change fits where a large one did not: a full
 * disk is not to fill the journal as well. */
static void failed(void *userdata, int error) {
        Manager *m = userdata;
        uint64_t now = manager_now(m).boottime;
        Fault f = {};

        m->store_failed = true;
        if (m->store_complained || now < m->store_quiet_until)
                return;
        m->store_complained = true;
        m->store_quiet_until = now + COMPLAIN_EVERY_USEC;
        api_store_fault(error, &f);
        log_event(LOG_EVENT_STORE_FAILED, LOG_CRIT, LOG_NO_FIELDS, "%s", f.text);
        manager_update_status(m);
}

const TableEvents api_events = { .added = added, .removed = removed, .failed = failed };
