/* SPDX-License-Identifier: MIT */
/*
 * Session ids: 16 bytes, 48 bits of milliseconds and then 80 random bits. Ids made by one source sort by creation
 * whatever the clock does. Pure: the time and the random bits are passed in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDENT_SIZE 16u
#define IDENT_HEX_SIZE 32u

typedef struct Ident {
        uint8_t bytes[IDENT_SIZE];
} Ident;

/* What the source remembers: the id it made last. All zero is a source that made none yet. */
typedef struct IdentSource {
        Ident last;
} IdentSource;

/* The next id: ms = max(now_ms, last id's ms); within one ms the 80-bit part of the last id counts up by one and
 * `random` is not used; when it overflows, ms moves on by one and the random part is taken from `random`. */
Ident ident_next(IdentSource *source, uint64_t now_ms, const uint8_t random[static 10]);

/* Tell a source of an id that exists already (one read from the database). */
void ident_seen(IdentSource *source, const Ident *id);

/* 32 lower-case hex digits and a NUL. */
void ident_format(const Ident *id, char out[static IDENT_HEX_SIZE + 1]);

/* Exactly 32 lower-case hex digits, else false. */
bool ident_parse(const char *text, size_t size, Ident *out);

/* memcmp order, which is order of creation. */
int ident_compare(const Ident *a, const Ident *b);
