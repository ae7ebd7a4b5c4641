/* SPDX-License-Identifier: MIT */
/* Introspection XML, written from the tables. Pure. */
#pragma once

#include "bus.h"

/* Both lists end with NULL and may be NULL. 0 or -ENOMEM. */
int introspect_write(
        char **ret, const BusInterface *const *standard, const BusInterface *const *interfaces, char *const *children);

/* How many characters the first complete type of a signature has: "a{sv}s" gives 5. 0 at its end or when it is
 * malformed. */
size_t signature_first(const char *signature);
