/* SPDX-License-Identifier: MIT */
/* Who is at the other end, by the kernel's word. */
#pragma once

#include "access.h"

/* Of a connected unix socket: uid and groups. Quick. */
int creds_of_socket(int fd, Caller *ret);

/* Of the same: the unit of the process that connected, where the kernel lets it be known beyond doubt; else NULL. Reads files of /proc. */
char *creds_unit_of_socket(int fd);

/* The unit of the process behind a pidfd; NULL in *ret when it is not known beyond doubt. 0 or a negative errno. */
int creds_unit_of_pidfd(int pidfd, char **ret);

/* The unit of the system manager that a cgroup path belongs to. Pure. "/system.slice/shop.service/x" gives a malloc'ed
 * "shop.service"; 0 and NULL for one of a user's manager or none at all; -ENOMEM. */
int creds_unit_of_cgroup(const char *path, char **ret);
