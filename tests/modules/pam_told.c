/* SPDX-License-Identifier: MIT */
/*
 * A PAM module that does what its line says, one argument after the other:
 *
 *   secret:TEXT=ANSWER  ask:TEXT=ANSWER   ask, hidden or not; another answer is PAM_AUTH_ERR
 *   info:TEXT  error:TEXT                 say
 *   together                              first in line: everything is said and asked in one round
 *   style:NUMBER                          a message of that style
 *   user:NAME                             the user is called so from here on
 *   wait:PATH                             read that FIFO to its end
 *   environment                           PAM_SYSTEM_ERR unless the process's environment is empty
 *   crash                                 SIGSEGV
 *   return:NUMBER                         the result, if all answers were right
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES_MAX 16

typedef struct Round {
        struct pam_message messages[MESSAGES_MAX];
        char *texts[MESSAGES_MAX];
        const char *expected[MESSAGES_MAX];     /* NULL: no answer */
        int n;
} Round;

static int say(pam_handle_t *handle, Round *round) {
        const struct pam_message *list[MESSAGES_MAX];
        const struct pam_conv *conv;
        struct pam_response *responses = NULL;
        const void *item;
        int r, result = PAM_SUCCESS;

        if (round->n == 0)
                return PAM_SUCCESS;
        for (int i = 0; i < round->n; i++)
                list[i] = &round->messages[i];
        r = pam_get_item(handle, PAM_CONV, &item);
        if (r != PAM_SUCCESS)
                return r;
        conv = item;
        r = conv->conv(round->n, list, &responses, conv->appdata_ptr);
        for (int i = 0; i < round->n; i++) {
                const char *answer = r == PAM_SUCCESS && responses ? responses[i].resp : NULL;

                if (round->expected[i] && (!answer || strcmp(answer, round->expected[i]) != 0))
                        result = PAM_AUTH_ERR;
                if (answer) {
                        explicit_bzero(responses[i].resp, strlen(answer));
                        free(responses[i].resp);
                }
                free(round->texts[i]);
        }
        free(responses);
        round->n = 0;
        return r == PAM_SUCCESS ? result : r;
}

/* "TEXT=ANSWER" */
static void add(Round *round, int style, const char *text, bool asks) {
        const char *equals = asks ? strrchr(text, '=') : NULL;
        char *copy = equals ? strndup(text, (size_t) (equals - text)) : strdup(text);

        round->texts[round->n] = copy;
        round->messages[round->n] = (struct pam_message) { .msg_style = style, .msg = copy };
        round->expected[round->n++] = equals ? equals + 1 : NULL;
}

static int wait_for(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char byte;

        if (fd < 0)
                return PAM_SYSTEM_ERR;
        while (read(fd, &byte, 1) > 0)
                ;
        close(fd);
        return PAM_SUCCESS;
}

static bool is(const char *argument, const char *word, const char **rest) {
        size_t n = strlen(word);

        *rest = argument + n;
        return strncmp(argument, word, n) == 0;
}

static int step(pam_handle_t *handle, Round *round, const char *argument, int *result) {
        const char *rest;

        if (is(argument, "secret:", &rest))
                add(round, PAM_PROMPT_ECHO_OFF, rest, true);
        else if (is(argument, "ask:", &rest))
                add(round, PAM_PROMPT_ECHO_ON, rest, true);
        else if (is(argument, "info:", &rest))
                add(round, PAM_TEXT_INFO, rest, false);
        else if (is(argument, "error:", &rest))
                add(round, PAM_ERROR_MSG, rest, false);
        else if (is(argument, "style:", &rest))
                add(round, atoi(rest), "?", false);
        else if (is(argument, "user:", &rest))
                return pam_set_item(handle, PAM_USER, rest);
        else if (is(argument, "wait:", &rest))
                return wait_for(rest);
        else if (is(argument, "return:", &rest))
                *result = atoi(rest);
        else if (is(argument, "environment", &rest))
                return environ && *environ ? PAM_SYSTEM_ERR : PAM_SUCCESS;
        else if (is(argument, "crash", &rest))
                raise(SIGSEGV);
        else
                return PAM_SERVICE_ERR;
        return PAM_SUCCESS;
}

static int run(pam_handle_t *handle, int argc, const char **argv) {
        bool together = argc > 0 && strcmp(argv[0], "together") == 0;
        Round round = { .n = 0 };
        int result = PAM_SUCCESS, r = PAM_SUCCESS;

        for (int i = together; r == PAM_SUCCESS && i < argc && round.n < MESSAGES_MAX; i++) {
                r = step(handle, &round, argv[i], &result);
                if (r == PAM_SUCCESS && !together)
                        r = say(handle, &round);
        }
        if (r == PAM_SUCCESS)
                r = say(handle, &round);
        return r == PAM_SUCCESS ? result : r;
}

int pam_sm_authenticate(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return run(handle, argc, argv);
}

int pam_sm_setcred(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return run(handle, argc, argv);
}

int pam_sm_chauthtok(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return flags & PAM_UPDATE_AUTHTOK ? run(handle, argc, argv) : PAM_SUCCESS;
}

int pam_sm_open_session(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return run(handle, argc, argv);
}

int pam_sm_close_session(pam_handle_t *handle, int flags, int argc, const char **argv) {
        return run(handle, argc, argv);
}
