/* SPDX-License-Identifier: MIT */
/*
 * Arguments as they come in over D-Bus, checked and turned into values. Strings point into the message, which must outlive them.
 * Every function returns 0, FAULT_INVALID_ARGUMENT with the argument's name and what is wrong with it, or a negative errno.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "fault.h"
#include "record.h"

typedef struct Strings {
        Slice *items;           /* malloc'ed */
        size_t n;
} Strings;

/* From args_attributes() they come in order of their keys. */
typedef struct Attributes {
        Attribute *items;       /* malloc'ed */
        size_t n;
        char *lists;            /* malloc'ed: the encoded values of type 'a' */
} Attributes;

void strings_done(Strings *s);
bool strings_have(const Strings *sorted, Slice item);
const Attribute *attributes_find(const Attributes *a, Slice key);
void attributes_done(Attributes *a);

/* What a{sv} of options, need, filter may hold, in one value; `has` tells which keys were there. */
typedef struct Options {
        uint64_t has;                   /* bits of 1 << OPTION_* */
        Slice remote_host, user_agent, host, replace_token, request_id, token, language;
        Slice service, user, user_prefix, role, after, except;
        Strings roles, methods, keep;
        Attributes attributes;
        uint64_t idle_usec, lifetime_usec, auth_time, max_auth_age_usec;
        uint32_t level, limit;
        bool remember, no_touch, allow_anonymous, prefix, password;
} Options;

#define OPTIONS_DONE _cleanup_(options_done)
void options_done(Options *o);

typedef enum Option {
        OPTION_REMOTE_HOST,
        OPTION_USER_AGENT,
        OPTION_HOST,
        OPTION_REPLACE_TOKEN,
        OPTION_REQUEST_ID,
        OPTION_TOKEN,
        OPTION_LANGUAGE,
        OPTION_SERVICE,
        OPTION_USER,
        OPTION_USER_PREFIX,
        OPTION_ROLE,
        OPTION_AFTER,
        OPTION_EXCEPT,
        OPTION_ROLES,
        OPTION_AUTH_METHODS,
        OPTION_KEEP_ATTRIBUTES,
        OPTION_ATTRIBUTES,
        OPTION_IDLE_USEC,
        OPTION_LIFETIME_USEC,
        OPTION_AUTH_TIME,
        OPTION_MAX_AUTH_AGE_USEC,
        OPTION_LEVEL,
        OPTION_LIMIT,
        OPTION_REMEMBER,
        OPTION_NO_TOUCH,
        OPTION_ALLOW_ANONYMOUS,
        OPTION_PREFIX,
        OPTION_PASSWORD,
        _OPTION_MAX,
} Option;

#define OPTION_BIT(o) (UINT64_C(1) << (o))

static inline bool options_have(const Options *o, Option which) {
        return o->has & OPTION_BIT(which);
}

/* Which keys a place takes. */
#define OPTIONS_NEW (OPTION_BIT(OPTION_REMOTE_HOST) | OPTION_BIT(OPTION_USER_AGENT) | OPTION_BIT(OPTION_HOST) | \
                     OPTION_BIT(OPTION_REPLACE_TOKEN) | OPTION_BIT(OPTION_REQUEST_ID) | OPTION_BIT(OPTION_KEEP_ATTRIBUTES) | \
                     OPTION_BIT(OPTION_IDLE_USEC) | OPTION_BIT(OPTION_LIFETIME_USEC) | OPTION_BIT(OPTION_REMEMBER) | \
                     OPTION_BIT(OPTION_LEVEL) | OPTION_BIT(OPTION_AUTH_METHODS))
#define OPTIONS_LOGIN (OPTIONS_NEW | OPTION_BIT(OPTION_ATTRIBUTES) | OPTION_BIT(OPTION_ROLES))
#define OPTIONS_BEGIN (OPTIONS_LOGIN | OPTION_BIT(OPTION_TOKEN) | OPTION_BIT(OPTION_LANGUAGE))
/* What authenticating again takes: the rest is the session's already. */
#define OPTIONS_STEP_UP (OPTION_BIT(OPTION_TOKEN) | OPTION_BIT(OPTION_REMOTE_HOST) | OPTION_BIT(OPTION_USER_AGENT) | \
                         OPTION_BIT(OPTION_HOST) | OPTION_BIT(OPTION_LANGUAGE))
#define OPTIONS_CREATE (OPTIONS_NEW | OPTION_BIT(OPTION_AUTH_TIME))
#define OPTIONS_ROTATE (OPTION_BIT(OPTION_REQUEST_ID) | OPTION_BIT(OPTION_HOST) | OPTION_BIT(OPTION_LEVEL) | \
                        OPTION_BIT(OPTION_AUTH_METHODS) | OPTION_BIT(OPTION_AUTH_TIME))
#define OPTIONS_NEED (OPTION_BIT(OPTION_ROLES) | OPTION_BIT(OPTION_LEVEL) | OPTION_BIT(OPTION_MAX_AUTH_AGE_USEC) | \
                      OPTION_BIT(OPTION_NO_TOUCH) | OPTION_BIT(OPTION_ALLOW_ANONYMOUS))
#define OPTIONS_EXPLAIN (OPTIONS_NEED | OPTION_BIT(OPTION_SERVICE))
#define OPTIONS_FILTER (OPTION_BIT(OPTION_SERVICE) | OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_USER_PREFIX) | \
                        OPTION_BIT(OPTION_ROLE) | OPTION_BIT(OPTION_LIMIT) | OPTION_BIT(OPTION_AFTER))
#define OPTIONS_REVOKE (OPTION_BIT(OPTION_EXCEPT) | OPTION_BIT(OPTION_PREFIX) | OPTION_BIT(OPTION_PASSWORD))

/* Options that take the Create right, whoever may call the method. */
#define OPTIONS_CREATE_RIGHT (OPTION_BIT(OPTION_LEVEL) | OPTION_BIT(OPTION_AUTH_METHODS) | OPTION_BIT(OPTION_AUTH_TIME))

int args_options(sd_bus_message *m, uint64_t allowed, Options *ret, Fault *f);  /* a{sv} */
int args_string(sd_bus_message *m, Slice *ret);                                 /* s */
int args_strings(sd_bus_message *m, Strings *ret);                              /* as */
int args_roles(sd_bus_message *m, Strings *ret, Fault *f);                      /* as, valid roles, at most ROLES_MAX; ret has each once */
int args_keys(sd_bus_message *m, Strings *ret, Fault *f);                       /* as, names of attributes; ret is sorted */
int args_attributes(sd_bus_message *m, Attributes *ret, Fault *f);              /* a{sv} */
