/* SPDX-License-Identifier: MIT */
/* One request and its reply over one connection; what every kind of failure means. Owns nothing. */
#include <string.h>

#include "client.h"
#include "websess-names.h"

/* Errors that the broker's bus or library gives in the broker's place. */
static const struct {
        const char *name;
        int code;
        bool gone;              /* the broker went away or is not there yet */
} foreign[] = {
        { "org.freedesktop.DBus.Error.Disconnected", FAULT_UNAVAILABLE, true },
        { "org.freedesktop.DBus.Error.NoReply", FAULT_UNAVAILABLE, true },
        { "org.freedesktop.DBus.Error.ServiceUnknown", FAULT_UNAVAILABLE, true },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", FAULT_UNAVAILABLE, true },
        { "org.freedesktop.DBus.Error.Timeout", FAULT_UNAVAILABLE, false },
        { "org.freedesktop.DBus.Error.TimedOut", FAULT_UNAVAILABLE, false },
        { "org.freedesktop.DBus.Error.AccessDenied", FAULT_ACCESS_DENIED, false },
        { "org.freedesktop.DBus.Error.LimitsExceeded", FAULT_TOO_MANY, false },
        { "org.freedesktop.DBus.Error.InvalidArgs", FAULT_INVALID_ARGUMENT, false },
};

static bool went_away(int r) {
        return r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE || r == -ESHUTDOWN || r == -ECHILD || r == -ESTALE;
}

int client_error(int r, const sd_bus_error *e, const char *member, bool *gone) {
        int code = e->name ? fault_from_dbus_name(e->name) : 0;

        if (code > 0)
                return error_set(code, "%s", e->message && *e->message ? e->message : fault_text(code));
        for (size_t i = 0; e->name && i < ELEMENTSOF(foreign); i++)
                if (strcmp(e->name, foreign[i].name) == 0) {
                        *gone = foreign[i].gone;
                        return error_set(foreign[i].code, "%s: %s", member, e->message ?: e->name);
                }
        *gone = went_away(r);
        if (*gone || r == -ETIMEDOUT)
                return error_set(FAULT_UNAVAILABLE, "%s: %s", member, websess_strerror(r));
        return error_set(r, "%s: %s", member, e->message ?: websess_strerror(r));
}

static int new_request(Conn *c, const Call *call, uint64_t timeout_usec, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, conn_destination(c), WEBSESS_MANAGER_PATH,
                                           call->interface ?: WEBSESS_MANAGER_INTERFACE, call->member);
        if (r >= 0 && call->is_secret)
                r = sd_bus_message_sensitive(m);
        if (r >= 0 && call->append)
                r = call->append(m, call);
        if (r >= 0 && call->secret.size > 0) {
                /* Any serial will do: a connection has one call under way at a time, and sd-bus counts on from here. */
                r = sd_bus_message_seal(m, 1, timeout_usec);
                if (r >= 0)
                        r = client_fill_in(m, call->secret_index, call->secret);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int client_attempt(Conn *c, Call *call, uint64_t deadline, sd_bus_message **ret_reply, bool *gone) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        uint64_t now = client_now();
        int r;

        *gone = false;
        if (now >= deadline)
                return error_set(FAULT_UNAVAILABLE, "%s: the time is over", call->member);
        r = new_request(c, call, deadline - now, &m);
        if (r < 0) {
                *gone = went_away(r);
                return error_errno(r, call->member);
        }
        r = sd_bus_call(c->bus, m, deadline - now, &error, &reply);
        if (r < 0)
                return client_error(r, &error, call->member, gone);
        if (call->is_secret)
                (void) sd_bus_message_sensitive(reply);
        *ret_reply = TAKE_PTR(reply);
        return 0;
}
