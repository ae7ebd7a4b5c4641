/* SPDX-License-Identifier: MIT */
/* A Bus with a few toy objects, running in a thread of its own on a socket in a temporary folder. For the tests of the
 * Bus. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <systemd/sd-bus.h>

#include "bus.h"

typedef struct Toy {
        char folder[64], socket[96], address[128];
        Bus *bus;
        sd_event *event;
        pthread_t thread;
        int wake;                       /* eventfd: run do_it in the loop's thread */
        void (*do_it)(struct Toy *t);
        BusCall *kept[64];
        unsigned n_kept;
        atomic_uint n_gone, n_calls;
        atomic_uint n_steps, n_done;    /* of Long */
        atomic_bool enough;             /* ends what would go on for ever */
        atomic_int exit_code;
} Toy;

typedef struct ToyOptions {
        const char *bus_address;        /* "" for none */
        BusLimits limits;
        uint64_t timeout_usec;
} ToyOptions;

void toy_start(Toy *t, const ToyOptions *options);
void toy_stop(Toy *t);
void toy_run(Toy *t, void (*do_it)(Toy *t));            /* in the loop's thread; returns when done */

sd_bus *toy_connect(Toy *t, bool bus_client);           /* a private connection by sd-bus */
int toy_raw(Toy *t);                                    /* connected, nothing sent */
int toy_raw_hello(Toy *t);                              /* and the handshake done */
void toy_be(uid_t uid); /* connections of this thread come from this uid from now on; needs root */
void toy_wait_eof(int fd);                              /* until the other end closed; fails the test after 10 s */
BusStatus toy_status(Toy *t);
void toy_wait_connections(Toy *t, unsigned n);
