/* SPDX-License-Identifier: MIT */
/* The only file that includes lmdb.h. Owns an LMDB environment and its transactions; knows nothing of sessions. */
#include "store-lmdb.h"

#include <lmdb.h>
#include <string.h>

struct Lmdb {
        MDB_env *env;
        MDB_dbi tables[_LMDB_TABLE_MAX];
        size_t page_size;
};

/* An MDB_txn by another name, so that no type of LMDB's shows outside; never defined. */
static MDB_txn *txn_of(LmdbTxn *t) {
        return (MDB_txn *) (void *) t;
}

static const char *const table_names[_LMDB_TABLE_MAX] = {
        [LMDB_META] = "meta",
        [LMDB_SESSIONS] = "sessions",
};

static const struct {
        int code, error;
} error_table[] = {
        { MDB_KEYEXIST, EEXIST },
        { MDB_NOTFOUND, ENOENT },
        { MDB_MAP_FULL, E2BIG },
        { MDB_TXN_FULL, E2BIG },
        { MDB_PAGE_FULL, EBADMSG },
        { MDB_CURSOR_FULL, EBADMSG },
        { MDB_PAGE_NOTFOUND, EBADMSG },
        { MDB_CORRUPTED, EBADMSG },
        { MDB_INVALID, EBADMSG },
        { MDB_INCOMPATIBLE, EBADMSG },
        { MDB_VERSION_MISMATCH, EPROTONOSUPPORT },
        { MDB_READERS_FULL, EUSERS },
        { MDB_MAP_RESIZED, ESTALE },
        { MDB_PANIC, EIO },
        { MDB_BAD_TXN, ECANCELED },
        { MDB_BAD_VALSIZE, EINVAL },
        { MDB_BAD_RSLOT, EINVAL },
        { MDB_BAD_DBI, EINVAL },
};

/* LMDB returns its own negative codes or a positive errno. */
static int translate(int r) {
        if (r >= 0)
                return -r;
        for (size_t i = 0; i < ELEMENTSOF(error_table); i++)
                if (error_table[i].code == r)
                        return -error_table[i].error;
        return -EIO;
}

static MDB_val to_val(LmdbBytes b) {
        return (MDB_val) { .mv_size = b.size, .mv_data = (void *) (uintptr_t) b.data };
}

static LmdbBytes from_val(MDB_val v) {
        return (LmdbBytes) { v.mv_data, v.mv_size };
}

static int open_tables(Lmdb *l) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        MDB_stat stat;
        int r;

        r = lmdb_begin(l, true, &t);
        if (r < 0)
                return r;
        for (size_t i = 0; i < _LMDB_TABLE_MAX; i++) {
                r = mdb_dbi_open(txn_of(t), table_names[i], MDB_CREATE, &l->tables[i]);
                if (r != 0)
                        return translate(r);
        }
        r = mdb_stat(txn_of(t), l->tables[LMDB_META], &stat);
        if (r != 0)
                return translate(r);
        l->page_size = stat.ms_psize;
        return lmdb_commit(TAKE_PTR(t));
}

int lmdb_open(Lmdb **ret, const char *path, uint64_t max_bytes) {
        _cleanup_(lmdb_closep) Lmdb *l = NULL;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        r = mdb_env_create(&l->env);
        if (r == 0)
                r = mdb_env_set_userctx(l->env, l);
        if (r == 0)
                r = mdb_env_set_maxdbs(l->env, _LMDB_TABLE_MAX);
        if (r == 0)
                r = mdb_env_set_mapsize(l->env, max_bytes);
        /* MDB_NOTLS: a backup reads in a thread that ends before its descriptor is given away. Always synced, never mapped
         * writable: a stray pointer of ours must not write into the database. */
        if (r == 0)
                r = mdb_env_open(l->env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
        if (r != 0)
                return translate(r);
        r = open_tables(l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

Lmdb *lmdb_close(Lmdb *l) {
        if (!l)
                return NULL;
        if (l->env)
                mdb_env_close(l->env);
        free(l);
        return NULL;
}

/* Other programs that read and were killed hold their places until somebody looks for them. */
static bool made_room(Lmdb *l, int r) {
        int n;

        return r == MDB_READERS_FULL && mdb_reader_check(l->env, &n) == 0 && n > 0;
}

int lmdb_begin(Lmdb *l, bool write, LmdbTxn **ret) {
        const unsigned flags = write ? 0 : MDB_RDONLY;
        MDB_txn *t;
        int r;

        r = mdb_txn_begin(l->env, NULL, flags, &t);
        if (made_room(l, r))
                r = mdb_txn_begin(l->env, NULL, flags, &t);
        if (r != 0)
                return translate(r);
        *ret = (LmdbTxn *) (void *) t;
        return 0;
}

int lmdb_commit(LmdbTxn *t) {
        return translate(mdb_txn_commit(txn_of(t)));
}

LmdbTxn *lmdb_abort(LmdbTxn *t) {
        if (t)
                mdb_txn_abort(txn_of(t));
        return NULL;
}

uint64_t lmdb_txn_id(const LmdbTxn *t) {
        return mdb_txn_id((MDB_txn *) (uintptr_t) (const void *) t);
}

/* The table handles are the environment's; a transaction knows its environment, and that its owner. */
static MDB_dbi table_of(LmdbTxn *t, LmdbTable table) {
        Lmdb *l = mdb_env_get_userctx(mdb_txn_env(txn_of(t)));

        return l->tables[table];
}

int lmdb_get(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes *ret) {
        MDB_val k = to_val(key), v;
        int r;

        r = mdb_get(txn_of(t), table_of(t, table), &k, &v);
        if (r != 0)
                return translate(r);
        *ret = from_val(v);
        return 0;
}

static int put(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes value, unsigned flags) {
        MDB_val k = to_val(key), v = to_val(value);

        return translate(mdb_put(txn_of(t), table_of(t, table), &k, &v, flags));
}

int lmdb_put(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes value) {
        return put(t, table, key, value, 0);
}

int lmdb_append(LmdbTxn *t, LmdbTable table, LmdbBytes key, LmdbBytes value) {
        return put(t, table, key, value, MDB_APPEND);
}

int lmdb_delete(LmdbTxn *t, LmdbTable table, LmdbBytes key) {
        MDB_val k = to_val(key);

        return translate(mdb_del(txn_of(t), table_of(t, table), &k, NULL));
}

int lmdb_each(LmdbTxn *t, LmdbTable table, LmdbEach each, void *userdata) {
        MDB_cursor *cursor;
        MDB_val k, v;
        int r, error = 0;

        r = mdb_cursor_open(txn_of(t), table_of(t, table), &cursor);
        if (r != 0)
                return translate(r);
        while (error >= 0 && (r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
                error = each(userdata, from_val(k), from_val(v));
        mdb_cursor_close(cursor);
        if (error < 0)
                return error;
        return r == MDB_NOTFOUND ? 0 : translate(r);
}

int lmdb_next(LmdbTxn *t, LmdbTable table, LmdbBytes after, LmdbBytes *ret_key, LmdbBytes *ret_value) {
        MDB_val k = to_val(after), v;
        MDB_cursor *cursor;
        int r;

        r = mdb_cursor_open(txn_of(t), table_of(t, table), &cursor);
        if (r != 0)
                return translate(r);
        r = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (r == 0 && k.mv_size == after.size && memcmp(k.mv_data, after.data, after.size) == 0)
                r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        mdb_cursor_close(cursor);
        if (r != 0)
                return translate(r);
        *ret_key = from_val(k);
        *ret_value = from_val(v);
        return 0;
}

int lmdb_last(LmdbTxn *t, LmdbTable table, LmdbBytes *ret_key) {
        MDB_cursor *cursor;
        MDB_val k, v;
        int r;

        r = mdb_cursor_open(txn_of(t), table_of(t, table), &cursor);
        if (r != 0)
                return translate(r);
        r = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
        mdb_cursor_close(cursor);
        if (r == 0)
                *ret_key = from_val(k);
        return translate(r);
}

int lmdb_shape(LmdbTxn *t, LmdbTable table, LmdbShape *ret) {
        MDB_stat stat;
        int r;

        r = mdb_stat(txn_of(t), table_of(t, table), &stat);
        if (r != 0)
                return translate(r);
        *ret = (LmdbShape) { stat.ms_entries, stat.ms_branch_pages, stat.ms_leaf_pages, stat.ms_depth };
        return 0;
}

/* Table 0 is LMDB's own: under the number of the transaction that freed them, a count and as many page numbers. */
int lmdb_free_pages(Lmdb *l, uint64_t before, uint64_t *ret) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        MDB_cursor *cursor;
        uint64_t sum = 0;
        MDB_val k, v;
        int r;

        r = lmdb_begin(l, false, &t);
        if (r < 0)
                return r;
        r = mdb_cursor_open(txn_of(t), 0, &cursor);
        if (r != 0)
                return translate(r);
        while ((r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
                size_t number, count;

                memcpy(&number, k.mv_data, sizeof(number));
                memcpy(&count, v.mv_data, sizeof(count));
                if (number >= before)
                        break;
                sum += count;
        }
        mdb_cursor_close(cursor);
        if (r != 0 && r != MDB_NOTFOUND)
                return translate(r);
        *ret = sum;
        return 0;
}

uint64_t lmdb_used_bytes(const Lmdb *l) {
        MDB_envinfo info;

        mdb_env_info(l->env, &info);
        return (info.me_last_pgno + 1) * l->page_size;
}

uint64_t lmdb_last_txn_id(const Lmdb *l) {
        MDB_envinfo info;

        mdb_env_info(l->env, &info);
        return info.me_last_txnid;
}

size_t lmdb_page_size(const Lmdb *l) {
        return l->page_size;
}

uint64_t lmdb_max_bytes(const Lmdb *l) {
        MDB_envinfo info;

        mdb_env_info(l->env, &info);
        return info.me_mapsize;
}

int lmdb_set_max_bytes(Lmdb *l, uint64_t max_bytes) {
        return translate(mdb_env_set_mapsize(l->env, max_bytes / l->page_size * l->page_size));
}

int lmdb_fd(const Lmdb *l) {
        int fd = -EBADF;

        mdb_env_get_fd(l->env, &fd);
        return fd;
}

int lmdb_copy(Lmdb *l, int fd) {
        int r = mdb_env_copyfd2(l->env, fd, MDB_CP_COMPACT);

        if (made_room(l, r))
                r = mdb_env_copyfd2(l->env, fd, MDB_CP_COMPACT);
        return translate(r);
}
