/* SPDX-License-Identifier: MIT */
/*
 * Shared memory that is full, collapsed into huge pages by a thread that does nothing else, since one takes the kernel milliseconds: whoever reads at random in hundreds of megabytes waits a
 * quarter less for it. Nothing depends on it. Whatever the machine's setting for huge pages in files of shared memory is, the kernel gives them where it is told to (madvise(2), MADV_COLLAPSE,
 * Linux 6.1), if it has them. What is in the memory stays what it is, and may be read and written all the while.
 */
#pragma once

#include <stddef.h>

typedef struct HugePages HugePages;

int huge_pages_new(HugePages **ret);
HugePages *huge_pages_free(HugePages *h);       /* what is waiting stays as it is */

/* Whole pages of MAP_HUGE_PAGE bytes of a shared mapping, at a multiple of that in it and in its file. h may be NULL: then nothing happens. Too many at once are passed over. */
void huge_pages_want(HugePages *h, void *memory, size_t size);
/* Not any more. One page of it may be in the middle of it still, which does no harm even where the mapping is gone. */
void huge_pages_forget(HugePages *h, const void *memory, size_t size);
void huge_pages_drain(HugePages *h);            /* waits until nothing is left to do */
