/* SPDX-License-Identifier: MIT */
/* Typed values by key. Owns what it stores; knows nothing of D-Bus (values-bus.c) and of who asks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "validate.h"
#include "values.h"

int websess_values_new(websess_values **ret) {
        websess_values *v;

        v = calloc(1, sizeof(*v));
        if (!v)
                return error_memory();
        *ret = v;
        return 0;
}

void values_done(websess_values *v) {
        arena_done(&v->arena);
        arena_done(&v->list);
        free(v->entries);
        free(v->strings);
        *v = (websess_values) {};
}

websess_values *websess_values_free(websess_values *v) {
        if (!v)
                return NULL;
        values_done(v);
        free(v);
        return NULL;
}

void websess_values_clear(websess_values *v) {
        if (!v)
                return;
        arena_clear(&v->arena);
        arena_clear(&v->list);
        v->n = 0;
}

Value *values_find(const websess_values *v, Slice key) {
        for (size_t i = 0; v && i < v->n; i++) {
                Value *value = &v->entries[i];

                if (value->key_size == key.size && memcmp(v->arena.data + value->key, key.data, key.size) == 0)
                        return value;
        }
        return NULL;
}

static bool has_bytes(char type) {
        return type == 's' || type == 'y' || type == 'a';
}

Attribute values_get(const websess_values *v, const Value *value) {
        Attribute a = { .key = slice(v->arena.data + value->key, value->key_size), .type = value->type };

        if (has_bytes(value->type))
                a.bytes = slice(v->arena.data + value->bytes.offset, value->bytes.size);
        else if (value->type == 'b')
                a.boolean = value->boolean;
        else if (value->type == 'd')
                a.real = value->real;
        else
                a.integer = value->integer;
        return a;
}

/* Values that were set again leave their old bytes behind; when those are most of it, copy the rest together. */
static int compact(websess_values *v) {
        Arena fresh = {};
        size_t live = 0;

        for (size_t i = 0; i < v->n; i++)
                live += v->entries[i].key_size + 1 + (has_bytes(v->entries[i].type) ? v->entries[i].bytes.size + 1 : 0);
        if (v->arena.used < 4096 || live > v->arena.used / 2)
                return 0;

        for (size_t i = 0; i < v->n; i++) {
                Value *e = &v->entries[i];
                size_t ignored;

                /* First all into the new one, and no offset changed before nothing can fail any more. */
                if (arena_add(&fresh, v->arena.data + e->key, e->key_size, &ignored) < 0 ||
                    (has_bytes(e->type) &&
                     arena_add(&fresh, v->arena.data + e->bytes.offset, e->bytes.size, &ignored) < 0)) {
                        arena_done(&fresh);
                        return -ENOMEM;
                }
        }
        for (size_t i = 0, at = 0; i < v->n; i++) {
                Value *e = &v->entries[i];

                e->key = at;
                at += e->key_size + 1;
                if (has_bytes(e->type)) {
                        e->bytes.offset = at;
                        at += e->bytes.size + 1;
                }
        }
        arena_done(&v->arena);
        v->arena = fresh;
        return 0;
}

static int reserve_entries(websess_values *v, size_t n) {
        size_t allocated = v->allocated ?: 8;
        Value *entries;

        if (n <= v->allocated)
                return 0;
        while (allocated < n)
                allocated *= 2;
        entries = reallocarray(v->entries, allocated, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        v->entries = entries;
        v->allocated = allocated;
        return 0;
}

static int add_entry(websess_values *v, Slice key, Value **ret) {
        size_t offset;

        if (reserve_entries(v, v->n + 1) < 0)
                return -ENOMEM;
        if (arena_add(&v->arena, key.data, key.size, &offset) < 0)
                return -ENOMEM;
        v->entries[v->n] = (Value) { .key = offset, .key_size = key.size, .type = 'b' };
        *ret = &v->entries[v->n++];
        return 0;
}

/* offset: where the bytes lie already, for a type that has some. */
static void fill(Value *value, const Attribute *a, size_t offset) {
        value->type = a->type;
        value->read = false;
        switch (a->type) {
        case 'b':
                value->boolean = a->boolean;
                break;
        case 'x':
                value->integer = a->integer;
                break;
        case 'd':
                value->real = a->real;
                break;
        default:
                value->bytes.offset = offset;
                value->bytes.size = a->bytes.size;
        }
}

static int store(websess_values *v, const Attribute *a) {
        size_t offset = 0;
        Value *value;

        /* The bytes go in first: then a failure leaves the old value as it was. */
        if (has_bytes(a->type) && arena_add(&v->arena, a->bytes.data, a->bytes.size, &offset) < 0)
                return -ENOMEM;
        value = values_find(v, a->key);
        if (!value && add_entry(v, a->key, &value) < 0)
                return -ENOMEM;
        fill(value, a, offset);
        return compact(v);
}

int values_reserve(websess_values *v, const Record *r) {
        return reserve_entries(v, r->n_attributes) < 0 || arena_reserve(&v->arena, r->encoded_attributes.size + 1) < 0 ? -ENOMEM : 0;
}

/* Keys and values of a record stand together: one copy takes them all, and NULs go where a type or the next key's length was. */
void values_fill(websess_values *v, const Record *r) {
        Slice block = r->encoded_attributes;
        size_t at = 0, base = arena_put(&v->arena, block.data, block.size);
        Attribute a;

        while (record_next_attribute(r, &at, &a)) {
                Value *value = &v->entries[v->n++];

                *value = (Value) { .key = base + (size_t) (a.key.data - block.data), .key_size = a.key.size };
                v->arena.data[value->key + value->key_size] = '\0';
                fill(value, &a, has_bytes(a.type) ? base + (size_t) (a.bytes.data - block.data) : 0);
                if (has_bytes(a.type))
                        v->arena.data[value->bytes.offset + value->bytes.size] = '\0';
        }
}

int values_set(websess_values *v, const Attribute *a) {
        Fault f = {};
        int r;

        if (!v)
                return error_set(FAULT_INVALID_ARGUMENT, "No values to set \"%.*s\" in", (int) a->key.size,
                                 a->key.data);
        r = validate_attribute(a, &f);
        if (r != 0)
                return error_fault(&f);
        return store(v, a) < 0 ? error_memory() : 0;
}

void values_remove(websess_values *v, Slice key) {
        Value *value = values_find(v, key);

        if (value)
                *value = v->entries[--v->n];
}

bool attribute_equal(const Attribute *a, const Attribute *b) {
        if (a->type != b->type)
                return false;
        if (has_bytes(a->type))
                return slice_equal(a->bytes, b->bytes);
        if (a->type == 'b')
                return a->boolean == b->boolean;
        /* Bit by bit: a NaN that was set is the NaN that is there. */
        if (a->type == 'd')
                return memcmp(&a->real, &b->real, sizeof(a->real)) == 0;
        return a->integer == b->integer;
}
