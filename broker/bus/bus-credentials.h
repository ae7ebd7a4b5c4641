/* SPDX-License-Identifier: MIT */
/* What the bus daemon says about a caller. */
#pragma once

#include <systemd/sd-bus.h>

#include "access.h"

/* Read the reply of GetConnectionCredentials. 0 with a valid *ret, -EACCES when it names no user, or another negative
 * errno. */
int credentials_read(sd_bus_message *reply, Caller *ret);
