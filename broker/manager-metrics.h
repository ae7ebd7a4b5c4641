/* SPDX-License-Identifier: MIT */
/* The manager's numbers for monitoring, by [Metrics] of websess.conf. */
#pragma once

#include "manager.h"

/* Begin, change or stop to write the file, as the policy in force says. What goes wrong is logged: nobody is refused for it. */
void manager_apply_metrics(Manager *m);
