/* SPDX-License-Identifier: MIT */
/* Attributes between D-Bus values and records. Integers of every width become 64-bit ones, here and nowhere else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "validate.h"

void attributes_done(Attributes *a) {
        free(a->items);
        free(a->lists);
        *a = (Attributes) {};
}

static int read_integer(sd_bus_message *m, char type, int64_t *ret) {
        union {
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
        } v = {};
        int r;

        r = sd_bus_message_read_basic(m, type, &v);
        if (r < 0)
                return r;

        switch (type) {
        case 'y':
                *ret = v.y;
                return 0;
        case 'n':
                *ret = v.n;
                return 0;
        case 'q':
                *ret = v.q;
                return 0;
        case 'i':
                *ret = v.i;
                return 0;
        case 'u':
                *ret = v.u;
                return 0;
        case 'x':
                *ret = v.x;
                return 0;
        default:
                if (v.t > INT64_MAX)
                        return -ERANGE;
                *ret = (int64_t) v.t;
                return 0;
        }
}

/* A list of strings, as the record has it: each with its length before it. The buffer is as large as all attributes of a session
 * may be, so it never moves. */
static int read_list(sd_bus_message *m, Attributes *a, size_t *used, Attribute *ret) {
        char *start;
        const char *s;
        int r;

        if (!a->lists) {
                a->lists = malloc(ATTRIBUTES_SIZE_MAX);
                if (!a->lists)
                        return -ENOMEM;
        }
        start = a->lists + *used;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                size_t n = strlen(s);

                if (n > UINT16_MAX || ATTRIBUTES_SIZE_MAX - *used < n + 2)
                        return -E2BIG;
                a->lists[*used] = (char) (n & 0xff);
                a->lists[*used + 1] = (char) (n >> 8);
                memcpy(a->lists + *used + 2, s, n);
                *used += n + 2;
        }
        if (r < 0)
                return r;

        ret->bytes = slice(start, (size_t) (a->lists + *used - start));
        return sd_bus_message_exit_container(m);
}

static int read_value(sd_bus_message *m, const char *type, Attributes *a, size_t *used, Attribute *ret) {
        const void *data;
        int r, flag;

        ret->type = type[0];
        switch (type[0]) {
        case 'b':
                r = sd_bus_message_read_basic(m, 'b', &flag);
                ret->boolean = r >= 0 && flag;
                return r;
        case 's':
                return args_string(m, &ret->bytes);
        case 'd':
                return sd_bus_message_read_basic(m, 'd', &ret->real);
        case 'a':
                if (type[1] == 's')
                        return read_list(m, a, used, ret);
                ret->type = 'y';
                r = sd_bus_message_read_array(m, 'y', &data, &ret->bytes.size);
                ret->bytes.data = data;
                return r;
        default:
                ret->type = 'x';
                return read_integer(m, type[0], &ret->integer);
        }
}

static bool known_type(const char *t) {
        if (strcmp(t, "as") == 0 || strcmp(t, "ay") == 0)
                return true;
        return t[0] && !t[1] && strchr("bsdynqiuxt", t[0]);
}

static int read_entry(sd_bus_message *m, Attributes *a, size_t *used, Fault *f) {
        Attribute *one = &a->items[a->n];
        const char *type, *key;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;
        *one = (Attribute) { .key = slice_of(key), .type = 'b' };
        r = validate_attribute(one, f);
        if (r != 0)
                return r;

        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;
        if (!known_type(type))
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "attribute \"%s\" has type %s: b, s, d, ay, as and integers are kept; put structured values into a string as JSON",
                             key, type);

        r = sd_bus_message_enter_container(m, 'v', type);
        if (r < 0)
                return r;
        r = read_value(m, type, a, used, one);
        if (r == -E2BIG)
                return fault(f, FAULT_INVALID_ARGUMENT, "attributes are larger than %u bytes", ATTRIBUTES_SIZE_MAX);
        if (r == -ERANGE)
                return fault(f, FAULT_INVALID_ARGUMENT, "attribute \"%s\" does not fit into 64 bits with a sign", key);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        return validate_attribute(one, f);
}

static int grow(Attributes *a) {
        Attribute *items;

        if (a->n % 16 != 0)
                return 0;
        items = reallocarray(a->items, a->n + 16, sizeof(*items));
        if (!items)
                return -ENOMEM;
        a->items = items;
        return 0;
}

static int compare_keys(const void *a, const void *b) {
        return slice_compare(((const Attribute *) a)->key, ((const Attribute *) b)->key);
}

const Attribute *attributes_find(const Attributes *a, Slice key) {
        return a->n > 0 ? bsearch(&(Attribute) { .key = key }, a->items, a->n, sizeof(*a->items), compare_keys) : NULL;
}

/* Hundreds of them, each looked for among all others, would take longer than a caller's turn may. */
static int sort(Attributes *a, Fault *f) {
        if (a->n == 0)
                return 0;
        qsort(a->items, a->n, sizeof(*a->items), compare_keys);
        for (size_t i = 1; i < a->n; i++)
                if (slice_equal(a->items[i - 1].key, a->items[i].key))
                        return fault(f, FAULT_INVALID_ARGUMENT, "attribute \"%.*s\" is given twice", (int) a->items[i].key.size,
                                     a->items[i].key.data);
        return 0;
}

static int read_entries(sd_bus_message *m, Attributes *ret, Fault *f) {
        size_t used = 0, size = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                if (ret->n >= ATTRIBUTES_MAX)
                        return fault(f, FAULT_INVALID_ARGUMENT, "more than %u attributes", ATTRIBUTES_MAX);
                r = grow(ret);
                if (r < 0)
                        return r;
                r = read_entry(m, ret, &used, f);
                if (r != 0)
                        return r;
                size += attribute_size(&ret->items[ret->n++]);
                if (size > ATTRIBUTES_SIZE_MAX)
                        return fault(f, FAULT_INVALID_ARGUMENT, "attributes are larger than %u bytes", ATTRIBUTES_SIZE_MAX);
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 0;
}

int args_attributes(sd_bus_message *m, Attributes *ret, Fault *f) {
        int r;

        attributes_done(ret);
        r = read_entries(m, ret, f);
        return r == 0 ? sort(ret, f) : r;
}
