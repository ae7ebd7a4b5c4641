/* SPDX-License-Identifier: MIT */
/* The dictionary behind websess_values: typed values by key, and their way into and out of D-Bus messages. */
#pragma once

#include <systemd/sd-bus.h>

#include "arena.h"
#include "cleanup.h"
#include "error.h"
#include "marshal.h"
#include "record.h"

typedef struct Value {
        size_t key, key_size;           /* in the arena */
        char type;
        bool read;                      /* asked for since it was last written */
        union {
                bool boolean;
                int64_t integer;
                double real;
                struct {
                        size_t offset, size;
                } bytes;                /* in the arena; type a in the record's encoded form */
        };
} Value;

struct websess_values {
        Value *entries;
        size_t n, allocated;
        Arena arena;
        Arena list;                     /* the strings last asked for by …_get_strings() */
        const char **strings;
        size_t n_strings;
};

DEFINE_CLEANUP(websess_values *, websess_values_free)

void values_done(websess_values *v);

Value *values_find(const websess_values *v, Slice key);

/* Copy one in, over one of the same key. Checks it first: 0, FAULT_INVALID_ARGUMENT or -ENOMEM, with the error text
 * set. */
int values_set(websess_values *v, const Attribute *a);
/* Copy in all of a decoded record, where there are none yet; room for them was made before. 0 or -ENOMEM. */
int values_reserve(websess_values *v, const Record *r);
void values_fill(websess_values *v, const Record *r);
void values_remove(websess_values *v, Slice key);

/* The value as an Attribute, which points into v. */
Attribute values_get(const websess_values *v, const Value *value);

/* Same type and value; the keys are not looked at. */
bool attribute_equal(const Attribute *a, const Attribute *b);

/* One value for the setters. strings: *buffer holds the encoded list and is the caller's. */
int attribute_from_strings(const char *key, const char *const *strings, size_t n, char **buffer, Attribute *out);

/* Append one {sv} entry to an open a{sv}. 0 or a negative errno. */
int attribute_append(sd_bus_message *m, const Attribute *a);

/* Append all of them as an a{sv}. */
int values_append(sd_bus_message *m, const websess_values *v);

/* Read a variant that stands next in m, under key. Values of a type that is none of ours are passed over. 0 or a
 * negative errno. */
int values_read_variant(websess_values *v, sd_bus_message *m, const char *key);

/* Read a whole a{sv}. */
int values_read(websess_values *v, sd_bus_message *m);

/* The same out of bytes, of the types that the broker keeps. 0, -EBADMSG or -ENOMEM. */
int values_read_bytes(websess_values *v, Unmarshal *u);
