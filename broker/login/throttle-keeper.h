/* SPDX-License-Identifier: MIT */
/*
 * Keeps the throttle over restarts, in a small file of the state directory: read at start, written anew a second after something has changed, by a
 * thread of its own, since the loop waits for no disk. What a kill or a power cut takes with it is the last seconds' failures, no session.
 */
#pragma once

#include <systemd/sd-event.h>

#include "steady.h"
#include "throttle.h"

typedef struct ThrottleKeeper ThrottleKeeper;

/* Both are borrowed. A file that is damaged is said to the journal and left out of account. */
int throttle_keeper_new(ThrottleKeeper **ret, sd_event *event, Throttle *throttle, const Steady *steady, const char *directory);
ThrottleKeeper *throttle_keeper_free(ThrottleKeeper *k);       /* writes what is not written */
