/* SPDX-License-Identifier: MIT */
/*
 * A pending reply is an object: it holds the message, the client and the charge for being unanswered. Freed unanswered
 * it answers Unavailable, so an answer is neither lost nor sent twice.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "bus-internal.h"

static void call_settle(BusCall *c) {
        c->answered = true;
        quota_refund(&c->charge);
        if (!c->client->bus)
                return;
        c->client->n_pending--;
        c->client->bus->n_pending--;
}

int call_new(BusCall **ret, BusClient *client, sd_bus_message *m) {
        BusCall *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->n_refs = 1;
        c->client = client_ref(client);
        c->message = sd_bus_message_ref(m);
        c->started = bus_now();
        client->n_pending++;
        client->bus->n_pending++;
        *ret = c;
        return 0;
}

BusCall *bus_call_ref(BusCall *c) {
        c->n_refs++;
        return c;
}

BusCall *bus_call_unref(BusCall *c) {
        if (!c || --c->n_refs > 0)
                return NULL;
        if (!c->answered) {
                Fault f;

                c->n_refs = 1;  /* still a whole object while it is answered */
                fault(&f, FAULT_UNAVAILABLE, "the call was given up before it was done: try again");
                bus_call_fail(c, FAULT_UNAVAILABLE, &f);
        }
        if (!c->answered)
                call_settle(c);
        sd_bus_message_unref(c->message);
        client_unref(c->client);
        free(c);
        return NULL;
}

BusClient *bus_call_client(BusCall *c) {
        return c->client;
}

void *bus_call_userdata(const BusCall *c) {
        return c->client->bus ? c->client->bus->userdata : NULL;
}

bool bus_call_is_gone(const BusCall *c) {
        return c->client->gone;
}

uint64_t bus_call_started(const BusCall *c) {
        return c->started;
}

int bus_call_new_reply(BusCall *c, sd_bus_message **ret) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r < 0)
                return r;
        if (c->secret)
                sd_bus_message_sensitive(reply);
        /* sd-bus would put it in when it sends, but not any more where a reply has been sealed to be looked at before. Clients go by it: to some
         * of them a signal is from nobody until they know whose name the replies come from. */
        if (c->client->private)
                r = sd_bus_message_set_sender(reply, BUS_PRIVATE_NAME);
        if (r < 0) {
                sd_bus_message_unref(reply);
                return r;
        }
        *ret = reply;
        return 0;
}

int bus_call_send(BusCall *c, sd_bus_message *reply) {
        int r = 0;

        if (c->answered)
                return -EALREADY;
        if (sd_bus_message_get_expect_reply(c->message) > 0)
                r = client_send(c->client, reply);
        if (r < 0)
                return r;
        call_settle(c);
        return 0;
}

int bus_call_reply(BusCall *c, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        r = bus_call_new_reply(c, &reply);
        if (r < 0)
                return r;
        if (types && *types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(reply, types, ap);
                va_end(ap);
                if (r < 0)
                        return r;
        }
        return bus_call_send(c, reply);
}

static int call_send_error(BusCall *c, const char *name, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(name, text);
        int r;

        r = sd_bus_message_new_method_error(c->message, &reply, &error);
        if (r < 0)
                return r;
        return bus_call_send(c, reply);
}

int call_error(BusCall *c, const char *name, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return call_send_error(c, name, text);
}

void bus_call_fail(BusCall *c, int code, const Fault *f) {
        const char *name = code > 0 ? fault_dbus_name(code) : NULL;
        int r;

        if (c->answered)
                return;
        if (name)
                r = call_send_error(c, name, f && f->text[0] ? f->text : fault_text(code));
        else {
                const char *member = sd_bus_message_get_member(c->message);

                /* A positive code that has no name is a bug of ours like any other */
                r = code < 0 ? code : -EINVAL;
                log_error(r, "cannot answer %s", member ?: "a call");
                r = call_error(c, WEBSESS_ERROR_PREFIX "Unavailable", "internal error: %s", strerror(-r));
        }
        if (r < 0)
                log_error(r, "cannot send an error to %s", c->client->name);
}
