/* SPDX-License-Identifier: MIT */
/* [Cookie]: which domain a cookie gets for which host, and what a policy may not ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy-tree.h"
#include "span.h"

#define F6_PATTERN "^.+?\\.(.+\\.[a-z]+)$"

/* The Domain attribute of the cookie that this text makes for this host; "" when there is none. */
static void domain_of(const char *text, const char *host, char out[static 128]) {
        const Service *s;
        Policy *p = text_load(text, &s);
        char cookie[1024], *domain;
        Fault f = {};

        assert_int_equal(service_cookie(s, "t0ken", host, USEC_PER_HOUR, cookie, sizeof(cookie), &f), 0);
        assert_int_equal(strncmp(cookie, "SESSION=t0ken;", strlen("SESSION=t0ken;")), 0);
        domain = strstr(cookie, "Domain=");
        out[0] = '\0';
        if (domain)
                snprintf(out, 128, "%.*s", (int) strcspn(domain + 7, ";"), domain + 7);
        policy_unref(p);
}

static void test_F6_domain_pattern(void **state) {
        static const struct {
                const char *pattern, *host, *domain;
        } cases[] = {
                { F6_PATTERN, "www.shop.example", "shop.example" },
                { F6_PATTERN, "a.b.shop.example", "b.shop.example" },
                { F6_PATTERN, "WWW.Shop.Example", "shop.example" },
                { F6_PATTERN, "www.shop.example:8443", "shop.example" },
                { F6_PATTERN, "www.bbc.co.uk", "bbc.co.uk" },
                { F6_PATTERN, "bbc.co.uk", "" },                /* co.uk is a public suffix */
                { F6_PATTERN, "alice.github.io", "" },          /* so is github.io */
                { F6_PATTERN, "shop.example", "" },             /* nothing to cut off */
                { F6_PATTERN, "localhost", "" },
                { F6_PATTERN, "192.0.2.7", "" },
                { F6_PATTERN, "[2001:db8::1]", "" },
                { F6_PATTERN, "[2001:db8::1]:443", "" },
                { F6_PATTERN, "", "" },
                { F6_PATTERN, NULL, "" },
                { F6_PATTERN, "www.shop.example.", "" },
                { F6_PATTERN, "www..shop.example", "" },
                { F6_PATTERN, ".www.shop.example", "" },
                { F6_PATTERN, "www.shop.example:evil", "" },
                { F6_PATTERN, "www.shop.example\nx.shop.example", "" },
                { F6_PATTERN, "a;b.shop.example", "" },
                { F6_PATTERN, "www.gr\xc3\xbcn.example", "" },
                { "^(.+)$", "192.0.2.7", "" },                  /* an address, though the pattern takes it */
                { "^\\d+\\.(.+)$", "192.0.2.7", "" },           /* a part of one */
                { "(.+)", "shop.example", "shop.example" },
                { "(.+)", "example", "" },
                { "www\\.(.+)", "www.shop.example", "shop.example" },
                { "(shop\\.example)", "www.shop.example", "" },        /* the whole host name must match */
                { "www\\.shop|www\\.(shop\\.example)", "www.shop.example", "shop.example" },
                { "(www)\\..+", "www.shop.example", "" },       /* not a domain above the host */
                { "www\\.(sh).*(?#)", "www.shop.example", "" },
                { "(?:www\\.)?(op.example)|.*", "shop.example", "" },
                { ".*(hop\\.example)", "shop.example", "" },    /* ends like it, but no label boundary */
                { "(x)?.*", "shop.example", "" },               /* a group that took no part */
                { "(?:(?:a+)+)+b|(.+)", "aaaaaaaaaaa.example", "" }, /* 3^10 ways: too costly */
                { "(?:(?:a+)+)+b|(.+)", "aa.example", "aa.example" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256], domain[128];

                snprintf(text, sizeof(text), "[Cookie]\nDomainPattern=%s\n", cases[i].pattern);
                domain_of(text, cases[i].host, domain);
                if (strcmp(domain, cases[i].domain) != 0)
                        fail_msg("%s over %s: \"%s\", not \"%s\"", cases[i].pattern, cases[i].host, domain,
                                cases[i].domain);
        }
}

static void test_F6_a_host_of_any_length(void **state) {
        char host[400], domain[128];

        for (size_t size = 240; size < sizeof(host); size++) {
                memset(host, 'a', size);
                for (size_t i = 50; i < size; i += 51)
                        host[i] = '.';
                memcpy(host + size - 8, ".example", 9);
                domain_of("[Cookie]\nDomainPattern=^.+\\.(a+\\.example)$\n", host, domain);
                if (size > 253)
                        assert_string_equal(domain, "");
        }
}

static void test_F6_fixed_domain(void **state) {
        char domain[128];

        domain_of("[Cookie]\nDomain=shop.example\n", "www.shop.example", domain);
        assert_string_equal(domain, "shop.example");
        domain_of("[Cookie]\nDomain=shop.example\n", NULL, domain);
        assert_string_equal(domain, "shop.example");
        domain_of("", "www.shop.example", domain);
        assert_string_equal(domain, "");
}

static void test_F6_max_age(void **state) {
        static const struct {
                const char *text;
                uint64_t lifetime_usec;
                const char *max_age;            /* NULL: none, the cookie ends with the browser */
        } cases[] = {
                { "", 24 * USEC_PER_HOUR, "Max-Age=86400" },
                { "", 30 * USEC_PER_DAY, "Max-Age=2592000" },   /* remembered */
                { "", 1, "Max-Age=1" },
                { "", 0, "Max-Age=1" },                         /* never taken for "no Max-Age" */
                { "", USEC_PER_SEC + 1, "Max-Age=2" },
                { "[Cookie]\nMaxAge=lifetime\n", USEC_PER_HOUR, "Max-Age=3600" },
                { "[Cookie]\nMaxAge=1h 30min\n", USEC_PER_HOUR, "Max-Age=5400" },
                { "[Cookie]\nMaxAge=session\n", USEC_PER_HOUR, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Service *s;
                Policy *p = text_load(cases[i].text, &s);
                char cookie[1024], *found;
                Fault f = {};

                assert_int_equal(service_cookie(s, "t", NULL, cases[i].lifetime_usec, cookie, sizeof(cookie), &f), 0);
                found = strstr(cookie, "Max-Age=");
                if (!cases[i].max_age) {
                        assert_null(found);
                } else {
                        assert_non_null(found);
                        found[strcspn(found, ";")] = '\0';
                        assert_string_equal(found, cases[i].max_age);
                }
                policy_unref(p);
        }
}

static void test_F6_attributes(void **state) {
        const Service *s;
        Policy *p = text_load("[Cookie]\nName=__Host-S\n", &s);
        char cookie[1024];
        Fault f = {};

        assert_int_equal(service_cookie(s, "t", "www.shop.example", USEC_PER_HOUR, cookie, sizeof(cookie), &f), 0);
        assert_non_null(strstr(cookie, "__Host-S=t; "));
        assert_non_null(strstr(cookie, "; Path=/"));
        assert_non_null(strstr(cookie, "; Secure"));
        assert_non_null(strstr(cookie, "; HttpOnly"));
        assert_non_null(strstr(cookie, "; SameSite=Lax"));
        assert_int_equal(service_cookie(s, "t", NULL, USEC_PER_HOUR, cookie, 10, &f), -ENOBUFS);
        assert_int_equal(
                service_cookie(s, "a;b", NULL, USEC_PER_HOUR, cookie, sizeof(cookie), &f), FAULT_INVALID_ARGUMENT);
        policy_unref(p);

        p = text_load("[Cookie]\nSecure=no\nHttpOnly=no\n", &s);        /* development without TLS */
        assert_int_equal(service_cookie(s, "t", NULL, USEC_PER_HOUR, cookie, sizeof(cookie), &f), 0);
        assert_null(strstr(cookie, "Secure"));
        assert_null(strstr(cookie, "HttpOnly"));
        policy_unref(p);
}

static void test_F6_refused_when_the_policy_is_read(void **state) {
        static const struct {
                const char *text, *reason;
        } cases[] = {
                { "[Cookie]\nDomain=co.uk\n",
                        "2: Domain: \"co.uk\" is a public suffix: browsers refuse a cookie that would go to everybody "
                        "under it" },
                { "[Cookie]\nDomain=localhost\n",
                        "2: Domain: \"localhost\" is a public suffix: browsers refuse a cookie that would go to "
                        "everybody under it" },
                { "[Cookie]\nDomain=.shop.example\n",
                        "2: Domain: \".shop.example\" is not a domain in lower case such as shop.example (no address, "
                        "no dot at either end)" },
                { "[Cookie]\nDomain=192.0.2.7\n",
                        "2: Domain: \"192.0.2.7\" is not a domain in lower case such as shop.example (no address, no "
                        "dot at either end)" },
                { "[Cookie]\nDomain=Shop.example\n",
                        "2: Domain: \"Shop.example\" is not a domain in lower case such as shop.example (no address, "
                        "no dot at either end)" },
                { "[Cookie]\nDomainPattern=(a\n",
                        "2: DomainPattern: not a regular expression: missing closing parenthesis at character 3" },
                { "[Cookie]\nDomainPattern=^.+$\n",
                        "2: DomainPattern: no group in parentheses: the first one is the domain" },
                { "[Cookie]\nDomainPattern=(\\C+)\n",
                        "2: DomainPattern: not a regular expression: using \\C is disabled by the application at "
                        "character 4" },
                { "[Cookie]\nDomain=shop.example\nDomainPattern=(.+)\n",
                        "3: DomainPattern: Domain= and DomainPattern= exclude each other: only one can decide" },
                { "[Cookie]\nMaxAge=0\n",
                        "2: MaxAge: \"0\" is neither lifetime nor session nor a span of a second or more" },
                { "[Cookie]\nMaxAge=500ms\n",
                        "2: MaxAge: \"500ms\" is neither lifetime nor session nor a span of a second or more" },
                { "[Cookie]\nMaxAge=forever\n",
                        "2: MaxAge: \"forever\" is neither lifetime nor session nor a span of a second or more" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                text_refused(cases[i].text, cases[i].reason);
}

/* These reasons are the cookie module's: here it is the line that counts. */
static void test_F6_combinations_name_a_line(void **state) {
        static const struct {
                const char *text;
                CookiePolicy policy;
                const char *line;
        } cases[] = {
                { "[Cookie]\nName=a b\n", { .name = "a b", .path = "/", .domain = "", .secure = true, .same_site = "" }, "2: Name" },
                { "[Cookie]\nPath=shop\n", { .name = "a", .path = "shop", .domain = "", .secure = true, .same_site = "" }, "2: Path" },
                { "[Cookie]\nSameSite=None\nSecure=no\n",
                  { .name = "SESSION", .path = "/", .domain = "", .same_site = "None" }, "3: Secure" },
                { "[Cookie]\nSecure=no\nName=__Secure-A\n",
                  { .name = "__Secure-A", .path = "/", .domain = "", .same_site = "Lax" }, "3: Name" },
                { "[Cookie]\nName=__Host-A\nPath=/shop\n",
                  { .name = "__Host-A", .path = "/shop", .domain = "", .secure = true, .same_site = "Lax" }, "3: Path" },
                { "[Cookie]\nName=__Host-A\nDomain=shop.example\n",
                  { .name = "__Host-A", .path = "/", .domain = "shop.example", .secure = true, .same_site = "Lax" }, "3: Domain" },
                { "[Cookie]\nName=__Host-A\nDomainPattern=(.+)\n",
                  { .name = "__Host-A", .path = "/", .domain = "shop.example", .secure = true, .same_site = "Lax" }, "3: DomainPattern" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char reason[600];
                Fault f = {};

                assert_int_equal(cookie_policy_check(&cases[i].policy, &f), FAULT_INVALID_ARGUMENT);
                snprintf(reason, sizeof(reason), "%s: %s", cases[i].line, f.text);
                text_refused(cases[i].text, reason);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_F6_domain_pattern),
                cmocka_unit_test(test_F6_a_host_of_any_length),
                cmocka_unit_test(test_F6_fixed_domain),
                cmocka_unit_test(test_F6_max_age),
                cmocka_unit_test(test_F6_attributes),
                cmocka_unit_test(test_F6_refused_when_the_policy_is_read),
                cmocka_unit_test(test_F6_combinations_name_a_line),
        };

        return cmocka_run_group_tests_name("policy-cookie", tests, NULL, NULL);
}
