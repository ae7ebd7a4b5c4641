/* SPDX-License-Identifier: MIT */
/* See small-file.h. */
#include "small-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cleanup.h"

ssize_t small_file_read(const char *path, char *out, size_t size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        size_t n = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t r = read(fd, out + n, size - 1 - n);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                n += (size_t) r;
                if (r == 0 || n == size - 1)
                        break;
        }
        out[n] = '\0';
        return (ssize_t) n;
}
