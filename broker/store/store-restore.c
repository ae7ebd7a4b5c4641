/* SPDX-License-Identifier: MIT */
/*
 * A backup in the place of the database. Works on a copy of its own beside the database, which nobody else can change, and renames it last: up to
 * then the database is not touched, after a power cut either.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "digest.h"
#include "store-internal.h"

#define CHUNK (256u * 1024)
/* Room in the map besides what the file holds: a rewritten record leaves its old page free for the transaction after the next. */
#define MAP_MORE (UINT64_C(64) * 1024 * 1024)

typedef struct Restoring {
        const StoreRestore *o;
        char *database, *copy, *copy_lock;
        int lock_fd;
        uint64_t size;                  /* of the backup */
        Ident last;                     /* the greatest id known from anywhere */
        uint64_t n_sessions;
        StoreMeta meta;                 /* the backup's */
} Restoring;

/* The copy's names are ours while the lock is. */
static void restoring_done(Restoring *r) {
        if (r->lock_fd >= 0 && r->copy && r->copy_lock) {
                (void) unlink(r->copy);
                (void) unlink(r->copy_lock);
        }
        close_fd(r->lock_fd);
        free(r->database);
        free(r->copy);
        free(r->copy_lock);
}

static int name_files(Restoring *r) {
        if (asprintf(&r->database, "%s/%s", r->o->directory, STORE_FILE) < 0)
                r->database = NULL;
        if (asprintf(&r->copy, "%s/%s.new", r->o->directory, STORE_FILE) < 0)
                r->copy = NULL;
        if (asprintf(&r->copy_lock, "%s/%s.new-lock", r->o->directory, STORE_FILE) < 0)
                r->copy_lock = NULL;
        return r->database && r->copy && r->copy_lock ? 0 : -ENOMEM;
}

/* ---- a copy of the backup ---- */

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                data += n < 0 ? 0 : n;
                size -= n < 0 ? 0 : (size_t) n;
        }
        return 0;
}

static int copy_bytes(int from, int to) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK);
        off_t at = 0;

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(from, buffer, CHUNK, at);
                int k;

                if (n == 0)
                        return fsync(to) < 0 ? -errno : 0;
                k = n < 0 ? -errno : write_all(to, buffer, (size_t) n);
                if (k < 0)
                        return k;
                at += n;
        }
}

/* What an earlier attempt may have left is nobody's. */
static int make_copy(Restoring *r, Fault *f) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (fstat(r->o->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size == 0)
                return fault(f, FAULT_UNAVAILABLE, "%s: not a database of websess, but %s", r->o->name, S_ISREG(st.st_mode) ? "empty" : "not even a regular file");
        r->size = (uint64_t) st.st_size;
        (void) unlink(r->copy);
        (void) unlink(r->copy_lock);
        fd = open(r->copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        return copy_bytes(r->o->fd, fd);
}

/* ---- what is known of ids ---- */

static void note_last(Restoring *r, const Ident *id) {
        if (ident_compare(id, &r->last) > 0)
                r->last = *id;
}

/* Count the sessions, and see the greatest of their ids. */
static int look_at_sessions(Restoring *r, Lmdb *l, uint64_t *ret_n) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        LmdbShape shape;
        LmdbBytes key;
        Ident id;
        int k;

        k = lmdb_begin(l, false, &t);
        if (k == 0)
                k = lmdb_shape(t, LMDB_SESSIONS, &shape);
        if (k != 0)
                return k;
        *ret_n = shape.entries;
        k = lmdb_last(t, LMDB_SESSIONS, &key);
        if (k == 0 && key.size == sizeof(id.bytes)) {
                memcpy(id.bytes, key.data, sizeof(id.bytes));
                note_last(r, &id);
        }
        return k == -ENOENT ? 0 : k;
}

static int read_last(Restoring *r, Lmdb *l) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        StoreMeta meta;
        int k;

        k = lmdb_begin(l, false, &t);
        if (k == 0)
                k = store_meta_read(t, &meta);
        if (k == 0 && meta.has_last)
                note_last(r, &meta.last);
        return k;
}

/* The present database may be damaged, or not there at all: it is asked for this, and no more. */
static void look_at_present(Restoring *r) {
        _cleanup_(lmdb_closep) Lmdb *l = NULL;
        uint64_t n;
        struct stat st;
        Fault f = {};

        if (stat(r->database, &st) < 0 || st.st_size == 0 || store_check(r->database, NULL, r->o->checker, &f) != 0)
                return;
        if (lmdb_open(&l, r->database, (uint64_t) st.st_size + MAP_MORE) == 0 && read_last(r, l) == 0)
                (void) look_at_sessions(r, l, &n);
}

/* ---- what the copy becomes ---- */

static int write_last(Restoring *r, Lmdb *l, const SteadyMark *mark) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        int k;

        k = lmdb_begin(l, true, &t);
        if (k == 0)
                k = store_meta_write_last(t, &r->last);
        if (k == 0 && mark)
                k = store_meta_write_mark(t, mark);
        if (k == 0)
                k = store_meta_write_generation(t);
        return k < 0 ? k : lmdb_commit(TAKE_PTR(t));
}

static int open_copy(Restoring *r, Lmdb **ret, StoreMeta *ret_meta) {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE];
        int k;

        k = lmdb_open(ret, r->copy, 2 * r->size + MAP_MORE);
        if (k == 0)
                k = store_upgrade(*ret, r->o->directory, ret_meta, key);
        wipe(key, sizeof(key));
        return k;
}

static int take_over(Restoring *r) {
        _cleanup_(lmdb_closep) Lmdb *l = NULL;
        int k;

        k = open_copy(r, &l, &r->meta);
        if (k == 0 && r->meta.has_last)
                note_last(r, &r->meta.last);
        if (k == 0)
                k = look_at_sessions(r, l, &r->n_sessions);
        return k < 0 ? k : write_last(r, l, NULL);
}

/* Nothing of the sessions is to be left, in pages that are free either: a new file, with what else the backup knew. */
static int begin_anew(Restoring *r) {
        _cleanup_(lmdb_closep) Lmdb *l = NULL;
        StoreMeta meta;
        int k;

        if (unlink(r->copy) < 0 || unlink(r->copy_lock) < 0)
                return -errno;
        k = open_copy(r, &l, &meta);
        return k < 0 ? k : write_last(r, l, r->meta.has_mark ? &r->meta.mark : NULL);
}

static int sync_copy(const Restoring *r) {
        _cleanup_close_ int fd = open(r->copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* It was made from what was checked; it is checked again because it is what will be believed. */
static int put_in_place(Restoring *r, Fault *f) {
        int k;

        k = store_check(r->copy, r->o->name, r->o->checker, f);
        if (k == 0)
                k = sync_copy(r);
        if (k != 0)
                return k;
        if (rename(r->copy, r->database) < 0)
                return -errno;
        return store_sync_directory(r->o->directory);
}

static int refuse(int error, const Restoring *r, Fault *f) {
        switch (error) {
        case -ENOSPC:
        case -EDQUOT:
                return fault(f, FAULT_UNAVAILABLE, "cannot restore %s: %s, and a whole copy is made beside the database first", r->o->name,
                             error == -ENOSPC ? "the disk is full" : "the quota is used up");
        case -EROFS:
                return fault(f, FAULT_UNAVAILABLE, "cannot write %s: its file system is read-only", r->o->directory);
        case -EACCES:
        case -EPERM:
                return fault(f, FAULT_UNAVAILABLE, "not permitted to write %s: run this as root, or as the user websessd runs as", r->o->directory);
        case -EBADMSG:
        case -EPROTONOSUPPORT:
                return fault(f, FAULT_UNAVAILABLE, "%s: damaged: restore another backup", r->o->name);
        default:
                return error;
        }
}

int store_restore(const StoreRestore *restore, uint64_t *ret_sessions, Fault *f) {
        _cleanup_(restoring_done) Restoring r = { .o = restore, .lock_fd = -EBADF };
        int k;

        k = name_files(&r);
        if (k == 0)
                k = store_lock(restore->directory, &r.lock_fd, f);
        if (k == 0)
                k = make_copy(&r, f);
        if (k == 0)
                k = store_check(r.copy, restore->name, restore->checker, f);
        if (k == 0)
                look_at_present(&r);
        if (k == 0)
                k = take_over(&r);
        if (k == 0 && !restore->keep)
                k = begin_anew(&r);
        if (k == 0)
                k = put_in_place(&r, f);
        if (k < 0)
                return refuse(k, &r, f);
        if (k == 0)
                *ret_sessions = r.n_sessions;
        return k;
}
