/* SPDX-License-Identifier: MIT */
/* The answer of `resolve --cgi`: what a web server that asks by auth_request wants to hear. Pure but for the stream. */
#pragma once

#include <stdio.h>

#include "websess.h"

/*
 * 204 with X-Websess-User, -Id and -Roles (blanks between) for r == 0; else the HTTP status of r with
 * X-Websess-Error, its name. Values cannot break out of a header: control characters, '%' and bytes beyond ASCII are
 * written %XX.
 */
void cgi_answer(FILE *out, int r, const websess_session *s);

/* One header value written so. */
void cgi_value(FILE *out, const char *text);
