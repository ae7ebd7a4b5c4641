/* SPDX-License-Identifier: MIT */
/*
 * How readers learn for free that the broker is dead: a thread that does nothing else keeps one word of each map in its robust-futex list, so
 * that the kernel marks it when the thread ends, however the process ends. Knows nothing of maps but where their word is.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Lifeline Lifeline;

/* Starts the thread (word_offset: where in every mapping the word is) and proves on a process of its own making that the kernel does what is needed; -EOPNOTSUPP where it does not: then there must
 * be no maps. */
int lifeline_new(Lifeline **ret, size_t word_offset);
/* The thread ends, and with it every word is marked: maps are dead from here on. */
Lifeline *lifeline_free(Lifeline *l);

/* Reserve room for a mapping of size bytes at a multiple of alignment; the caller maps its memory there with MAP_FIXED. Right before it lies a private, locked
 * page of ours with the list's node, so that no address of the broker is ever in shared memory. */
int lifeline_reserve(Lifeline *l, size_t size, size_t alignment, void **ret);
/* Put the word into the list: it holds the thread's number from now on. Call it once per reservation, after mapping. */
void lifeline_hold(Lifeline *l, void *mapping);
/* Take it out and unmap the reservation. The word is left as it is. */
void lifeline_release(Lifeline *l, void *mapping, size_t size);
