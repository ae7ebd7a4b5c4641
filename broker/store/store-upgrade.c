/* SPDX-License-Identifier: MIT */
/*
 * Makes of what was opened a database of this format: of an empty file, of an older format, or of one whose digests were made with a key that is not
 * this machine's. Every step is a transaction, and can be done again: a power cut leaves the old state or the new one.
 */
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "record.h"
#include "store-internal.h"

#define FORGET_AT_ONCE 4096u

/* ---- from format to format ---- */

/* The key leaves the database, and so every backup made from now on; what stays is which one it was. The file has it already.
 * Before the key, no record had a digest. And what format 1 wrote last, its first programs would have taken for damaged. */
static int move_key_out(LmdbTxn *t, StoreMeta *m) {
        int r = 0;

        if (m->has_old_key) {
                r = store_key_id(m->old_key, m->digests);
                m->has_digests = true;
        }
        return r < 0 ? r : store_meta_forget_old_key(t);
}

/* What brings a format to the next one, by its number. */
static int (*const steps[STORE_FORMAT])(LmdbTxn *t, StoreMeta *m) = {
        [1] = move_key_out,
};

static int write_meta(Lmdb *l, StoreMeta *m, const uint8_t own[static STORE_KEY_ID_SIZE]) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        uint32_t before = m->format;
        int r;

        r = lmdb_begin(l, true, &t);
        if (r < 0)
                return r;
        for (; r == 0 && m->format > 0 && m->format < STORE_FORMAT; m->format++)
                r = steps[m->format](t, m);
        if (!m->has_digests)
                memcpy(m->digests, own, sizeof(m->digests));
        m->has_digests = true;
        m->format = STORE_FORMAT;
        if (r == 0)
                r = store_meta_write_format(t);
        if (r == 0)
                r = store_meta_write_digests(t, m->digests);
        if (r == 0)
                r = store_meta_write_generation(t);
        if (r == 0)
                r = lmdb_commit(TAKE_PTR(t));
        if (r == 0 && before > 0 && before < STORE_FORMAT)
                fprintf(stderr, "websessd: store: the database was of format %u and is now of format %u\n", before, STORE_FORMAT);
        return r;
}

/* ---- another key ---- */

static int forget_one(LmdbTxn *t, LmdbBytes key, LmdbBytes value) {
        uint8_t data[RECORD_MAX];
        Record record;
        int r;

        /* What is damaged stays so: it is left out when sessions are loaded. */
        if (key.size != IDENT_SIZE || value.size > sizeof(data))
                return 0;
        r = record_decode(value.data, value.size, &record);
        if (r < 0)
                return r == -EBADMSG || r == -EPROTONOSUPPORT ? 0 : r;
        memcpy(data, value.data, value.size);
        r = record_forget_account(data, value.size);
        return r <= 0 ? r : lmdb_put(t, LMDB_SESSIONS, key, (LmdbBytes) { data, value.size });
}

/* A key, which damage may have made longer or shorter than an id. */
typedef struct Key {
        uint8_t data[512];
        size_t size;
} Key;

static LmdbBytes bytes_of(const Key *k) {
        return (LmdbBytes) { k->data, k->size };
}

/* The records behind *after, not too many; -ENOENT when those were the last. */
static int forget_some(Lmdb *l, Key *after) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        LmdbBytes key, value;
        int r, end = 0;

        r = lmdb_begin(l, true, &t);
        for (unsigned i = 0; r == 0 && end == 0 && i < FORGET_AT_ONCE; i++) {
                end = lmdb_next(t, LMDB_SESSIONS, bytes_of(after), &key, &value);
                if (end == 0 && key.size > sizeof(after->data))
                        end = -EBADMSG;
                if (end < 0)
                        break;
                memcpy(after->data, key.data, key.size);
                after->size = key.size;
                r = forget_one(t, bytes_of(after), value);
        }
        if (end < 0 && end != -ENOENT)
                return end;
        if (r == 0)
                r = store_meta_write_generation(t);
        if (r == 0)
                r = lmdb_commit(TAKE_PTR(t));
        return r < 0 ? r : end;
}

/* No digest of these can be compared with anything here: they are neither believed nor taken for a change. The next look at each account
 * puts new ones in. Only when all are gone is it written down whose they are. */
static int forget_digests(Lmdb *l, StoreMeta *m, const uint8_t own[static STORE_KEY_ID_SIZE]) {
        Key after = { .size = 1 };      /* a zero byte: before every id */
        int r;

        fprintf(stderr, "websessd: store: the digests of accounts were made with another key and are forgotten\n");
        do
                r = forget_some(l, &after);
        while (r == 0);
        if (r != -ENOENT)
                return r;
        memcpy(m->digests, own, sizeof(m->digests));
        return write_meta(l, m, own);
}

/* ---- all of it ---- */

static int read_meta(Lmdb *l, StoreMeta *m) {
        _cleanup_(lmdb_abortp) LmdbTxn *t = NULL;
        LmdbShape shape;
        int r;

        r = lmdb_begin(l, false, &t);
        if (r == 0)
                r = lmdb_shape(t, LMDB_SESSIONS, &shape);
        if (r == 0)
                r = store_meta_read(t, m);
        if (r != 0)
                return r;
        if (m->format > STORE_FORMAT)
                return -EPROTONOSUPPORT;
        /* Without a session and without a format it is a new one. */
        return m->format == 0 && shape.entries > 0 ? -EBADMSG : 0;
}

int store_upgrade(Lmdb *l, const char *directory, StoreMeta *ret_meta, uint8_t ret_key[static STORE_ACCOUNT_KEY_SIZE]) {
        uint8_t own[STORE_KEY_ID_SIZE] = {};
        StoreMeta m;
        int r;

        r = read_meta(l, &m);
        if (r == 0)
                r = store_key_load(directory, m.has_old_key ? m.old_key : NULL, ret_key);
        if (r == 0)
                r = store_key_id(ret_key, own);
        if (r == 0 && m.format < STORE_FORMAT)
                r = write_meta(l, &m, own);
        if (r == 0 && memcmp(m.digests, own, sizeof(own)) != 0)
                r = forget_digests(l, &m, own);
        wipe(m.old_key, sizeof(m.old_key));
        *ret_meta = m;
        return r;
}
