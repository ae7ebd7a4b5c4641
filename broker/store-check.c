/* SPDX-License-Identifier: MIT */
/*
 * Runs the checker on the database in a process of its own, before LMDB opens it here: a damaged page can crash whoever walks the
 * tree, and LMDB does not look for that itself.
 */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "store-internal.h"

static int spawn_checker(const char *checker, const char *path, pid_t *ret) {
        char *const argv[] = { (char *) "websessd", (char *) "--check-store", (char *) (uintptr_t) path, NULL };

        return -posix_spawn(ret, checker, NULL, NULL, argv, environ);
}

static int fork_checker(const char *path, pid_t *ret) {
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(store_check_main(path));
        *ret = pid;
        return 0;
}

static int wait_for(pid_t pid, int *ret_status) {
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int store_check(const char *path, const char *checker, Fault *f) {
        int status, r;
        pid_t pid;

        r = checker ? spawn_checker(checker, path, &pid) : fork_checker(path, &pid);
        if (r == 0)
                r = wait_for(pid, &status);
        if (r < 0)
                return r;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        switch (WIFEXITED(status) ? WEXITSTATUS(status) : 1) {
        case 2:
                return fault(f, FAULT_UNAVAILABLE, "%s has a newer format: install the websess that wrote it, or move it away (all sessions end)", path);
        case 3:
                return fault(f, FAULT_UNAVAILABLE, "%s is not a database of websess: move it away", path);
        case 4:
                return fault(f, FAULT_UNAVAILABLE, "%s cannot be read: see the lines before this one", path);
        default:
                return fault(f, FAULT_UNAVAILABLE, "%s is damaged: move it away (all sessions end) or restore a backup in its place", path);
        }
}
