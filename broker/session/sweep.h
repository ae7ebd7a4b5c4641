/* SPDX-License-Identifier: MIT */
/*
 * What the table needs done as time goes by: ended sessions are removed from the store, and touches are written, a few seconds late at
 * most. Enforcing an end is not done here: every look-up does that itself.
 */
#pragma once

#include <systemd/sd-event.h>

#include "steady.h"
#include "table.h"

typedef struct Sweep Sweep;

int sweep_new(Sweep **ret, sd_event *event, Table *table, const Steady *steady);
Sweep *sweep_free(Sweep *s);
void sweep_write_touches(Sweep *s);     /* now: at shutdown */
