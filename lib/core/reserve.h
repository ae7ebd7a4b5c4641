/* SPDX-License-Identifier: MIT */
/* Addresses without memory behind them, where shared memory is then mapped with MAP_FIXED. Keeps nothing. */
#pragma once

#include <stddef.h>

/* size bytes at a multiple of alignment (a power of two, at least a page), and right before them `before` bytes; both of whole pages. Returns where the size bytes begin;
 * NULL: there are none. The caller's to munmap(). */
void *reserve_addresses(size_t before, size_t size, size_t alignment);
