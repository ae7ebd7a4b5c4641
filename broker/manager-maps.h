/* SPDX-License-Identifier: MIT */
/* Maps (websess-map.h) follow the policy: what readers go by comes from it, and a new policy supersedes them all. */
#pragma once

#include "manager.h"

void maps_start(Manager *m);            /* before the table is made */
MapFacts maps_facts(void *manager, Slice service);
void maps_supersede(Manager *m);        /* after a new policy is in force */
