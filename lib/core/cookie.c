/* SPDX-License-Identifier: MIT */
/* Cookies: check a policy, write Set-Cookie, read Cookie. Owns no state. */
#include "cookie.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

static bool is_alnum(char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* token of RFC 9110 */
static bool is_token(const char *text) {
        if (*text == '\0')
                return false;
        for (; *text; text++)
                if (!is_alnum(*text) && !strchr("!#$%&'*+-.^_`|~", *text))
                        return false;
        return true;
}

/* cookie-octets of RFC 6265: printable ASCII but white space, double quote, comma, semicolon, backslash */
static bool is_cookie_value(Slice s) {
        for (size_t i = 0; i < s.size; i++) {
                char c = s.data[i];

                if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
                        return false;
        }
        return true;
}

static bool is_path(const char *text) {
        if (*text != '/')
                return false;
        for (; *text; text++)
                if (*text < 0x20 || *text >= 0x7f || *text == ';')
                        return false;
        return true;
}

static bool is_domain(const char *text) {
        bool label = false;             /* within one that is not empty */

        for (; *text; text++) {
                if (!is_alnum(*text) && *text != '-' && (*text != '.' || !label))
                        return false;
                label = *text != '.';
        }
        return label;
}

static const char *text_or(const char *text, const char *instead) {
        return text ? text : instead;
}

static bool has_prefix(const char *name, const char *prefix) {
        /* Without regard to case, as browsers do. */
        return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_same_site(const char *text) {
        static const char *const known[] = { "", "Lax", "Strict", "None" };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcmp(text, known[i]) == 0)
                        return true;
        return false;
}

static int check_prefix(const CookiePolicy *p, Fault *f) {
        const char *name = p->name, *path = text_or(p->path, "/"), *domain = text_or(p->domain, "");

        if (has_prefix(name, "__Secure-") && !p->secure)
                return fault(f, FAULT_INVALID_ARGUMENT, "Browsers refuse the cookie \"%s\" without Secure=yes", name);
        if (!has_prefix(name, "__Host-"))
                return 0;
        if (!p->secure)
                return fault(f, FAULT_INVALID_ARGUMENT, "Browsers refuse the cookie \"%s\" without Secure=yes", name);
        if (strcmp(path, "/") != 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "Browsers refuse the cookie \"%s\" without Path=/", name);
        if (*domain)
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "Browsers refuse the cookie \"%s\" with a domain: leave Domain= and DomainPattern= empty, "
                             "or use the prefix __Secure-", name);
        return 0;
}

int cookie_policy_check(const CookiePolicy *p, Fault *f) {
        if (!p->name || !is_token(p->name))
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "The cookie's Name= must be letters, digits and !#$%%&'*+-.^_`|~ alone, and not empty");
        if (!is_path(text_or(p->path, "/")))
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "The cookie's Path= must begin with / and hold printable ASCII without semicolons");
        if (p->domain && *p->domain && !is_domain(p->domain))
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "The cookie's Domain= must be a host name such as example.org, without a dot in front");
        if (!is_same_site(text_or(p->same_site, "")))
                return fault(f, FAULT_INVALID_ARGUMENT, "The cookie's SameSite= must be Lax, Strict, None or empty");
        if (strcmp(text_or(p->same_site, ""), "None") == 0 && !p->secure)
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "Browsers refuse a cookie with SameSite=None without Secure=yes");
        return check_prefix(p, f);
}

/* A text that grows in a buffer of fixed size; full stays set. */
typedef struct Writer {
        char *out;
        size_t size, length;
        bool full;
} Writer;

static void put(Writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Writer *w, const char *format, ...) {
        va_list ap;
        int n;

        if (w->full)
                return;
        va_start(ap, format);
        n = vsnprintf(w->out + w->length, w->size - w->length, format, ap);
        va_end(ap);
        if (n < 0 || (size_t) n >= w->size - w->length)
                w->full = true;
        else
                w->length += (size_t) n;
}

static int write_cookie(const CookiePolicy *p, Slice value, const uint64_t *max_age, char *out, size_t size, Fault *f) {
        Writer w = { out, size, 0, size == 0 };
        int r;

        r = cookie_policy_check(p, f);
        if (r != 0)
                return r;

        put(&w, "%s=%.*s; Path=%s", p->name, (int) value.size, text_or(value.data, ""), text_or(p->path, "/"));
        if (p->domain && *p->domain)
                put(&w, "; Domain=%s", p->domain);
        if (max_age)
                put(&w, "; Max-Age=%" PRIu64, *max_age);
        if (p->secure)
                put(&w, "; Secure");
        if (p->http_only)
                put(&w, "; HttpOnly");
        if (p->same_site && *p->same_site)
                put(&w, "; SameSite=%s", p->same_site);

        if (w.full) {
                wipe(out, size);
                return -ENOBUFS;
        }
        return 0;
}

int cookie_format(const CookiePolicy *p, Slice value, char *out, size_t size, Fault *f) {
        if (value.size >= COOKIE_HEADER_MAX)
                return -ENOBUFS;
        if (!is_cookie_value(value))
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "The cookie's value holds a character that no cookie can hold: look at TokenPrefix=");
        return write_cookie(p, value, p->max_age_sec > 0 ? &p->max_age_sec : NULL, out, size, f);
}

int cookie_format_removal(const CookiePolicy *p, char *out, size_t size, Fault *f) {
        static const uint64_t at_once = 0;

        return write_cookie(p, slice("", 0), &at_once, out, size, f);
}

static Slice trim(const char *begin, const char *end) {
        while (begin < end && (*begin == ' ' || *begin == '\t'))
                begin++;
        while (begin < end && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        return slice(begin, (size_t) (end - begin));
}

bool cookie_find(const char *header, size_t size, Slice name, Slice *out) {
        const char *end;

        if (size == 0 || name.size == 0)
                return false;

        end = header + size;
        for (const char *p = header, *next; p < end; p = next < end ? next + 1 : end) {
                const char *equals;
                Slice value;

                next = memchr(p, ';', (size_t) (end - p));
                if (!next)
                        next = end;
                equals = memchr(p, '=', (size_t) (next - p));
                if (!equals || !slice_equal(trim(p, equals), name))
                        continue;

                value = trim(equals + 1, next);
                if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
                        value = slice(value.data + 1, value.size - 2);
                if (!is_cookie_value(value))
                        return false;
                *out = value;
                return true;
        }
        return false;
}
