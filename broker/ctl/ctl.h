/* SPDX-License-Identifier: MIT */
/*
 * websessctl: what an administrator types. It speaks to the broker through libwebsess alone and knows no more than any
 * other caller. A command line becomes a Ctl (cmdline.c), the Ctl's verb is run (verbs.c, verb-*.c), and what comes
 * back is shown as a table, as text or as JSON (grid.c, view.c, json.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "websess.h"

/* Exit statuses, part of the interface: see websessctl(1). An outcome of the API, WEBSESS_E_*, is 10 + its number. */
enum {
        CTL_EXIT_OK = 0,
        CTL_EXIT_ERROR = 1,
        CTL_EXIT_USAGE = 2,
        CTL_EXIT_OUTCOME = 10,
};

typedef enum CtlJson {
        CTL_JSON_OFF,
        CTL_JSON_SHORT,
        CTL_JSON_PRETTY,
} CtlJson;

/* Words in the order in which they came; the words themselves are the command line's. */
typedef struct CtlWords {
        const char **items;
        size_t n;
} CtlWords;

/* What options say; zero is "not given" everywhere. */
typedef struct CtlOptions {
        bool help, version, quiet, no_legend, no_pager;
        CtlJson json;
        uint64_t timeout_usec;

        const char *service, *user, *user_prefix, *role_filter, *after;
        uint64_t limit;

        CtlWords roles, attributes, unset, methods;
        const char *remote_host, *user_agent, *request_id;
        uint64_t level, idle_usec, lifetime_usec, max_age_usec, if_version;
        bool remember, no_touch, allow_anonymous, cookie, cgi;
        const char *cookie_name;

        const char *except;
        bool prefix, by_user;
} CtlOptions;

typedef struct CtlVerb CtlVerb;

typedef struct Ctl {
        const CtlVerb *verb;
        CtlWords args;          /* what stands behind the verb and is no option */
        CtlOptions o;
} Ctl;

/* Does the verb and returns an exit status; what is wrong it has said on standard error. */
typedef int (*CtlVerbFn)(Ctl *c);

struct CtlVerb {
        const char *name;
        const char *synopsis;   /* its arguments, as --help shows them */
        const char *help;
        size_t min_args, max_args;
        uint64_t options;       /* bits of CtlOption; those for every verb are understood */
        CtlVerbFn run;
};

/* The verbs, in the order of --help; the list ends with a NULL name. */
extern const CtlVerb ctl_verbs[];

const CtlVerb *ctl_verb_find(const char *name);
