/* SPDX-License-Identifier: MIT */
/*
 * One run of a PAM stack in the helper's fixed order: authenticate, account management, a new password where account
 * management demanded one and there is somebody to ask, and the user's name read again. stack.c is the only file of the tree that sees libpam's application interface. It never sleeps: the delay
 * that modules ask for is reported.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth-protocol.h"

/* What a module says or asks; the styles are AUTH_STYLE_*. */
typedef struct StackMessage {
        int style;
        const char *text;
} StackMessage;

/* Show messages to whoever logs in. answers has n places: a malloc'ed string for each message that asks, NULL for the
 * others; whatever stands there is the caller's, who wipes it. 0 or a negative errno. */
typedef int (*StackAsk)(const StackMessage *messages, size_t n, char **answers, void *userdata);

typedef struct StackRequest {
        const char *pam_service;        /* the file's name in the PAM folder */
        const char *pam_confdir;        /* NULL: libpam's own */
        const char *user;
        const char *secret;             /* the one answer there is, where ask is NULL */
        StackAsk ask;
        void *userdata;
        const char *remote_host;        /* "" for none */
        const char *session;            /* the id of the session from which this is done, for modules; "" for none */
} StackRequest;

typedef struct StackResult {
        int outcome;                    /* 0, or FAULT_ AUTHENTICATION_FAILED, CONVERSATION_REQUIRED, UNAVAILABLE */
        int pam_result;                 /* what libpam returned last */
        uint64_t delay_usec;
        char *user;                     /* PAM_USER after success, else NULL */
        bool password_changed;          /* on the way to it */
        char text[AUTH_TEXT_MAX + 1];   /* for the journal: which call failed and what libpam says of it */
} StackResult;

void stack_authenticate(const StackRequest *request, StackResult *ret);
void stack_result_done(StackResult *r);

/* What a result of libpam means for somebody who logs in. */
int stack_outcome(int pam_result);
