/* SPDX-License-Identifier: MIT */
/* Brute force slowed down: the one hook where a login begins and the one where it ends, and what an administrator can do about it. */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "validate.h"

static const ThrottleRules *rules(const Manager *m) {
        return &m->policy->settings.throttle;
}

int api_throttle_begin(Manager *m, BusCall *call, ThrottleTicket *ret, const Service *s, const char *user, Slice remote_host, Fault *f) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        char host[REMOTE_HOST_MAX + 1];
        int r;

        snprintf(host, sizeof(host), "%.*s", (int) remote_host.size, remote_host.size ? remote_host.data : "");
        r = throttle_begin(m->throttle, rules(m), &(ThrottleAttempt) {
                .service = s->name, .user = user, .remote_host = host, .caller = caller->uid,
        }, manager_now(m).steady, ret, f);
        if (r != 0)
                counters_add(m->counters.logins, r);
        if (r > 0)
                log_event(LOG_EVENT_THROTTLED, LOG_NOTICE,
                          &(LogFields) { .service = s->name, .user = user, .remote_host = host, .unit = caller->unit, .uid = caller->uid },
                          "Login of %s on %s refused: %s", user, s->name, f->text);
        return r;
}

void api_throttle_end(Manager *m, ThrottleTicket *ticket, int result) {
        ThrottleEnd end = THROTTLE_UNDECIDED;

        counters_add(m->counters.logins, result);
        if (result == 0)
                end = THROTTLE_SUCCEEDED;
        else if (result == FAULT_AUTHENTICATION_FAILED)
                end = THROTTLE_FAILED;
        throttle_end(m->throttle, rules(m), ticket, end, manager_now(m).steady);
}

/* ---- administration ---- */

/* What belongs to no service, is root's. */
static int check_reset(Manager *m, BusCall *call, Slice service, Fault *f) {
        const Service *s;
        int k;

        if (service.size == 0)
                return api_require_root(call, "reset what is counted for all services", f);
        k = api_service_by_name(m, service, &s, f);
        return k != 0 ? k : api_require(call, s, RIGHT_MANAGE, f);
}

static int read_reset(Manager *m, BusCall *call, sd_bus_message *message, Slice *service, Slice *user, Slice *host, Fault *f) {
        int k;

        k = args_string(message, service);
        if (k < 0)
                return k;
        k = check_reset(m, call, *service, f);
        if (k != 0)
                return k;
        k = args_string(message, user);
        if (k < 0)
                return k;
        if (user->size > 0) {
                k = validate_user(*user, f);
                if (k != 0)
                        return k;
        }
        k = args_string(message, host);
        return k < 0 ? k : validate_remote_host(*host, f);
}

HANDLER(api_reset_throttle) {
        const Caller *caller = bus_client_caller(bus_call_client(call));
        Slice service, user, host;
        Manager *manager = userdata;
        uint32_t n;
        int k;

        k = read_reset(manager, call, m, &service, &user, &host, f);
        if (k != 0)
                return k;

        /* strings of a message end in NUL */
        n = throttle_reset(manager->throttle, service.data, user.data, host.data);
        /* The host's own bucket is of no service: whoever may empty that one, means it. */
        if (service.size > 0 && host.size > 0 && caller_is_root(caller))
                n += throttle_reset_host(manager->throttle, host.data);
        log_event(LOG_EVENT_THROTTLE_RESET, LOG_NOTICE,
                  &(LogFields) { .service = service.data, .user = user.data, .remote_host = host.data, .unit = caller->unit, .uid = caller->uid },
                  "uid %u emptied %u buckets of failed logins", (unsigned) caller->uid, (unsigned) n);
        return bus_call_reply(call, "u", n);
}

int api_get_throttled(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) throttle_count_full(m->throttle, rules(m), manager_now(m).steady));
}
