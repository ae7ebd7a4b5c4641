/* SPDX-License-Identifier: MIT */
/* Makes the verdicts on one account's sessions come true, by Changes of the table. Remembers which accounts it doubts. */
#pragma once

#include "table.h"
#include "watch-judge.h"
#include "watch-keep.h"

typedef struct WatchApply WatchApply;

/* Called when a change could not be committed: the account has to be looked at again. */
typedef void (*WatchApplyFailed)(void *userdata);

int watch_apply_new(WatchApply **ret, sd_event *event, Table *table, WatchApplyFailed failed, void *userdata);
WatchApply *watch_apply_free(WatchApply *a);

/* Judge the sessions that carry uid and the account's name. An account in doubt is gone for good when it is not there doubt_usec
 * after the first doubt either; now is of CLOCK_BOOTTIME. 0 or a negative errno. */
int watch_apply(WatchApply *a, const Policy *policy, uid_t uid, const AccountView *view, uint64_t now, uint64_t doubt_usec);

/* Borrowed: to be told of passwords that users change. */
WatchKeep *watch_apply_keep(WatchApply *a);
