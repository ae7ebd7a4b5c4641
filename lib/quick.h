/* SPDX-License-Identifier: MIT */
/*
 * Resolve over an idle private connection, by its bytes: the request path, where sd-bus would cost as much as the broker's answer.
 */
#pragma once

#include "client.h"

/* true: *ret is the call's result (0, a FAULT_* or a negative errno, with the error text set). false: nothing came of it, and the call is
 * to be made in the ordinary way, with what is left of the time in *timeout_usec. Resolve may be made twice. */
bool quick_resolve(websess *w, const char *service, const TokenText *token, const Need *need, websess_session *s,
                   uint64_t *timeout_usec, int *ret);
