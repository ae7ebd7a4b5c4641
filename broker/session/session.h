/* SPDX-License-Identifier: MIT */
/*
 * One session in memory: its committed record, the newest staged one, and its places in the table's indexes. Owned by the
 * table (table.h); everybody else borrows. A session is visible while it has a committed record and is not dead. It is freed when
 * it is dead and no staged change speaks of it any more.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "record.h"
#include "wheel.h"

typedef struct Session Session;
typedef struct User User;
typedef struct Owner Owner;
typedef struct Request Request;
typedef struct Space Space;

/* What only some sessions have: those with a real uid, and those whose request may come again. */
typedef struct SessionMore {
        TAILQ_ENTRY(Session) of_owner;  /* in order of creation */
        Owner *owner;                   /* NULL without a real uid */
        Request *request;               /* NULL: no request to recognise again */
} SessionMore;

/* There are millions: what can be had elsewhere is not kept here. The sizes of the records stand in them (record_length()). */
struct Session {
        Ident id;
        TAILQ_ENTRY(Session) of_user;   /* in order of creation */
        WheelTimer timer;
        union {
                User *user;             /* until it is dead … */
                Space *space;           /* … and from then on; before, it is the user's */
        };
        Owner *creator;
        SessionMore *more;              /* NULL: nothing */
        const uint8_t *data;            /* committed record, in the space; NULL while its creation is not committed */
        uint8_t *staged;                /* newest staged record, borrowed from its change; NULL: none */
        uint64_t last_seen;             /* steady clock; ahead of the record's, which follows by and by */
        uint32_t cell;                  /* where the map has it; 0: not in the map */
        uint32_t n_staged;              /* changes in flight that name this session */
        uint32_t n_removing;            /* removals among them: nothing more may be staged upon it */
        bool dead : 1;                  /* removed, or never came to be */
        bool is_touched : 1;
        bool on_heap : 1;               /* data is not in the map's memory */
};

static inline bool session_visible(const Session *s) {
        return s->data && !s->dead;
}

/* NULL without a real uid. */
static inline Owner *session_owner(const Session *s) {
        return s->more ? s->more->owner : NULL;
}

/* What is committed, with the present last_seen. Only for visible sessions. */
void session_view(const Session *s, Record *ret);

/* What the next change is built upon: the newest staged record, else the committed one. */
void session_head(const Session *s, Record *ret);

/* Live or about to be, and not about to go: what counts when sessions are counted. */
bool session_lasts(const Session *s, uint64_t now_steady);

/* Why a session ended; the wire names stand in session_reason(). */
typedef enum Reason {
        REASON_LOGOUT,
        REASON_REVOKED,
        REASON_IDLE,
        REASON_EXPIRED,
        REASON_EVICTED,
        REASON_REPLACED,
        REASON_ROLES,
        REASON_ACCOUNT,
        REASON_PASSWORD,
        _REASON_MAX,
} Reason;

const char *reason_name(Reason r);
