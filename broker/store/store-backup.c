/* SPDX-License-Identifier: MIT */
/*
 * A copy of the database into somebody else's descriptor, while the broker goes on. Two threads: one lets LMDB write the copy into a
 * pipe, the other carries it from there to its destination. LMDB alone would wait for ever for a client that does not read,
 * and pages cannot be used again while it waits.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "store-internal.h"
#include "thread.h"

#define PATIENCE_MSEC 30000
#define PIPE_SIZE (1024 * 1024)
#define CHUNK (64u * 1024)

struct StoreBackup {
        Store *store;
        int fd, source, sink;           /* destination; the pipe's ends: carry() reads source, LMDB writes sink */
        int cancel_fd;
        size_t chunk;                   /* most bytes at once that cannot make a write wait once poll() said go */
        bool is_socket;
        uint64_t pins;

        pthread_t carrier, copier;
        int copied;                     /* the copier's result, read after its join */
        bool finished;                  /* Store.mutex */
        int result;                     /* Store.mutex */

        StoreBackupDone done;
        void *userdata;
};

static StoreBackup *backup_free(StoreBackup *b) {
        if (!b)
                return NULL;
        close_fd(b->fd);
        close_fd(b->source);
        close_fd(b->sink);
        close_fd(b->cancel_fd);
        free(b);
        return NULL;
}
DEFINE_CLEANUP(StoreBackup *, backup_free)

/* Wait for fd, or for cancellation. */
static int wait_for(StoreBackup *b, int fd, short events, int timeout_msec) {
        struct pollfd p[] = { { .fd = fd, .events = events }, { .fd = b->cancel_fd, .events = POLLIN } };
        int n;

        do
                n = poll(p, ELEMENTSOF(p), timeout_msec);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (p[1].revents != 0)
                return -ECANCELED;
        return n == 0 ? -ETIMEDOUT : 0;
}

static int write_all(StoreBackup *b, const uint8_t *data, size_t size) {
        while (size > 0) {
                size_t want = size < b->chunk ? size : b->chunk;
                ssize_t n;
                int r;

                r = wait_for(b, b->fd, POLLOUT, PATIENCE_MSEC);
                if (r < 0)
                        return r;
                n = b->is_socket ? send(b->fd, data, want, MSG_DONTWAIT | MSG_NOSIGNAL) : write(b->fd, data, want);
                if (n < 0) {
                        if (errno == EAGAIN || errno == EINTR)
                                continue;
                        return -errno;
                }
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

static int carry(StoreBackup *b) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK);

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n;
                int r;

                r = wait_for(b, b->source, POLLIN, -1);
                if (r < 0)
                        return r;
                n = read(b->source, buffer, CHUNK);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                r = write_all(b, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
}

static void *copier_thread(void *userdata) {
        StoreBackup *b = userdata;

        b->copied = lmdb_copy(b->store->lmdb, b->sink);
        b->sink = close_fd(b->sink);
        return NULL;
}

/* A backup that is answered for is on the disk, where there is one behind the descriptor. */
static int sync_destination(int fd) {
        if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS || errno == EOPNOTSUPP)
                return 0;
        return -errno;
}

static void *carrier_thread(void *userdata) {
        StoreBackup *b = userdata;
        Store *s = b->store;
        int r;

        r = thread_start(&b->copier, "backup-copy", copier_thread, b);
        if (r == 0) {
                r = carry(b);
                b->source = close_fd(b->source);        /* a copier that still writes gets EPIPE */
                pthread_join(b->copier, NULL);
                if (r == 0)
                        r = b->copied;
                if (r == 0)
                        r = sync_destination(b->fd);
        }
        b->fd = close_fd(b->fd);
        pthread_mutex_lock(&s->mutex);
        b->result = r;
        b->finished = true;
        store_wake_loop(s);
        pthread_mutex_unlock(&s->mutex);
        return NULL;
}

/* poll() promises room for PIPE_BUF bytes in a pipe, and a socket can be asked not to wait; a file does not wait for people. */
static int look_at_destination(StoreBackup *b) {
        struct stat st;

        if (fstat(b->fd, &st) < 0)
                return -errno;
        b->is_socket = S_ISSOCK(st.st_mode);
        b->chunk = S_ISREG(st.st_mode) || b->is_socket ? CHUNK : PIPE_BUF;
        return 0;
}

static int backup_new(StoreBackup **ret, Store *s, int fd) {
        _cleanup_(backup_freep) StoreBackup *b = calloc(1, sizeof(*b));
        int pair[2], r;

        if (!b) {
                close_fd(fd);
                return -ENOMEM;
        }
        *b = (StoreBackup) { .store = s, .fd = fd, .source = -EBADF, .sink = -EBADF };
        b->cancel_fd = eventfd(0, EFD_CLOEXEC);
        if (b->cancel_fd < 0)
                return -errno;
        r = look_at_destination(b);
        if (r < 0)
                return r;
        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        b->source = pair[0];
        b->sink = pair[1];
        (void) fcntl(b->sink, F_SETPIPE_SZ, PIPE_SIZE);         /* fewer turns, where it is allowed */
        b->pins = lmdb_last_txn_id(s->lmdb);
        *ret = TAKE_PTR(b);
        return 0;
}

int store_backup(Store *s, int fd, StoreBackupDone done, void *userdata) {
        _cleanup_(backup_freep) StoreBackup *b = NULL;
        int r;

        if (s->backup) {
                close_fd(fd);
                return -EBUSY;
        }
        r = backup_new(&b, s, fd);
        if (r < 0)
                return r;
        b->done = done;
        b->userdata = userdata;
        pthread_mutex_lock(&s->mutex);
        r = thread_start(&b->carrier, "backup", carrier_thread, b);
        if (r == 0)
                s->backup = TAKE_PTR(b);
        pthread_mutex_unlock(&s->mutex);
        return r;
}

uint64_t store_backup_pins(const Store *s) {
        return s->backup ? s->backup->pins : UINT64_MAX;
}

static void hand_back(Store *s) {
        _cleanup_(backup_freep) StoreBackup *b = NULL;

        pthread_join(s->backup->carrier, NULL);
        pthread_mutex_lock(&s->mutex);
        b = TAKE_PTR(s->backup);
        pthread_mutex_unlock(&s->mutex);
        if (b->done)
                b->done(b->result, b->userdata);
}

void store_backup_collect(Store *s) {
        bool finished;

        pthread_mutex_lock(&s->mutex);
        finished = s->backup && s->backup->finished;
        pthread_mutex_unlock(&s->mutex);
        if (finished)
                hand_back(s);
}

void store_backup_cancel(Store *s) {
        if (!s->backup)
                return;
        (void) eventfd_write(s->backup->cancel_fd, 1);
        hand_back(s);
}
