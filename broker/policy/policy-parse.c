/* SPDX-License-Identifier: MIT */
/* The simple types of the key tables: one small parser each. Pure. */
#include "policy-keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "span.h"

static int replace_text(char **field, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

int parse_span(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        uint64_t usec;

        if (!span_parse(item->value, &usec))
                return fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" is not a span of time such as 90, 30min or 1h 30min",
                        item->value);
        if (usec == 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "the span must be longer than zero");
        *(uint64_t *) field = usec;
        return 0;
}

int parse_bool(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        static const KeyWord words[] = {
                { "yes", true }, { "true", true }, { "on", true }, { "1", true },
                { "no", false }, { "false", false }, { "off", false }, { "0", false },
                {},
        };

        for (const KeyWord *w = words; w->text; w++)
                if (strcasecmp(w->text, item->value) == 0) {
                        *(bool *) field = w->value;
                        return 0;
                }
        return fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" is neither yes nor no", item->value);
}

/* Decimal digits only: no sign, no blank. *ret_rest is what follows them. */
static bool parse_digits(const char *text, uint64_t *ret, const char **ret_rest) {
        uint64_t n = 0;
        const char *c = text;

        for (; *c >= '0' && *c <= '9'; c++)
                if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (unsigned) (*c - '0'), &n))
                        return false;
        *ret = n;
        *ret_rest = c;
        return c != text;
}

int parse_unsigned(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const KeyRange *range = key->detail;
        const char *rest;
        uint64_t n;

        if (!parse_digits(item->value, &n, &rest) || *rest || n < range->min || n > range->max)
                return fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" is not a number from %" PRIu64 " to %" PRIu64,
                        item->value, range->min, range->max);
        *(unsigned *) field = (unsigned) n;
        return 0;
}

/* Bytes, with K, M, G or T to the base of 1024. */
static bool size_parse(const char *text, uint64_t *ret) {
        static const char units[] = "KMGT";
        const char *rest, *unit;
        uint64_t n;

        if (!parse_digits(text, &n, &rest))
                return false;
        if (*rest) {
                unit = strchr(units, *rest);
                if (!unit || rest[1] || __builtin_mul_overflow(n, UINT64_C(1) << (10 * (unit - units + 1)), &n))
                        return false;
        }
        *ret = n;
        return true;
}

/* The inverse, for messages: the largest unit that divides it. */
static void size_format(uint64_t n, char out[static 32]) {
        static const char *const units[] = { "", "K", "M", "G", "T" };
        unsigned unit = 0;

        for (; n >= 1024 && n % 1024 == 0 && unit + 1 < ELEMENTSOF(units); unit++)
                n /= 1024;
        snprintf(out, 32, "%" PRIu64 "%s", n, units[unit]);
}

int parse_size(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const KeyRange *range = key->detail;
        char min[32], max[32];
        uint64_t n;

        if (!size_parse(item->value, &n) || n < range->min || n > range->max) {
                size_format(range->min, min);
                size_format(range->max, max);
                return fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" is not a size from %s to %s, such as 64M", item->value,
                        min, max);
        }
        *(uint64_t *) field = n;
        return 0;
}

static const KeyWord *find_word(const KeyWord *words, const char *value) {
        for (; words->text; words++)
                if (strcmp(words->text, value) == 0)
                        return words;
        return NULL;
}

static int refuse_word(const KeyWord *words, const char *value, Fault *f) {
        char choices[128] = "";

        for (const KeyWord *w = words; w->text; w++)
                snprintf(choices + strlen(choices), sizeof(choices) - strlen(choices), "%s%s", w == words ? "" : ", ",
                        w->text);
        return fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" is none of: %s", value, choices);
}

int parse_enum(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const KeyWord *w = find_word(key->detail, item->value);

        if (!w)
                return refuse_word(key->detail, item->value, f);
        *(int *) field = w->value;      /* every enum of a table is an int: policy-keys.c asserts it */
        return 0;
}

int parse_word(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        if (!find_word(key->detail, item->value))
                return refuse_word(key->detail, item->value, f);
        return replace_text(field, item->value);
}

int parse_name(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const KeyCheck *name = key->detail;
        int k;

        if (*item->value) {
                k = name->check(item->value, f);
                if (k != 0)
                        return k;
        }
        return replace_text(field, item->value);
}

bool next_word(const char **cursor, Slice *out) {
        const char *start = *cursor + strspn(*cursor, " \t");

        *out = slice(start, strcspn(start, " \t"));
        *cursor = start + out->size;
        return out->size > 0;
}
