/* SPDX-License-Identifier: MIT */
/*
 * An sd_bus that reads what it is fed and writes to a socket.
 *
 * sd-bus puts no limit of its own on what it reads: it allocates what a header announces, and after a malformed message
 * it goes on with the next. So it never gets hold of the socket it would read from. It reads from a pipe into which
 * whole messages are written, checked for their size: it can't read less than one message or more. (A pipe costs a
 * third of what a socket pair does; only messages with descriptors, which are rare, need a feed with a socket pair.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

typedef struct Feed {
        sd_bus *bus;            /* owns its end of the pair, and the socket that it writes to */
        int out;                /* the socket under the number that the sd_bus owns */
        int in;                 /* what is written here, the sd_bus reads */
        bool takes_fds;         /* in is one end of a socket pair, not of a pipe */
        bool seen;              /* the message that was fed has been handed to the handler */
} Feed;

/* fds: what was agreed on with the peer, for what is sent; takes_fds: for what is fed. handler is an sd-bus filter; it
 * must set feed->seen. socket stays the caller's, to be closed when it no longer is watched. */
int feed_open(Feed *ret, int socket, bool fds, bool takes_fds, sd_id128_t guid, const char *sender,
        sd_bus_message_handler_t handler, void *userdata);
void feed_close(Feed *f);

/* One whole message with its descriptors, which are closed in any case. 0 when it was handled; -EBADMSG when sd-bus
 * would not have it. */
int feed_message(Feed *f, const void *data, size_t size, const int *fds, unsigned n_fds);
