/* SPDX-License-Identifier: MIT */
/*
 * The broker's side of PAM: keeps a few helpers (websess-pam, one conversation each) started and connected over a SOCK_SEQPACKET
 * socket, and asks them. The broker itself never runs PAM. Nothing here waits: results come by callback from the event loop.
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
        uint8_t account_digest[RECORD_TAG_SIZE];
} AuthIdentity;

/* result: 0 with identity; FAULT_AUTHENTICATION_FAILED, FAULT_CONVERSATION_REQUIRED, FAULT_UNAVAILABLE, FAULT_TOO_MANY with f; or a negative errno.
 * A failure is delivered no sooner than started + max(the delay PAM asked for, the floor); delays are the event loop's timers. */
typedef void (*AuthDone)(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata);

typedef struct AuthOptions {
        const char *socket_path;
        unsigned idle_helpers, max_helpers;
        uint64_t timeout_usec;
        uint64_t failure_floor_usec;
} AuthOptions;

int authenticator_new(Authenticator **ret, sd_event *event, const AuthOptions *options);
Authenticator *authenticator_free(Authenticator *a);
void authenticator_set_options(Authenticator *a, const AuthOptions *options);   /* socket_path is ignored */

typedef struct AuthRequest {
        const char *service;            /* the websess service; the helper reads its policy itself */
        const char *user;
        const char *secret;             /* wiped copies are the Authenticator's; this stays the caller's */
        const char *remote_host;        /* "" for none */
        uint64_t started;               /* CLOCK_BOOTTIME µs: when the request came */
} AuthRequest;

/* Returns 0 with *ret (valid until done was called or authentication_cancel()), a FAULT_* or a negative errno. done is never called from in here. */
int authenticator_begin(Authenticator *a, Authentication **ret, const AuthRequest *request, AuthDone done, void *userdata, Fault *f);
Authentication *authentication_cancel(Authentication *a);       /* its client vanished; done is not called; always NULL */

typedef struct AuthStatus {
        unsigned idle, active, waiting;
        uint64_t started, failed;
} AuthStatus;
void authenticator_status(const Authenticator *a, AuthStatus *out);
