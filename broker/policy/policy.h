/* SPDX-License-Identifier: MIT */
/*
 * The policy in force: websess.conf and services.d/NAME.conf with drop-ins, read into immutable values. Loading
 * resolves users and groups by NSS and reads files, so it may block: at start, at reload and in the PAM helper only.
 * Nothing here logs; what is wrong comes back in a Fault as "FILE:LINE: KEY: reason".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cookie.h"
#include "fault.h"
#include "record.h"
#include "verdict.h"

typedef enum Right {
        RIGHT_LOGIN,
        RIGHT_RESOLVE,
        RIGHT_MAP,
        RIGHT_CREATE,
        RIGHT_MANAGE,
        _RIGHT_MAX,
} Right;

const char *right_name(Right r);        /* "Login" … as in [Access] */

typedef enum AccessType {
        ACCESS_ANYONE,          /* * */
        ACCESS_UID,             /* alice, 998 */
        ACCESS_GID,             /* @staff */
        ACCESS_UNIT,            /* unit:shop.service */
} AccessType;

typedef struct AccessRule {
        AccessType type;
        union {
                uid_t uid;
                gid_t gid;
                char *unit;
        };
        char *text;             /* as written, for messages */
} AccessRule;

typedef struct AccessList {
        AccessRule *rules;
        size_t n_rules;
} AccessList;

/* One line of [Roles]: who gets the role at login. */
typedef struct RoleRule {
        char *role;
        char **users;           /* NULL-terminated */
        char **groups;          /* NULL-terminated, without the @ */
        bool everyone;          /* * */
        char *origin;           /* "FILE:LINE" that named a group last, for messages; NULL without groups */
} RoleRule;

typedef enum Users { USERS_UNIX, USERS_APP } Users;
typedef enum Preset { PRESET_NONE, PRESET_AAL1, PRESET_AAL2, PRESET_AAL3, _PRESET_MAX } Preset;
typedef enum OnLimit { ON_LIMIT_EVICT, ON_LIMIT_REFUSE } OnLimit;
typedef enum OnRoleChange { ON_ROLE_CHANGE_REVOKE, ON_ROLE_CHANGE_UPDATE } OnRoleChange;

typedef struct CookieRules {
        char *name, *path, *domain;
        char *domain_pattern;           /* PCRE2 over the request's host name; group 1 is the domain; "" for none */
        void *domain_code;              /* the compiled pattern, policy-cookie.c's */
        bool max_age_lifetime;          /* MaxAge=lifetime: as long as the session can live */
        uint64_t max_age_sec;           /* else this; 0 for a cookie of the browser's session */
        bool secure, http_only;
        char *same_site;
} CookieRules;

/* A list of names, of RFC 8176 mostly. */
typedef struct Methods {
        char *names[METHODS_MAX];
        size_t n;
} Methods;

typedef struct Service {
        char *name;
        char *path;                     /* the file it came from, for messages */
        Users users;
        char *pam_service;
        Methods languages;              /* locales of what PAM says, the first where none is asked for; none: C */
        Methods methods;                /* what a pass through that stack proves … */
        unsigned level;                 /* … and is worth */
        char *step_up_pam_service;      /* "" for the same */
        Methods step_up_methods;        /* none: the same */
        unsigned step_up_level;         /* 0: the same */
        bool anonymous;
        uint64_t anonymous_idle_usec;
        Preset preset;                  /* what the times below must keep within */
        uint64_t idle_usec, lifetime_usec, remember_usec, touch_usec;
        unsigned max_sessions;          /* per user; 0: no limit */
        OnLimit on_limit;
        OnRoleChange on_role_change;
        char *token_prefix;
        char *admin_role;               /* "" for none */
        RoleRule *roles;
        size_t n_roles;
        CookieRules cookie;
        AccessList access[_RIGHT_MAX];
} Service;

/* How many failed logins are too many: see throttle.h. */
typedef enum ThrottleKind {
        THROTTLE_USER_HOST,             /* narrow */
        THROTTLE_HOST,                  /* narrow; of no service */
        THROTTLE_USER,                  /* wide */
        THROTTLE_CALLER,                /* wide; of no service */
        _THROTTLE_RULES,
} ThrottleKind;

typedef struct ThrottleRule {
        unsigned failures;              /* how many drops the bucket holds; 0: there is no such bucket */
        uint64_t recover_usec;          /* how long one takes to drain */
} ThrottleRule;

typedef struct ThrottleRules {
        ThrottleRule rules[_THROTTLE_RULES];
        uint64_t known_host_usec;       /* how long a success makes a host known */
} ThrottleRules;

/* websess.conf: the machine's own settings. The section and key of each stands beside it. */
typedef struct Settings {
        uint64_t store_max_bytes;               /* [Store] MaxSize= */
        uint64_t store_reserve_bytes;           /* [Store] Reserve=: kept on disk so that revoking works when full */
        uint64_t map_max_bytes;                 /* [Map] MaxMemory=: of one service's map */
        unsigned max_connections;               /* [Limits] MaxConnections= on the private socket, in all */
        unsigned max_connections_per_user;      /* [Limits] MaxConnectionsPerUser= */
        unsigned max_pending_per_user;          /* [Limits] MaxPendingPerUser=: calls not yet answered */
        unsigned max_logins_per_user;           /* [Limits] MaxLoginsPerUser=: PAM exchanges at once, by caller */
        unsigned max_sessions_per_creator;      /* [Limits] MaxSessionsPerCreator=: live, created by one uid; 0: no limit */
        uint64_t max_bytes_per_user;            /* [Limits] MaxBytesPerUser=: queued replies, bytes */
        unsigned idle_helpers;                  /* [PAM] IdleHelpers=: started and waiting */
        unsigned max_helpers;                   /* [PAM] MaxHelpers= */
        uint64_t login_timeout_usec;            /* [PAM] LoginTimeoutSec= */
        uint64_t queue_timeout_usec;            /* [PAM] QueueTimeoutSec=: how long a login waits for a helper */
        uint64_t conversation_usec;             /* [PAM] ConversationSec=: from BeginLogin to the end */
        uint64_t failure_delay_usec;            /* [PAM] FailureDelaySec=: a failure is answered no sooner after its start */
        uint64_t account_check_usec;            /* [Accounts] CheckSec=: how often all are looked at that have sessions */
        ThrottleRules throttle;                 /* [Throttle] */
        char *metrics_file;                     /* [Metrics] File=: "" for none */
        uint64_t metrics_interval_usec;         /* [Metrics] IntervalSec= */
} Settings;

typedef struct Policy {
        unsigned n_refs;
        Settings settings;
        Service **services;             /* sorted by name; "default" is always there */
        size_t n_services;
} Policy;

/* Read everything below directory ("/etc/websess"). 0, FAULT_INVALID_ARGUMENT with the first thing that is wrong, or a
 * negative errno. A missing directory or file is an empty one. */
int policy_load(Policy **ret, const char *directory, Fault *f);
Policy *policy_ref(Policy *p);
Policy *policy_unref(Policy *p);        /* always NULL; NULL is fine */

/* One service alone, for a program that needs no other: a mistake in another service's file does not concern it. As
 * policy_load(), and FAULT_INVALID_ARGUMENT where there is no such file (but for "default"). */
int policy_load_service(Service **ret, const char *directory, const char *name, Fault *f);
Service *service_free(Service *s);      /* only one that was loaded alone; always NULL, NULL is fine */

const Service *policy_find(const Policy *p, Slice name);

/* A stack of PAM and what whoever passes it has proved. */
typedef struct Stack {
        const char *pam_service;
        const Methods *methods;
        unsigned level;
} Stack;

/* The stack for a login, or for authenticating again. Pure; points into the policy. */
Stack service_stack(const Service *s, bool step_up);

/* The locale for somebody who speaks wanted ("de", "de-AT"; "" is anything). NULL: C. Pure; points into the policy. */
const char *service_language(const Service *s, const char *wanted);

bool service_has_role(const Service *s, Slice role);           /* named by [Roles], or the admin role */
VerdictPolicy service_verdict_policy(const Service *s);

/* The roles that a user with these groups gets at login, in the order of the file, each once. Pure. Fills at most
 * ROLES_MAX slices that point into the policy. Returns how many. */
size_t service_roles_for(const Service *s, const char *user, char *const *groups, Slice out[static ROLES_MAX]);

/* The ready Set-Cookie value for a token of this service. host is the request's host name or NULL; lifetime_usec is how
 * long the session can live. As cookie_format(). */
int service_cookie(const Service *s, const char *token, const char *host, uint64_t lifetime_usec, char *out,
        size_t size, Fault *f);
