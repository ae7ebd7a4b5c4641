/* SPDX-License-Identifier: MIT */
/*
 * A session on its way: from the call that asks for it to the change that begins it. A conversation is a Login that
 * has a number, and is asked in rounds. api-login.c owns them and asks in one go; api-conversation.c asks in rounds.
 */
#pragma once

#include "api.h"

struct Login {
        TAILQ_ENTRY(Login) link;
        Manager *manager;
        BusCall *call;                  /* the one to answer; a conversation's: BeginLogin, answered long ago */
        sd_bus_message *message;        /* the strings below point into it */
        Policy *policy;
        const Service *service;         /* of that policy */
        Authentication *authentication; /* while PAM is asked */
        ThrottleTicket ticket;          /* what the guess costs; of one that is given up, nothing comes back */
        const char *method;
        char *user;
        char *host;                     /* RemoteHost */
        char session[IDENT_HEX_SIZE + 1];       /* whose user authenticates again; "": none */
        Strings roles;
        Attributes attributes;
        Options options;
        PendingReply reply;

        /* conversations */
        uint64_t number;                /* 0: none */
        BusCall *round;                 /* Continue, while it waits for an answer */
        sd_event_source *timer;         /* people are slow, but not that slow */
        Fault ended;                    /* how it ended between two rounds: told with the next one */
};

int login_new(Login **ret, Manager *m, BusCall *call, sd_bus_message *message, const char *method);
Login *login_free(Login *l);
DEFINE_CLEANUP(Login *, login_free)

/* The arguments of Login, read and checked: service, user, (secret,) options. 0, FAULT_*, a negative errno. */
int login_read_service(Login *l, Slice *ret_user, Fault *f);
int login_set_user(Login *l, Slice user, Fault *f);
int login_read_options(Login *l, uint64_t allowed, Fault *f);
int login_check_number(const Login *l, Fault *f);

/* PAM has said who it is: the session begins, or the call fails. The Login is gone afterwards. */
void login_succeeded(Login *l, const AuthIdentity *identity);
/* A round that brings no session but an end: state denied, or an error. */
void conversation_fail(BusCall *round, int result, const Fault *f);

void login_log_failed(const Login *l, const Fault *f, const char *reason);
