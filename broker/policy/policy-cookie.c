/* SPDX-License-Identifier: MIT */
/*
 * [Cookie]: which domain a cookie is for, and the ready Set-Cookie value. The one file that knows PCRE2 and the public
 * suffix list. A cookie for a public suffix ("co.uk") would be sent to strangers, so no rule of the policy can make
 * one: a fixed domain of that kind is refused when the policy is read, a computed one falls back to a cookie for the
 * very host.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "policy-keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpsl.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "span.h"

#define HOST_MAX 253u
#define LABEL_MAX 63u
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A pattern comes from the administrator, the host name from anybody: what a match may cost is bounded. */
#define MATCH_STEPS_MAX 10000u
#define MATCH_HEAP_KIB_MAX 256u

DEFINE_CLEANUP(pcre2_code *, pcre2_code_free)
DEFINE_CLEANUP(pcre2_match_data *, pcre2_match_data_free)
DEFINE_CLEANUP(pcre2_match_context *, pcre2_match_context_free)

/* Letters, digits and hyphens in labels, and not an IP address: those end in a number. */
static bool host_valid(const char *host) {
        size_t size = strlen(host), label = 0;
        const char *last = strrchr(host, '.');

        last = last ? last + 1 : host;
        if (size == 0 || size > HOST_MAX || last[strspn(last, "0123456789")] == '\0')
                return false;
        for (const char *c = host; *c; c++) {
                label = *c == '.' ? 0 : label + 1;
                if (!strchr(ALNUM "-.", *c) || label > LABEL_MAX || (*c == '.' && (c == host || c[-1] == '.')))
                        return false;
        }
        return host[size - 1] != '.';
}

/* Without a list nothing is known to be safe. A name that the list has no rule for is one label: "localhost". */
static bool domain_is_public(const char *domain) {
        const psl_ctx_t *list = psl_builtin();

        return !list || psl_is_public_suffix(list, domain);
}

/* ---- reading ---- */

/* The rules are the cookie module's: ask it with a policy that is fine but for this one part. */
int check_cookie_name(const char *value, Fault *f) {
        return cookie_policy_check(
                &(CookiePolicy) { .name = value, .path = "/", .domain = "", .secure = true, .same_site = "" }, f);
}

int check_cookie_path(const char *value, Fault *f) {
        return cookie_policy_check(
                &(CookiePolicy) { .name = "a", .path = value, .domain = "", .secure = true, .same_site = "" }, f);
}

int check_cookie_domain(const char *value, Fault *f) {
        if (!host_valid(value) || strpbrk(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "\"%s\" is not a domain in lower case such as shop.example (no address, no dot at either end)",
                        value);
        if (domain_is_public(value))
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "\"%s\" is a public suffix: browsers refuse a cookie that would go to everybody under it",
                        value);
        return 0;
}

static int compile(const char *pattern, pcre2_code **ret, Fault *f) {
        _cleanup_(pcre2_code_freep) pcre2_code *code = NULL;
        PCRE2_UCHAR reason[128];
        uint32_t groups = 0;
        PCRE2_SIZE offset;
        int error;

        code = pcre2_compile((PCRE2_SPTR) pattern, PCRE2_ZERO_TERMINATED,
                PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                NULL);
        if (!code) {
                if (error == PCRE2_ERROR_NOMEMORY)
                        return -ENOMEM;
                pcre2_get_error_message(error, reason, sizeof(reason));
                return fault(
                        f, FAULT_INVALID_ARGUMENT, "not a regular expression: %s at character %zu", reason, offset + 1);
        }
        pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
        if (groups < 1)
                return fault(f, FAULT_INVALID_ARGUMENT, "no group in parentheses: the first one is the domain");
        *ret = TAKE_PTR(code);
        return 0;
}

int parse_domain_pattern(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        _cleanup_(pcre2_code_freep) pcre2_code *code = NULL;
        CookieRules *c = field;
        char *copy;
        int k;

        if (*item->value) {
                k = compile(item->value, &code, f);
                if (k != 0)
                        return k;
        }
        copy = strdup(item->value);
        if (!copy)
                return -ENOMEM;
        free(c->domain_pattern);
        pcre2_code_free(c->domain_code);
        c->domain_pattern = copy;
        c->domain_code = TAKE_PTR(code);
        return 0;
}

int parse_max_age(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        CookieRules *c = field;
        uint64_t usec = 0;

        if (strcmp(item->value, "lifetime") != 0 && strcmp(item->value, "session") != 0 &&
                (!span_parse(item->value, &usec) || usec < USEC_PER_SEC))
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "\"%s\" is neither lifetime nor session nor a span of a second or more", item->value);
        c->max_age_lifetime = strcmp(item->value, "lifetime") == 0;
        c->max_age_sec = usec / USEC_PER_SEC;
        return 0;
}

void cookie_rules_done(CookieRules *c) {
        free(c->name);
        free(c->path);
        free(c->domain);
        free(c->domain_pattern);
        free(c->same_site);
        pcre2_code_free(c->domain_code);
        *c = (CookieRules) {};
}

static CookiePolicy cookie_policy(const CookieRules *c) {
        return (CookiePolicy) {
                .name = c->name, .path = c->path, .domain = c->domain, .max_age_sec = c->max_age_sec,
                .secure = c->secure, .http_only = c->http_only, .same_site = c->same_site,
        };
}

int cookie_rules_check(const CookieRules *c, Fault *f) {
        CookiePolicy p = cookie_policy(c);

        if (*c->domain && *c->domain_pattern)
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "Domain= and DomainPattern= exclude each other: only one can decide");
        if (*c->domain_pattern)
                p.domain = "shop.example";      /* the pattern may find one: a __Host- cookie must have none */
        return cookie_policy_check(&p, f);
}

/* ---- using ---- */

/* "Shop.Example:8443" → "shop.example". False when that is no host name: nothing is guessed from it. */
static bool host_normalize(const char *host, char out[static HOST_MAX + 1]) {
        size_t size = strcspn(host, ":");

        if (size > HOST_MAX || (host[size] && host[size + 1 + strspn(host + size + 1, "0123456789")]))
                return false;
        for (size_t i = 0; i < size; i++)
                out[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char) (host[i] | 0x20) : host[i];
        out[size] = '\0';
        return host_valid(out);
}

/* Group 1 of the pattern over the whole host name. 1 and out, 0 for no match (too costly a one too), or -ENOMEM. */
static int pattern_match(const pcre2_code *code, const char *host, char out[static HOST_MAX + 1]) {
        _cleanup_(pcre2_match_data_freep) pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
        _cleanup_(pcre2_match_context_freep) pcre2_match_context *context = pcre2_match_context_create(NULL);
        PCRE2_SIZE size = HOST_MAX + 1;
        int n;

        if (!match || !context)
                return -ENOMEM;
        pcre2_set_match_limit(context, MATCH_STEPS_MAX);
        pcre2_set_heap_limit(context, MATCH_HEAP_KIB_MAX);
        n = pcre2_match(code, (PCRE2_SPTR) host, strlen(host), 0, 0, match, context);
        if (n == PCRE2_ERROR_NOMEMORY)
                return -ENOMEM;
        return n > 0 && pcre2_substring_copy_bynumber(match, 1, (PCRE2_UCHAR *) out, &size) == 0;
}

/* The domain that the pattern finds for this host; "" (the host alone) where it finds none that a browser may be
 * given. */
static int find_domain(const CookieRules *c, const char *host, char out[static HOST_MAX + 1]) {
        char name[HOST_MAX + 1];
        bool good;
        int k;

        out[0] = '\0';
        if (!c->domain_code || !host || !host_normalize(host, name))
                return 0;
        k = pattern_match(c->domain_code, name, out);
        if (k < 0)
                return k;
        good = k > 0 && host_valid(out) && !domain_is_public(out) &&
                psl_is_cookie_domain_acceptable(psl_builtin(), name, out);
        if (!good)
                out[0] = '\0';
        return 0;
}

int service_cookie(const Service *s, const char *token, const char *host, uint64_t lifetime_usec, char *out,
        size_t size, Fault *f) {
        CookiePolicy p = cookie_policy(&s->cookie);
        char domain[HOST_MAX + 1];
        int k;

        k = find_domain(&s->cookie, host, domain);
        if (k < 0)
                return k;
        if (domain[0])
                p.domain = domain;
        /* Rounded up: a cookie that ends with the session or a moment later loses nobody's last request. */
        if (s->cookie.max_age_lifetime)
                p.max_age_sec = lifetime_usec / USEC_PER_SEC + (lifetime_usec % USEC_PER_SEC || lifetime_usec == 0);
        return cookie_format(&p, slice_of(token), out, size, f);
}
