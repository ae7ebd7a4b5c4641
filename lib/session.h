/* SPDX-License-Identifier: MIT */
/*
 * What a session value is inside: the session as fields, with its text in buffers that are used again. Filled from a
 * session dictionary of the broker (session-read.c) or from a record of the map (session-record.c).
 */
#pragma once

#include <systemd/sd-bus.h>

#include "arena.h"
#include "error.h"
#include "map-read.h"
#include "record.h"
#include "token.h"
#include "values.h"
#include "verdict.h"

struct websess_session {
        bool loaded;
        bool token_is_new;              /* this call made it: the caller may have it */
        bool admin;                     /* the broker let it pass a check for roles that it does not have */

        Arena text;                     /* all strings below, by offset; ARENA_NONE where there is none */
        size_t id, service, user, remote_host, user_agent, creator_unit, set_cookie;
        Ident ident;
        bool id_unwritten;              /* there is room for its text, and nobody has asked for it yet */
        size_t roles[ROLES_MAX], methods[METHODS_MAX];
        size_t n_roles, n_methods;

        uint32_t uid, creator_uid, level;
        uint64_t created, last_seen, expires, idle_usec, lifetime_end, auth_time, version;

        /* When it was read, by two clocks: the session's age is told without trusting the wall clock afterwards. */
        uint64_t loaded_realtime, loaded_boottime;

        struct websess_values attributes;       /* session_attributes() */
        Slice unread;                   /* … and those of a record that nobody has asked for yet, encoded */
        size_t n_unread;
        struct websess_values pending;  /* set, not yet written */
        struct websess_values unset;    /* keys taken away, not yet written */

        char token[TOKEN_MAX + 1];      /* what the session was found by; "" for none */
        size_t token_size;

        MapCopy copy;                   /* what a look-up in the map reads into */
};

DEFINE_CLEANUP(websess_session *, websess_session_free)

/* Read a session dictionary that stands next in m. The value must be clear. On failure it is clear again. -EBADMSG:
 * not what the broker sends. */
int session_read(websess_session *s, sd_bus_message *m);

/* The same out of bytes. Sets no error text: what cannot be read like this is read by sd-bus. */
int session_read_bytes(websess_session *s, Unmarshal *u);

/* The same from a decoded record, whose attributes and id are left as they are until somebody asks for them. Now by the steady clock and by the boot
 * clock. 0 or -ENOMEM. */
int session_fill(websess_session *s, const Record *r, uint64_t now, uint64_t boottime);

/* The value's attributes, read by now. A value is one thread's: that they are read late changes nothing that anybody sees. */
websess_values *session_attributes(const websess_session *s);

/* Remember the token that the session was found by, or that was made for it. size is at most TOKEN_MAX. */
void session_keep_token(websess_session *s, const char *token, size_t size, bool is_new);

/* The verdict on a value that was live when it was read, with the policy's AdminRole unknown but for s->admin. */
int session_require(const websess_session *s, const Need *need, Fault *f);
