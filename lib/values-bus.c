/* SPDX-License-Identifier: MIT */
/* Typed values into D-Bus messages and out of them. Owns nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

static int append_text(sd_bus_message *m, Slice s) {
        char *space;
        int r;

        r = sd_bus_message_append_string_space(m, s.size, &space);
        if (r >= 0 && s.size > 0)
                memcpy(space, s.data, s.size);
        return r;
}

static int append_list(sd_bus_message *m, const Attribute *a) {
        size_t position = 0;
        Slice s;
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        if (r < 0)
                return r;
        while (attribute_next_string(a, &position, &s)) {
                r = append_text(m, s);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const Attribute *a) {
        switch (a->type) {
        case 'b':
                return sd_bus_message_append(m, "b", (int) a->boolean);
        case 'x':
                return sd_bus_message_append(m, "x", a->integer);
        case 'd':
                return sd_bus_message_append(m, "d", a->real);
        case 's':
                return append_text(m, a->bytes);
        case 'y':
                return sd_bus_message_append_array(m, 'y', a->bytes.data, a->bytes.size);
        default:
                return append_list(m, a);
        }
}

int attribute_append(sd_bus_message *m, const Attribute *a) {
        const char *signature = a->type == 'y' ? "ay" : a->type == 'a' ? "as" : (char[]) { a->type, 0 };
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = append_text(m, a->key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', signature);
        if (r >= 0)
                r = append_value(m, a);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int values_append(sd_bus_message *m, const websess_values *v) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < v->n; i++) {
                Attribute a = values_get(v, &v->entries[i]);

                r = attribute_append(m, &a);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Every integer is kept as x; one beyond it (a property may be) as the largest there is. */
static int read_integer(sd_bus_message *m, char type, int64_t *ret) {
        union {
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
        } value;
        int r;

        r = sd_bus_message_read_basic(m, type, &value);
        if (r < 0)
                return r;
        *ret = type == 'y' ? value.y : type == 'n' ? value.n : type == 'q' ? value.q : type == 'i' ? value.i :
                type == 'u' ? value.u : type == 'x' || value.t <= INT64_MAX ? value.x : INT64_MAX;
        return 0;
}

static int read_strings(websess_values *v, sd_bus_message *m, const char *key) {
        const char *s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        arena_clear(&v->list);
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                size_t length = strlen(s);

                if (length > UINT16_MAX)
                        return -EBADMSG;
                r = arena_append(&v->list, (uint8_t[]) { (uint8_t) (length & 0xff), (uint8_t) (length >> 8) }, 2);
                if (r >= 0)
                        r = arena_append(&v->list, s, length);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        return values_set(v, &(Attribute) { .key = slice_of(key), .type = 'a',
                                            .bytes = slice(v->list.data ?: "", v->list.used) });
}

static int read_value(websess_values *v, sd_bus_message *m, const char *key, const char *signature) {
        Attribute a = { .key = slice_of(key), .type = 'x' };
        const void *data;
        const char *s;
        int r, boolean;

        if (strcmp(signature, "as") == 0)
                return read_strings(v, m, key);
        if (strcmp(signature, "ay") == 0) {
                a.type = 'y';
                r = sd_bus_message_read_array(m, 'y', &data, &a.bytes.size);
                a.bytes.data = data ?: "";
        } else if (strcmp(signature, "s") == 0) {
                a.type = 's';
                r = sd_bus_message_read_basic(m, 's', &s);
                if (r >= 0)
                        a.bytes = slice_of(s);
        } else if (strcmp(signature, "b") == 0) {
                a.type = 'b';
                r = sd_bus_message_read_basic(m, 'b', &boolean);
                a.boolean = r >= 0 && boolean;
        } else if (strcmp(signature, "d") == 0) {
                a.type = 'd';
                r = sd_bus_message_read_basic(m, 'd', &a.real);
        } else if (signature[1] == '\0' && strchr("ynqiuxt", signature[0]))
                r = read_integer(m, signature[0], &a.integer);
        else {
                r = sd_bus_message_skip(m, signature);
                return r < 0 ? r : 0;
        }
        return r < 0 ? r : values_set(v, &a);
}

int values_read_variant(websess_values *v, sd_bus_message *m, const char *key) {
        const char *signature;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &signature);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'v', signature);
        if (r < 0)
                return r;
        r = read_value(v, m, key, signature);
        /* What the broker keeps has been checked: a value that is refused here is a broken reply. */
        if (r > 0)
                return -EBADMSG;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int values_read(websess_values *v, sd_bus_message *m) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &key);
                if (r >= 0)
                        r = values_read_variant(v, m, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
