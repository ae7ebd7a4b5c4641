/* SPDX-License-Identifier: MIT */
/* Users and groups of this machine by name. Blocks: while a policy is loaded only. */
#pragma once

#include <sys/types.h>

#include "fault.h"

/* 0; FAULT_INVALID_ARGUMENT (`group "xyz" does not exist`, or NSS could not answer); or -ENOMEM. */
int nss_user(const char *name, uid_t *ret, Fault *f);
int nss_group(const char *name, gid_t *ret, Fault *f);
