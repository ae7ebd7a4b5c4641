/* SPDX-License-Identifier: MIT */
/* The typed getters and setters of websess_values. Owns nothing. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

size_t websess_values_count(const websess_values *v) {
        return v ? v->n : 0;
}

const char *websess_values_key_at(const websess_values *v, size_t index) {
        return v && index < v->n ? v->arena.data + v->entries[index].key : NULL;
}

int websess_values_type(const websess_values *v, const char *key) {
        const Value *value = values_find(v, slice_of(key));

        return value ? value->type : 0;
}

static const Value *typed(const websess_values *v, const char *key, char type) {
        const Value *value = values_find(v, slice_of(key));

        if (value && value->type == type)
                return value;
        error_set(FAULT_NO_SESSION, "There is no value \"%s\" of type %c", key ?: "", type);
        return NULL;
}

int websess_values_get_bool(const websess_values *v, const char *key, int *ret) {
        const Value *value = typed(v, key, 'b');

        if (!value)
                return FAULT_NO_SESSION;
        if (ret)
                *ret = value->boolean;
        return 0;
}

int websess_values_get_int64(const websess_values *v, const char *key, int64_t *ret) {
        const Value *value = typed(v, key, 'x');

        if (!value)
                return FAULT_NO_SESSION;
        if (ret)
                *ret = value->integer;
        return 0;
}

int websess_values_get_double(const websess_values *v, const char *key, double *ret) {
        const Value *value = typed(v, key, 'd');

        if (!value)
                return FAULT_NO_SESSION;
        if (ret)
                *ret = value->real;
        return 0;
}

int websess_values_get_string(const websess_values *v, const char *key, const char **ret, size_t *ret_len) {
        const Value *value = typed(v, key, 's');

        if (!value)
                return FAULT_NO_SESSION;
        if (ret)
                *ret = v->arena.data + value->bytes.offset;
        if (ret_len)
                *ret_len = value->bytes.size;
        return 0;
}

int websess_values_get_bytes(const websess_values *v, const char *key, const void **ret, size_t *ret_len) {
        const Value *value = typed(v, key, 'y');

        if (!value)
                return FAULT_NO_SESSION;
        if (ret)
                *ret = v->arena.data + value->bytes.offset;
        if (ret_len)
                *ret_len = value->bytes.size;
        return 0;
}

/* The strings of a list lie in the arena as the record has them, without NULs: they are laid out anew when asked
 * for. */
static int lay_out_strings(websess_values *v, const Attribute *a, size_t *ret_n) {
        size_t position = 0, n = 0, at = 0;
        Slice s;

        arena_clear(&v->list);
        while (attribute_next_string(a, &position, &s)) {
                if (arena_add(&v->list, s.data, s.size, &at) < 0)
                        return -ENOMEM;
                n++;
        }
        if (n + 1 > v->n_strings) {
                const char **strings = reallocarray(v->strings, n + 1, sizeof(*strings));

                if (!strings)
                        return -ENOMEM;
                v->strings = strings;
                v->n_strings = n + 1;
        }
        at = 0;
        for (size_t i = 0; i < n; i++) {
                v->strings[i] = v->list.data + at;
                at += strlen(v->strings[i]) + 1;
        }
        v->strings[n] = NULL;
        *ret_n = n;
        return 0;
}

int websess_values_get_strings(const websess_values *v, const char *key, const char *const **ret, size_t *ret_count) {
        const Value *value = typed(v, key, 'a');
        Attribute a;
        size_t n;

        if (!value)
                return FAULT_NO_SESSION;
        a = values_get(v, value);
        /* Only the buffer for the answer changes, and that belongs to whoever may ask. */
        if (lay_out_strings((websess_values *) v, &a, &n) < 0)
                return error_memory();
        if (ret)
                *ret = v->strings;
        if (ret_count)
                *ret_count = n;
        return 0;
}

int websess_values_set_bool(websess_values *v, const char *key, int value) {
        return values_set(v, &(Attribute) { .key = slice_of(key), .type = 'b', .boolean = value });
}

int websess_values_set_int64(websess_values *v, const char *key, int64_t value) {
        return values_set(v, &(Attribute) { .key = slice_of(key), .type = 'x', .integer = value });
}

int websess_values_set_double(websess_values *v, const char *key, double value) {
        return values_set(v, &(Attribute) { .key = slice_of(key), .type = 'd', .real = value });
}

int websess_values_set_string(websess_values *v, const char *key, const char *value, size_t len) {
        return values_set(v,
                          &(Attribute) { .key = slice_of(key), .type = 's',
                                         .bytes = slice(value ?: "", value ? len : 0) });
}

int websess_values_set_bytes(websess_values *v, const char *key, const void *value, size_t len) {
        return values_set(v,
                          &(Attribute) { .key = slice_of(key), .type = 'y',
                                         .bytes = slice(value ?: "", value ? len : 0) });
}

int attribute_from_strings(const char *key, const char *const *strings, size_t n, char **buffer, Attribute *out) {
        size_t size = 0;
        char *p;

        for (size_t i = 0; i < n; i++) {
                size_t length = strings[i] ? strlen(strings[i]) : 0;

                if (length > UINT16_MAX || size > ATTRIBUTES_SIZE_MAX)
                        return error_set(FAULT_INVALID_ARGUMENT, "The list of strings is larger than %u bytes",
                                         ATTRIBUTES_SIZE_MAX);
                size += 2 + length;
        }
        *buffer = p = malloc(size + 1);
        if (!p)
                return error_memory();
        for (size_t i = 0; i < n; i++) {
                size_t length = strings[i] ? strlen(strings[i]) : 0;

                *p++ = (char) (length & 0xff);
                *p++ = (char) (length >> 8);
                if (length > 0)
                        memcpy(p, strings[i], length);
                p += length;
        }
        *out = (Attribute) { .key = slice_of(key), .type = 'a', .bytes = slice(*buffer, size) };
        return 0;
}

int websess_values_set_strings(websess_values *v, const char *key, const char *const *values, size_t count) {
        _cleanup_free_ char *buffer = NULL;
        Attribute a;
        int r;

        r = attribute_from_strings(key, values, count, &buffer, &a);
        return r != 0 ? r : values_set(v, &a);
}

int websess_values_remove(websess_values *v, const char *key) {
        values_remove(v, slice_of(key));
        return 0;
}
