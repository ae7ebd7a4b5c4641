/* SPDX-License-Identifier: MIT */
/* The listening socket: accepts, a few at a time, and makes a Peer of each connection. */
#pragma once

#include "bus.h"

typedef struct Listener Listener;

int listener_new(Listener **ret, Bus *b, int fd);       /* fd is the Listener's from here on, also on failure */
Listener *listener_free(Listener *l);
int listener_start(Listener *l);
