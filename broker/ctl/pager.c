/* SPDX-License-Identifier: MIT */
/* The pager. What is set for systemctl and loginctl holds here too: $SYSTEMD_PAGER, $SYSTEMD_LESS. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pager.h"

/* NULL: no pager. */
static const char *pager_command(void) {
        const char *term = getenv("TERM");
        const char *command = secure_getenv("SYSTEMD_PAGER");

        if (!isatty(STDOUT_FILENO) || (term && strcmp(term, "dumb") == 0))
                return NULL;
        if (!command)
                command = secure_getenv("PAGER");
        if (!command)
                return "less";
        return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

/* Nothing to page with: pass everything on as it is. */
static void copy_through(void) {
        char buffer[4096];
        ssize_t n;

        while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
                for (ssize_t done = 0, m; done < n; done += m) {
                        m = write(STDOUT_FILENO, buffer + done, (size_t) (n - done));
                        if (m <= 0)
                                _exit(EXIT_FAILURE);
                }
        }
}

static void __attribute__((noreturn)) pager_run(const char *command, int input) {
        const char *less = secure_getenv("SYSTEMD_LESS");

        /* As root a pager must not be a way to a shell: whoever is let run websessctl by sudo is let do no more. */
        if (dup2(input, STDIN_FILENO) < 0 || setenv("LESS", less ? less : "FRSXMK", 1) < 0 ||
            setenv("LESSCHARSET", "utf-8", 1) < 0 || (geteuid() == 0 && setenv("LESSSECURE", "1", 1) < 0))
                _exit(EXIT_FAILURE);
        if (strcmp(command, "less") == 0)
                execlp("less", "less", (char *) NULL);
        else
                execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        copy_through();
        _exit(EXIT_SUCCESS);
}

pid_t pager_open(void) {
        const char *command = pager_command();
        int ends[2];
        pid_t pid;

        if (!command || pipe2(ends, O_CLOEXEC) < 0)
                return 0;
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                pager_run(command, ends[0]);
        close(ends[0]);
        if (pid > 0 && dup2(ends[1], STDOUT_FILENO) >= 0) {
                /* ^C is for the pager; and when it is left early, nobody wants the rest. */
                signal(SIGINT, SIG_IGN);
                signal(SIGPIPE, SIG_IGN);
        }
        close(ends[1]);
        return pid > 0 ? pid : 0;
}

void pager_close(pid_t pager) {
        if (pager <= 0)
                return;
        fflush(stdout);
        close(STDOUT_FILENO);
        while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
                ;
}
