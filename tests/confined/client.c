/* SPDX-License-Identifier: MIT */
/*
 * A daemon that uses libwebsess, to be confined: client login|resolve|list SERVICE [USER|SECONDS], secrets on standard input.
 * Says in one line what came of it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "websess.h"

#define TIMEOUT_USEC 60000000U

static bool mapped(void) {
        char line[512];
        bool found = false;
        FILE *f = fopen("/proc/self/maps", "re");

        while (f && !found && fgets(line, sizeof(line), f))
                found = strstr(line, "memfd:") != NULL;
        if (f)
                fclose(f);
        return found;
}

static int failed(const char *what, int r) {
        printf("client: %s: %d %s\n", what, r, websess_last_error_text());
        return EXIT_FAILURE;
}

/* Each line of standard input answers one question. */
static int answer(void *userdata, websess_conversation *c) {
        char line[512];
        uint32_t style;

        for (size_t i = 0; i < websess_conversation_message_count(c); i++) {
                (void) websess_conversation_message(c, i, &style);
                if (style != WEBSESS_ASK && style != WEBSESS_ASK_SECRET)
                        continue;
                if (!fgets(line, sizeof(line), stdin))
                        return WEBSESS_E_CONVERSATION_REQUIRED;
                (void) websess_conversation_answer(c, i, line, strcspn(line, "\n"));
        }
        return 0;
}

static int login(websess *w, websess_session *s, const char *user) {
        int r = websess_login_ask(w, user, NULL, answer, NULL, s);

        if (r != 0)
                return failed("login", r);
        printf("client: token %s\n", websess_session_token(s));
        return EXIT_SUCCESS;
}

/* Looks the session up again and again for so long; not one look may fail. */
static int resolve(websess *w, websess_session *s, const char *seconds) {
        char token[512] = "";
        time_t end = time(NULL) + (seconds ? atoi(seconds) : 0);
        unsigned long rounds = 0;

        if (fgets(token, sizeof(token), stdin))
                token[strcspn(token, "\n")] = '\0';
        do {
                int r = websess_resolve(w, token, strlen(token), NULL, s);

                if (r != 0)
                        return failed("resolve", r);
                rounds++;
        } while (rounds < 3 || time(NULL) < end);
        printf("client: user %s, %s, rounds %lu\n", websess_session_user(s), mapped() ? "by map" : "by calls", rounds);
        return EXIT_SUCCESS;
}

static int list_over_the_bus(const char *service) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r >= 0)
                r = sd_bus_call_method(bus, "org.websess1", "/org/websess1", "org.websess1.Manager", "ListSessions", &error, &reply, "a{sv}", 1,
                                       "Service", "s", service);
        printf("client: list %s\n", r >= 0 ? "done" : error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        sd_bus_unref(bus);
        return r >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        websess *w = NULL;
        websess_session *s = NULL;
        int r;

        if (argc < 3)
                return EXIT_FAILURE;
        if (strcmp(argv[1], "list") == 0)
                return list_over_the_bus(argv[2]);
        r = websess_open(&w, argv[2], TIMEOUT_USEC);
        if (r == 0)
                r = websess_session_new(&s);
        if (r != 0)
                r = failed("open", r);
        else if (strcmp(argv[1], "login") == 0)
                r = login(w, s, argv[3]);
        else
                r = resolve(w, s, argv[3]);
        websess_session_free(s);
        websess_close(w);
        return r;
}
