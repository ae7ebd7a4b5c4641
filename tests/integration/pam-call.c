/* SPDX-License-Identifier: MIT */
/* pam-call FOLDER SERVICE USER ANSWER ENTRY [NAME=VALUE…]: call one entry point of a stack, and say what came of it: a number of PAM's. */
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int answer(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        struct pam_response *responses = calloc((size_t) n, sizeof(*responses));

        for (int i = 0; responses && i < n; i++)
                responses[i].resp = strdup(userdata);
        *ret = responses;
        return responses ? PAM_SUCCESS : PAM_BUF_ERR;
}

static const struct {
        const char *name;
        int (*call)(pam_handle_t *handle, int flags);
} entries[] = {
        { "authenticate", pam_authenticate },   { "setcred", pam_setcred },             { "acct_mgmt", pam_acct_mgmt },
        { "open_session", pam_open_session },   { "close_session", pam_close_session }, { "chauthtok", pam_chauthtok },
};

int main(int argc, char **argv) {
        struct pam_conv conversation = { answer, argv[argc > 4 ? 4 : 0] };
        pam_handle_t *handle;
        int r = -1;

        if (argc < 6 || pam_start_confdir(argv[2], argv[3], &conversation, argv[1], &handle) != PAM_SUCCESS)
                return EXIT_FAILURE;
        for (char **variable = argv + 6; *variable; variable++)
                if (pam_putenv(handle, *variable) != PAM_SUCCESS)
                        return EXIT_FAILURE;
        (void) getpwnam(argv[3]);       /* glibc does not survive memory that runs out while it reads nsswitch.conf */
        for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
                if (strcmp(entries[i].name, argv[5]) == 0)
                        r = entries[i].call(handle, 0);
        printf("%d\n", r);
        return pam_end(handle, r) == PAM_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
