/* SPDX-License-Identifier: MIT */
/*
 * LMDB, thin: the only door to lmdb.h. Every function returns 0 (or what it says) or a negative errno; LMDB's own codes are
 * translated: -E2BIG map full or a transaction too large, -EBADMSG damaged, -EPROTONOSUPPORT another format, -EUSERS
 * out of readers, -EIO an environment that is past saving.
 *
 * A transaction belongs to the thread that began it. One process opens a database once, and never uses it after a fork.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

typedef struct Lmdb Lmdb;
typedef struct LmdbTxn LmdbTxn;

typedef enum LmdbTable {
        LMDB_META,
        LMDB_SESSIONS,
        _LMDB_TABLE_MAX,
} LmdbTable;

typedef struct LmdbBytes {
        const void *data;
        size_t size;
} LmdbBytes;

/* Makes the file (mode 0600) and the tables when they are not there. */
int lmdb_open(Lmdb **ret, const char *path, uint64_t max_bytes);
Lmdb *lmdb_close(Lmdb *l);
DEFINE_CLEANUP(Lmdb *, lmdb_close)

int lmdb_begin(Lmdb *l, bool write, LmdbTxn **ret);
int lmdb_commit(LmdbTxn *t);            /* frees t, whatever comes */
LmdbTxn *lmdb_abort(LmdbTxn *t);        /* NULL is fine, always NULL */
DEFINE_CLEANUP(LmdbTxn *, lmdb_abort)

/* The transaction's number. The one that a write transaction will leave in the file. */
uint64_t lmdb_txn_id(const LmdbTxn *t);

/* -ENOENT when it is not there. The data is valid until the next change or the end of the transaction. */
int lmdb_get(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes *ret);
int lmdb_put(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes value);
/* For a key greater than every other: pages are filled to the brim. -EEXIST when it is not greater. */
int lmdb_append(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes value);
int lmdb_delete(LmdbTxn *t, LmdbTable table, LmdbBytes key);    /* -ENOENT when it is not there */

/* Every entry in order of keys; a negative return of each() stops and is returned. */
typedef int (*LmdbEach)(void *userdata, LmdbBytes key, LmdbBytes value);
int lmdb_each(LmdbTxn *t, LmdbTable table, LmdbEach each, void *userdata);

/* The first entry whose key is greater than after; -ENOENT when there is none. */
int lmdb_next(LmdbTxn *t, LmdbTable table, LmdbBytes after, LmdbBytes *ret_key, LmdbBytes *ret_value);
/* The entry with the greatest key; -ENOENT in an empty table. */
int lmdb_last(LmdbTxn *t, LmdbTable table, LmdbBytes *ret_key);

/* The shape of a table, as the transaction sees it. */
typedef struct LmdbShape {
        uint64_t entries, branch_pages, leaf_pages;
        unsigned depth;
} LmdbShape;
int lmdb_shape(LmdbTxn *t, LmdbTable table, LmdbShape *ret);

/* Pages that a write transaction may use again. Those freed by transaction `before` and later are not counted: a reader that long may
 * still look at them. Reads the whole list of free pages: not for every transaction. */
int lmdb_free_pages(Lmdb *l, uint64_t before, uint64_t *ret);

uint64_t lmdb_used_bytes(const Lmdb *l);        /* from the start of the file to behind the last page in use */
uint64_t lmdb_last_txn_id(const Lmdb *l);
size_t lmdb_page_size(const Lmdb *l);
uint64_t lmdb_max_bytes(const Lmdb *l);         /* the size of the map: at least what the file holds */
int lmdb_set_max_bytes(Lmdb *l, uint64_t max_bytes);    /* while no transaction is open */
int lmdb_fd(const Lmdb *l);                     /* of the data file; stays LMDB's */

int lmdb_copy(Lmdb *l, int fd);                 /* consistent and compact; waits for fd */
