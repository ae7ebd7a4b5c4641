/* SPDX-License-Identifier: MIT */
/*
 * Runs the checker (store-verify.c) on the database in a process of its own and makes a fault of what it says. What it notes on the
 * way goes on to standard error; the last line of a refusal becomes part of the fault's text instead.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "store-internal.h"

/* What the administrator does about it, by the checker's exit status: with the database, and with what was to take its place. */
static const char *const advice[][2] = {
        [1] = { "move it away (all sessions end) or restore a backup in its place", "restore another backup" },
        [2] = { "install the websess that wrote it, or move it away (all sessions end)", "install the websess that wrote it, or restore another backup" },
        [3] = { "move it away, or set STATE_DIRECTORY to another directory", "restore what `websessctl backup` has written" },
        [4] = { "see that the user websessd runs as may read it and that the disk is sound", "see that the disk is sound" },
};

static int spawn_checker(const char *checker, const char *path, int output, pid_t *ret) {
        char *const argv[] = { (char *) "websessd", (char *) "--check-store", (char *) (uintptr_t) path, NULL };
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn(ret, checker, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int fork_checker(const char *path, int output, pid_t *ret) {
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                dup2(output, STDERR_FILENO);
                _exit(store_check_main(path));
        }
        *ret = pid;
        return 0;
}

static void pass_on(const char *line) {
        if (line[0] != '\0')
                fprintf(stderr, "websessd: store: %s\n", line);
}

/* Pass on what the checker says until it ends, but for the last line, which stays in out. */
static void read_last_line(int fd, char *out, size_t size) {
        char *line = NULL;
        size_t capacity = 0;
        ssize_t n;
        FILE *f;

        out[0] = '\0';
        f = fdopen(fd, "r");
        if (!f) {
                close(fd);
                return;
        }
        while ((n = getline(&line, &capacity, f)) > 0) {
                pass_on(out);
                snprintf(out, size, "%.*s", (int) (line[n - 1] == '\n' ? n - 1 : n), line);
        }
        free(line);
        fclose(f);
}

static int wait_for(pid_t pid, int *ret_status) {
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static int run_checker(const char *path, const char *checker, char *line, size_t size, int *ret_status) {
        _cleanup_close_ int output = -EBADF;
        int pair[2], r;
        pid_t pid = -1;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        output = pair[1];
        r = checker ? spawn_checker(checker, path, output, &pid) : fork_checker(path, output, &pid);
        if (r != 0) {
                close(pair[0]);
                return r;
        }
        close_fd(TAKE_FD(output));
        read_last_line(pair[0], line, size);
        return wait_for(pid, ret_status);
}

int store_check(const char *path, const char *shown, const char *checker, Fault *f) {
        char line[256];
        size_t code, to_restore = shown != NULL;
        int status = 0, r;

        r = run_checker(path, checker, line, sizeof(line), &status);
        if (r != 0)
                return r;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                pass_on(line);
                return 0;
        }
        shown = shown ? shown : path;
        if (WIFSIGNALED(status))
                return fault(f, FAULT_UNAVAILABLE, "%s: damaged, its check ended by signal %d: %s", shown, WTERMSIG(status), advice[1][to_restore]);
        code = (size_t) WEXITSTATUS(status);
        if (code >= ELEMENTSOF(advice))
                return fault(f, FAULT_UNAVAILABLE, "%s: its check (%s) cannot be run: exit status %zu", shown, checker ? checker : "a fork", code);
        return fault(f, FAULT_UNAVAILABLE, "%s: %s: %s", shown, line[0] != '\0' ? line : "damaged", advice[code][to_restore]);
}
