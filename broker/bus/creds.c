/* SPDX-License-Identifier: MIT */
/*
 * Reads the credentials of peers: SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD, and by a pidfd the cgroup under /proc. Owns
 * nothing.
 *
 * A unit is believed only by a pidfd: the number in it is looked up in /proc, and the process being alive afterwards
 * proves that the number meant it all the while. A bare PID proves nothing, it may have been given to somebody else.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "creds.h"
#include "small-file.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77         /* Linux 6.5 */
#endif

static bool ends_with(const char *s, size_t n, const char *suffix) {
        size_t m = strlen(suffix);

        return n > m && memcmp(s + n - m, suffix, m) == 0;
}

int creds_unit_of_cgroup(const char *path, char **ret) {
        const char *p = path;
        size_t n;

        *ret = NULL;
        /* The first component below the slices is the unit. What lies deeper may be delegated: anybody may name it. */
        for (;;) {
                p += strspn(p, "/");
                n = strcspn(p, "/");
                if (!ends_with(p, n, ".slice"))
                        break;
                p += n;
        }
        if (n > 1 && p[0] == '_') {     /* systemd's escape of names that mean something to the kernel */
                p++;
                n--;
        }
        if (n > UNIT_MAX || (!ends_with(p, n, ".service") && !ends_with(p, n, ".scope")))
                return 0;
        if (strncmp(p, "user@", 5) == 0)
                return 0;
        *ret = strndup(p, n);
        return *ret ? 0 : -ENOMEM;
}

/* Nothing is believed of a file that was cut short. */
static int read_whole(const char *path, char *out, size_t size) {
        ssize_t n = small_file_read(path, out, size);

        return n < 0 ? (int) n : (size_t) n == size - 1 ? -E2BIG : 0;
}

/* Find the line that begins with key (behind skip fields that end in ':') and copy what follows it. */
static bool line_value(const char *text, unsigned skip, const char *key, char *out, size_t size) {
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                const char *p = line;

                for (unsigned i = 0; i < skip; i++)
                        p += strcspn(p, ":\n") + (p[strcspn(p, ":\n")] == ':');
                if (strncmp(p, key, strlen(key)) != 0)
                        continue;
                p += strlen(key);
                if (strcspn(p, "\n") >= size)
                        return false;
                snprintf(out, size, "%.*s", (int) strcspn(p, "\n"), p);
                return true;
        }
        return false;
}

static int pid_of_pidfd(int pidfd, pid_t *ret) {
        char path[64], text[1024], value[32];
        int r;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        r = read_whole(path, text, sizeof(text));
        if (r < 0)
                return r;
        *ret = line_value(text, 0, "Pid:", value, sizeof(value)) ? (pid_t) strtol(value, NULL, 10) : -1;
        return *ret > 0 ? 0 : -ESRCH;
}

/* Both hierarchies that systemd keeps its units in: the unified one, else its own in the hybrid layout. */
static int unit_of_pid(pid_t pid, char **ret) {
        char path[64], text[8192], cgroup[4096];
        int r;

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        r = read_whole(path, text, sizeof(text));
        if (r < 0)
                return r;
        if (line_value(text, 0, "0::", cgroup, sizeof(cgroup)) && strcmp(cgroup, "/") != 0)
                return creds_unit_of_cgroup(cgroup, ret);
        if (line_value(text, 1, "name=systemd:", cgroup, sizeof(cgroup)))
                return creds_unit_of_cgroup(cgroup, ret);
        return 0;
}

int creds_unit_of_pidfd(int pidfd, char **ret) {
        struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
        _cleanup_free_ char *unit = NULL;
        pid_t pid;
        int r;

        *ret = NULL;
        r = pid_of_pidfd(pidfd, &pid);
        if (r < 0)
                return r;
        r = unit_of_pid(pid, &unit);
        if (r < 0)
                return r;
        /* A pidfd is readable once its process has ended; until then nobody else has its number. */
        r = poll(&pollfd, 1, 0);
        if (r != 0)
                return r < 0 ? -errno : -ESRCH;
        *ret = TAKE_PTR(unit);
        return 0;
}

static int groups_of_socket(int fd, gid_t primary, Caller *c) {
        gid_t few[32], *gids;
        socklen_t size = sizeof(few);
        size_t n;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size) < 0 && errno != ERANGE)
                return -errno;
        gids = malloc(size + sizeof(gid_t));
        if (!gids)
                return -ENOMEM;
        /* ERANGE told the size that is needed; the peer's groups, taken at connect, don't change */
        if (size <= sizeof(few))
                memcpy(gids, few, size);
        else if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) < 0) {
                free(gids);
                return -errno;
        }
        n = size / sizeof(gid_t);
        gids[n++] = primary;
        c->gids = gids;
        c->n_gids = n;
        return 0;
}

int creds_of_socket(int fd, Caller *ret) {
        struct ucred ucred;
        socklen_t size = sizeof(ucred);
        Caller c = CALLER_NONE;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
                return -errno;
        r = groups_of_socket(fd, ucred.gid, &c);
        if (r < 0)
                return r;
        c.uid = ucred.uid;
        c.pid = ucred.pid;
        *ret = c;
        return 0;
}

char *creds_unit_of_socket(int fd) {
        _cleanup_close_ int pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);
        char *unit = NULL;

        /* Any failure here means that the unit is not known, which matches no rule: nothing to report */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
                (void) creds_unit_of_pidfd(pidfd, &unit);
        return unit;
}
