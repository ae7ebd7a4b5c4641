/* SPDX-License-Identifier: MIT */
/*
 * What the broker says to the journal: one stable MESSAGE_ID per kind of event (systemd/websess.catalog explains each), fields in
 * WEBSESS_*. Never a token, never a password. Without a journal the lines go to standard error.
 */
#pragma once

#include <stdint.h>
#include <syslog.h>

#include "record.h"

typedef enum LogEvent {
        LOG_EVENT_STARTED,
        LOG_EVENT_STOPPING,
        LOG_EVENT_LOGIN,                /* a session began */
        LOG_EVENT_LOGIN_FAILED,
        LOG_EVENT_THROTTLED,            /* a login refused before PAM was asked */
        LOG_EVENT_THROTTLE_RESET,
        LOG_EVENT_DENIED,               /* a caller without the right */
        LOG_EVENT_ENDED,                /* a session ended; WEBSESS_REASON says why */
        LOG_EVENT_REVOKED_MANY,
        LOG_EVENT_ROLES_CHANGED,
        LOG_EVENT_POLICY_LOADED,
        LOG_EVENT_POLICY_REFUSED,
        LOG_EVENT_STORE_FAILED,
        LOG_EVENT_STORE_RECOVERED,
        LOG_EVENT_RECORD_DAMAGED,
        LOG_EVENT_RESTORED,             /* a backup took the database's place */
        LOG_EVENT_QUOTA,
        LOG_EVENT_HOSTILE_PEER,
        LOG_EVENT_INTERNAL,             /* a bug or a broken part of ours */
        _LOG_EVENT_MAX,
} LogEvent;

typedef struct LogFields {
        const char *service;            /* any of these may be NULL */
        const char *user;
        const char *session;            /* hex id */
        const char *reason;
        const char *remote_host;
        const char *unit;
        int64_t uid;                    /* of the caller; -1: not there */
} LogFields;

#define LOG_NO_FIELDS (&(LogFields) { .uid = -1 })

void log_event(LogEvent event, int priority, const LogFields *fields, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* To the journal alone, if there is one: for what an administrator does whose terminal has been told. */
void log_to_journal(LogEvent event, int priority, const LogFields *fields, const char *message);

/* An internal failure: "what: strerror". Returns error, so that `return log_error(r, "…")` reads well. */
int log_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
