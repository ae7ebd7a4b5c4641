/* SPDX-License-Identifier: MIT */
/*
 * The store: the only owner of the LMDB database. One thread holds the write transaction and commits in groups; the
 * event loop never waits for a disk. lmdb.h is included by store-lmdb.c alone.
 *
 * The loop stages a StoreChange (a few puts and deletes that happen together or not at all) and submits it. The store
 * thread takes what is queued into one transaction, commits it (the data is then safe from a power cut), and hands the
 * changes back in order; the loop collects them when store_fd() becomes readable.
 *
 * When a group fails, every change in it fails, and so does every change that was submitted before the loop has seen
 * the failure: they rest on what did not happen. The loop forgets what it staged, and submits the pure revocations
 * again. An I/O error during commit is final (-EIO, store_is_dead()): the process must end, since what is on the disk
 * is not known.
 *
 * Room: before a group is begun, the thread makes sure that the blocks it may need are allocated, with reserve_bytes
 * more behind them (and a margin of the map's size). A change that only revokes may use that reserve; any other that would
 * touch it fails. The changes in front of it are committed on their own first, so a revocation never fails because
 * somebody created a session after it. A change that revokes hundreds of sessions may be committed in slices: each is good by
 * itself, and done is called when all of it is safe.
 *
 * All functions but store_status() belong to one thread, the event loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "histogram.h"
#include "ident.h"
#include "steady.h"

typedef struct Store Store;
typedef struct StoreChange StoreChange;

#define STORE_ACCOUNT_KEY_SIZE 32u

typedef struct StoreOptions {
        const char *directory;          /* holds sessions.mdb, sessions.mdb-lock, account.key and lock */
        uint64_t max_bytes;
        uint64_t reserve_bytes;         /* at least 256 KiB; what is kept is at most a quarter of max_bytes */
        /* The program run as `checker --check-store FILE` before the database is opened: websessd itself ("/proc/self/exe").
         * NULL: the check runs in a fork of this process instead, which must have no other thread then. */
        const char *checker;
} StoreOptions;

/* Lock the directory, check the database in a process of its own, open it, bring it to this format, read its mark. Faults (FAULT_UNAVAILABLE, with a
 * text that tells what to do): another broker has it; newer format; not a websess database; damaged; disk full, read-only or not
 * permitted. Or a negative errno. */
int store_open(Store **ret, const StoreOptions *options, Fault *f);
/* Commits what is queued, joins the thread; always NULL. done is not called any more: store_drain() first where that matters. */
Store *store_free(Store *s);

/* Before store_start(): every record, in order of id. The data is only valid during the call, and is not checked: it may be damaged
 * or carry another id than its key. A negative return stops and is returned. */
typedef int (*StoreEach)(void *userdata, const Ident *id, const void *data, size_t size);
int store_load(Store *s, StoreEach each, void *userdata);
bool store_mark(Store *s, SteadyMark *out);     /* false: a new database */

/* After store_load(): the greatest id that is known to have been given; all zero: none. */
Ident store_last(const Store *s);

/* With what digests of accounts are keyed: random, in a file beside the database, and in no backup. Digests that were made with another key
 * have been taken out of the records when the store was opened. */
const uint8_t *store_account_key(const Store *s);

int store_start(Store *s);              /* starts the thread */

/* --- changes --- */
typedef void (*StoreDone)(StoreChange *c, int result, void *userdata);

int store_change_new(StoreChange **ret);
StoreChange *store_change_free(StoreChange *c);
int store_change_put(StoreChange *c, const Ident *id, const void *data, size_t size);   /* copies */
int store_change_delete(StoreChange *c, const Ident *id);       /* deleting what is not there is fine */
int store_change_mark(StoreChange *c, const SteadyMark *mark);
/* Only deletes and marks in it: may use the reserve. */
bool store_change_is_revocation(const StoreChange *c);

/* Hands the change to the thread. done (may be NULL) is called from store_collect() with 0 or a negative errno (-ENOSPC disk full or
 * reserve touched, -EDQUOT, -EROFS, -EIO, -ENOMEM, -E2BIG map full, -ECANCELED rests on a failed group); the change is freed behind it.
 * May be called from inside done(); while failures are being handed back, only pure revocations are taken then, anything else is
 * -ECANCELED: it may rest on a failure not handed back yet. */
void store_submit(Store *s, StoreChange *c, StoreDone done, void *userdata);
int store_fd(const Store *s);           /* an eventfd: readable when there is something to collect */
/* Calls done for every finished change, in order; this tells the store that a failure has been seen. Returns 0, or the error of the
 * first change that failed. */
int store_collect(Store *s);
/* The same, but after max of them the event loop has its turn: store_fd() is readable still. Failures are handed back in one go. */
int store_collect_some(Store *s, size_t max);
bool store_is_dead(const Store *s);

/* Wait until everything submitted is finished (shutdown), then collect it; returns as store_collect() does. */
int store_drain(Store *s);

/* --- the rest --- */
typedef struct StoreStatus {
        uint64_t sessions;              /* records in the database */
        uint64_t used_bytes, file_bytes, max_bytes;
        uint64_t groups, changes;       /* committed since start */
        uint64_t failures;              /* groups that were not */
        uint64_t waiting;               /* changes on their way */
        Histogram commit_usec, group_changes;   /* of the groups: how long each took, how many changes there were in it */
        int last_error;                 /* negative errno of the last failed group, 0 when one that writes more than ends went well since */
        bool reserved;                  /* the reserve is allocated on disk */
} StoreStatus;
void store_status(const Store *s, StoreStatus *out);

/* A consistent, compact copy of the database into fd (a pipe or a regular file), in threads of its own; done is called from
 * store_collect() with 0 or a negative errno (-EPIPE, -ENOSPC, -ETIMEDOUT: nobody read for 30 s, -ECANCELED: the store was freed).
 * The fd is the store's from here on, whatever is returned, and closed by it. -EBUSY while another copy is made. */
typedef void (*StoreBackupDone)(int result, void *userdata);
int store_backup(Store *s, int fd, StoreBackupDone done, void *userdata);

/* Put a backup into the place of the database, while no broker runs: under the directory's lock a copy of the backup is checked as a whole, brought to
 * this format and to this machine's key, and only then renamed; whatever goes wrong before, the database stays as it was. Unless keep is set, all
 * the sessions in the backup end, since some of them may have been ended after it was made; what is left is its clock. No id that the backup or
 * the present database knows is given again. Faults as store_open()'s. */
typedef struct StoreRestore {
        const char *directory;
        int fd;                         /* the backup, open for reading; stays the caller's */
        const char *name;               /* what it is called in faults */
        bool keep;
        const char *checker;            /* as in StoreOptions */
} StoreRestore;
int store_restore(const StoreRestore *restore, uint64_t *ret_sessions, Fault *f);       /* how many sessions were in it */

/* websessd --check-store: walk the whole database at path and print what is wrong to standard error. Exit status: 0 good or not there, 1 damaged,
 * 2 newer format, 3 not a database of websess, 4 cannot be read. */
int store_check_main(const char *path);
