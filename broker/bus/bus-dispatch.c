/* SPDX-License-Identifier: MIT */
/*
 * From a method call to its handler, by the tables: object by path, interface, member, signature. Touches no transport:
 * a call from the bus and one from the private socket take the same way from here on.
 */
#include <errno.h>
#include <string.h>

#include "bus-internal.h"
#include "peer-size.h"

static const BusMethod *interface_method(const BusInterface *i, const char *member) {
        for (const BusMethod *m = i->methods; m && m->member; m++)
                if (strcmp(m->member, member) == 0)
                        return m;
        return NULL;
}

static const BusInterface *find_interface(const BusInterface *const *list, const char *name) {
        for (; list && *list; list++)
                if (strcmp((*list)->name, name) == 0)
                        return *list;
        return NULL;
}

const BusInterface *target_interface(const BusTarget *t, const char *name) {
        const BusInterface *i = t->object ? find_interface(t->object->interfaces, name) : NULL;

        return i ?: find_interface(bus_standard_interfaces, name);
}

/* No interface given: the first method of that name, the object's own before those that every object has. */
static const BusMethod *target_method(const BusTarget *t, const char *interface, const char *member) {
        const BusInterface *const *lists[] = { t->object ? t->object->interfaces : NULL, bus_standard_interfaces };

        for (size_t n = 0; n < ELEMENTSOF(lists); n++)
                for (const BusInterface *const *i = lists[n]; i && *i; i++) {
                        const BusMethod *m;

                        if (interface && strcmp((*i)->name, interface) != 0)
                                continue;
                        m = interface_method(*i, member);
                        if (m)
                                return m;
                }
        return NULL;
}

static bool is_standard(const BusMethod *m) {
        for (const BusInterface *const *i = bus_standard_interfaces; *i; i++)
                for (const BusMethod *k = (*i)->methods; k && k->member; k++)
                        if (k == m)
                                return true;
        return false;
}

/* The name of the child when path is prefix/child; else NULL. */
static const char *path_child(const char *path, const char *prefix) {
        size_t n = strlen(prefix);

        if (strncmp(path, prefix, n) != 0 || path[n] != '/' || path[n + 1] == '\0' || strchr(path + n + 1, '/'))
                return NULL;
        return path + n + 1;
}

/* 0 with what was found in *t, perhaps nothing; a FAULT_* or a negative errno. */
static int find_target(const BusObject *objects, void *userdata, const BusClient *client, BusTarget *t, Fault *f) {
        for (const BusObject *o = objects; o && o->path; o++) {
                const char *child;
                int r;

                if (!o->subtree) {
                        if (strcmp(o->path, t->path) == 0) {
                                t->object = o;
                                return 0;
                        }
                        continue;
                }
                child = path_child(t->path, o->path);
                if (!child)
                        continue;
                r = o->find(userdata, client, child, &t->found, f);
                if (r == 0 && t->found)
                        t->object = o;
                return r;
        }
        return 0;
}

static int check_signature(BusCall *c, const BusMethod *method) {
        const char *expected = method->in ?: "", *got = sd_bus_message_get_signature(c->message, true) ?: "";

        if (strcmp(expected, got) == 0)
                return 0;
        return call_error(c, SD_BUS_ERROR_INVALID_ARGS, "%s takes (%s), not (%s)", method->member, expected, got) ?: 1;
}

int call_outcome(BusCall *c, int r, Fault *f) {
        if (r == -EBADMSG && !message_is_sound(c->message))
                return fault(f, FAULT_INVALID_ARGUMENT, "the arguments of %s are malformed", sd_bus_message_get_member(c->message));
        return r;
}

static int call_method(BusCall *c, const BusMethod *method, BusTarget *t, Fault *f) {
        Bus *b = c->client->bus;
        int r;

        if (method->secret) {
                c->secret = true;
                sd_bus_message_sensitive(c->message);
        }
        r = check_signature(c, method);
        if (r != 0)
                return r < 0 ? r : 0;
        if (is_standard(method))
                r = method->handler(c, c->message, t, b, f);
        else
                r = method->handler(c, c->message, t->found, b->userdata, f);
        return call_outcome(c, r, f);
}

static int dispatch(BusCall *c, Fault *f) {
        const char *interface = sd_bus_message_get_interface(c->message),
                   *member = sd_bus_message_get_member(c->message);
        BusTarget t = { .path = sd_bus_message_get_path(c->message) };
        Bus *b = c->client->bus;
        const BusMethod *method;
        int r = 0;

        if (!t.path || !member)
                return -EBADMSG;
        if (c->client->private)
                r = find_target(bus_driver_objects, NULL, c->client, &t, f);
        if (r == 0 && !t.object)
                r = find_target(b->objects, b->userdata, c->client, &t, f);
        if (r != 0)
                return r;
        method = target_method(&t, interface, member);
        if (method)
                return call_method(c, method, &t, f);
        if (!t.object)
                return call_error(c, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", t.path);
        if (interface && !target_interface(&t, interface))
                return call_error(c, SD_BUS_ERROR_UNKNOWN_INTERFACE, "%s has no interface %s", t.path, interface);
        return call_error(c, SD_BUS_ERROR_UNKNOWN_METHOD, "%s has no method %s%s%s", t.path, interface ?: "",
                interface ? "." : "", member);
}

/* Charge the call to its caller's account; over the limit it is answered at once. */
static int charge(BusCall *c, Fault *f) {
        Bus *b = c->client->bus;
        int r;

        if (b->stopped)
                return fault(f, FAULT_UNAVAILABLE, "the broker is being restarted: try again");
        r = quota_charge(b->quota, &c->charge, c->client->caller.uid, QUOTA_CALLS, 1);
        if (r <= 0)
                return r;
        return fault(f, r, "uid %u has too many calls under way: see [Limits] MaxPendingPerUser=",
                (unsigned) c->client->caller.uid);
}

/* Without the memory for a call, none to wait for an answer either: the caller is told at once. */
static void turn_away(BusClient *client, sd_bus_message *m) {
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(WEBSESS_ERROR_PREFIX "Unavailable", "out of memory: try again");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = -ENOMEM;

        log_error(r, "cannot take a call of %s", client->name);
        if (sd_bus_message_get_expect_reply(m) <= 0)
                return;
        r = sd_bus_message_new_method_error(m, &reply, &error);
        if (r >= 0)
                r = client_send(client, reply);
        if (r < 0)
                log_error(r, "cannot send an error to %s", client->name);
}

void bus_dispatch(BusClient *client, sd_bus_message *m) {
        _cleanup_(bus_call_unrefp) BusCall *c = NULL;
        Fault f = {};
        int r;

        r = call_new(&c, client, m);
        if (r < 0) {
                turn_away(client, m);
                return;
        }
        r = charge(c, &f);
        if (r == 0)
                r = dispatch(c, &f);
        if (r != 0)
                bus_call_fail(c, r, &f);
}

static const BusMethod *quick_method(const Bus *b, const MarshalHeader *call) {
        for (const BusObject *o = b->objects; o && o->path; o++)
                if (!o->subtree && slice_equal(call->path, slice_of(o->path))) {
                        const BusInterface *i = find_interface(o->interfaces, call->interface.data ?: "");
                        const BusMethod *m = i ? interface_method(i, call->member.data ?: "") : NULL;

                        return m && m->quick && slice_equal(call->signature, slice_of(m->in)) ? m : NULL;
                }
        return NULL;
}

bool bus_dispatch_quickly(BusClient *client, const uint8_t *message, size_t size, uint32_t serial, Marshal *reply) {
        Unmarshal in = { .data = message, .size = size };
        const BusMethod *method;
        MarshalHeader call;

        if (client->bus->stopped || !unmarshal_header(&in, &call) || call.type != MARSHAL_CALL ||
            (call.flags & MARSHAL_NO_REPLY_EXPECTED))
                return false;
        method = quick_method(client->bus, &call);
        if (!method)
                return false;
        marshal_header(reply, &(MarshalHeader) {
                .type = MARSHAL_REPLY, .flags = MARSHAL_NO_REPLY_EXPECTED, .serial = serial, .reply_serial = call.serial,
                .sender = slice_of(BUS_PRIVATE_NAME), .signature = slice_of(method->out),
        });
        if (!method->quick(client, &in, reply, client->bus->userdata))
                return false;
        marshal_end(reply);
        return !reply->full;
}
