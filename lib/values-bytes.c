/* SPDX-License-Identifier: MIT */
/* Typed values out of the bytes of a reply. Owns nothing. */
#include <errno.h>
#include <string.h>

#include "values.h"

static int read_strings(websess_values *v, Unmarshal *u, Attribute *a) {
        size_t end = unmarshal_open(u, 4);

        arena_clear(&v->list);
        while (!u->bad && u->at < end) {
                Slice s = unmarshal_string(u);

                if (s.size > UINT16_MAX)
                        return -EBADMSG;
                if (arena_append(&v->list, (uint8_t[]) { (uint8_t) (s.size & 0xff), (uint8_t) (s.size >> 8) }, 2) < 0 ||
                    arena_append(&v->list, s.data, s.size) < 0)
                        return -ENOMEM;
        }
        a->bytes = slice(v->list.data ?: "", v->list.used);
        return u->at == end ? 0 : -EBADMSG;
}

static int read_value(websess_values *v, Unmarshal *u, Slice type, Attribute *a) {
        uint64_t bits;
        uint32_t flag;

        a->type = type.size == 1 ? type.data[0] : slice_equal(type, slice_of("ay")) ? 'y' : slice_equal(type, slice_of("as")) ? 'a' : 0;
        switch (a->type) {
        case 's':
                a->bytes = unmarshal_string(u);
                return 0;
        case 'x':
                a->integer = (int64_t) unmarshal_u64(u);
                return 0;
        case 'd':
                bits = unmarshal_u64(u);
                memcpy(&a->real, &bits, sizeof(bits));
                return 0;
        case 'b':
                flag = unmarshal_u32(u);
                a->boolean = flag != 0;
                return flag <= 1 ? 0 : -EBADMSG;
        case 'a':
                return read_strings(v, u, a);
        case 'y':
                if (type.size == 2) {
                        a->bytes = unmarshal_bytes(u);
                        return 0;
                }
                return -EBADMSG;
        default:
                return -EBADMSG;
        }
}

int values_read_bytes(websess_values *v, Unmarshal *u) {
        size_t end = unmarshal_open(u, 8);

        while (!u->bad && u->at < end) {
                Attribute a = {};
                Slice type;
                int r;

                unmarshal_align(u, 8);
                a.key = unmarshal_string(u);
                type = unmarshal_signature(u);
                r = read_value(v, u, type, &a);
                if (r >= 0)
                        r = u->bad ? -EBADMSG : values_set(v, &a);
                if (r != 0)
                        return r == -ENOMEM ? r : -EBADMSG;
        }
        return !u->bad && u->at == end ? 0 : -EBADMSG;
}
