/* SPDX-License-Identifier: MIT */
/* Cookies (RFC 6265 and its successor draft's prefixes): find one in a request's header, write a response's. Pure. */
#pragma once

#include "fault.h"
#include "record.h"

#define COOKIE_HEADER_MAX 2048u

typedef struct CookiePolicy {
        const char *name;               /* may begin with __Host- or __Secure- */
        const char *path;
        const char *domain;             /* "" for host-only */
        uint64_t max_age_sec;           /* 0: a cookie of the browser's session (no Max-Age) */
        bool secure, http_only;
        const char *same_site;          /* "Lax", "Strict", "None", "" for no attribute */
} CookiePolicy;

/* Does the policy keep the rules of its prefix and of SameSite=None? 0 or FAULT_INVALID_ARGUMENT. */
int cookie_policy_check(const CookiePolicy *p, Fault *f);

/* The value of Set-Cookie. 0, FAULT_INVALID_ARGUMENT (a value with characters that a cookie cannot hold), -ENOBUFS. */
int cookie_format(const CookiePolicy *p, Slice value, char *out, size_t size, Fault *f);

/* The value of Set-Cookie that removes the cookie (Max-Age=0, same name, path, domain). */
int cookie_format_removal(const CookiePolicy *p, char *out, size_t size, Fault *f);

/* Find the cookie called name in the value of a Cookie request header, case-sensitively, the first one where there
 * are several; quotes around the value are taken off. False: not there, or its value is
 * not well-formed. *out points into header. */
bool cookie_find(const char *header, size_t size, Slice name, Slice *out);
