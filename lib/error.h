/* SPDX-License-Identifier: MIT */
/*
 * Why the thread's last failed call failed. The text is the thread's own, like errno: the one piece of state in the
 * library that hangs on no object, since a caller without a session value needs to be told as well.
 */
#pragma once

#include "fault.h"

/* What websess.h declares is what the shared object exports; everything else stays hidden. */
#pragma GCC visibility push(default)
#include "websess.h"
#pragma GCC visibility pop

/* Keep the text and return code (positive, or a negative errno), so that a function can `return error_set(…)`. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keep a fault's text; returns its code. */
int error_fault(const Fault *f);

/* "what: No such file or directory"; returns r, a negative errno. */
int error_errno(int r, const char *what);

/* Calls that succeed leave the text as it is: what is tried beside a call, and may fail, saves and restores it. */
typedef struct ErrorText {
        char text[sizeof(((Fault *) NULL)->text)];
} ErrorText;
void error_save(ErrorText *out);
void error_restore(const ErrorText *t);

/* -ENOMEM */
int error_memory(void);
