/* SPDX-License-Identifier: MIT */
/* Any bytes as a record: refused, or read within bounds and the same when written again. */
#include <string.h>

#include "bytes.h"
#include "cleanup.h"
#include "fuzz.h"
#include "record.h"

static void walk(const Record *r) {
        size_t position = 0, n = 0, inner;
        Attribute a;
        Slice s;

        while (record_next_role(r, &position, &s))
                n++;
        CHECK(n == r->n_roles);
        for (n = position = 0; record_next_method(r, &position, &s); n++)
                CHECK(s.size > 0);
        CHECK(n == r->n_methods);
        for (n = position = 0; record_next_attribute(r, &position, &a); n++)
                for (inner = 0; attribute_next_string(&a, &inner, &s); )
                        CHECK(s.data + s.size <= a.bytes.data + a.bytes.size);
        CHECK(n == r->n_attributes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = malloc(size + 1), *again = NULL;
        Record r;

        CHECK(copy);
        record_decode(data, size, &r);

        /* The size is not worth guessing. */
        memcpy(copy, data, size);
        if (size >= RECORD_FIXED_SIZE)
                store_le32(copy + 12, (uint32_t) size);
        if (record_decode_trusted(copy, size, &r) != 0)
                return 0;

        walk(&r);
        CHECK(record_end(&r) <= r.lifetime_end);
        CHECK(record_size(&r) == size);
        again = malloc(size);
        CHECK(again && record_encode(&r, again, size) == 0);
        CHECK(memcmp(again + 8, copy + 8, size - 8) == 0);
        CHECK(record_decode(again, size, &r) == 0);
        return 0;
}
