/* SPDX-License-Identifier: MIT */
/* Buffers that are used again and again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "digest.h"

/* By hand and not by realloc(), which may leave a copy of a secret behind. */
int arena_reserve(Arena *a, size_t more) {
        size_t size = a->size ? a->size : 512;
        char *data;

        if (a->size - a->used >= more)
                return 0;
        while (size - a->used < more)
                size *= 2;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        if (a->used > 0)
                memcpy(data, a->data, a->used);
        wipe(a->data, a->used);
        free(a->data);
        a->data = data;
        a->size = size;
        return 0;
}

int arena_append(Arena *a, const void *data, size_t size) {
        int r;

        r = arena_reserve(a, size);
        if (r < 0)
                return r;
        if (size > 0)
                memcpy(a->data + a->used, data, size);
        a->used += size;
        return 0;
}

int arena_add(Arena *a, const void *data, size_t size, size_t *ret_offset) {
        size_t offset = a->used;
        int r;

        r = arena_reserve(a, size + 1);
        if (r < 0)
                return r;
        (void) arena_append(a, data, size);
        (void) arena_append(a, "", 1);
        *ret_offset = offset;
        return 0;
}

void arena_wipe(Arena *a) {
        wipe(a->data, a->used);
        a->used = 0;
}

void arena_done(Arena *a) {
        arena_clear(a);
        free(a->data);
        *a = (Arena) {};
}
