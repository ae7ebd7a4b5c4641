/* SPDX-License-Identifier: MIT */
/*
 * The lock on the state directory: one broker at a time, from before the database is opened until the process ends.
 * An open-file-description lock, so that it goes when the last descriptor does and not when any is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store-internal.h"

/* The file holds its owner's pid, for messages only: the lock itself does not tell. 0 when it is not there (yet). */
static int read_owner(int fd) {
        char text[24] = "";
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n <= 0)
                return 0;
        return atoi(text);
}

static int write_owner(int fd) {
        char text[24];
        int n = snprintf(text, sizeof(text), "%d\n", (int) getpid());

        /* Written before it is cut: the block is there already, also on a full disk. */
        if (pwrite(fd, text, (size_t) n, 0) != n || ftruncate(fd, n) < 0)
                return -errno;
        return 0;
}

static int refuse_second(int fd, const char *directory, Fault *f) {
        int owner = read_owner(fd);

        if (owner > 0)
                return fault(f, FAULT_UNAVAILABLE, "another websessd (pid %d) owns %s: stop it first, or set STATE_DIRECTORY",
                             owner, directory);
        return fault(f, FAULT_UNAVAILABLE, "another websessd owns %s: stop it first, or set STATE_DIRECTORY", directory);
}

static int refuse_directory(int error, const char *path, Fault *f) {
        switch (error) {
        case ENOENT:
                return fault(f, FAULT_UNAVAILABLE, "cannot make %s: the state directory is not there", path);
        case EACCES:
        case EPERM:
                return fault(f, FAULT_UNAVAILABLE, "not permitted to write %s: the state directory must belong to the user websessd runs as", path);
        case EROFS:
                return fault(f, FAULT_UNAVAILABLE, "cannot write %s: its file system is read-only", path);
        case ENOSPC:
        case EDQUOT:
                return fault(f, FAULT_UNAVAILABLE, "cannot make %s: %s", path, error == ENOSPC ? "the disk is full" : "the quota is used up");
        case ENAMETOOLONG:
                return fault(f, FAULT_UNAVAILABLE, "cannot make the lock in the state directory: its path is too long");
        default:
                return -error;
        }
}

int store_lock(const char *directory, int *ret_fd, Fault *f) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, STORE_LOCK) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return refuse_directory(errno, path, f);
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                if (errno != EAGAIN && errno != EACCES)
                        return -errno;
                return refuse_second(fd, directory, f);
        }
        /* The pid is a courtesy: a full disk must not keep the broker from starting. */
        (void) write_owner(fd);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
