/* SPDX-License-Identifier: MIT */
/* The thread and what waits for it, behind one lock. Owns no memory but its own. */
#include "huge-pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "thread.h"
#include "websess-map.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define RANGES_MAX 64u
#define TRIES 4u

typedef struct Range {
        char *begin, *end;
} Range;

struct HugePages {
        pthread_t thread;
        bool has_thread, stopping, busy;
        pthread_mutex_t lock;
        pthread_cond_t more, idle;
        Range ranges[RANGES_MAX];       /* the first comes first */
        size_t n;
};

DEFINE_CLEANUP(HugePages *, huge_pages_free)

static void remove_range(HugePages *h, size_t i) {
        memmove(&h->ranges[i], &h->ranges[i + 1], (h->n - i - 1) * sizeof(Range));
        h->n--;
}

static char *take_page(HugePages *h) {
        char *page = h->ranges[0].begin;

        h->ranges[0].begin += MAP_HUGE_PAGE;
        if (h->ranges[0].begin >= h->ranges[0].end)
                remove_range(h, 0);
        return page;
}

/* Somebody may just have had a page of it in hand. */
static void collapse(char *page) {
        for (unsigned i = 0; i < TRIES && madvise(page, MAP_HUGE_PAGE, MADV_COLLAPSE) < 0 && errno == EAGAIN; i++)
                ;
}

static void *run(void *userdata) {
        HugePages *h = userdata;
        char *page;

        pthread_mutex_lock(&h->lock);
        while (!h->stopping) {
                if (h->n == 0) {
                        pthread_cond_broadcast(&h->idle);
                        pthread_cond_wait(&h->more, &h->lock);
                        continue;
                }
                page = take_page(h);
                h->busy = true;
                pthread_mutex_unlock(&h->lock);
                collapse(page);
                pthread_mutex_lock(&h->lock);
                h->busy = false;
        }
        pthread_mutex_unlock(&h->lock);
        return NULL;
}

int huge_pages_new(HugePages **ret) {
        _cleanup_(huge_pages_freep) HugePages *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        pthread_mutex_init(&h->lock, NULL);
        pthread_cond_init(&h->more, NULL);
        pthread_cond_init(&h->idle, NULL);
        r = thread_start(&h->thread, "huge-pages", run, h);
        h->has_thread = r == 0;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

HugePages *huge_pages_free(HugePages *h) {
        if (!h)
                return NULL;
        if (h->has_thread) {
                pthread_mutex_lock(&h->lock);
                h->stopping = true;
                pthread_cond_signal(&h->more);
                pthread_mutex_unlock(&h->lock);
                pthread_join(h->thread, NULL);
        }
        pthread_cond_destroy(&h->idle);
        pthread_cond_destroy(&h->more);
        pthread_mutex_destroy(&h->lock);
        free(h);
        return NULL;
}

void huge_pages_want(HugePages *h, void *memory, size_t size) {
        char *begin = memory;

        if (!h)
                return;
        pthread_mutex_lock(&h->lock);
        if (h->n > 0 && h->ranges[h->n - 1].end == begin)
                h->ranges[h->n - 1].end += size;
        else if (h->n < RANGES_MAX)
                h->ranges[h->n++] = (Range) { begin, begin + size };
        pthread_cond_signal(&h->more);
        pthread_mutex_unlock(&h->lock);
}

void huge_pages_forget(HugePages *h, const void *memory, size_t size) {
        const char *begin = memory;

        if (!h)
                return;
        pthread_mutex_lock(&h->lock);
        for (size_t i = h->n; i-- > 0; )
                if (h->ranges[i].begin >= begin && h->ranges[i].end <= begin + size)
                        remove_range(h, i);
        pthread_mutex_unlock(&h->lock);
}

void huge_pages_drain(HugePages *h) {
        pthread_mutex_lock(&h->lock);
        while (h->n > 0 || h->busy)
                pthread_cond_wait(&h->idle, &h->lock);
        pthread_mutex_unlock(&h->lock);
}
