/* SPDX-License-Identifier: MIT */
/*
 * All sessions in memory: by id, by user, by uid and by recent request, with their timers. The table is the truth that is served;
 * the store is what survives. Nothing here waits: a change is staged (change.h), committed by the store thread, and applied
 * here when the store says that it is safe. Single-threaded: the event loop's.
 */
#pragma once

#include <bsd/sys/tree.h>
#include <sys/types.h>

#include "by-id.h"
#include "session.h"
#include "space.h"
#include "steady.h"
#include "store.h"
#include "touched.h"

#define REQUEST_WINDOW_USEC (60 * UINT64_C(1000000))

typedef TAILQ_HEAD(SessionList, Session) SessionList;

/* One user of one service: where sessions are counted. Lives while he has sessions. */
struct User {
        RB_ENTRY(User) link;
        SessionList sessions;
        Space *space;           /* of his service */
        uint16_t name_size;
        char name[];
};

/* One uid: the sessions that carry it, and how many it created. */
struct Owner {
        RB_ENTRY(Owner) link;
        uid_t uid;
        SessionList sessions;
        uint64_t n_created;
};

/* A request that may come again (RequestId): the session it made. */
struct Request {
        RB_ENTRY(Request) link;
        TAILQ_ENTRY(Request) by_time;
        uint8_t tag[RECORD_TAG_SIZE];
        uint64_t time;
        Session *session;
};

typedef RB_HEAD(UserTree, User) UserTree;
typedef RB_HEAD(OwnerTree, Owner) OwnerTree;
typedef RB_HEAD(RequestTree, Request) RequestTree;

/* The space of one service. */
typedef struct TableSpace {
        LIST_ENTRY(TableSpace) link;
        Space *space;
} TableSpace;

/* What the maps need to know of the policy. A service that is not in it has facts all the same: its sessions are kept. */
typedef MapFacts (*TableFacts)(void *userdata, Slice service);

/* Told about what became true; called after the commit, before the change's own callback. removed's record is still readable. */
typedef struct TableEvents {
        void (*added)(void *userdata, Session *s);
        void (*removed)(void *userdata, Session *s, Reason reason);
        void (*failed)(void *userdata, int error);      /* a change could not be committed */
} TableEvents;

typedef struct Table {
        Store *store;                   /* borrowed */
        ById sessions;
        UserTree users;
        OwnerTree owners;
        RequestTree requests;
        TAILQ_HEAD(, Request) requests_by_time;
        Wheel wheel;
        Touched touched;
        LIST_HEAD(, TableSpace) spaces;
        Lifeline *lifeline;             /* borrowed; NULL: no maps */
        HugePages *huge_pages;          /* borrowed; NULL: none */
        uint64_t map_max_bytes;
        TableFacts facts;
        IdentSource idents;
        uint64_t n_visible;
        bool loading;                   /* records come from the database, and nobody is waiting yet */
        uint64_t n_changes;             /* in flight */
        STAILQ_HEAD(, Change) finishing;        /* change.c's: committed, and not yet all visible */
        TableEvents events;
        void *userdata;
} Table;

typedef struct TableOptions {
        Store *store;                   /* borrowed */
        Lifeline *lifeline;             /* borrowed; NULL: no maps */
        HugePages *huge_pages;          /* borrowed; NULL: none */
        uint64_t map_max_bytes;
        uint64_t now_steady;
        TableFacts facts;               /* NULL: none are needed, since there are no maps */
        TableEvents events;
        void *userdata;
} TableOptions;

int table_new(Table **ret, const TableOptions *options);
Table *table_free(Table *t);

/* A record of the database. 0, or a negative errno; -EBADMSG for a damaged one, which is not taken. */
int table_load(Table *t, const Ident *id, const void *data, size_t size, uint64_t now_steady);
void table_loaded(Table *t);            /* that was all */

/* Visible sessions only. */
Session *table_find(Table *t, const Ident *id);
/* The first visible session with an id greater than after (NULL: the first of all). */
Session *table_next(Table *t, const Ident *after);
User *table_find_user(Table *t, Slice service, Slice name);
/* The first user of the service whose name is not smaller than name; then by table_next_user(). Order: service, name bytewise. */
User *table_first_user(Table *t, Slice service, Slice name);
User *table_next_user(User *u);
Owner *table_find_owner(Table *t, uid_t uid);
/* The first owner with a uid greater than after (NULL: the first of all). He may have created sessions only. */
Owner *table_next_owner(Table *t, const uid_t *after);
uint64_t table_created_by(Table *t, uid_t uid);
Session *table_find_request(Table *t, const uint8_t tag[static RECORD_TAG_SIZE], uint64_t now_steady);

/* The space of a service; made when it is first needed. 0 or a negative errno. */
int table_space(Table *t, Slice service, Space **ret);

Slice user_service(const User *u);
Slice user_name(const User *u);

/* Move last_seen of a visible session, if it is worth a write (coalesced: at most once per touch_usec and never further apart than a
 * quarter of its idle time). It goes to the list of touched sessions, which sweep.c writes. */
void table_touch(Table *t, Session *s, uint64_t now_steady, uint64_t touch_usec);
/* Put it onto that list; without memory its next touch will. */
void table_set_touched(Table *t, Session *s);
/* The next session whose end may have come; NULL when there is none. Add it again by table_arm(). */
Session *table_pop_due(Table *t, uint64_t now_steady);
/* When table_pop_due() may next have something, in the steady clock; UINT64_MAX: not before the table changes. */
uint64_t table_next_due(const Table *t);
/* The same for memory of superseded maps, in CLOCK_BOOTTIME. */
uint64_t table_next_collection(const Table *t);
void table_collect(Table *t, uint64_t now_boottime);
void table_arm(Table *t, Session *s, const Record *r);

/* ---- for change.c ---- */
int table_add(Table *t, const Record *r, Session **ret);        /* a session whose creation is staged */
void table_remove(Table *t, Session *s);                        /* out of all indexes; freed once nothing staged names it */
void table_release(Session *s);                                 /* a staged change no longer names it */
int table_set_record(Table *t, Session *s, uint8_t *data, size_t size);         /* takes data; publishes it; mends indexes and timer */

/* table-space.c, for table.c */
void table_free_spaces(Table *t);
