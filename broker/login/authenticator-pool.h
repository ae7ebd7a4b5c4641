/* SPDX-License-Identifier: MIT */
/*
 * The connections to helpers: each is one process of websess-pam on the other side, good for one conversation. The
 * pool connects, waits for READY, keeps a number of them idle, replaces those that die and backs off when starting
 * them fails. It knows nothing of users and passwords: what is said is the Authenticator's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "auth-protocol.h"
#include "fault.h"

typedef struct Pool Pool;
typedef struct PoolHelper PoolHelper;   /* a helper that was lent: the borrower's until helper_free() */

typedef struct PoolOptions {
        const char *socket_path;
        unsigned idle, max;
        uint64_t start_timeout_usec;    /* from connecting to READY */
} PoolOptions;

/* Called from the event loop, and from pool_pump(); never from pool_take(). */
typedef struct PoolEvents {
        /* How many helpers the borrower would take at once. */
        unsigned (*wanted)(void *userdata);
        /* One or more helpers are ready. */
        void (*ready)(void *userdata);
        /* No helper can be had; f says why and what to do. Whoever waits for one should be told. */
        void (*failed)(void *userdata, const Fault *f);
} PoolEvents;

int pool_new(Pool **ret, sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata);
Pool *pool_free(Pool *p);       /* lent helpers must have been given back before */
void pool_set_options(Pool *p, const PoolOptions *options);     /* socket_path is ignored */

/* Start as many helpers as are wanted and should be idle. With urgent, even where the pool is backing off: somebody
 * has just asked. */
void pool_pump(Pool *p, bool urgent);

/* What the helper says, or NULL and a negative errno when it is gone: -ECONNRESET, -EBADMSG for rubbish. The
 * message points into a buffer that is wiped afterwards. */
typedef void (*PoolReply)(PoolHelper *h, const AuthMessage *m, int error, void *userdata);

/* Lend a ready helper and send it packet. NULL when none is ready. */
PoolHelper *pool_take(Pool *p, const void *packet, size_t size, PoolReply reply, void *userdata);
/* Say more to a helper that was lent. 0 or a negative errno: it is gone, or does not listen. */
int helper_send(PoolHelper *h, const void *packet, size_t size);
PoolHelper *helper_free(PoolHelper *h);         /* hangs up, which ends the helper process; takes NULL, returns NULL */
void pool_worked(Pool *p);      /* a helper has done its work: starting them is not hopeless */

typedef struct PoolStatus {
        unsigned idle;                  /* ready and waiting */
        unsigned lent, starting;
        uint64_t started, failed;       /* helpers, since the beginning */
} PoolStatus;
void pool_status(const Pool *p, PoolStatus *out);
