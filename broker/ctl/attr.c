/* SPDX-License-Identifier: MIT */
/* Typed values between the command line and the library, one pair of functions for each type. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "attr.h"
#include "cleanup.h"

typedef int (*ValueParse)(websess_values *v, const char *key, const char *text);
typedef int (*ValueFormat)(const websess_values *v, const char *key, FILE *out);

static int parse_bool(websess_values *v, const char *key, const char *text) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (strcasecmp(text, words[i]) == 0)
                        return websess_values_set_bool(v, key, i % 2 == 1);
        }
        return -EINVAL;
}

static int format_bool(const websess_values *v, const char *key, FILE *out) {
        int value = 0;

        (void) websess_values_get_bool(v, key, &value);
        return fputs(value ? "yes" : "no", out);
}

static int parse_int64(websess_values *v, const char *key, const char *text) {
        char *end;
        long long value;

        errno = 0;
        value = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end)
                return -EINVAL;
        return websess_values_set_int64(v, key, value);
}

static int format_int64(const websess_values *v, const char *key, FILE *out) {
        int64_t value = 0;

        (void) websess_values_get_int64(v, key, &value);
        return fprintf(out, "%" PRIi64, value);
}

static int parse_double(websess_values *v, const char *key, const char *text) {
        char *end;
        double value = strtod(text, &end);

        if (end == text || *end || !isfinite(value))
                return -EINVAL;
        return websess_values_set_double(v, key, value);
}

static int format_double(const websess_values *v, const char *key, FILE *out) {
        double value = 0;

        (void) websess_values_get_double(v, key, &value);
        return fprintf(out, "%.17g", value);
}

static int parse_string(websess_values *v, const char *key, const char *text) {
        return websess_values_set_string(v, key, text, strlen(text));
}

static int format_string(const websess_values *v, const char *key, FILE *out) {
        const char *value = "";
        size_t size = 0;

        (void) websess_values_get_string(v, key, &value, &size);
        return (int) fwrite(value, 1, size, out);
}

static int parse_bytes(websess_values *v, const char *key, const char *text) {
        size_t size = strlen(text);
        _cleanup_free_ unsigned char *bytes = malloc(size / 2 + 1);

        if (!bytes)
                return -ENOMEM;
        if (size % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != size)
                return -EINVAL;
        for (size_t i = 0; i < size; i += 2)
                bytes[i / 2] = (unsigned char) strtoul((const char[]) { text[i], text[i + 1], '\0' }, NULL, 16);
        return websess_values_set_bytes(v, key, bytes, size / 2);
}

static int format_bytes(const websess_values *v, const char *key, FILE *out) {
        const void *value = NULL;
        size_t size = 0;

        (void) websess_values_get_bytes(v, key, &value, &size);
        for (size_t i = 0; i < size; i++)
                fprintf(out, "%02x", ((const unsigned char *) value)[i]);
        return 0;
}

static int parse_strings(websess_values *v, const char *key, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        _cleanup_free_ const char **items = calloc(strlen(text) + 2, sizeof(*items));
        char *rest = copy;
        size_t n = 0;

        if (!copy || !items)
                return -ENOMEM;
        while (*text && rest)
                items[n++] = strsep(&rest, ",");
        return websess_values_set_strings(v, key, items, n);
}

static int format_strings(const websess_values *v, const char *key, FILE *out) {
        const char *const *value = NULL;
        size_t n = 0;

        (void) websess_values_get_strings(v, key, &value, &n);
        for (size_t i = 0; i < n; i++)
                fprintf(out, "%s%s", i > 0 ? "," : "", value[i]);
        return 0;
}

static const struct {
        char type;
        ValueParse parse;
        ValueFormat format;
        const char *wants;
} value_types[] = {
        { 's', parse_string, format_string, "a string" },
        { 'b', parse_bool, format_bool, "yes or no" },
        { 'x', parse_int64, format_int64, "an integer of 64 bits" },
        { 'd', parse_double, format_double, "a number" },
        { 'y', parse_bytes, format_bytes, "bytes, each two hexadecimal digits" },
        { 'a', parse_strings, format_strings, "strings with commas between" },
};

int attr_parse(websess_values *values, const char *word, Fault *f) {
        const char *equals = strchr(word, '=');
        _cleanup_free_ char *key = NULL;
        size_t size, type = 0;
        int r;

        if (!equals || equals == word)
                return fault(f, FAULT_INVALID_ARGUMENT, "an attribute is KEY=VALUE or KEY:TYPE=VALUE, not \"%s\"",
                             word);
        size = (size_t) (equals - word);
        for (size_t i = 0; size > 2 && word[size - 2] == ':' && i < ELEMENTSOF(value_types); i++) {
                if (word[size - 1] == value_types[i].type) {
                        type = i;
                        size -= 2;
                        break;
                }
        }
        key = strndup(word, size);
        if (!key)
                return -ENOMEM;
        r = value_types[type].parse(values, key, equals + 1);
        if (r == -EINVAL)
                return fault(f, FAULT_INVALID_ARGUMENT, "attribute %s wants %s", key, value_types[type].wants);
        if (r > 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s", websess_last_error_text());
        return r;
}

char *attr_format(const websess_values *values, const char *key) {
        int type = websess_values_type(values, key);

        for (size_t i = 0; i < ELEMENTSOF(value_types); i++) {
                char *text = NULL;
                size_t size;
                FILE *out;

                if (value_types[i].type != type)
                        continue;
                out = open_memstream(&text, &size);
                if (!out)
                        return NULL;
                (void) value_types[i].format(values, key, out);
                /* A failed fclose() of a memory stream leaves nothing to read. */
                if (fclose(out) != 0) {
                        free(text);
                        return NULL;
                }
                return text;
        }
        return NULL;
}
