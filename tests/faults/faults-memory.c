/* SPDX-License-Identifier: MIT */
/* Allocations: one may fail, and who has not freed what is known at the end. */
#include <errno.h>
#include <stdlib.h>

#include "faults.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

/* ---- what is allocated: open addressing, a removed entry leaves a mark ---- */

#define N_ENTRIES (1u << 20)
#define REMOVED ((void *) 1)

static struct { void *p; Site *site; } entries[N_ENTRIES];
static atomic_flag busy = ATOMIC_FLAG_INIT;

static size_t first_of(const void *p) {
        return ((uintptr_t) p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 44;
}

static void lock(void) {
        while (atomic_flag_test_and_set(&busy))
                ;
}

static void unlock(void) {
        atomic_flag_clear(&busy);
}

static void remember(void *p, Site *site) {
        if (!p || !site || !faults_tracking())
                return;
        lock();
        for (size_t i = first_of(p), n = 0; n < N_ENTRIES; i++, n++)
                if (entries[i % N_ENTRIES].p == NULL || entries[i % N_ENTRIES].p == REMOVED) {
                        entries[i % N_ENTRIES].p = p;
                        entries[i % N_ENTRIES].site = site;
                        break;
                }
        unlock();
}

static void forget(const void *p) {
        if (!p || !faults_tracking())
                return;
        lock();
        for (size_t i = first_of(p), n = 0; n < N_ENTRIES && entries[i % N_ENTRIES].p; i++, n++)
                if (entries[i % N_ENTRIES].p == p) {
                        entries[i % N_ENTRIES].p = REMOVED;
                        break;
                }
        unlock();
}

void faults_count_live(void) {
        for (size_t i = 0; i < N_ENTRIES; i++)
                if (entries[i].p && entries[i].p != REMOVED)
                        entries[i].site->live++;
}

/* ---- in the place of libc's ---- */

void *malloc(size_t size) {
        Call call = faults_before("malloc", ENOMEM);
        void *p;

        if (call.error) {
                errno = call.error;
                return NULL;
        }
        p = __libc_malloc(size);
        remember(p, call.site);
        return p;
}

void *calloc(size_t n, size_t size) {
        Call call = faults_before("calloc", ENOMEM);
        void *p;

        if (call.error) {
                errno = call.error;
                return NULL;
        }
        p = __libc_calloc(n, size);
        remember(p, call.site);
        return p;
}

void *realloc(void *old, size_t size) {
        Call call = faults_before("realloc", ENOMEM);
        void *p;

        if (call.error) {
                errno = call.error;
                return NULL;
        }
        forget(old);
        p = __libc_realloc(old, size);
        remember(p ? p : size > 0 ? old : NULL, call.site);
        return p;
}

void free(void *p) {
        int saved = errno;

        forget(p);
        __libc_free(p);
        errno = saved;
}
