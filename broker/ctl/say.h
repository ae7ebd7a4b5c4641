/* SPDX-License-Identifier: MIT */
/* How websessctl says that something went wrong: one line on standard error, and the exit status that goes with it. */
#pragma once

#include "ctl.h"
#include "fault.h"

/* The exit status for what a call of the library returned. */
int say_status(int r);

/* Say why the library's last call failed, and return say_status(r). what: what it was about (an id), or NULL. */
int say_outcome(const char *what, int r);

/* Something of this machine failed (-errno); returns CTL_EXIT_ERROR. */
int say_errno(const char *what, int r);

/* What was typed makes no sense; returns CTL_EXIT_USAGE. */
int say_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what a parser returned: a fault is usage, a negative errno is broken. */
int say_fault(const Fault *f, int r);
