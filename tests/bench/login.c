/* SPDX-License-Identifier: MIT */
/*
 * What a login costs over PAM itself: Login through the library and the broker, and in turn the bare stack in this process
 * (pam_start, authenticate, acct_mgmt, pam_end), and CreateSession, which is a login without its PAM half: one durable commit.
 *
 *      login WEBSESS_SOCKET SERVICE PAM_CONFDIR PAM_SERVICE USER PASSWORD ROUNDS LOGINS PAUSE_MS
 *
 * The pause in front of each leaves time to the helper that the broker starts in advance for the next login.
 */
#include <security/pam_appl.h>

#include "bench.h"
#include "websess.h"

typedef struct Stack {
        const char *confdir, *service, *user;
        char *password;
} Stack;

static int answer(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        struct pam_response *responses = allocate((size_t) n, sizeof(*responses));
        const Stack *stack = userdata;

        for (int i = 0; i < n; i++)
                if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
                        responses[i].resp = strdup(stack->password);
        *ret = responses;
        return PAM_SUCCESS;
}

static void bare(Stack *stack) {
        struct pam_conv conversation = { .conv = answer, .appdata_ptr = stack };
        pam_handle_t *h = NULL;
        int r;

        r = pam_start_confdir(stack->service, stack->user, &conversation, stack->confdir, &h);
        if (r == PAM_SUCCESS)
                r = pam_authenticate(h, 0);
        if (r == PAM_SUCCESS)
                r = pam_acct_mgmt(h, 0);
        if (r != PAM_SUCCESS)
                errx(1, "pam: %s", pam_strerror(h, r));
        (void) pam_end(h, r);
}

static void login(websess *w, websess_session *s, const Stack *stack) {
        if (websess_login(w, stack->user, stack->password, strlen(stack->password), NULL, s) != 0)
                errx(1, "login: %s", websess_last_error_text());
}

static void create(websess *w, websess_session *s, const Stack *stack) {
        if (websess_create(w, stack->user, NULL, s) != 0)
                errx(1, "create: %s", websess_last_error_text());
}

int main(int argc, char *argv[]) {
        uint64_t *samples[3], rounds, n, start;
        websess_session *s = NULL;
        websess *w = NULL;
        struct timespec pause;
        Stack stack;

        if (argc != 10)
                errx(2, "usage: login WEBSESS_SOCKET SERVICE PAM_CONFDIR PAM_SERVICE USER PASSWORD ROUNDS LOGINS PAUSE_MS");
        stack = (Stack) { .confdir = argv[3], .service = argv[4], .user = argv[5], .password = argv[6] };
        rounds = number_argument(argv[7]);
        n = number_argument(argv[8]);
        pause = (struct timespec) { .tv_nsec = (long) number_argument(argv[9]) * 1000000 };
        for (size_t i = 0; i < 3; i++)
                samples[i] = allocate(n, sizeof(*samples[i]));
        if (websess_open_socket(&w, argv[2], argv[1], 0) != 0 || websess_session_new(&s) != 0)
                errx(1, "%s", websess_last_error_text());

        for (uint64_t round = 0; round < rounds; round++) {
                start = now_nsec();
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t before;

                        (void) nanosleep(&pause, NULL);
                        before = now_nsec();
                        login(w, s, &stack);
                        samples[0][i] = now_nsec() - before;
                        (void) nanosleep(&pause, NULL);
                        before = now_nsec();
                        bare(&stack);
                        samples[1][i] = now_nsec() - before;
                        before = now_nsec();
                        create(w, s, &stack);
                        samples[2][i] = now_nsec() - before;
                }
                report("login", samples[0], n, (double) (now_nsec() - start) / 1e9);
                report("bare_pam", samples[1], n, (double) (now_nsec() - start) / 1e9);
                report("lone_create", samples[2], n, (double) (now_nsec() - start) / 1e9);
        }

        s = websess_session_free(s);
        w = websess_close(w);
        for (size_t i = 0; i < 3; i++)
                free(samples[i]);
        return 0;
}
