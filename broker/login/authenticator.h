/* SPDX-License-Identifier: MIT */
/*
 * The broker's side of PAM: keeps a few helpers (websess-pam, one conversation each) started and connected over a
 * SOCK_SEQPACKET socket, and asks them. The broker itself never runs PAM. Nothing here waits: results come by
 * callback from the event loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "fault.h"
#include "record.h"

typedef struct Authenticator Authenticator;
typedef struct Authentication Authentication;   /* one conversation in progress */

/* What a success says about the user. Pointers are valid during the callback only. */
typedef struct AuthIdentity {
        const char *user;               /* PAM_USER, read again after success */
        uid_t uid;                      /* RECORD_NO_UID when NSS does not know the name */
        char *const *groups;            /* names, NULL-terminated */
        const char *const *methods;     /* RFC 8176 names, NULL-terminated; "pwd" */
        uint32_t level;                 /* what that is worth, by the policy */
        uint8_t account_digest[RECORD_TAG_SIZE];
        bool local;                     /* this machine's own account, not a directory's */
        bool password_changed;          /* by the user, in this conversation */
} AuthIdentity;

/* result: 0 with identity; FAULT_AUTHENTICATION_FAILED, FAULT_CONVERSATION_REQUIRED or FAULT_UNAVAILABLE with f;
 * or a negative errno. A failure is delivered no sooner than started + max(the delay PAM asked for, the floor);
 * delays are the event loop's timers. A delay that comes with a success is ignored, and none is kept longer than a
 * minute. Must not free the Authenticator. */
typedef void (*AuthDone)(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata);

/* What the stack says and asks in one round of a conversation; strings are valid during the callback only. The helper
 * waits until authentication_answer(). */
typedef struct AuthPrompt {
        int style;                      /* AUTH_STYLE_* of auth-protocol.h */
        const char *text;               /* UTF-8 */
} AuthPrompt;
typedef void (*AuthPrompted)(Authentication *a, const AuthPrompt *prompts, size_t n, void *userdata);

typedef struct AuthOptions {
        const char *socket_path;
        unsigned idle_helpers, max_helpers;
        uint64_t timeout_usec;          /* from a request's start to PAM's answer; also for a helper to start */
        uint64_t queue_timeout_usec;    /* of that, how long to wait for a helper */
        uint64_t failure_floor_usec;
        const uint8_t *account_key;     /* AUTH_KEY_SIZE bytes, borrowed; NULL: no digests of accounts */
} AuthOptions;

int authenticator_new(Authenticator **ret, sd_event *event, const AuthOptions *options);
Authenticator *authenticator_free(Authenticator *a);         /* those in progress are cancelled */
void authenticator_set_options(Authenticator *a, const AuthOptions *options);   /* socket_path is ignored */

typedef struct AuthRequest {
        const char *service;            /* the websess service; the helper reads its policy itself */
        const char *user;
        const char *secret;             /* wiped copies are the Authenticator's; this stays the caller's */
        AuthPrompted prompted;          /* a conversation, where secret is NULL. Its limit in time is its owner's to keep:
                                         * people are slow. */
        bool step_up;                   /* a conversation by the stack for authenticating again */
        const char *session;            /* the id of the session that is for; NULL for none */
        Slice language;                 /* what the user speaks; empty: the service's */
        const char *remote_host;        /* "" for none */
        uint64_t started;               /* CLOCK_BOOTTIME µs: when the request came */
} AuthRequest;

/* FAULT_INVALID_ARGUMENT, FAULT_TOO_MANY when too many wait for a helper already. Returns 0 with *ret (valid until
 * done was called or authentication_cancel()), a FAULT_* or a negative errno. done is never called from in here. */
int authenticator_begin(Authenticator *a, Authentication **ret, const AuthRequest *request, AuthDone done,
                        void *userdata, Fault *f);

/* Answer a round: one string for each prompt that asks. started: when the answers came, from which a failure is
 * held back. Returns 0; FAULT_INVALID_ARGUMENT for another number of answers, or one that cannot be, after which the round
 * can be answered again; a negative errno. Never calls back from in here. */
int authentication_answer(Authentication *a, const Slice *answers, size_t n, uint64_t started, Fault *f);

/* Its client vanished: done is not called. Always NULL. */
Authentication *authentication_cancel(Authentication *a);

/* For the journal, during done: what libpam said last (0 when it was not reached), and where; "" when there is
 * nothing to say. Not for the client: it tells a locked account from a wrong password. */
int authentication_pam_result(const Authentication *a);
const char *authentication_reason(const Authentication *a);

typedef struct AuthStatus {
        unsigned idle, active;          /* helpers: ready, at work */
        unsigned starting;              /* … asked for, and not yet ready */
        unsigned waiting;               /* requests without a helper */
        uint64_t started, failed;       /* helpers: connected to, and lost before they had done anything */
} AuthStatus;
void authenticator_status(const Authenticator *a, AuthStatus *out);
