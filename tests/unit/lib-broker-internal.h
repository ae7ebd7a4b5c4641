/* SPDX-License-Identifier: MIT */
/* What the two halves of the fake broker share. All but a client's own bus is under the lock. */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "lib-broker.h"
#include "values.h"

#define CLIENTS 64
#define MEMBERS 32

typedef struct Client {
        FakeBroker *fake;
        pthread_t thread;
        bool used, subscribed;
        sd_bus *bus;
        int wake;
        char signal[64], signal_id[64];         /* to be sent; under the lock */
} Client;

struct FakeBroker {
        pthread_mutex_t lock;
        pthread_t acceptor;
        char folder[64], path[128];
        int fd, stop;
        bool running;
        Client clients[CLIENTS];
        int connections, drop_before, drop_after;
        bool hang;
        struct { char name[32]; int calls, effects; } members[MEMBERS];
        char request_id[160], options[512];
        char user[300], roles[300], admin[64];
        uint32_t level;
        uint64_t auth_time, version;
        struct websess_values attributes;
        char token[80];
        int tokens;
};

/* How often a method was called, or took effect. */
int *fake_counter(FakeBroker *t, const char *member, bool effects);

/* A message filter: answers calls. userdata is the Client. */
int fake_on_call(sd_bus_message *m, void *userdata, sd_bus_error *error);
