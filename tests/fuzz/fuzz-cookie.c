/* SPDX-License-Identifier: MIT */
/* Any bytes as a Cookie header: what is found lies in it and fits into a Set-Cookie, where it is found again. And any
 * text as a policy's name, path and domain: what is written is one line. */
#include <string.h>

#include "cookie.h"
#include "fuzz.h"

static void policies(const uint8_t *data, size_t size) {
        char name[64] = "", path[64] = "", domain[64] = "", out[COOKIE_HEADER_MAX];
        size_t third = size / 3 < 63 ? size / 3 : 63;
        const CookiePolicy p = { .name = name, .path = path, .domain = domain, .secure = true };

        memcpy(name, data, third);
        memcpy(path, data + third, third);
        memcpy(domain, data + 2 * third, third);
        if (cookie_format(&p, slice_of("v"), out, sizeof(out), NULL) == 0)
                CHECK(!strpbrk(out, "\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const CookiePolicy p = { .name = "SESSION", .path = "/", .same_site = "Lax" };
        const char *header = (const char *) data;
        char out[COOKIE_HEADER_MAX];
        Slice value, again;
        int r;

        policies(data, size);
        if (!cookie_find(header, size, slice_of("SESSION"), &value))
                return 0;
        CHECK(value.data >= header && value.data + value.size <= header + size);

        r = cookie_format(&p, value, out, sizeof(out), NULL);
        CHECK(r == 0 || value.size > COOKIE_HEADER_MAX / 2);
        if (r == 0)
                CHECK(cookie_find(out, strlen(out), slice_of("SESSION"), &again) && slice_equal(value, again));
        return 0;
}
