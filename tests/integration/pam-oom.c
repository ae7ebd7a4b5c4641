/* SPDX-License-Identifier: MIT */
/*
 * pam-oom FOLDER SERVICE USER ANSWER ENTRY [NAME=VALUE…]: call one entry point of a stack again and again, each time in a
 * process of its own, with the n-th allocation failing, for every n that there is. One line for each: "n RESULT", or
 * "n signal N". The last line is the call in which nothing failed.
 */
#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

/* The modules that are loaded are to find these, too. Counts down to the allocation that fails; 0: none does. */
static long left;
static bool fired;

static bool fails(void) {
        if (left == 0 || --left > 0)
                return false;
        fired = true;
        errno = ENOMEM;
        return true;
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
        return fails() ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size) {
        return fails() ? NULL : __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size) {
        return fails() ? NULL : __libc_realloc(p, size);
}

static int answer(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        struct pam_response *responses = __libc_calloc((size_t) n, sizeof(*responses));
        const char *text = userdata;

        for (int i = 0; i < n; i++) {
                responses[i].resp = __libc_malloc(strlen(text) + 1);
                strcpy(responses[i].resp, text);
        }
        *ret = responses;
        return PAM_SUCCESS;
}

static const struct {
        const char *name;
        int (*call)(pam_handle_t *handle, int flags);
} entries[] = {
        { "authenticate", pam_authenticate },
        { "setcred", pam_setcred },
        { "acct_mgmt", pam_acct_mgmt },
        { "open_session", pam_open_session },
        { "close_session", pam_close_session },
        { "chauthtok", pam_chauthtok },
};

static int run(char **argv, long n) {
        struct pam_conv conversation = { answer, argv[4] };
        pam_handle_t *handle;
        int r = -1;

        if (pam_start_confdir(argv[2], argv[3], &conversation, argv[1], &handle) != PAM_SUCCESS)
                return 255;
        for (char **variable = argv + 6; *variable; variable++)
                if (pam_putenv(handle, *variable) != PAM_SUCCESS)
                        return 255;
        (void) getpwnam(argv[3]);       /* glibc does not survive memory that runs out while it reads nsswitch.conf */
        left = n;
        for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
                if (strcmp(entries[i].name, argv[5]) == 0)
                        r = entries[i].call(handle, 0);
        left = 0;
        pam_end(handle, r);
        return r < 0 ? 255 : fired ? r : 128 + r;
}

int main(int argc, char **argv) {
        if (argc < 6)
                return EXIT_FAILURE;
        for (long n = 1; n < 5000; n++) {
                int status;
                pid_t child = fork();

                if (child == 0)
                        _exit(run(argv + 0, n));
                if (child < 0 || waitpid(child, &status, 0) < 0)
                        return EXIT_FAILURE;
                if (WIFSIGNALED(status))
                        printf("%ld signal %d\n", n, WTERMSIG(status));
                else
                        printf("%ld %d\n", n, WEXITSTATUS(status) & 127);
                if (WIFEXITED(status) && (WEXITSTATUS(status) & 128))
                        return WEXITSTATUS(status) == 255 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        return EXIT_FAILURE;
}
