/* SPDX-License-Identifier: MIT */
/* Spans of time, text to µs and back. Owns no state. */
#include "span.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define SPAN_MAX (UINT64_C(1) << 62)

typedef struct Unit {
        const char *name;
        uint64_t usec;
} Unit;

/* The names of systemd.time(7). Case tells "m" from "M". A month is 30.44 days, a year 365.25. */
static const Unit units[] = {
        { "us", 1 }, { "usec", 1 }, { "µs", 1 }, { "μs", 1 },
        { "ms", USEC_PER_MSEC }, { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC }, { "sec", USEC_PER_SEC }, { "second", USEC_PER_SEC }, { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE }, { "min", USEC_PER_MINUTE }, { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR }, { "hr", USEC_PER_HOUR }, { "hour", USEC_PER_HOUR }, { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY }, { "day", USEC_PER_DAY }, { "days", USEC_PER_DAY },
        { "w", 7u * USEC_PER_DAY }, { "week", 7u * USEC_PER_DAY }, { "weeks", 7u * USEC_PER_DAY },
        { "M", UINT64_C(2629800000000) }, { "month", UINT64_C(2629800000000) }, { "months", UINT64_C(2629800000000) },
        { "y", UINT64_C(31557600000000) }, { "year", UINT64_C(31557600000000) }, { "years", UINT64_C(31557600000000) },
};

static const char *skip_space(const char *p) {
        return p + strspn(p, " \t");
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* A number with its fraction, still without a unit. */
typedef struct Number {
        uint64_t whole;
        const char *fraction;           /* digits behind the point */
        size_t n_fraction;
} Number;

static bool parse_number(const char **p, Number *ret) {
        Number n = { 0 };

        if (!is_digit(**p))
                return false;
        for (; is_digit(**p); (*p)++)
                if (__builtin_mul_overflow(n.whole, 10u, &n.whole) ||
                    __builtin_add_overflow(n.whole, (uint64_t) (**p - '0'), &n.whole))
                        return false;

        if (**p == '.') {
                n.fraction = ++*p;
                n.n_fraction = strspn(n.fraction, "0123456789");
                if (n.n_fraction == 0)
                        return false;
                *p += n.n_fraction;
        }

        *ret = n;
        return true;
}

/* NULL for an unknown one. *p must stand at its first letter. */
static const Unit *parse_unit(const char **p) {
        size_t size = strcspn(*p, " \t.0123456789");

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == size && memcmp(units[i].name, *p, size) == 0) {
                        *p += size;
                        return &units[i];
                }
        return NULL;
}

static bool add_component(uint64_t *sum, const Number *n, uint64_t unit) {
        uint64_t usec;

        if (__builtin_mul_overflow(n->whole, unit, &usec) || __builtin_add_overflow(*sum, usec, sum))
                return false;
        /* No unit is near 2^64 / 10, so this cannot overflow. */
        for (size_t i = 0; i < n->n_fraction && unit > 0; i++) {
                unit /= 10;
                *sum += unit * (uint64_t) (n->fraction[i] - '0');
        }
        return *sum <= SPAN_MAX;
}

bool span_parse(const char *text, uint64_t *ret_usec) {
        uint64_t sum = 0;
        const char *p = skip_space(text);
        bool first = true;

        if (*p == '\0')
                return false;

        for (; *p != '\0'; first = false) {
                uint64_t unit = USEC_PER_SEC;
                Number n;

                if (!parse_number(&p, &n))
                        return false;
                p = skip_space(p);

                /* Seconds need no unit where they stand alone: "90", but not "1h 30". */
                if (*p != '\0' || !first) {
                        const Unit *u = parse_unit(&p);

                        if (!u)
                                return false;
                        unit = u->usec;
                }
                if (!add_component(&sum, &n, unit))
                        return false;
                p = skip_space(p);
        }

        *ret_usec = sum;
        return true;
}

void span_format(uint64_t usec, char out[static 32]) {
        static const Unit shown[] = {
                { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR }, { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC }, { "ms", USEC_PER_MSEC }, { "us", 1 },
        };
        size_t length = 0;
        unsigned n = 0;

        snprintf(out, 32, "0");
        for (size_t i = 0; i < ELEMENTSOF(shown) && n < 2; i++) {
                uint64_t count = usec / shown[i].usec;

                if (count == 0)
                        continue;
                length += (size_t) snprintf(out + length, 32 - length, "%s%llu%s", n > 0 ? " " : "",
                                            (unsigned long long) count, shown[i].name);
                usec %= shown[i].usec;
                n++;
        }
}
