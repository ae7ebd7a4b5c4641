/* SPDX-License-Identifier: MIT */
/* The session dictionary's rows, shared by its two ways out: api-dict.c for sd-bus, api-dict-bytes.c for bytes. Pure. */
#pragma once

#include "ident.h"
#include "record.h"

/* What a row says of a session, by the row's type. */
typedef struct DictionaryValue {
        uint64_t number;                                                /* u, t */
        Slice text;                                                     /* s; may point to id below */
        bool (*next)(const Record *r, size_t *at, Slice *out);          /* as */
        char id[IDENT_HEX_SIZE + 1];
} DictionaryValue;

typedef struct DictionaryRow {
        const char *key, *type;                 /* s, u, t, as; a{sv} is the attributes */
        void (*get)(const Record *r, DictionaryValue *v);
} DictionaryRow;

extern const DictionaryRow dictionary[];        /* ends with a NULL key */

/* The D-Bus type of an attribute's value. */
const char *attribute_signature(const Attribute *a);
