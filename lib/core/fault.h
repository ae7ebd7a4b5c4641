/* SPDX-License-Identifier: MIT */
/*
 * Named outcomes of the API, and the one table that turns them into D-Bus error names, HTTP statuses and text.
 *
 * Two lanes of errors run through the tree. A negative errno says that something is broken: it goes up untouched
 * and is logged once, at the top. A positive code is an outcome that the caller of the API is told by name; it
 * comes with a Fault, whose text says to an administrator what is wrong and what to do. Pure: no I/O, no logging.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The values are part of the library's ABI (websess.h has them under the same numbers). */
enum {
        FAULT_NONE = 0,
        FAULT_NO_SESSION = 1,
        FAULT_FORBIDDEN = 2,
        FAULT_STEP_UP_REQUIRED = 3,
        FAULT_AUTHENTICATION_FAILED = 4,
        FAULT_CONVERSATION_REQUIRED = 5,
        FAULT_LIMIT_REACHED = 6,
        FAULT_ACCESS_DENIED = 7,
        FAULT_NO_SERVICE = 8,
        FAULT_INVALID_ARGUMENT = 9,
        FAULT_CONFLICT = 10,
        FAULT_TOO_MANY = 11,
        FAULT_UNAVAILABLE = 12,
        _FAULT_MAX,
};

#define FAULT_TEXT_SIZE 512u

typedef struct Fault {
        int code;           /* FAULT_*, 0 while nothing is wrong */
        char text[FAULT_TEXT_SIZE];     /* for people; never holds a token or a password */
} Fault;

/* Fill *f (which may be NULL) and return code, so that a function can `return fault(f, FAULT_…, "…")`. A text that
 * is too long is cut at a character boundary. */
int fault(Fault *f, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "org.websess1.Error.NoSession" for FAULT_NO_SESSION …; NULL for a number that is none. */
const char *fault_dbus_name(int code);

/* The code behind a D-Bus error name; 0 for a name that is not ours. */
int fault_from_dbus_name(const char *name);

/* "NoSession", the short name as the contract writes it; NULL for a number that is none. */
const char *fault_name(int code);

/* 401, 403, 429, 500, 503 …; 500 for a number that is none. */
int fault_http_status(int code);

/* One English sentence that explains the code by itself; never NULL. */
const char *fault_text(int code);

/* The code with its own sentence, where there is nothing more to say. */
static inline int fault_plain(Fault *f, int code) {
        return fault(f, code, "%s", fault_text(code));
}
