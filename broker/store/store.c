/* SPDX-License-Identifier: MIT */
/*
 * The store's life and its loop side: open, load, start, submit, collect, free. Owns the directory's lock, the environment and the
 * thread. Nothing here waits for a disk once the thread is started, but store_drain() and store_free().
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "digest.h"
#include "store-internal.h"
#include "thread.h"

/* What LMDB makes of its default of 126 readers. */
#define LOCK_FILE_SIZE 8192

/* ---- open ---- */

static int refuse_open(int error, const char *path, Fault *f) {
        switch (error) {
        case -ENOSPC:
        case -EDQUOT:
                return fault(f, FAULT_UNAVAILABLE, "cannot open %s: %s", path,
                             error == -ENOSPC ? "the disk is full" : "the quota is used up");
        case -EROFS:
                return fault(f, FAULT_UNAVAILABLE, "cannot open %s: its file system is read-only", path);
        case -EACCES:
        case -EPERM:
                return fault(f, FAULT_UNAVAILABLE, "not permitted to open %s: it must belong to the user websessd runs as", path);
        case -E2BIG:
                return fault(f, FAULT_UNAVAILABLE, "cannot open %s: MaxSize= is too small for it", path);
        case -EBADMSG:
        case -EPROTONOSUPPORT:
                return fault(f, FAULT_UNAVAILABLE, "%s is damaged: move it away (all sessions end) or restore a backup in its place", path);
        default:
                return error;
        }
}

int store_sync_directory(const char *directory) {
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* LMDB maps its lock file shared and writes into it: where the disk has no block for that, the process would die of it. */
static int allocate_lock_file(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *lock = NULL;

        if (asprintf(&lock, "%s-lock", path) < 0) {
                lock = NULL;
                return -ENOMEM;
        }
        fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        return -posix_fallocate(fd, 0, LOCK_FILE_SIZE);
}

static int read_shape(Store *s) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        int r;

        r = lmdb_begin(s->lmdb, false, &t);
        return r < 0 ? r : lmdb_shape(t, LMDB_SESSIONS, &s->shape);
}

static int open_database(Store *s, const char *path, const StoreOptions *options) {
        int r;

        r = allocate_lock_file(path);
        if (r == 0)
                r = lmdb_open(&s->lmdb, path, options->max_bytes);
        if (r == 0)
                r = store_upgrade(s->lmdb, s->directory, &s->meta, s->account_key);
        if (r == 0)
                r = store_sync_directory(s->directory);
        if (r == 0)
                r = read_shape(s);
        if (r == 0)
                r = store_room_init(s, options->reserve_bytes);
        if (r < 0)
                return r;
        s->status = (StoreStatus) {
                .sessions = s->shape.entries,
                .used_bytes = lmdb_used_bytes(s->lmdb),
                .file_bytes = s->room.allocated,
                .max_bytes = lmdb_max_bytes(s->lmdb),
                .reserved = store_room_reserved(s),
        };
        return 0;
}

static int allocate(Store **ret, const char *directory) {
        _cleanup_(store_freep) Store *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->lock_fd = s->event_fd = -EBADF;
        STAILQ_INIT(&s->pending);
        STAILQ_INIT(&s->queue);
        STAILQ_INIT(&s->finished);
        STAILQ_INIT(&s->collected);
        pthread_mutex_init(&s->mutex, NULL);
        pthread_cond_init(&s->wake, NULL);
        pthread_cond_init(&s->settled, NULL);
        s->directory = strdup(directory);
        if (!s->directory)
                return -ENOMEM;
        s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->event_fd < 0)
                return -errno;
        *ret = TAKE_PTR(s);
        return 0;
}

int store_open(Store **ret, const StoreOptions *options, Fault *f) {
        _cleanup_(store_freep) Store *s = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = allocate(&s, options->directory);
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/%s", s->directory, STORE_FILE) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = store_lock(s->directory, &s->lock_fd, f);
        if (r == 0)
                r = store_check(path, NULL, options->checker, f);
        if (r != 0)
                return r;
        r = open_database(s, path, options);
        if (r < 0)
                return refuse_open(r, path, f);
        s->last = s->meta.last;
        *ret = TAKE_PTR(s);
        return 0;
}

static void free_list(StoreChangeList *list) {
        StoreChange *c;

        while ((c = STAILQ_FIRST(list))) {
                STAILQ_REMOVE_HEAD(list, entry);
                store_change_free(c);
        }
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        store_backup_cancel(s);
        if (s->started) {
                pthread_mutex_lock(&s->mutex);
                s->stop = true;
                pthread_cond_signal(&s->wake);
                pthread_mutex_unlock(&s->mutex);
                pthread_join(s->thread, NULL);
        }
        free_list(&s->pending);
        free_list(&s->queue);
        free_list(&s->finished);
        free_list(&s->collected);
        s->lmdb = lmdb_close(s->lmdb);
        s->lock_fd = close_fd(s->lock_fd);
        s->event_fd = close_fd(s->event_fd);
        pthread_cond_destroy(&s->settled);
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->mutex);
        free(s->directory);
        wipe(s->account_key, sizeof(s->account_key));
        free(s);
        return NULL;
}

/* ---- load and start ---- */

typedef struct Loading {
        Store *store;
        StoreEach each;
        void *userdata;
} Loading;

static int load_one(void *userdata, LmdbBytes key, LmdbBytes value) {
        Loading *l = userdata;
        Ident id = {};                  /* no record's: of a damaged key nothing is believed */

        if (key.size == sizeof(id.bytes))
                memcpy(id.bytes, key.data, sizeof(id.bytes));
        if (ident_compare(&id, &l->store->last) > 0)
                l->store->last = id;
        return l->each ? l->each(l->userdata, &id, value.data, value.size) : 0;
}

int store_load(Store *s, StoreEach each, void *userdata) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        int r;

        r = lmdb_begin(s->lmdb, false, &t);
        if (r < 0)
                return r;
        return lmdb_each(t, LMDB_SESSIONS, load_one, &(Loading) { s, each, userdata });
}

bool store_mark(Store *s, SteadyMark *out) {
        if (s->meta.has_mark)
                *out = s->meta.mark;
        return s->meta.has_mark;
}

Ident store_last(const Store *s) {
        return s->last;
}

const uint8_t *store_account_key(const Store *s) {
        return s->account_key;
}

int store_start(Store *s) {
        int r = thread_start(&s->thread, "store", store_thread, s);

        s->started = r == 0;
        return r;
}

/* ---- changes ---- */

/* With the mutex held: 0, or what becomes of a change that need not be tried. */
static int refusal(const Store *s, const StoreChange *c) {
        if (s->dead)
                return -EIO;
        if (s->failed || (s->handing_back_failures && !store_change_is_revocation(c)))
                return -ECANCELED;
        return 0;
}

void store_submit(Store *s, StoreChange *c, StoreDone done, void *userdata) {
        StoreChangeList alone = STAILQ_HEAD_INITIALIZER(alone);
        int r;

        c->done = done;
        c->userdata = userdata;
        pthread_mutex_lock(&s->mutex);
        s->outstanding++;
        r = refusal(s, c);
        if (r < 0) {
                STAILQ_INSERT_TAIL(&alone, c, entry);
                store_move_finished(s, &alone, r);
                store_wake_loop(s);
        } else {
                STAILQ_INSERT_TAIL(&s->queue, c, entry);
                pthread_cond_signal(&s->wake);
        }
        pthread_mutex_unlock(&s->mutex);
}

int store_fd(const Store *s) {
        return s->event_fd;
}

static int first_error(const StoreChangeList *list) {
        StoreChange *c;

        STAILQ_FOREACH(c, list, entry)
                if (c->result < 0)
                        return c->result;
        return 0;
}

int store_collect_some(Store *s, size_t max) {
        eventfd_t count;
        StoreChange *c;
        int r;

        pthread_mutex_lock(&s->mutex);
        (void) eventfd_read(s->event_fd, &count);
        /* Only these are looked through: what is still left over of earlier calls went well */
        r = first_error(&s->finished);
        STAILQ_CONCAT(&s->collected, &s->finished);
        s->failed = false;
        pthread_mutex_unlock(&s->mutex);

        s->handing_back_failures = r < 0;
        while ((c = STAILQ_FIRST(&s->collected))) {
                if (max-- == 0 && r == 0) {
                        (void) eventfd_write(s->event_fd, 1);
                        break;
                }
                STAILQ_REMOVE_HEAD(&s->collected, entry);
                if (c->done)
                        c->done(c, c->result, c->userdata);
                store_change_free(c);
        }
        s->handing_back_failures = false;
        store_backup_collect(s);
        return r;
}

int store_collect(Store *s) {
        return store_collect_some(s, SIZE_MAX);
}

bool store_is_dead(const Store *s) {
        Store *mutable = (Store *) (uintptr_t) s;
        bool dead;

        pthread_mutex_lock(&mutable->mutex);
        dead = s->dead;
        pthread_mutex_unlock(&mutable->mutex);
        return dead;
}

int store_drain(Store *s) {
        pthread_mutex_lock(&s->mutex);
        while (s->started && s->outstanding > 0)
                pthread_cond_wait(&s->settled, &s->mutex);
        pthread_mutex_unlock(&s->mutex);
        return store_collect(s);
}

void store_status(const Store *s, StoreStatus *out) {
        Store *mutable = (Store *) (uintptr_t) s;

        pthread_mutex_lock(&mutable->mutex);
        *out = s->status;
        out->waiting = s->outstanding;
        pthread_mutex_unlock(&mutable->mutex);
}
