/* SPDX-License-Identifier: MIT */
/*
 * Both transports as one: the name on the system bus, and the private socket with no bus daemon in between. Knows
 * callers (by the kernel's word), quotas, framing, dispatch, introspection, properties and signals to one destination;
 * knows nothing of sessions.
 *
 * A call is dispatched when its caller's credentials are known: at once on the private socket, after an asynchronous
 * GetConnectionCredentials on the bus. That is why dispatch is by a table of our own and not by sd-bus vtables: those
 * cannot wait. The tables are the API's table of contents; introspection is written from them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "fault.h"
#include "marshal.h"

typedef struct Bus Bus;
typedef struct BusClient BusClient;     /* a connection to the private socket, or a unique name on the bus */
typedef struct BusCall BusCall;         /* a method call that waits for its reply: answered exactly once */

/* ---- what is served ---- */

/* Returns 0 when it has replied or kept the call for later; a FAULT_* with *f filled; a negative errno (answered
 * Unavailable and logged). object is what find() gave. The signature of m has been checked. A handler that keeps the
 * call takes a reference. */
typedef int (*BusHandler)(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f);
/* Append the property's value (without the variant) to reply. */
typedef int (*BusGetter)(const BusClient *client, sd_bus_message *reply, void *object, void *userdata);

/* The same call by the bytes, for the method that everything else is for: in stands at the arguments (of the signature that the method has),
 * the reply's body goes to out. false: nothing was done, and the call takes the ordinary way, by which all refusals go. */
typedef bool (*BusQuick)(const BusClient *client, Unmarshal *in, Marshal *out, void *userdata);

typedef struct BusMethod {
        const char *member;
        const char *in, *in_names;      /* "ssa{sv}", "service token need" */
        const char *out, *out_names;
        BusHandler handler;
        bool secret;                    /* arguments or reply hold secrets: messages are marked sensitive and wiped */
        BusQuick quick;                 /* on the private socket tried first; NULL: none. Not of a subtree's object */
} BusMethod;

typedef struct BusProperty {
        const char *name, *signature;
        BusGetter getter;
} BusProperty;

typedef struct BusSignal {
        const char *member, *signature, *names;
} BusSignal;

typedef struct BusInterface {
        const char *name;
        const BusMethod *methods;       /* each list ends with a NULL name; NULL: none */
        const BusProperty *properties;
        const BusSignal *signals;
} BusInterface;

#define BUS_CURSOR_SIZE 64u
typedef void (*BusChild)(void *to, const char *name);

typedef struct BusObject {
        const char *path;               /* "/org/websess1", "/org/websess1/session" */
        bool subtree;                   /* serves path/<child>, not path itself */
        const BusInterface *const *interfaces;  /* NULL-terminated */
        /* subtree: is there such a child, and may this client see it? 0 and *ret, which stays NULL where there is no
         * such object; a FAULT_* or a negative errno. Called before any of its methods, properties or introspection.
         * NULL where not a subtree. */
        int (*find)(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f);
        /* subtree: the children this client may see, for introspection, a piece at a time: calls each for the next ones. cursor says where those begin, and is
         * empty for the first ones and when there are no more. 0 or a negative errno. */
        int (*children)(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to);
} BusObject;

/* ---- life ---- */

/* 0 is no limit. root and the broker's own user are counted but never refused. */
typedef struct BusLimits {
        unsigned max_connections, max_connections_per_user;
        unsigned max_pending_per_user;          /* calls not yet answered, per uid */
        uint64_t max_bytes_per_user;            /* bytes of queued replies and unfinished messages, per uid */
} BusLimits;

typedef struct BusOptions {
        int socket_fd;                  /* listening SOCK_STREAM socket, or -1; the Bus's from here on */
        const char *address;            /* system bus, NULL for sd-bus's default; "" for no bus at all */
        const BusObject *objects;       /* ends with a NULL path */
        void *userdata;
        BusLimits limits;
        /* A client is gone (disconnected). Kept calls of it are cancelled after this. May be NULL. */
        void (*gone)(void *userdata, BusClient *client);
        uint64_t timeout_usec; /* for a handshake, and for a message once begun, on the private socket; 0: 5 s */
} BusOptions;

int bus_new(Bus **ret, sd_event *event, const BusOptions *options);
Bus *bus_free(Bus *b);
void bus_set_limits(Bus *b, const BusLimits *limits);
/* Asks for the name, starts to accept. Losing the bus is retried in the background, losing the name is an exit. */
int bus_start(Bus *b);
void bus_stop_reading(Bus *b);          /* shutdown: no further call is taken */
int bus_flush(Bus *b, uint64_t timeout_usec);   /* shutdown: kept calls have been answered; send what is queued */

typedef struct BusStatus {
        unsigned connections, pending_calls;
        bool on_bus;
        bool joining;                   /* connecting to the bus, or waiting for the name */
        uint64_t refused_connections, refused_calls, refused_bytes;     /* by quotas per uid, since the start */
} BusStatus;
void bus_status(const Bus *b, BusStatus *out);

/* ---- callers ---- */
const Caller *bus_client_caller(const BusClient *c);
const char *bus_client_name(const BusClient *c);        /* ":1.42" as the client itself sees it; for logs */
bool bus_client_is_private(const BusClient *c);
/* One pointer for the upper layer, e.g. the client's conversations. */
void bus_client_set_data(BusClient *c, void *data);
void *bus_client_data(const BusClient *c);

/* ---- calls ---- */
BusCall *bus_call_ref(BusCall *c);
/* Dropping the last reference unanswered answers Unavailable. NULL is fine, always NULL. */
BusCall *bus_call_unref(BusCall *c);
BusClient *bus_call_client(BusCall *c);
void *bus_call_userdata(const BusCall *c);      /* of the objects' owner; NULL when the client is gone */
bool bus_call_is_gone(const BusCall *c);        /* its client has disconnected: the answer will be dropped */
uint64_t bus_call_started(const BusCall *c);    /* CLOCK_BOOTTIME, µs, when it was received */
int bus_call_new_reply(BusCall *c, sd_bus_message **ret);       /* the caller appends, then bus_call_send() */
int bus_call_send(BusCall *c, sd_bus_message *reply);
int bus_call_reply(BusCall *c, const char *types, ...);
void bus_call_fail(BusCall *c, int code, const Fault *f);       /* FAULT_*, or a negative errno */

/* A call that takes long is worked on piece by piece, in turns of its caller, so that nobody else waits for more than a piece: some tens of
 * microseconds. A step returns what a handler does; with *more set there is another one. The first one is made at once. What was asked is done though
 * the caller may have gone since: a step that only makes a reply looks at bus_call_is_gone(). */
typedef int (*BusStep)(BusCall *c, void *state, bool *more, Fault *f);
/* For a handler to return. Takes state, which done frees, also when it comes to no end. */
int bus_call_work(BusCall *c, BusStep step, void *state, void (*done)(void *state));

/* ---- signals ---- */
void bus_client_subscribe(BusClient *c, bool on);
/* Send a signal from the manager's path to every subscriber for whom may_see says yes: one message each, one
 * destination each. */
typedef bool (*BusMaySee)(void *userdata, const BusClient *client, const void *subject);
int bus_signal(Bus *b, const char *interface, const char *member, BusMaySee may_see, const void *subject,
        const char *types, ...);
/* One signal to one client from any path of ours. */
int bus_client_signal(
        BusClient *c, const char *path, const char *interface, const char *member, const char *types, ...);
