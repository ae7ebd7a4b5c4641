/* SPDX-License-Identifier: MIT */
/*
 * A change: sessions that begin, change and end together or not at all. Staging puts it into the table as "on its way" at once, so
 * that what is staged next counts it; committing hands it to the store; when the store has it safe, it becomes visible, its callback answers
 * the caller, and only then are signals sent. When the store fails, everything that was on its way is taken back, and pure
 * revocations are tried once more by themselves.
 */
#pragma once

#include "cleanup.h"
#include "table.h"

typedef struct Change Change;

/* result: 0 or a negative errno of the store. Called exactly once per submitted change, from the event loop, never from
 * within change_submit(). */
typedef void (*ChangeDone)(int result, void *userdata);

int change_new(Change **ret, Table *t);
/* Takes back what was staged and not submitted. NULL is fine; always NULL. */
Change *change_free(Change *c);
DEFINE_CLEANUP(Change *, change_free)

/* Stage the creation of a session. *ret is borrowed; it becomes visible with the commit. */
int change_insert(Change *c, const Record *r, Session **ret);
/* Stage a new record for a session (same id). The session must not be on its way out. */
int change_replace(Change *c, Session *s, const Record *r);
/* Stage the end of a session; fine when that is staged already (the change then waits for it). */
int change_remove(Change *c, Session *s, Reason reason);

/* Do a bounded part of what long revocations still need to become visible and be announced, after their commit. True: there is more to do. To be
 * called from the event loop again and again. */
bool change_go_on(Table *t);

/* Commit. The change is the table's from here on. An empty change is answered when everything staged before it is. */
void change_submit(Change *c, ChangeDone done, void *userdata);
