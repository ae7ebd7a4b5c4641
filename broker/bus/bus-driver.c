/* SPDX-License-Identifier: MIT */
/*
 * On the private socket: as much of org.freedesktop.DBus as makes a client believe that there is a bus with two names
 * on it, its own and the broker's. Clients that were written for a bus work unmodified; nothing here decides anything.
 */
#include <string.h>

#include "bus-internal.h"

#define DRIVER_NAME "org.freedesktop.DBus"

static int on_hello(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(call, "s", bus_client_name(call->client));
}

/* Signals are sent to those who called Subscribe, whatever their match rules say. */
static int on_match(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(call, NULL);
}

/* The unique name behind a name; NULL when nobody has it. */
static const char *owner_of(const BusCall *call, const char *name) {
        if (strcmp(name, WEBSESS_BUS_NAME) == 0 || strcmp(name, BUS_PRIVATE_NAME) == 0)
                return BUS_PRIVATE_NAME;
        if (strcmp(name, DRIVER_NAME) == 0)
                return DRIVER_NAME;
        return strcmp(name, call->client->name) == 0 ? call->client->name : NULL;
}

static int on_get_name_owner(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        const char *name, *owner;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        owner = owner_of(call, name);
        if (!owner)
                return call_error(call, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "nobody has the name %s here", name);
        return bus_call_reply(call, "s", owner);
}

static int on_name_has_owner(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        return bus_call_reply(call, "b", owner_of(call, name) != NULL);
}

static int on_start_service(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        enum { ALREADY_RUNNING = 2 };
        const char *name;
        uint32_t flags;
        int r;

        r = sd_bus_message_read(m, "su", &name, &flags);
        if (r < 0)
                return r;
        if (!owner_of(call, name))
                return call_error(call, SD_BUS_ERROR_SERVICE_UNKNOWN, "there is no %s here", name);
        return bus_call_reply(call, "u", (uint32_t) ALREADY_RUNNING);
}

static int on_list_names(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(
                call, "as", 4, DRIVER_NAME, WEBSESS_BUS_NAME, BUS_PRIVATE_NAME, bus_client_name(call->client));
}

static int on_list_activatable_names(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(call, "as", 2, DRIVER_NAME, WEBSESS_BUS_NAME);
}

static int on_get_id(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        char text[SD_ID128_STRING_MAX];

        return bus_call_reply(call, "s", sd_id128_to_string(call->client->bus->guid, text));
}

static const BusInterface driver_interface = {
        .name = DRIVER_NAME,
        .methods = (const BusMethod[]) {
                { "Hello", .out = "s", .out_names = "name", .handler = on_hello },
                { "AddMatch", .in = "s", .in_names = "rule", .handler = on_match },
                { "RemoveMatch", .in = "s", .in_names = "rule", .handler = on_match },
                { "GetNameOwner", "s", "name", "s", "owner", on_get_name_owner },
                { "NameHasOwner", "s", "name", "b", "has_owner", on_name_has_owner },
                { "StartServiceByName", "su", "name flags", "u", "result", on_start_service },
                { "ListNames", .out = "as", .out_names = "names", .handler = on_list_names },
                { "ListActivatableNames", .out = "as", .out_names = "names", .handler = on_list_activatable_names },
                { "GetId", .out = "s", .out_names = "id", .handler = on_get_id },
                {},
        },
};

const BusObject bus_driver_objects[] = {
        { "/org/freedesktop/DBus", .interfaces = (const BusInterface *const[]) { &driver_interface, NULL } },
        {},
};
