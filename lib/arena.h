/* SPDX-License-Identifier: MIT */
/*
 * A buffer that only grows: bytes are put one behind the other and named by their offset, since growing moves them.
 * Emptied it keeps its memory, so a reused one allocates nothing. May hold secrets: whatever it lets go of is wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Arena {
        char *data;
        size_t used, size;
} Arena;

#define ARENA_NONE ((size_t) -1)

/* Append size bytes and a NUL. 0 or -ENOMEM. */
int arena_add(Arena *a, const void *data, size_t size, size_t *ret_offset);

/* Append size bytes without a NUL, to go on with what was appended last. 0 or -ENOMEM. */
int arena_append(Arena *a, const void *data, size_t size);

/* Make room for so much more. 0 or -ENOMEM. */
int arena_reserve(Arena *a, size_t more);

/* Append size bytes and a NUL where there is room for them. Returns their offset. */
static inline size_t arena_put(Arena *a, const void *data, size_t size) {
        size_t offset = a->used;

        if (size > 0)
                memcpy(a->data + offset, data, size);
        a->data[offset + size] = '\0';
        a->used = offset + size + 1;
        return offset;
}

void arena_wipe(Arena *a);
static inline void arena_clear(Arena *a) {
        if (a->used > 0)
                arena_wipe(a);
}
void arena_done(Arena *a);

/* NULL for ARENA_NONE. */
static inline const char *arena_at(const Arena *a, size_t offset) {
        return offset == ARENA_NONE ? NULL : a->data + offset;
}
