/* SPDX-License-Identifier: MIT */
/* A thread that asks NSS, a queue to it, a list back. Owns both and the cache; the loop touches the cache, the thread never. */
#include "accounts.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "cleanup.h"
#include "record.h"
#include "span.h"
#include "thread.h"

#define KEEP_USEC (2 * USEC_PER_SEC)
#define CACHE_MAX 4096u

typedef struct Entry {
        RB_ENTRY(Entry) link;
        char *asked, *name;
        uid_t uid;
        uint64_t until;         /* CLOCK_BOOTTIME */
} Entry;

struct AccountLookup {
        STAILQ_ENTRY(AccountLookup) link;
        char *asked, *name;
        uid_t uid;
        int result;
        AccountDone done;
        void *userdata;
};

typedef STAILQ_HEAD(, AccountLookup) Queue;
typedef RB_HEAD(Cache, Entry) Cache;

struct Accounts {
        sd_event_source *source;
        int fd;                 /* eventfd: something is finished */
        pthread_t thread;
        bool has_thread;

        pthread_mutex_t lock;   /* guards the next three */
        pthread_cond_t work;
        Queue asked, answered;
        bool stop;

        Cache cache;
        unsigned n_cached;
};

static int compare_entries(Entry *a, Entry *b) {
        return strcmp(a->asked, b->asked);
}

RB_GENERATE_INTERNAL(Cache, Entry, link, compare_entries, __attribute__((unused)) static)

DEFINE_CLEANUP(Accounts *, accounts_free)

static AccountLookup *lookup_free(AccountLookup *l) {
        if (l) {
                free(l->asked);
                free(l->name);
                free(l);
        }
        return NULL;
}

/* ---- the thread ---- */

static int ask(AccountLookup *l) {
        size_t size = 1024;

        for (;;) {
                _cleanup_free_ char *buffer = malloc(size);
                struct passwd p, *found = NULL;
                int r;

                if (!buffer)
                        return -ENOMEM;

                r = getpwnam_r(l->asked, &p, buffer, size, &found);
                if (r == ERANGE && size < 1024 * 1024) {
                        size *= 2;
                        continue;
                }
                /* getpwnam_r(3): these, too, are ways in which "no such name" is said */
                if (r != 0 && r != ENOENT && r != ESRCH && r != EBADF && r != EPERM)
                        return -r;

                l->uid = found && found->pw_uid != 65534 ? found->pw_uid : RECORD_NO_UID;
                l->name = strdup(found ? found->pw_name : l->asked);
                return l->name ? 0 : -ENOMEM;
        }
}

static void *run(void *userdata) {
        Accounts *a = userdata;

        pthread_mutex_lock(&a->lock);
        while (!a->stop) {
                AccountLookup *l = STAILQ_FIRST(&a->asked);

                if (!l) {
                        pthread_cond_wait(&a->work, &a->lock);
                        continue;
                }
                STAILQ_REMOVE_HEAD(&a->asked, link);
                pthread_mutex_unlock(&a->lock);

                l->result = ask(l);

                pthread_mutex_lock(&a->lock);
                STAILQ_INSERT_TAIL(&a->answered, l, link);
                eventfd_write(a->fd, 1);
        }
        pthread_mutex_unlock(&a->lock);
        return NULL;
}

/* ---- the loop's side ---- */

static void forget(Accounts *a, Entry *e) {
        RB_REMOVE(Cache, &a->cache, e);
        a->n_cached--;
        free(e->asked);
        free(e->name);
        free(e);
}

static void forget_all(Accounts *a) {
        Entry *e;

        while ((e = RB_ROOT(&a->cache)))
                forget(a, e);
}

static uint64_t now(Accounts *a) {
        uint64_t usec = 0;

        (void) sd_event_now(sd_event_source_get_event(a->source), CLOCK_BOOTTIME, &usec);
        return usec;
}

/* Keeping an answer is a convenience: without memory for it, the next one asks again. */
static void keep(Accounts *a, AccountLookup *l) {
        Entry *e, *old;

        if (a->n_cached >= CACHE_MAX)
                forget_all(a);

        e = calloc(1, sizeof(*e));
        if (!e)
                return;
        e->asked = TAKE_PTR(l->asked);
        e->name = TAKE_PTR(l->name);
        e->uid = l->uid;
        e->until = now(a) + KEEP_USEC;
        old = RB_FIND(Cache, &a->cache, e);
        if (old)
                forget(a, old);
        RB_INSERT(Cache, &a->cache, e);
        a->n_cached++;
}

static int on_answers(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Accounts *a = userdata;
        Queue answered = STAILQ_HEAD_INITIALIZER(answered);
        AccountLookup *l;
        eventfd_t n;

        (void) eventfd_read(fd, &n);
        pthread_mutex_lock(&a->lock);
        STAILQ_CONCAT(&answered, &a->answered);
        pthread_mutex_unlock(&a->lock);

        while ((l = STAILQ_FIRST(&answered))) {
                STAILQ_REMOVE_HEAD(&answered, link);
                l->done(l->result, l->result < 0 ? NULL : &(Account) { l->name, l->uid }, l->userdata);
                if (l->result == 0)
                        keep(a, l);
                lookup_free(l);
        }

        return 0;
}

int accounts_new(Accounts **ret, sd_event *event) {
        _cleanup_(accounts_freep) Accounts *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;

        STAILQ_INIT(&a->asked);
        STAILQ_INIT(&a->answered);
        RB_INIT(&a->cache);
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->work, NULL);

        a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (a->fd < 0)
                return -errno;
        r = sd_event_add_io(event, &a->source, a->fd, EPOLLIN, on_answers, a);
        if (r < 0)
                return r;
        r = thread_start(&a->thread, "accounts", run, a);
        if (r < 0)
                return r;
        a->has_thread = true;

        *ret = TAKE_PTR(a);
        return 0;
}

static void drop(Queue *q) {
        AccountLookup *l;

        while ((l = STAILQ_FIRST(q))) {
                STAILQ_REMOVE_HEAD(q, link);
                l->done(-ECANCELED, NULL, l->userdata);
                lookup_free(l);
        }
}

Accounts *accounts_free(Accounts *a) {
        if (!a)
                return NULL;

        if (a->has_thread) {
                pthread_mutex_lock(&a->lock);
                a->stop = true;
                pthread_cond_signal(&a->work);
                pthread_mutex_unlock(&a->lock);
                pthread_join(a->thread, NULL);
        }
        drop(&a->asked);
        drop(&a->answered);
        forget_all(a);
        sd_event_source_disable_unref(a->source);
        close_fd(a->fd);
        pthread_cond_destroy(&a->work);
        pthread_mutex_destroy(&a->lock);
        free(a);
        return NULL;
}

int accounts_look_up(Accounts *a, const char *name, AccountDone done, void *userdata) {
        Entry *e = RB_FIND(Cache, &a->cache, &(Entry) { .asked = (char *) name });
        AccountLookup *l;

        if (e && e->until > now(a)) {
                done(0, &(Account) { e->name, e->uid }, userdata);
                return 0;
        }

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->asked = strdup(name);
        if (!l->asked) {
                lookup_free(l);
                return -ENOMEM;
        }
        l->done = done;
        l->userdata = userdata;

        pthread_mutex_lock(&a->lock);
        STAILQ_INSERT_TAIL(&a->asked, l, link);
        pthread_cond_signal(&a->work);
        pthread_mutex_unlock(&a->lock);
        return 0;
}
