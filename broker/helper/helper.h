/* SPDX-License-Identifier: MIT */
/*
 * The conversation of one helper process with the broker: a packet in, a table that says what may be asked when, a
 * packet out. Knows the protocol and the policy; PAM is stack.c's, NSS account.c's.
 */
#pragma once

#include <sys/types.h>

typedef struct HelperOptions {
        const char *configuration;      /* the folder of the policy */
        const char *pam_confdir;        /* NULL: libpam's own */
        uid_t peer_uid;                 /* may ask besides root, "websess" and the helper's own uid; -1: nobody */
} HelperOptions;

/* Is whoever connected fd one who may ask? 0, -EPERM, or another negative errno. */
int helper_check_peer(int fd, const HelperOptions *options);

/* Serve the one conversation of fd: 0 when it was answered or the broker hung up before it asked anything. -EPROTO for
 * a question that is not its turn, or another negative errno. */
int helper_serve(int fd, const HelperOptions *options);
