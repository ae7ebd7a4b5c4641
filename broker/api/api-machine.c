/* SPDX-License-Identifier: MIT */
/* The broker itself: who listens, backup, reload, and what an operator wants to know. */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "manager-maps.h"
#include "log.h"

HANDLER(api_subscribe) {
        bus_client_subscribe(bus_call_client(call), true);
        return bus_call_reply(call, "");
}

HANDLER(api_unsubscribe) {
        bus_client_subscribe(bus_call_client(call), false);
        return bus_call_reply(call, "");
}

/* ---- Backup ---- */

static void backed_up(int result, void *userdata) {
        _cleanup_(pending_freep) Pending *p = userdata;
        Fault f = {};

        if (result < 0) {
                if (result == -EUSERS)
                        api_store_fault(result, &f);
                else
                        fault(&f, FAULT_UNAVAILABLE, "the copy could not be written: %s", strerror(-result));
                bus_call_fail(p->call, f.code, &f);
        } else
                (void) pending_reply_empty(p);
}

HANDLER(api_backup) {
        _cleanup_(pending_freep) Pending *p = NULL;
        Manager *manager = userdata;
        int fd, k;

        k = api_require_root(call, "make a backup", f);
        if (k != 0)
                return k;
        k = sd_bus_message_read_basic(m, 'h', &fd);
        if (k < 0)
                return k;
        if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
                return fault(f, FAULT_INVALID_ARGUMENT, "destination is not open for writing");

        k = pending_new(&p, manager, call, NULL);
        if (k < 0)
                return k;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);     /* the message keeps its own */
        if (fd < 0)
                return -errno;
        k = store_backup(manager->store, fd, backed_up, p);
        if (k == -EBUSY)
                return fault(f, FAULT_TOO_MANY, "another backup is being made");
        if (k < 0)
                return k;

        TAKE_PTR(p);
        return 0;
}

HANDLER(api_reload) {
        int k;

        k = api_require_root(call, "reload the policy", f);
        if (k != 0)
                return k;
        k = manager_reload(userdata, f);
        return k != 0 ? k : bus_call_reply(call, "");
}

/* ---- properties ---- */

#define GETTER(name) static int name(const BusClient *client, sd_bus_message *reply, void *object, void *userdata)

GETTER(get_version) {
        return sd_bus_message_append(reply, "s", WEBSESS_VERSION);
}

static bool may_use(const Service *s, const Caller *caller) {
        for (Right r = 0; r < _RIGHT_MAX; r++)
                if (access_allows(s, r, caller))
                        return true;
        return false;
}

GETTER(get_services) {
        const Policy *p = ((Manager *) userdata)->policy;
        int k;

        k = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; k >= 0 && i < p->n_services; i++)
                if (may_use(p->services[i], bus_client_caller(client)))
                        k = sd_bus_message_append_basic(reply, 's', p->services[i]->name);
        return k < 0 ? k : sd_bus_message_close_container(reply);
}

GETTER(get_session_count) {
        return sd_bus_message_append(reply, "t", ((Manager *) userdata)->table->n_visible);
}

GETTER(get_store) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "lmdb:%s/sessions.mdb", ((Manager *) userdata)->state_directory) < 0)
                return -ENOMEM;
        return sd_bus_message_append(reply, "s", text);
}

GETTER(get_healthy) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "b", !m->store_failed && !m->policy_refused && !m->stopping);
}

GETTER(get_started) {
        return sd_bus_message_append(reply, "t", ((Manager *) userdata)->started.realtime);
}

GETTER(get_configuration) {
        return sd_bus_message_append(reply, "s", ((Manager *) userdata)->configuration_directory);
}

static StoreStatus store(void *userdata) {
        StoreStatus s = {};

        store_status(((Manager *) userdata)->store, &s);
        return s;
}

GETTER(get_store_used) {
        return sd_bus_message_append(reply, "t", store(userdata).used_bytes);
}

GETTER(get_store_file) {
        return sd_bus_message_append(reply, "t", store(userdata).file_bytes);
}

GETTER(get_store_max) {
        return sd_bus_message_append(reply, "t", store(userdata).max_bytes);
}

GETTER(get_store_error) {
        int error = store(userdata).last_error;

        return sd_bus_message_append(reply, "s", error < 0 ? strerror(-error) : "");
}

GETTER(get_commits) {
        return sd_bus_message_append(reply, "t", store(userdata).groups);
}

GETTER(get_changes) {
        return sd_bus_message_append(reply, "t", store(userdata).changes);
}

static BusStatus bus(void *userdata) {
        BusStatus s = {};

        bus_status(((Manager *) userdata)->bus, &s);
        return s;
}

GETTER(get_connections) {
        return sd_bus_message_append(reply, "u", bus(userdata).connections);
}

GETTER(get_pending_calls) {
        return sd_bus_message_append(reply, "u", bus(userdata).pending_calls);
}

GETTER(get_on_bus) {
        return sd_bus_message_append(reply, "b", bus(userdata).on_bus);
}

static AuthStatus helpers(void *userdata) {
        AuthStatus s = {};

        authenticator_status(((Manager *) userdata)->authenticator, &s);
        return s;
}

GETTER(get_helpers_idle) {
        return sd_bus_message_append(reply, "u", helpers(userdata).idle);
}

GETTER(get_logins) {
        AuthStatus s = helpers(userdata);

        return sd_bus_message_append(reply, "u", s.active + s.waiting);
}

/* One line for each map: this is for people. Of the services that the caller may use. */
static int append_map(sd_bus_message *reply, const Manager *m, const Space *space) {
        _cleanup_free_ char *text = NULL;
        Slice name = space_service(space);
        SpaceStatus s;

        space_status(space, &s);
        if (!s.has_map)
                return 0;
        if (asprintf(&text, "%.*s: %llu sessions, %llu bytes, generation %llu, %u readers%s", (int) name.size, name.data, (unsigned long long) s.sessions,
                     (unsigned long long) s.bytes, (unsigned long long) s.generation, maps_count_readers(m, space),
                     s.incomplete ? ", incomplete: see MaxMemory= in [Map] of websess.conf" : "") < 0)
                return -ENOMEM;
        return sd_bus_message_append_basic(reply, 's', text);
}

GETTER(get_maps) {
        const Manager *m = userdata;
        const TableSpace *e;
        int k;

        k = sd_bus_message_open_container(reply, 'a', "s");
        LIST_FOREACH(e, &m->table->spaces, link) {
                const Service *s = policy_find(m->policy, space_service(e->space));

                if (k >= 0 && s && may_use(s, bus_client_caller(client)))
                        k = append_map(reply, m, e->space);
        }
        return k < 0 ? k : sd_bus_message_close_container(reply);
}

const BusProperty api_manager_properties[] = {
        { "Version", "s", get_version },
        { "Services", "as", get_services },
        { "SessionCount", "t", get_session_count },
        { "Store", "s", get_store },
        { "Healthy", "b", get_healthy },
        /* beyond the contract: what an operator asks next */
        { "Started", "t", get_started },
        { "ConfigurationDirectory", "s", get_configuration },
        { "StoreUsedBytes", "t", get_store_used },
        { "StoreFileBytes", "t", get_store_file },
        { "StoreMaxBytes", "t", get_store_max },
        { "StoreError", "s", get_store_error },
        { "StoreCommits", "t", get_commits },
        { "StoreChanges", "t", get_changes },
        { "Connections", "u", get_connections },
        { "PendingCalls", "u", get_pending_calls },
        { "OnSystemBus", "b", get_on_bus },
        { "HelpersIdle", "u", get_helpers_idle },
        { "LoginsInProgress", "u", get_logins },
        { "Maps", "as", get_maps },
        { "ThrottlesFull", "u", api_get_throttled },
        {}
};
