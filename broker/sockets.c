/* SPDX-License-Identifier: MIT */
/* Finds or makes the listening socket. Touches the runtime directory and $LISTEN_FDS. */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "cleanup.h"

int socket_path(const char *directory, const char *name, char **ret, Fault *f) {
        _cleanup_free_ char *path = NULL;
        const size_t max = sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (strlen(path) > max)
                return fault(f, FAULT_INVALID_ARGUMENT, "the socket's path %s is longer than %zu bytes: choose a shorter RUNTIME_DIRECTORY", path,
                             max);
        *ret = TAKE_PTR(path);
        return 0;
}

static int passed(int *ret, Fault *f) {
        int n = sd_listen_fds(true), flags;

        if (n <= 0)
                return n;
        if (n > 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_STREAM, 1) <= 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "LISTEN_FDS must be one listening AF_UNIX stream socket: see websessd.socket");
        /* Whoever passes it need not have made it so, and systemd does not; waiting in accept() would stop the whole loop. */
        flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
        if (flags < 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        *ret = SD_LISTEN_FDS_START;
        return 1;
}

static int make(const char *path, int *ret, Fault *f) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat st;

        if (fd < 0)
                return -errno;

        memcpy(address.sun_path, path, strlen(path) + 1);
        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                (void) unlink(path);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return fault(f, FAULT_UNAVAILABLE, "cannot make the socket %s: %s", path, strerror(errno));
        if (chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;

        *ret = TAKE_FD(fd);
        return 0;
}

int socket_listen(const char *directory, int *ret, Fault *f) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = passed(ret, f);
        if (r != 0)
                return r == 1 ? 0 : r;
        r = socket_path(directory, "websess.sock", &path, f);
        return r != 0 ? r : make(path, ret, f);
}
