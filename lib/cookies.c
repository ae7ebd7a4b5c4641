/* SPDX-License-Identifier: MIT */
/* Cookie headers: the rules are the core's. Owns the handle's cookie name. */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "cookie.h"

int websess_set_cookie_name(websess *w, const char *name) {
        Fault f = {};
        char *copy;

        if (!w || !name)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", w ? "cookie name" : "handle");
        /* The flags that any prefix of a name may ask for. */
        if (cookie_policy_check(&(CookiePolicy) { .name = name, .path = "/", .domain = "", .secure = true,
                                                  .http_only = true, .same_site = "Lax" }, &f) != 0)
                return error_fault(&f);
        copy = strdup(name);
        if (!copy)
                return error_memory();
        free(w->cookie_name);
        w->cookie_name = copy;
        return 0;
}

int websess_cookie_find(const char *header, size_t len, const char *name, const char **ret, size_t *ret_len) {
        Slice value;

        if (!header || !name || !cookie_find(header, len, slice_of(name), &value))
                return error_set(FAULT_NO_SESSION, "%s", fault_text(FAULT_NO_SESSION));
        if (ret)
                *ret = value.data;
        if (ret_len)
                *ret_len = value.size;
        return 0;
}

int websess_cookie_token(const websess *w, const char *header, size_t len, const char **ret, size_t *ret_len) {
        if (!w)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
        return websess_cookie_find(header, len, w->cookie_name, ret, ret_len);
}

static const char *same_site(uint32_t flags) {
        const uint32_t any =
                WEBSESS_COOKIE_SAME_SITE_LAX | WEBSESS_COOKIE_SAME_SITE_STRICT | WEBSESS_COOKIE_SAME_SITE_NONE;

        switch (flags & any) {
        case 0:
                return "";
        case WEBSESS_COOKIE_SAME_SITE_LAX:
                return "Lax";
        case WEBSESS_COOKIE_SAME_SITE_STRICT:
                return "Strict";
        case WEBSESS_COOKIE_SAME_SITE_NONE:
                return "None";
        default:
                return NULL;
        }
}

int websess_cookie_build(char *out, size_t size, const char *name, const char *value, size_t len, const char *path,
                         const char *domain, int64_t max_age_sec, uint32_t flags) {
        CookiePolicy p = {
                .name = name,
                .path = path ?: "/",
                .domain = domain ?: "",
                .max_age_sec = max_age_sec > 0 ? (uint64_t) max_age_sec : 0,
                .secure = flags & WEBSESS_COOKIE_SECURE,
                .http_only = flags & WEBSESS_COOKIE_HTTP_ONLY,
                .same_site = same_site(flags),
        };
        Fault f = {};
        int r;

        if (!out || !name || !p.same_site || flags >= 2 * WEBSESS_COOKIE_SAME_SITE_NONE || max_age_sec < -1)
                return error_set(FAULT_INVALID_ARGUMENT,
                                 "A cookie needs a name, a buffer, known flags and at most one SameSite");
        r = cookie_policy_check(&p, &f);
        if (r == 0)
                r = max_age_sec == 0 ? cookie_format_removal(&p, out, size, &f) :
                        cookie_format(&p, slice(value ?: "", value ? len : 0), out, size, &f);
        if (r > 0)
                return error_fault(&f);
        return r < 0 ? error_errno(r, "The cookie's header") : 0;
}
