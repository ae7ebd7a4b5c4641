/* SPDX-License-Identifier: MIT */
/*
 * What websessctl shows, as JSON: the names of the D-Bus API, times in µs since 1970, spans in µs. One value on a
 * line, or indented; every character that is not ASCII is escaped, so it is as harmless on a terminal as the tables
 * are. Bytes are arrays of numbers. UINT64_MAX, "no end", is null. 0 or a negative errno.
 */
#pragma once

#include <stdio.h>

#include "ctl.h"

int json_session(FILE *out, CtlJson mode, const websess_session *s);
int json_values(FILE *out, CtlJson mode, const websess_values *v);

/* An explanation, with the session that goes with it as "Session"; null where there is none. */
int json_explanation(FILE *out, CtlJson mode, const websess_values *v, const websess_session *s);

int json_strings(FILE *out, CtlJson mode, const char *const *items, size_t n);

/* An array of objects of texts: n_rows times n_keys cells; a NULL cell is left out. */
int json_rows(FILE *out, CtlJson mode, const char *const *keys, size_t n_keys, const char *const *cells, size_t n_rows);

/* An object with one number in it. */
int json_number(FILE *out, CtlJson mode, const char *key, uint64_t value);

/* An object of texts, keys and values in turn, NULL behind the last key; a NULL value is left out. */
int json_texts(FILE *out, CtlJson mode, uint64_t realtime_usec, const char *const *pairs);
