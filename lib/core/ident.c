/* SPDX-License-Identifier: MIT */
/* Session ids: making the next one, text form, order. Owns no state: the source is the caller's. */
#include "ident.h"

#include <string.h>

#include "bytes.h"

#define MS_SIZE 6u
#define MS_MAX ((UINT64_C(1) << 48) - 1)

static uint64_t ident_ms(const Ident *id) {
        uint64_t ms = 0;

        for (size_t i = 0; i < MS_SIZE; i++)
                ms = ms << 8 | id->bytes[i];
        return ms;
}

static Ident ident_make(uint64_t ms, const uint8_t random[static 10]) {
        Ident id;

        for (size_t i = MS_SIZE; i-- > 0; ms >>= 8)
                id.bytes[i] = (uint8_t) ms;
        memcpy(id.bytes + MS_SIZE, random, IDENT_SIZE - MS_SIZE);
        return id;
}

/* Add one to the 80 bits; false when they overflow. */
static bool ident_count_up(Ident *id) {
        for (size_t i = IDENT_SIZE; i-- > MS_SIZE; )
                if (++id->bytes[i] != 0)
                        return true;
        return false;
}

Ident ident_next(IdentSource *source, uint64_t now_ms, const uint8_t random[static 10]) {
        static const Ident none;
        uint64_t last_ms = ident_ms(&source->last);
        Ident next = source->last;

        if (now_ms > MS_MAX)
                now_ms = MS_MAX;

        if (now_ms > last_ms || ident_compare(&source->last, &none) == 0)
                next = ident_make(now_ms, random);
        else if (!ident_count_up(&next))
                /* At the very end of the 48 bits, in the year 10889, ids do not repeat but lose their order. */
                next = ident_make(last_ms < MS_MAX ? last_ms + 1 : MS_MAX, random);

        source->last = next;
        return next;
}

void ident_seen(IdentSource *source, const Ident *id) {
        if (ident_compare(id, &source->last) > 0)
                source->last = *id;
}

/* The low four bytes of x, a digit a byte. Eight digits at once: ids are formatted for every request. */
static uint64_t hex_digits(uint64_t x) {
        uint64_t letters;

        x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
        x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
        x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
        return x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
}

void ident_format(const Ident *id, char out[static IDENT_HEX_SIZE + 1]) {
        for (size_t i = 0; i < IDENT_SIZE; i += 4)
                store_be64((uint8_t *) out + 2 * i, hex_digits(load_be32(id->bytes + i)));
        out[IDENT_HEX_SIZE] = '\0';
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

bool ident_parse(const char *text, size_t size, Ident *out) {
        Ident id;

        if (size != IDENT_HEX_SIZE)
                return false;

        for (size_t i = 0; i < IDENT_SIZE; i++) {
                int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                id.bytes[i] = (uint8_t) (high << 4 | low);
        }

        *out = id;
        return true;
}

int ident_compare(const Ident *a, const Ident *b) {
        return memcmp(a->bytes, b->bytes, IDENT_SIZE);
}
