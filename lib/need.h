/* SPDX-License-Identifier: MIT */
/* What a request asks of a session: the object behind websess_need. Owns the names of the roles. */
#pragma once

#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "error.h"
#include "verdict.h"

struct websess_need {
        Need need;                      /* roles point to the array below */
        Slice roles[ROLES_MAX];         /* each its own allocation, with a NUL */
};

DEFINE_CLEANUP(websess_need *, websess_need_free)

/* NULL for NULL. 0 or -ENOMEM. */
int need_copy(const websess_need *n, websess_need **ret);

/* Append as the a{sv} of Resolve. */
int need_append(sd_bus_message *m, const Need *need);
/* The same with one entry more; value NULL: without it. */
int need_append_with(sd_bus_message *m, const Need *need, const char *key, const char *value);

/* Both must be met: the higher level, the shorter age, any NO_TOUCH, ALLOW_ANONYMOUS only of both. The roles are a's,
 * and b's where a has none. Either may be NULL; roles are borrowed. */
Need need_both(const websess_need *a, const websess_need *b);
