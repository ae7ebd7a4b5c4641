/* SPDX-License-Identifier: MIT */
/*
 * The store: the only owner of the LMDB database. One thread holds the write transaction and commits in groups; the
 * event loop never waits for a disk. lmdb.h is included by store-lmdb.c alone.
 *
 * The loop stages a StoreChange (a few puts and deletes that happen together or not at all) and submits it. The store
 * thread takes everything that is queued into one transaction, commits it (the data is then safe from a power cut), and hands the
 * changes back in order; the loop collects them when store_fd() becomes readable.
 *
 * When a group fails, every change in it fails, and so does every change that was submitted before the loop has seen the failure: they
 * rest on what did not happen. The loop forgets what it staged, and submits the pure revocations again. An I/O error during
 * commit is final (-EIO, store_is_dead()): the process must end, since what is on the disk is not known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "ident.h"
#include "steady.h"

typedef struct Store Store;
typedef struct StoreChange StoreChange;

typedef struct StoreOptions {
        const char *directory;          /* holds sessions.mdb, sessions.mdb-lock and lock */
        uint64_t max_bytes;
        uint64_t reserve_bytes;
} StoreOptions;

/* Lock the directory, check the database in a process of its own, open it, read its format and mark. Faults (FAULT_UNAVAILABLE, with a
 * text that tells what to do): another broker has it; newer format; not a websess database; damaged. Or a negative errno. */
int store_open(Store **ret, const StoreOptions *options, Fault *f);
Store *store_free(Store *s);            /* commits what is queued, joins the thread; always NULL */

/* Before store_start(): every record, in order of id. The data is only valid during the call. A negative return stops. */
typedef int (*StoreEach)(void *userdata, const Ident *id, const void *data, size_t size);
int store_load(Store *s, StoreEach each, void *userdata);
bool store_mark(Store *s, SteadyMark *out);     /* false: a new database */

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

/* Hands the change to the thread. done is called from store_collect() with 0 or a negative errno (-ENOSPC disk full or
 * reserve touched, -EDQUOT, -EROFS, -EIO, -ENOMEM, -E2BIG map full, -ECANCELED rests on a failed group); the change is freed behind it. */
void store_submit(Store *s, StoreChange *c, StoreDone done, void *userdata);
int store_fd(const Store *s);           /* an eventfd */
void store_collect(Store *s);           /* calls done for every finished change, in order; tells the store that a failure has been seen */
bool store_is_dead(const Store *s);

/* Wait until everything submitted is finished (shutdown), then collect it. */
void store_drain(Store *s);

/* --- the rest --- */
typedef struct StoreStatus {
        uint64_t sessions;              /* records in the database */
        uint64_t used_bytes, file_bytes, max_bytes;
        uint64_t groups, changes;       /* committed since start */
        int last_error;                 /* negative errno of the last failed group, 0 when the last one went well */
} StoreStatus;
void store_status(const Store *s, StoreStatus *out);

/* A consistent, compact copy of the database into fd (a pipe or a regular file), in a thread of its own; done is called from
 * store_collect(). The fd is the store's from here on and closed by it. -EBUSY while another copy is made. */
typedef void (*StoreBackupDone)(int result, void *userdata);
int store_backup(Store *s, int fd, StoreBackupDone done, void *userdata);

/* websessd --check-store: walk the whole database at path and print what is wrong to standard error. Exit status: 0 good or not there, 1 damaged,
 * 2 newer format, 3 not a database of websess, 4 cannot be read. */
int store_check_main(const char *path);
