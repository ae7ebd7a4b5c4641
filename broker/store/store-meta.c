/* SPDX-License-Identifier: MIT */
/* The table "meta", as bytes: what the database says of itself. Pure but for the transaction it is given. */
#include <endian.h>
#include <string.h>

#include "digest.h"
#include "store-internal.h"

#define SUM_SIZE 8u
#define VALUE_MAX 40u

/* Entries that end with a sum: one that is believed wrongly would revive sessions, or end them all. */
static const struct {
        const char *key;
        size_t size;                    /* without the sum */
} summed[] = {
        { STORE_KEY_MARK, STEADY_MARK_SIZE },
        { STORE_KEY_DIGESTS, STORE_KEY_ID_SIZE },
        { STORE_KEY_LAST, IDENT_SIZE },
        { STORE_KEY_ACCOUNTS, STORE_ACCOUNT_KEY_SIZE },
};

static LmdbBytes key_of(const char *name) {
        return (LmdbBytes) { name, strlen(name) };
}

static bool sum_fits(const void *value, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        return digest_sha256(value, size, digest) == 0 && memcmp((const uint8_t *) value + size, digest, SUM_SIZE) == 0;
}

bool store_meta_valid(const void *key, size_t key_size, const void *value, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(summed); i++)
                if (strlen(summed[i].key) == key_size && memcmp(summed[i].key, key, key_size) == 0)
                        return size == summed[i].size + SUM_SIZE && sum_fits(value, summed[i].size);
        return true;
}

/* 1, 0 when it is not there, or a negative errno. */
static int read_summed(LmdbTxn *t, const char *key, void *out, size_t size) {
        LmdbBytes value;
        int r;

        r = lmdb_get(t, LMDB_META, key_of(key), &value);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (value.size != size + SUM_SIZE || !sum_fits(value.data, size))
                return -EBADMSG;
        memcpy(out, value.data, size);
        return 1;
}

static int write_summed(LmdbTxn *t, const char *key, const void *data, size_t size) {
        uint8_t value[VALUE_MAX + SUM_SIZE], digest[DIGEST_SIZE];
        int r;

        r = digest_sha256(data, size, digest);
        if (r < 0)
                return r;
        memcpy(value, data, size);
        memcpy(value + size, digest, SUM_SIZE);
        return lmdb_put(t, LMDB_META, key_of(key), (LmdbBytes) { value, size + SUM_SIZE });
}

/* ---- reading ---- */

static int read_format(LmdbTxn *t, uint32_t *ret) {
        LmdbBytes value;
        int r;

        r = lmdb_get(t, LMDB_META, key_of(STORE_KEY_FORMAT), &value);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (value.size != sizeof(*ret))
                return -EBADMSG;
        memcpy(ret, value.data, sizeof(*ret));
        *ret = le32toh(*ret);
        return 0;
}

static int read_mark(LmdbTxn *t, StoreMeta *ret) {
        uint8_t value[STEADY_MARK_SIZE];
        int r;

        r = read_summed(t, STORE_KEY_MARK, value, sizeof(value));
        if (r > 0)
                ret->mark = steady_mark_read(value);
        return r;
}

int store_meta_read(LmdbTxn *t, StoreMeta *ret) {
        int r, mark, digests, last, old_key;

        *ret = (StoreMeta) {};
        r = read_format(t, &ret->format);
        if (r < 0)
                return r;
        mark = read_mark(t, ret);
        digests = read_summed(t, STORE_KEY_DIGESTS, ret->digests, sizeof(ret->digests));
        last = read_summed(t, STORE_KEY_LAST, ret->last.bytes, sizeof(ret->last.bytes));
        old_key = read_summed(t, STORE_KEY_ACCOUNTS, ret->old_key, sizeof(ret->old_key));
        if (mark < 0 || digests < 0 || last < 0 || old_key < 0)
                return mark < 0 ? mark : digests < 0 ? digests : last < 0 ? last : old_key;
        ret->has_mark = mark;
        ret->has_digests = digests;
        ret->has_last = last;
        ret->has_old_key = old_key;
        return 0;
}

/* ---- writing ---- */

int store_meta_write_format(LmdbTxn *t) {
        uint32_t format = htole32(STORE_FORMAT);

        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_FORMAT), (LmdbBytes) { &format, sizeof(format) });
}

int store_meta_write_mark(LmdbTxn *t, const SteadyMark *mark) {
        uint8_t value[STEADY_MARK_SIZE];

        steady_mark_write(mark, value);
        return write_summed(t, STORE_KEY_MARK, value, sizeof(value));
}

int store_meta_write_digests(LmdbTxn *t, const uint8_t id[static STORE_KEY_ID_SIZE]) {
        return write_summed(t, STORE_KEY_DIGESTS, id, STORE_KEY_ID_SIZE);
}

int store_meta_write_last(LmdbTxn *t, const Ident *last) {
        return write_summed(t, STORE_KEY_LAST, last->bytes, sizeof(last->bytes));
}

int store_meta_forget_old_key(LmdbTxn *t) {
        int r = lmdb_delete(t, LMDB_META, key_of(STORE_KEY_ACCOUNTS));

        return r == -ENOENT ? 0 : r;
}

int store_meta_write_generation(LmdbTxn *t) {
        uint64_t generation = htole64(lmdb_txn_id(t));

        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_GENERATION), (LmdbBytes) { &generation, sizeof(generation) });
}
