/* SPDX-License-Identifier: MIT */
/* Introspection XML, written from the tables. Pure. */
#pragma once

#include <stdio.h>

#include "bus.h"

/* One after the other; ferror() tells whether all went well. Both lists end with NULL and may be NULL. */
void introspect_begin(FILE *f, const BusInterface *const *standard, const BusInterface *const *interfaces);
void introspect_child(FILE *f, const char *name);
void introspect_end(FILE *f);

/* How many characters the first complete type of a signature has: "a{sv}s" gives 5. 0 at its end or when it is
 * malformed. */
size_t signature_first(const char *signature);
