/* SPDX-License-Identifier: MIT */
/* The table "meta": format, mark and generation, as bytes. Pure but for the transaction it is given. */
#include <endian.h>
#include <string.h>

#include "digest.h"
#include "store-internal.h"

#define MARK_SIZE 40u
#define MARK_SUM_SIZE 8u

static LmdbBytes key_of(const char *name) {
        return (LmdbBytes) { name, strlen(name) };
}

/* A mark that is believed wrongly would revive sessions or end them all. */
bool store_meta_mark_valid(const void *data, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        if (size != MARK_SIZE + MARK_SUM_SIZE || digest_sha256(data, MARK_SIZE, digest) < 0)
                return false;
        return memcmp((const uint8_t *) data + MARK_SIZE, digest, MARK_SUM_SIZE) == 0;
}

static int read_mark(LmdbTxn *t, bool *ret_has_mark, SteadyMark *ret_mark) {
        uint64_t words[3];
        LmdbBytes value;
        int r;

        *ret_has_mark = false;
        r = lmdb_get(t, LMDB_META, key_of(STORE_KEY_MARK), &value);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (!store_meta_mark_valid(value.data, value.size))
                return -EBADMSG;
        memcpy(ret_mark->boot_id, value.data, 16);
        memcpy(words, (const uint8_t *) value.data + 16, sizeof(words));
        ret_mark->realtime = le64toh(words[0]);
        ret_mark->boottime = le64toh(words[1]);
        ret_mark->steady = le64toh(words[2]);
        *ret_has_mark = true;
        return 0;
}

int store_meta_read(LmdbTxn *t, uint32_t *ret_format, bool *ret_has_mark, SteadyMark *ret_mark) {
        LmdbBytes value;
        uint32_t format;
        int r;

        r = lmdb_get(t, LMDB_META, key_of(STORE_KEY_FORMAT), &value);
        if (r < 0)
                return r;
        if (value.size != sizeof(format))
                return -EBADMSG;
        memcpy(&format, value.data, sizeof(format));
        *ret_format = le32toh(format);
        return read_mark(t, ret_has_mark, ret_mark);
}

int store_meta_write_format(LmdbTxn *t) {
        uint32_t format = htole32(STORE_FORMAT);

        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_FORMAT), (LmdbBytes) { &format, sizeof(format) });
}

int store_meta_write_mark(LmdbTxn *t, const SteadyMark *mark) {
        uint64_t words[3] = { htole64(mark->realtime), htole64(mark->boottime), htole64(mark->steady) };
        uint8_t value[MARK_SIZE + MARK_SUM_SIZE], digest[DIGEST_SIZE];
        int r;

        memcpy(value, mark->boot_id, 16);
        memcpy(value + 16, words, sizeof(words));
        r = digest_sha256(value, MARK_SIZE, digest);
        if (r < 0)
                return r;
        memcpy(value + MARK_SIZE, digest, MARK_SUM_SIZE);
        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_MARK), (LmdbBytes) { value, sizeof(value) });
}

bool store_meta_account_key_valid(const void *data, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        if (size != STORE_ACCOUNT_KEY_SIZE + MARK_SUM_SIZE || digest_sha256(data, STORE_ACCOUNT_KEY_SIZE, digest) < 0)
                return false;
        return memcmp((const uint8_t *) data + STORE_ACCOUNT_KEY_SIZE, digest, MARK_SUM_SIZE) == 0;
}

int store_meta_read_account_key(LmdbTxn *t, uint8_t out[static STORE_ACCOUNT_KEY_SIZE]) {
        LmdbBytes value;
        int r;

        r = lmdb_get(t, LMDB_META, key_of(STORE_KEY_ACCOUNTS), &value);
        if (r < 0)
                return r;
        if (!store_meta_account_key_valid(value.data, value.size))
                return -EBADMSG;
        memcpy(out, value.data, STORE_ACCOUNT_KEY_SIZE);
        return 0;
}

int store_meta_write_account_key(LmdbTxn *t, const uint8_t key[static STORE_ACCOUNT_KEY_SIZE]) {
        uint8_t value[STORE_ACCOUNT_KEY_SIZE + MARK_SUM_SIZE], digest[DIGEST_SIZE];
        int r;

        r = digest_sha256(key, STORE_ACCOUNT_KEY_SIZE, digest);
        if (r < 0)
                return r;
        memcpy(value, key, STORE_ACCOUNT_KEY_SIZE);
        memcpy(value + STORE_ACCOUNT_KEY_SIZE, digest, MARK_SUM_SIZE);
        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_ACCOUNTS), (LmdbBytes) { value, sizeof(value) });
}

int store_meta_write_generation(LmdbTxn *t) {
        uint64_t generation = htole64(lmdb_txn_id(t));

        return lmdb_put(t, LMDB_META, key_of(STORE_KEY_GENERATION), (LmdbBytes) { &generation, sizeof(generation) });
}
