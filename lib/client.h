/* SPDX-License-Identifier: MIT */
/*
 * The handle, and the one way to make a call: take a connection, send, read the reply, put the connection back; and
 * when the broker went away in between, do it again until the time is over.
 */
#pragma once

#include <stdatomic.h>

#include "arguments.h"
#include "need.h"
#include "conn-pool.h"
#include "map-handle.h"
#include "session.h"
#include "touch-send.h"

typedef struct Watch Watch;

struct websess {
        char *service;
        char *cookie_name;
        websess_need *need;             /* the daemon's own; NULL for none */
        uint64_t timeout_usec;
        int save, write;                /* WEBSESS_SAVE_*, WEBSESS_WRITE_* */
        Route route;
        ConnPool pool;
        atomic_bool was_there;          /* there has been a broker: when it is missing, it is being restarted */
        Watch *watch;
        MapHandle map;
        Toucher toucher;
};

DEFINE_CLEANUP(websess *, websess_close)

typedef struct Call {
        const char *interface;          /* NULL: the manager's */
        const char *member;
        bool is_secret;                 /* request or reply holds a token or a password: wiped with its memory */
        Slice secret;                   /* what goes over the blank that append() left … */
        unsigned secret_index;          /* … as this string of the request, counted from 0 */
        uint64_t timeout_usec;          /* 0: the handle's */

        /* Fill the request; called again for each attempt. 0 or a negative errno. NULL: no arguments. */
        int (*append)(sd_bus_message *m, const struct Call *call);
        /* Read the reply, which is gone afterwards. Negative errno with the error text set. NULL: nothing to read. */
        int (*read)(sd_bus_message *m, const struct Call *call);
        const void *in;
        void *out;

        /* set by client_call(): an attempt before the last may have reached the broker */
        bool resent;
} Call;

/* 0, a FAULT_* or a negative errno, with the error text set. */
int client_call(websess *w, Call *call);

/* The same, but the reply and the connection it came over are the caller's, to be let go of in this order. */
int client_call_keep(websess *w, Call *call, Conn **ret_conn, sd_bus_message **ret_reply);

/* The service a call is about: the one named, the handle's where NULL. NULL with the error text set when there is
 * none. */
const char *client_service(const websess *w, const char *service);

/* Resolve without the handle's own need. */
int client_resolve_plain(websess *w, const TokenText *token, const websess_need *need, websess_session *s);

/* Resolve in the map of the handle: as the call would, or RESOLVE_ASK, with the error text as it was, when only the broker can tell. */
#define RESOLVE_ASK (-EAGAIN)
int resolve_by_map(websess *w, Slice token, const Need *need, websess_session *s);

/* Send one request over a connection. `*gone` says that the broker went away, so that another attempt makes sense. */
int client_attempt(Conn *c, Call *call, uint64_t deadline, sd_bus_message **ret_reply, bool *gone);

/* What an error reply, or a failure of sd-bus's, means; sets the error text. */
int client_error(int r, const sd_bus_error *e, const char *member, bool *gone);

/* Why a connection could not be made, and whether waiting helps; sets the error text. */
int client_connect_failed(const websess *w, int r, bool *gone);

void client_pause(uint64_t usec);

void watch_free(Watch *watch);
