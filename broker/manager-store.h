/* SPDX-License-Identifier: MIT */
/* The manager's side of the store: opening and loading it at the start, what it hands back, and the marks of the clocks. */
#pragma once

#include "manager.h"

/* Opens the database, reads all sessions into the table, starts the clock, the store's thread and the sweep. As manager_new(). */
int manager_open_store(Manager *m, Fault *f);
/* From now on the loop collects what the store has finished, and marks the clocks now and then. */
int manager_watch_store(Manager *m);
void manager_write_mark(Manager *m);
