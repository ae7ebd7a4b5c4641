/* SPDX-License-Identifier: MIT */
/* How to log in, create or rotate: the object behind websess_options. Owns copies of everything; wiped with its
 * memory. */
#pragma once

#include "arguments.h"
#include "values.h"

enum {
        OPTION_REMOTE_HOST,
        OPTION_USER_AGENT,
        OPTION_HOST,
        OPTION_REPLACE_TOKEN,
        OPTION_REQUEST_ID,
        OPTION_TOKEN,
        OPTION_LANGUAGE,
        _OPTION_TEXTS,
};

enum {
        OPTION_IDLE = 1 << 0,
        OPTION_LIFETIME = 1 << 1,
        OPTION_REMEMBER = 1 << 2,
        OPTION_LEVEL = 1 << 3,
        OPTION_AUTH_TIME = 1 << 4,
};

#define LIST_MAX 256u

typedef struct TextList {
        char *items[LIST_MAX];
        size_t n;
} TextList;

struct websess_options {
        char *texts[_OPTION_TEXTS];
        TextList keep_attributes, roles, methods;
        struct websess_values attributes;
        unsigned given;                 /* OPTION_*: which of the numbers were set */
        uint64_t idle_usec, lifetime_usec, auth_time, timeout_usec;
        uint32_t level;
        bool remember;
};

DEFINE_CLEANUP(websess_options *, websess_options_free)

/* Append the a{sv} of the call. o may be NULL; with_session: roles and attributes too, which CreateSession has as
 * arguments. */
int options_append(sd_bus_message *m, const websess_options *o, const char *request_id, bool with_session);
