/* SPDX-License-Identifier: MIT */
/* Opens the policy's folders and files, for reading only. */
#include "policy-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "config.h"
#include "texts.h"

DEFINE_CLEANUP(DIR *, closedir)

/* What the file system refuses is a fault of the administrator's files; what this process lacks is ours. */
static int refuse_errno(Fault *f, const char *path, int error) {
        if (error == ENOMEM || error == EMFILE || error == ENFILE)
                return -error;
        return config_refuse(f, path, 0, NULL, "cannot be read: %s", strerrordesc_np(error));
}

static int check_mode(const char *path, int fd, bool folder, struct stat *ret, Fault *f) {
        if (fstat(fd, ret) < 0)
                return -errno;
        if (!folder && !S_ISREG(ret->st_mode))
                return config_refuse(f, path, 0, NULL, "not a regular file");
        if (ret->st_mode & S_IWOTH)
                return config_refuse(f, path, 0, NULL, "anybody may write to it: chmod o-w");
        return 0;
}

static bool is_policy_name(const char *name) {
        size_t size = strlen(name);

        return name[0] != '.' && size > strlen(".conf") && strcmp(name + size - strlen(".conf"), ".conf") == 0;
}

static int read_names(DIR *d, char ***ret) {
        _cleanup_(texts_freep) char **list = calloc(1, sizeof(*list));
        struct dirent *e;
        int n = 0;

        if (!list)
                return -ENOMEM;
        while (errno = 0, (e = readdir(d))) {
                if (!is_policy_name(e->d_name))
                        continue;
                if (texts_append(&list, (size_t) n, e->d_name, strlen(e->d_name)) < 0)
                        return -ENOMEM;
                n++;
        }
        if (errno != 0)
                return -errno;
        *ret = TAKE_PTR(list);
        return n;
}

static int compare_text(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int files_list(const char *folder, char ***ret, Fault *f) {
        _cleanup_(closedirp) DIR *d = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int k;

        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                *ret = calloc(1, sizeof(**ret));
                return *ret ? 0 : -ENOMEM;
        }
        if (fd < 0)
                return refuse_errno(f, folder, errno);
        k = check_mode(folder, fd, true, &st, f);
        if (k != 0)
                return k;
        d = fdopendir(fd);
        if (!d)
                return -errno;
        (void) TAKE_FD(fd);     /* the DIR's from here on */
        k = read_names(d, ret);
        if (k < 0)
                return k;
        qsort(*ret, (size_t) k, sizeof(**ret), compare_text);
        return 0;
}

/* Reads to the end, whatever fstat() said the size was: the file may grow meanwhile. */
static int read_all(int fd, const char *path, char *buffer, size_t *ret_size, Fault *f) {
        size_t size = 0;

        for (;;) {
                ssize_t n = read(fd, buffer + size, POLICY_FILE_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return refuse_errno(f, path, errno);
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > POLICY_FILE_MAX)
                        return config_refuse(f, path, 0, NULL, "larger than 1 MiB");
        }
        buffer[size] = '\0';
        *ret_size = size;
        return 0;
}

int files_read(const char *path, bool required, char **ret, size_t *ret_size, Fault *f) {
        _cleanup_free_ char *buffer = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int k;

        /* O_NONBLOCK: opening a FIFO must not wait for its writer; it has no meaning for a regular file. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && (errno != ENOENT || required))
                return refuse_errno(f, path, errno);
        buffer = malloc(POLICY_FILE_MAX + 1);
        if (!buffer)
                return -ENOMEM;
        buffer[0] = '\0';
        *ret_size = 0;
        if (fd >= 0) {
                k = check_mode(path, fd, false, &st, f);
                if (k == 0)
                        k = read_all(fd, path, buffer, ret_size, f);
                if (k != 0)
                        return k;
        }
        *ret = TAKE_PTR(buffer);
        return 0;
}
