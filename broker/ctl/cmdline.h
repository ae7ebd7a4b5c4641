/* SPDX-License-Identifier: MIT */
/* The options of websessctl as one table, the command line read by it, and the help text made from it. */
#pragma once

#include <stdio.h>

#include "ctl.h"
#include "fault.h"

typedef enum CtlOption {
        CTL_OPTION_HELP,
        CTL_OPTION_VERSION,
        CTL_OPTION_JSON,
        CTL_OPTION_QUIET,
        CTL_OPTION_NO_LEGEND,
        CTL_OPTION_NO_PAGER,
        CTL_OPTION_TIMEOUT,
        CTL_OPTION_SERVICE,
        CTL_OPTION_USER,
        CTL_OPTION_USER_PREFIX,
        CTL_OPTION_ROLE_FILTER,
        CTL_OPTION_LIMIT,
        CTL_OPTION_AFTER,
        CTL_OPTION_ROLE,
        CTL_OPTION_ATTR,
        CTL_OPTION_UNSET,
        CTL_OPTION_IF_VERSION,
        CTL_OPTION_METHOD,
        CTL_OPTION_LEVEL,
        CTL_OPTION_REMOTE_HOST,
        CTL_OPTION_USER_AGENT,
        CTL_OPTION_IDLE,
        CTL_OPTION_LIFETIME,
        CTL_OPTION_REMEMBER,
        CTL_OPTION_REQUEST_ID,
        CTL_OPTION_MAX_AGE,
        CTL_OPTION_NO_TOUCH,
        CTL_OPTION_ALLOW_ANONYMOUS,
        CTL_OPTION_COOKIE,
        CTL_OPTION_COOKIE_NAME,
        CTL_OPTION_CGI,
        CTL_OPTION_EXCEPT,
        CTL_OPTION_PREFIX,
        CTL_OPTION_BY_USER,
        _CTL_OPTION_MAX,
} CtlOption;

#define CTL_BIT(option) (UINT64_C(1) << CTL_OPTION_##option)

/*
 * Read a command line into *c, which ctl_done() frees afterwards in any case. argv's order may be changed; its words
 * must outlive c. 0, FAULT_INVALID_ARGUMENT with a text for whoever typed it, or -ENOMEM. With --help or --version the
 * rest of the line need not make sense.
 */
int ctl_parse(Ctl *c, int argc, char **argv, Fault *f);
void ctl_done(Ctl *c);

/* The help of one verb, or of all. */
void ctl_help(FILE *out, const CtlVerb *verb);
