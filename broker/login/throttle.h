/* SPDX-License-Identifier: MIT */
/*
 * Brute force slowed down, without a lever by which a stranger could lock somebody out. Pure: time is passed in.
 *
 * Each key has a bucket: a failure puts one drop in, and one drains every RecoverSec. A login is let through to PAM while its buckets have
 * room; the drop is taken at the start, so that many guesses at once do not slip through together, and given back when the login turns out
 * not to be a failed guess. A login that is refused costs nothing: waiting always helps.
 *
 * Two kinds of bucket:
 *   narrow   a user at a remote host, and a remote host. Full, they refuse. Only somebody who shares the host can fill them.
 *   wide     a user, and a caller (the uid of the daemon that asks). Anybody can fill them from anywhere: so they never refuse by themselves.
 *            While one is full, the narrow ones of that login hold a tenth, at least one drop. Guesses spread over a thousand hosts then
 *            get one try each, while the user himself, at a host from which he has not just failed, is let through.
 * A host from which the user has logged in before (KnownHostSec) is known for him: neither the wide buckets nor other people's failures at the same
 * host (an office behind one address) count against him there, only his own.
 *
 * An empty or loopback remote host says nothing and has no bucket. What is left then is the user as this caller presents him: as large
 * as the user's wide bucket, since everybody else comes through it too. A daemon that passes RemoteHost does better.
 *
 * Keys are digests, since people type passwords where names belong. Names differ by more than the case of ASCII letters, and an IPv6 host is its /64.
 * The number of keys is bounded: the one nearest to empty makes room for a new one, so a flood of new keys cannot wash away what has been
 * counted against somebody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "fault.h"
#include "policy.h"
#include "steady.h"

#define THROTTLE_KEYS_MAX 16384u
#define THROTTLE_SERVICE_SIZE 8u
#define THROTTLE_NAME_SIZE 12u

/* In place of THROTTLE_USER_HOST where there is no host; by the rule of THROTTLE_USER. */
#define THROTTLE_USER_CALLER _THROTTLE_RULES
#define _THROTTLE_KINDS (_THROTTLE_RULES + 1)

/* What a bucket is of: service and name are all zero where the kind has none. */
typedef struct ThrottleKey {
        uint8_t kind;
        uint8_t service[THROTTLE_SERVICE_SIZE], who[THROTTLE_NAME_SIZE], where[THROTTLE_NAME_SIZE];
} ThrottleKey;

typedef struct ThrottleAttempt {
        const char *service, *user, *remote_host;       /* remote_host may be "" */
        uid_t caller;
} ThrottleAttempt;

/* One login in progress: what it has put into which buckets. */
typedef struct ThrottleTicket {
        ThrottleKey keys[_THROTTLE_KINDS];
        uint64_t drops[_THROTTLE_KINDS];        /* µs */
        size_t n;
} ThrottleTicket;

typedef enum ThrottleEnd {
        THROTTLE_FAILED,                /* a wrong guess, or somebody who hung up before it was known */
        THROTTLE_SUCCEEDED,
        THROTTLE_UNDECIDED,             /* PAM could not answer, or asks for more: nobody's fault */
} ThrottleEnd;

typedef struct Throttle Throttle;

int throttle_new(Throttle **ret);
Throttle *throttle_free(Throttle *t);
DEFINE_CLEANUP(Throttle *, throttle_free)

/* A login begins. 0 with *ret, FAULT_TOO_MANY with a text that says when to try again, or a negative errno. now is of the steady clock. */
int throttle_begin(Throttle *t, const ThrottleRules *rules, const ThrottleAttempt *a, uint64_t now, ThrottleTicket *ret, Fault *f);
/* … and ends; the ticket is used up. An empty ticket is fine. */
void throttle_end(Throttle *t, const ThrottleRules *rules, ThrottleTicket *ticket, ThrottleEnd end, uint64_t now);

/* Forget what was counted, and what hosts are known: of all keys with this service, user and host; NULL or "" is any. Returns how many keys. */
unsigned throttle_reset(Throttle *t, const char *service, const char *user, const char *remote_host);

/* The bucket of a host alone, which is of no service. */
unsigned throttle_reset_host(Throttle *t, const char *remote_host);

/* Full buckets of any kind, and keys in all. */
unsigned throttle_count_full(const Throttle *t, const ThrottleRules *rules, uint64_t now);
size_t throttle_size(const Throttle *t);
/* Changes with everything that is worth keeping. */
uint64_t throttle_generation(const Throttle *t);

/* As bytes, to be kept over a restart: 0 and *ret (the caller's to free), or a negative errno. They have a mark of their own, so that they are right
 * too when the clock goes on from another database. */
int throttle_encode(const Throttle *t, const SteadyMark *now, uint8_t **ret, size_t *ret_size);
/* Into an empty one. 0, -EBADMSG for anything that throttle_encode() has not written, -ENOMEM. */
int throttle_decode(Throttle *t, const void *data, size_t size, const Steady *steady, const Now *now);

/* ---- throttle-key.c ---- */
/* The keys of an attempt into out, in order of kind. Returns how many, or a negative errno. */
int throttle_keys(const ThrottleAttempt *a, ThrottleKey out[static _THROTTLE_KINDS]);
/* The parts that throttle_reset() looks for. 0; 1 when the host is no bucket; a negative errno. */
int throttle_service_digest(const char *service, uint8_t out[static THROTTLE_SERVICE_SIZE]);
int throttle_user_digest(const char *user, uint8_t out[static THROTTLE_NAME_SIZE]);
int throttle_host_digest(const char *remote_host, uint8_t out[static THROTTLE_NAME_SIZE]);
