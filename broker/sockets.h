/* SPDX-License-Identifier: MIT */
/* Where the broker's sockets are: what systemd passed, or what it makes itself in the runtime directory. */
#pragma once

#include "fault.h"

/* directory/name as a path that fits a socket address; FAULT_INVALID_ARGUMENT when it does not. */
int socket_path(const char *directory, const char *name, char **ret, Fault *f);

/* The listening private socket: the one that systemd passed ($LISTEN_FDS), else directory/websess.sock, made anew with mode 0666 (the policy decides
 * who may do what). A socket file left by a broker before is removed: the lock on the state directory says that none is alive. */
int socket_listen(const char *directory, int *ret, Fault *f);
