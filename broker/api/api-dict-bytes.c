/* SPDX-License-Identifier: MIT */
/* The session dictionary as bytes, for Resolve over the private socket. Pure. */
#include <string.h>

#include "api.h"
#include "api-dict.h"

static void marshal_double(Marshal *m, double v) {
        uint64_t bits;

        memcpy(&bits, &v, sizeof(bits));
        marshal_u64(m, bits);
}

static void marshal_strings_value(Marshal *m, const Attribute *a) {
        MarshalArray list = marshal_open(m, 4);
        Slice s;

        for (size_t at = 0; attribute_next_string(a, &at, &s); )
                marshal_string(m, s);
        marshal_close(m, list);
}

static void marshal_attribute(Marshal *m, const Attribute *a) {
        marshal_align(m, 8);
        marshal_string(m, a->key);
        marshal_signature(m, slice_of(attribute_signature(a)));
        switch (a->type) {
        case 'b':
                marshal_u32(m, a->boolean);
                break;
        case 'd':
                marshal_double(m, a->real);
                break;
        case 's':
                marshal_string(m, a->bytes);
                break;
        case 'y':
                marshal_bytes(m, a->bytes);
                break;
        case 'a':
                marshal_strings_value(m, a);
                break;
        default:
                marshal_u64(m, (uint64_t) a->integer);
        }
}

static void marshal_attributes(Marshal *m, const Record *r) {
        MarshalArray entries = marshal_open(m, 8);
        Attribute a;

        for (size_t at = 0; record_next_attribute(r, &at, &a); )
                marshal_attribute(m, &a);
        marshal_close(m, entries);
}

static void marshal_list(Marshal *m, const Record *r, const DictionaryValue *v) {
        MarshalArray list = marshal_open(m, 4);
        Slice s;

        for (size_t at = 0; v->next(r, &at, &s); )
                marshal_string(m, s);
        marshal_close(m, list);
}

void api_marshal_session(Marshal *m, const Record *r) {
        MarshalArray entries = marshal_open(m, 8);

        for (const DictionaryRow *row = dictionary; row->key; row++) {
                DictionaryValue v;

                marshal_align(m, 8);
                marshal_string(m, slice_of(row->key));
                marshal_signature(m, slice_of(row->type));
                if (!row->get) {
                        marshal_attributes(m, r);
                        continue;
                }
                row->get(r, &v);
                switch (row->type[0]) {
                case 's':
                        marshal_string(m, v.text);
                        break;
                case 'u':
                        marshal_u32(m, (uint32_t) v.number);
                        break;
                case 't':
                        marshal_u64(m, v.number);
                        break;
                default:
                        marshal_list(m, r, &v);
                }
        }
        marshal_close(m, entries);
}
