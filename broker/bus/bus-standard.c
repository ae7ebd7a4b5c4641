/* SPDX-License-Identifier: MIT */
/*
 * What every object has: org.freedesktop.DBus.Peer, .Properties and, from bus-introspectable.c, .Introspectable. Their handlers get a BusTarget as
 * the object and the Bus as userdata.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus-internal.h"

/* ---- Peer ---- */

static int on_ping(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(call, NULL);
}

static int on_get_machine_id(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        char text[SD_ID128_STRING_MAX];
        sd_id128_t id;
        int r;

        r = sd_id128_get_machine(&id);
        if (r < 0)
                return call_error(call, SD_BUS_ERROR_FAILED, "this machine has no machine id: %s", strerror(-r));
        return bus_call_reply(call, "s", sd_id128_to_string(id, text));
}

/* ---- Properties ---- */

static const BusProperty *interface_property(const BusInterface *i, const char *name) {
        for (const BusProperty *p = i->properties; p && p->name; p++)
                if (strcmp(p->name, name) == 0)
                        return p;
        return NULL;
}

/* An empty interface name means any of them. */
static const BusProperty *find_property(const BusTarget *t, const char *interface, const char *name) {
        for (const BusInterface *const *i = t->object ? t->object->interfaces : NULL; i && *i; i++) {
                const BusProperty *p =
                        *interface == '\0' || strcmp((*i)->name, interface) == 0 ? interface_property(*i, name) : NULL;

                if (p)
                        return p;
        }
        return NULL;
}

static int append_property(
        BusCall *call, sd_bus_message *reply, const BusProperty *p, const BusTarget *t, const Bus *b) {
        void *data = t->found;
        int r;

        r = sd_bus_message_open_container(reply, 'v', p->signature);
        if (r >= 0)
                r = p->getter(call->client, reply, data, b->userdata);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Read the interface and the property's name. 0 when the property is there; else answered: 1. */
static int read_property(BusCall *call, sd_bus_message *m, const BusTarget *t, const BusProperty **ret) {
        const char *interface, *name;
        int r;

        r = sd_bus_message_read(m, "ss", &interface, &name);
        if (r < 0)
                return r;
        *ret = find_property(t, interface, name);
        if (*ret)
                return 0;
        if (!t->object)
                return call_error(call, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", t->path) ?: 1;
        if (*interface && !target_interface(t, interface))
                return call_error(call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "%s has no interface %s", t->path, interface)
                        ?: 1;
        return call_error(call, SD_BUS_ERROR_UNKNOWN_PROPERTY, "%s has no property %s", t->path, name) ?: 1;
}

static int on_get(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const BusProperty *p;
        int r;

        r = read_property(call, m, object, &p);
        if (r != 0)
                return r < 0 ? r : 0;
        r = bus_call_new_reply(call, &reply);
        if (r >= 0)
                r = append_property(call, reply, p, object, userdata);
        return r < 0 ? r : bus_call_send(call, reply);
}

static int on_set(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        const BusProperty *p;
        int r;

        r = read_property(call, m, object, &p);
        if (r != 0)
                return r < 0 ? r : 0;
        return call_error(call, SD_BUS_ERROR_PROPERTY_READ_ONLY, "property %s is read-only", p->name);
}

static int append_all(BusCall *call, sd_bus_message *reply, const char *interface, const BusTarget *t, const Bus *b) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (const BusInterface *const *i = t->object->interfaces; r >= 0 && i && *i; i++) {
                if (*interface && strcmp((*i)->name, interface) != 0)
                        continue;
                for (const BusProperty *p = (*i)->properties; r >= 0 && p && p->name; p++) {
                        r = sd_bus_message_open_container(reply, 'e', "sv");
                        if (r >= 0)
                                r = sd_bus_message_append_basic(reply, 's', p->name);
                        if (r >= 0)
                                r = append_property(call, reply, p, t, b);
                        if (r >= 0)
                                r = sd_bus_message_close_container(reply);
                }
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_get_all(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const BusTarget *t = object;
        const char *interface;
        int r;

        r = sd_bus_message_read(m, "s", &interface);
        if (r < 0)
                return r;
        if (!t->object)
                return call_error(call, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", t->path);
        if (*interface && !target_interface(t, interface))
                return call_error(call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "%s has no interface %s", t->path, interface);
        r = bus_call_new_reply(call, &reply);
        if (r >= 0)
                r = append_all(call, reply, interface, t, userdata);
        return r < 0 ? r : bus_call_send(call, reply);
}

static const BusInterface peer_interface = {
        .name = "org.freedesktop.DBus.Peer",
        .methods = (const BusMethod[]) {
                { "Ping", .handler = on_ping },
                { "GetMachineId", .out = "s", .out_names = "machine_uuid", .handler = on_get_machine_id },
                {},
        },
};

static const BusInterface properties_interface = {
        .name = "org.freedesktop.DBus.Properties",
        .methods = (const BusMethod[]) {
                { "Get", "ss", "interface_name property_name", "v", "value", on_get },
                { "GetAll", "s", "interface_name", "a{sv}", "props", on_get_all },
                { "Set", "ssv", "interface_name property_name value", .handler = on_set },
                {},
        },
        .signals = (const BusSignal[]) {
                { "PropertiesChanged", "sa{sv}as", "interface_name changed_properties invalidated_properties" },
                {},
        },
};

const BusInterface *const bus_standard_interfaces[] = { &peer_interface, &bus_introspectable_interface,
        &properties_interface, NULL };
