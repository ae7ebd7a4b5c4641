/* SPDX-License-Identifier: MIT */
/* The kernel aligns to pages only, so more is taken than is asked for, and what is over at either end given back. Owns nothing. */
#include "reserve.h"

#include <stdint.h>
#include <sys/mman.h>

void *reserve_addresses(size_t before, size_t size, size_t alignment) {
        size_t over, all;
        char *p;

        if (__builtin_add_overflow(before, size, &all) || __builtin_add_overflow(all, alignment, &all))
                return NULL;
        p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
                return NULL;
        over = (alignment - ((uintptr_t) p + before) % alignment) % alignment;
        if (over > 0)
                (void) munmap(p, over);
        if (over < alignment)
                (void) munmap(p + over + before + size, alignment - over);
        return p + over + before;
}
