/* SPDX-License-Identifier: MIT */
/* Sessions and properties as people and programs want to see them: as text or as JSON. To standard output. */
#pragma once

#include "ctl.h"
#include "grid.h"

/* One session with all that it says, and the token where it has one. 0 or a negative errno. */
int view_session(const Ctl *c, const websess_session *s);

/* The same where a call has made a token: with -q the bare token and nothing else. */
int view_token(const Ctl *c, const websess_session *s);

/* A line of `list`. */
extern const char *const view_list_titles[];
#define VIEW_LIST_COLUMNS 7u
int view_list_row(Grid *g, const websess_session *s, uint64_t now_usec);

/* Properties of the broker. */
int view_values(const Ctl *c, const websess_values *v);

/* "key: value" right-aligned to the colon; nothing for "" and NULL. Escapes. */
void view_field(const char *key, const char *value);

/* The same of a point in time, absolute and from now. */
void view_time(const char *key, uint64_t usec, uint64_t now);

/* How many were changed: a number in JSON, "3 sessions ended" in words, nothing with -q. */
int view_count(const Ctl *c, const char *key, uint64_t n, const char *noun, const char *what);
