/* SPDX-License-Identifier: MIT */
/* Long output goes through a pager where somebody sits in front of it. Owns standard output while one runs. */
#pragma once

#include <sys/types.h>

/* Put $SYSTEMD_PAGER, $PAGER or less behind standard output, if that is a terminal and none of them is "" or "cat".
 * Returns the pager's pid, 0 for none. Without one the output simply goes to the terminal. */
pid_t pager_open(void);

/* Flush, and wait until whoever reads has seen enough. */
void pager_close(pid_t pager);
