/* SPDX-License-Identifier: MIT */
/*
 * What the files of the store share, and who may touch what. Three kinds of field:
 *   fixed      written before the thread starts, or never again: anybody reads;
 *   mutex      behind Store.mutex;
 *   thread     the store thread's (the loop's before store_start() and after the join).
 */
#pragma once

#include <pthread.h>
#include <sys/queue.h>

#include "cleanup.h"
#include "store-lmdb.h"
#include "store.h"

#define STORE_FORMAT 2u
#define STORE_FORMAT_OLDEST 1u          /* what is older than STORE_FORMAT is brought up to it at start: store-upgrade.c says how */
#define STORE_FILE "sessions.mdb"
#define STORE_LOCK "lock"
#define STORE_KEY_FILE "account.key"

/* Keys of the table "meta". The generation is the number of the transaction that wrote it: a page that shows another transaction's
 * state as the newest gives itself away. The others but the format end with the first 8 bytes of SHA-256 over what is before. */
#define STORE_KEY_FORMAT "format"               /* u32, little-endian */
#define STORE_KEY_GENERATION "generation"       /* u64, little-endian */
#define STORE_KEY_MARK "mark"                   /* boot id, realtime, boottime and steady as u64, little-endian */
#define STORE_KEY_DIGESTS "digests"             /* which key the records' digests of accounts were made with: its id */
#define STORE_KEY_LAST "last"                   /* an id below which no session begins any more, though there is none with it; or not there */
#define STORE_KEY_ACCOUNTS "accounts"           /* format 1: the key itself */

/* ---- changes (store-change.c) ---- */

typedef struct StoreOp {
        STAILQ_ENTRY(StoreOp) entry;
        Ident id;
        bool put;                       /* else delete */
        size_t size;
        uint8_t data[];
} StoreOp;

struct StoreChange {
        STAILQ_ENTRY(StoreChange) entry;
        STAILQ_HEAD(, StoreOp) ops;
        size_t n_ops, n_puts;
        SteadyMark mark;
        bool has_mark;

        StoreDone done;
        void *userdata;
        int result;
};

DEFINE_CLEANUP(StoreChange *, store_change_free)

typedef STAILQ_HEAD(StoreChangeList, StoreChange) StoreChangeList;

/* ---- room on disk and in the map (store-room.c) ---- */

typedef struct StoreRoom {
        uint64_t reserve, margin;       /* fixed: kept free for revocations, on disk and in the map */
        uint64_t allocated;             /* thread: bytes of the file that have blocks; 0: not known */
        bool refused;                   /* thread: the file system cannot allocate ahead: what it says is free is all there is */
} StoreRoom;

/* What a group may need, pessimistically. */
typedef struct StoreNeed {
        uint64_t puts, deletes;         /* somewhere in the tree */
        uint64_t append_bytes;          /* records put behind all others */
        uint64_t overflow_pages;        /* pages that must lie side by side */
        bool revocation;                /* nothing but */
} StoreNeed;

/* ---- what the database says of itself (store-meta.c) ---- */

#define STORE_KEY_ID_SIZE 16u

typedef struct StoreMeta {
        uint32_t format;                /* 0: there is none */
        bool has_mark, has_digests, has_last, has_old_key;
        SteadyMark mark;
        uint8_t digests[STORE_KEY_ID_SIZE];
        Ident last;
        uint8_t old_key[STORE_ACCOUNT_KEY_SIZE];        /* to be wiped */
} StoreMeta;

/* ---- the store ---- */

typedef struct StoreBackup StoreBackup;

struct Store {
        char *directory;                /* fixed */
        int lock_fd;                    /* fixed: holds the lock for life */
        Lmdb *lmdb;                     /* fixed; closed before the lock goes */
        int event_fd;                   /* fixed */
        StoreMeta meta;                 /* fixed: what the database said when it was opened */
        uint8_t account_key[STORE_ACCOUNT_KEY_SIZE];    /* fixed */

        StoreRoom room;
        Ident last;                     /* thread: no id in the table is greater */
        LmdbShape shape;                /* thread: of the sessions, as committed last */
        StoreChangeList pending;        /* thread: taken from the queue, not yet in a group */

        pthread_t thread;
        bool started;                   /* the loop's */
        StoreChangeList collected;      /* the loop's: finished, and done() not called yet: they all went well */
        bool handing_back_failures;     /* the loop's: inside done() of a store_collect() that hands back a failure */

        pthread_mutex_t mutex;
        pthread_cond_t wake;            /* the thread: something queued, or stop */
        pthread_cond_t settled;         /* store_drain(): outstanding fell to 0 */
        StoreChangeList queue;          /* mutex */
        StoreChangeList finished;       /* mutex */
        uint64_t outstanding;           /* mutex: submitted, not yet finished */
        bool stop;                      /* mutex */
        bool failed;                    /* mutex: a group failed and the loop has not seen it yet */
        bool dead;                      /* mutex: what is on the disk is not known */
        StoreStatus status;             /* mutex */
        StoreBackup *backup;            /* mutex, set by the loop alone; NULL when none is made */
};

DEFINE_CLEANUP(Store *, store_free)

/* store-lock.c: take the directory's lock for life. 0, FAULT_UNAVAILABLE, or a negative errno. */
int store_lock(const char *directory, int *ret_fd, Fault *f);

/* store-check.c: run the checker on a file in a process of its own. shown: what the file is called in faults, when it is not the database
 * itself but what is to take its place; NULL: it is. 0, FAULT_UNAVAILABLE, or a negative errno. */
int store_check(const char *path, const char *shown, const char *checker, Fault *f);

/* store-thread.c */
void *store_thread(void *store);
void store_wake_loop(Store *s);         /* with the mutex held: make store_fd() readable */
void store_move_finished(Store *s, StoreChangeList *from, int result);  /* with the mutex held; all of it, as finished with result */

/* store-room.c: may this much be written? 0, -ENOSPC, -EDQUOT, -E2BIG, -EROFS … The thread's. */
int store_room_init(Store *s, uint64_t reserve_bytes);
int store_room_admit(Store *s, const StoreNeed *need);
bool store_room_reserved(const Store *s);
/* Count one operation in; append says that its id is greater than every other's. */
void store_need_add(StoreNeed *need, const StoreOp *op, bool append, size_t page_size);

/* store-meta.c: the small table. All within a transaction. */
int store_meta_read(LmdbTxn *t, StoreMeta *ret);
/* Is this entry of the table as it was written, as far as it can be told from itself? */
bool store_meta_valid(const void *key, size_t key_size, const void *value, size_t size);
int store_meta_write_format(LmdbTxn *t);
int store_meta_write_mark(LmdbTxn *t, const SteadyMark *mark);
int store_meta_write_digests(LmdbTxn *t, const uint8_t id[static STORE_KEY_ID_SIZE]);
int store_meta_write_last(LmdbTxn *t, const Ident *last);
int store_meta_forget_old_key(LmdbTxn *t);
int store_meta_write_generation(LmdbTxn *t);

/* store-key.c: the key of digests of accounts, in a file of its own. Read it, or make it: of preset where there is one, else at random. */
int store_key_load(const char *directory, const uint8_t *preset, uint8_t out[static STORE_ACCOUNT_KEY_SIZE]);
int store_key_id(const uint8_t key[static STORE_ACCOUNT_KEY_SIZE], uint8_t out[static STORE_KEY_ID_SIZE]);

/* store-upgrade.c: make a new database, or one of an older format, or one that was made with another key, the one it is to be from now on.
 * Fills what was read and the key. */
int store_upgrade(Lmdb *l, const char *directory, StoreMeta *ret_meta, uint8_t ret_key[static STORE_ACCOUNT_KEY_SIZE]);

/* A file just made or renamed must still have its name after a power cut. */
int store_sync_directory(const char *directory);

/* store-backup.c. With the mutex held: */
uint64_t store_backup_pins(const Store *s);     /* the transaction that a copy in progress reads; UINT64_MAX when there is none */
/* Without: */
void store_backup_collect(Store *s);            /* hand back a copy that is finished */
void store_backup_cancel(Store *s);             /* end a copy in progress and forget it */
