/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Bus share: bus.c (life), bus-client.c (callers, signals), bus-call.c (replies), bus-work.c (long calls), bus-dispatch.c
 * and bus-standard.c (from a message to a handler), bus-driver.c (org.freedesktop.DBus on the private socket),
 * bus-system.c (the system bus), listener.c and peer.c (the private socket). For them alone.
 *
 * Ownership: the Bus owns its peers and the names it knows on the system bus; each of those owns one reference to its
 * BusClient; each BusCall holds another. A client whose connection has ended, or whose Bus is freed, has gone = true
 * and bus = NULL: calls that are still held by somebody stay valid and send nothing.
 */
#pragma once

#include <sys/queue.h>

#include "bus.h"
#include "cleanup.h"
#include "log.h"
#include "quota.h"
#include "turns.h"
#include "websess-names.h"

typedef struct Listener Listener;
typedef struct Peer Peer;
typedef struct System System;
typedef struct BusWork BusWork;

/* The broker's own unique name on the private socket: what GetNameOwner says and what every message there bears as
 * sender. */
#define BUS_PRIVATE_NAME ":1.0"
#define BUS_SCRATCH_SIZE (16u * 1024u)
#define BUS_TIMEOUT_USEC UINT64_C(5000000)
#define BUS_DESCRIPTORS_PER_PEER 3u

LIST_HEAD(PeerList, Peer);
LIST_HEAD(ClientList, BusClient);
TAILQ_HEAD(WorkList, BusWork);

struct Bus {
        sd_event *event;
        const BusObject *objects;
        void *userdata;
        void (*gone)(void *userdata, BusClient *client);
        BusLimits limits;
        uint64_t timeout_usec;
        Quota *quota;
        Turns *turns;
        int watch_fd;                   /* epoll: all private connections */
        int turn_fd;                    /* ready while there are turns to be taken */
        bool turn_ready, in_turn;
        sd_event_source *watch_source, *turn_source;
        Listener *listener;
        System *system;
        struct PeerList peers;
        struct ClientList subscribers;
        struct WorkList works;          /* in order of arrival */
        unsigned n_peers, n_pending;
        uint64_t last_name;
        sd_id128_t guid;
        bool stopped;                   /* bus_stop_reading() was called */
        unsigned n_complaints;
        uint64_t complaints_since;
        uint8_t *scratch;               /* what one peer sent, while it is looked at; wiped after use */
};

struct BusClient {
        LIST_ENTRY(BusClient) subscription;
        unsigned n_refs;
        Bus *bus;                       /* NULL once gone */
        Peer *peer;                     /* NULL: on the system bus, or gone */
        Caller caller;
        char *name;
        void *data;
        unsigned n_pending;             /* calls of its own among the Bus's */
        unsigned n_works;               /* of them, those that are worked on: no further call of its own is taken meanwhile */
        Turn *turn;                     /* on the system bus: in which its calls are taken */
        bool private, subscribed, gone;
};

struct BusCall {
        unsigned n_refs;
        BusClient *client;
        sd_bus_message *message;
        QuotaCharge charge;
        uint64_t started;
        bool answered, secret;
};

/* Where a call is addressed to. */
typedef struct BusTarget {
        const BusObject *object;        /* NULL: there is none, but perhaps something below */
        void *found;                    /* what object->find() gave */
        const char *path;
} BusTarget;

/* bus.c */
uint64_t bus_now(void);                 /* CLOCK_BOOTTIME, µs */
void bus_complain(Bus *b, LogEvent event, const Caller *c, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* bus-turns.c: which private connections have something to say, and who is served now. A watch is told once of what it asks for (EPOLL*; that the
 * other side hung up always), and then must ask again. */
typedef struct BusWatch {
        int fd;                         /* negative: not started, or stopped */
        uint32_t events;
        void (*ready)(struct BusWatch *w, uint32_t events);     /* must not free anybody's connection */
} BusWatch;

int watch_start(Bus *b, BusWatch *w, int fd);
void watch_stop(Bus *b, BusWatch *w);
int watch_for(Bus *b, BusWatch *w, uint32_t events);
int bus_turns_start(Bus *b);
void bus_turns_stop(Bus *b);
int bus_turn_wait(Bus *b, Turn *t);

/* bus-client.c */
int client_new(BusClient **ret, Bus *b, Caller *caller, const char *name, bool private); /* takes what caller owns */
BusClient *client_ref(BusClient *c);
BusClient *client_unref(BusClient *c);
void client_disconnect(BusClient *c);   /* tells the upper layer; the owner's reference is not dropped */
sd_bus *client_connection(const BusClient *c);  /* NULL when gone */
int client_send(BusClient *c, sd_bus_message *m);       /* 0 also when the client is gone */
DEFINE_CLEANUP(BusClient *, client_unref)

/* bus-call.c */
int call_new(BusCall **ret, BusClient *client, sd_bus_message *m);
int call_error(BusCall *c, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
DEFINE_CLEANUP(BusCall *, bus_call_unref)

/* bus-work.c */
void bus_works_finish(Bus *b, uint64_t deadline);       /* shutdown: what can be done until then is; everything is answered */
void bus_works_drop(Bus *b);

/* bus-dispatch.c: everything from a method call to its answer. Never fails: what goes wrong is answered. */
void bus_dispatch(BusClient *client, sd_bus_message *m);
/* What a handler's word means. sd-bus looks at strings as they are read: a message that it cannot read is the sender's fault; anything else is ours. */
int call_outcome(BusCall *c, int r, Fault *f);
/* A whole message as it came over the private socket: fill reply and say true, or leave it to bus_dispatch(). */
bool bus_dispatch_quickly(BusClient *client, const uint8_t *message, size_t size, uint32_t serial, Marshal *reply);
const BusInterface *target_interface(const BusTarget *t, const char *name);

/* bus-standard.c: what every object has. Handlers get a BusTarget as their object. */
extern const BusInterface *const bus_standard_interfaces[];
extern const BusInterface bus_introspectable_interface;        /* bus-introspectable.c */

/* bus-driver.c: what a bus daemon would answer */
extern const BusObject bus_driver_objects[];

/* bus-system.c */
int system_new(System **ret, Bus *b, const char *address);
System *system_free(System *s);
int system_start(System *s);
void system_stop_reading(System *s);
int system_flush(System *s, uint64_t deadline);
bool system_is_on_bus(const System *s);
bool system_is_joining(const System *s);
sd_bus *system_connection(const System *s);
