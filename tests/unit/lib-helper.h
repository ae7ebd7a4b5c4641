/* SPDX-License-Identifier: MIT */
/*
 * A world for the Authenticator's tests: an event loop in which the test itself plays the PAM helpers, good ones,
 * slow ones and broken ones. How a helper answers goes by the name of the user who is asked about; see
 * answer_begin().
 */
#pragma once

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "auth-protocol.h"
#include "authenticator.h"
#include "span.h"

#define FLOOR (30u * USEC_PER_MSEC)
#define PATIENCE (10u * USEC_PER_SEC)
#define CONNECTIONS_MAX 64

typedef enum Manner {
        GOOD,                   /* answers by the user's name, see answer_begin() */
        DIES_AT_ONCE,           /* before READY */
        DIES_WHEN_READY,
        SAYS_RUBBISH,           /* instead of READY */
} Manner;

typedef struct World {
        char folder[64];
        struct sockaddr_un address;
        sd_event *event;
        int listener;
        sd_event_source *accepting;
        Manner manner;
        unsigned accepted, hangups;
        struct {
                int fd;
                sd_event_source *io;
        } connections[CONNECTIONS_MAX];
        char secret[AUTH_SECRET_MAX + 1], remote_host[REMOTE_HOST_MAX + 1];     /* of the last BEGIN */
        Authenticator *authenticator;
} World;

/* What done said. */
typedef struct Answer {
        World *world;
        Authentication *authentication;
        unsigned times;
        int result;
        char user[USER_MAX + 1], text[512], reason[512], groups[64];
        uid_t uid;
        int pam_result;
        uint64_t started, taken;
} Answer;

/* For cmocka: *state is a World, with a socket that helpers of its manner answer on. */
int set_up(void **state);
int tear_down(void **state);
uint64_t boottime(void);
/* What most tests start with: two idle helpers, four at most. */
AuthOptions options_of(const World *w);
void start(World *w, AuthOptions options);
AuthStatus status_of(const World *w);
void run_for(World *w, uint64_t usec);
/* End one of the helpers; nothing happens where there is none. */
void hang_up(World *w, size_t i);
/* Ask without waiting; what authenticator_begin() returned. */
int begin(World *w, Answer *answer, const char *user, const char *secret);
/* Ask and wait for the answer. */
Answer ask(World *w, const char *user, const char *secret);

#define RUN_UNTIL(w, condition)                                                         \
        do {                                                                            \
                uint64_t _end = boottime() + PATIENCE;                                  \
                while (!(condition)) {                                                  \
                        assert_true(boottime() < _end);                                 \
                        assert_true(sd_event_run((w)->event, 10 * USEC_PER_MSEC) >= 0); \
                }                                                                       \
        } while (0)
