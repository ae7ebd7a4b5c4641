/* SPDX-License-Identifier: MIT */
/*
 * What the two files of the Authenticator share: authenticator.c has the queue, the time limits and the life of a
 * request, authenticator-talk.c what is said to a helper and what its answers mean.
 */
#pragma once

#include <sys/queue.h>

#include "auth-protocol.h"
#include "authenticator-pool.h"
#include "authenticator.h"

#define ACCURACY USEC_PER_MSEC

typedef enum State {
        STATE_WAITING,          /* for a helper */
        STATE_ASKED,            /* PAM is at work */
        STATE_PROMPTED,         /* a person is */
        STATE_HELD,             /* a failure, until its time */
} State;

typedef TAILQ_HEAD(AuthenticationList, Authentication) AuthenticationList;

struct Authentication {
        Authenticator *authenticator;
        TAILQ_ENTRY(Authentication) link;       /* in waiting while STATE_WAITING, in others after that */
        State state;
        uint8_t *packet;                        /* BEGIN with the secret; only while waiting */
        size_t packet_size;
        PoolHelper *helper;                     /* only while asked */
        sd_event_source *timer;                 /* the time-out, then the end of the delay */
        uint64_t started;                       /* the request, or the last round of answers */
        uint64_t deadline;                      /* 0: the owner keeps it */
        AuthPrompted prompted;                  /* NULL: one secret, no conversation */
        size_t n_wanted;                        /* answers, while prompted */
        AuthDone done;                          /* NULL once it is being called */
        void *userdata;

        int result;
        Fault fault;
        int pam_result;
        char reason[AUTH_TEXT_MAX + 1];
};

struct Authenticator {
        sd_event *event;
        AuthOptions options;                    /* without socket_path */
        Pool *pool;
        AuthenticationList waiting, others;
        unsigned n_waiting;
        bool urgent;                            /* somebody has asked since the pool was last pumped */
        sd_event_source *pump;                  /* runs once in the loop when there may be helpers to start */
};

void authentication_set_state(Authentication *x, State state);

/* The end of a request: x is gone afterwards, at once or when its time has come. */
void authentication_deliver(Authentication *x, const AuthIdentity *identity);
void authentication_give_helper_back(Authentication *x);
void authentication_failed(Authentication *x, int result, uint64_t delay_usec);
void authentication_unavailable(Authentication *x, const char *why);

/* The packet that asks the question. 0 or a negative errno. */
int authentication_make_packet(Authentication *x, const AuthRequest *request);

/* A PoolReply; userdata is the Authentication. */
void authentication_on_reply(PoolHelper *h, const AuthMessage *m, int error, void *userdata);
