/* SPDX-License-Identifier: MIT */
/* Maps (websess-map.h) follow the policy: what readers go by comes from it, and a new policy supersedes them all. */
#pragma once

#include "manager.h"

void maps_start(Manager *m);            /* before the table is made */
MapFacts maps_facts(void *manager, Slice service);
void maps_supersede(Manager *m);        /* after a new policy is in force */

/* Who was given a map, for those who ask how many read it: clients that are still connected. */
void maps_add_reader(Manager *m, const BusClient *client, const Space *space);
void maps_remove_reader(Manager *m, const BusClient *client);   /* he is gone; NULL: all are */
unsigned maps_count_readers(const Manager *m, const Space *space);
