/* SPDX-License-Identifier: MIT */
/* Who is calling, as the kernel says it, and what [Access] lets him do. Pure. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "policy.h"

/* Kernel credentials of a caller. uid is (uid_t) -1 when they could not be read; such a caller matches nothing. */
typedef struct Caller {
        uid_t uid;
        pid_t pid;              /* for messages only: never decides anything */
        gid_t *gids;            /* the primary group among them */
        size_t n_gids;
        char *unit;             /* "shop.service"; NULL when it is not known beyond doubt */
} Caller;

#define CALLER_NONE ((Caller) { .uid = (uid_t) -1 })

void caller_done(Caller *c);

bool caller_valid(const Caller *c);             /* false for -1 and 65534 */
bool caller_is_root(const Caller *c);
bool caller_owns(const Caller *c, const Record *r);     /* the session carries his own, real uid */

bool access_allows(const Service *s, Right right, const Caller *c);     /* root: always */
/* The same, and by which entry: NULL for root, who needs none. */
bool access_find(const Service *s, Right right, const Caller *c, const AccessRule **ret);

/* FAULT_ACCESS_DENIED: `uid 998 (shop.service) lacks Resolve on "shop": see [Access] in
 * /etc/websess/services.d/shop.conf` */
int access_require(const Service *s, Right right, const Caller *c, Fault *f);
