/* SPDX-License-Identifier: MIT */
#include "store-fixture.h"

#include <stdio.h>
#include <string.h>

#include "record.h"
#include "store-internal.h"

char *folder_new(void) {
        const char *tmp = getenv("TMPDIR");
        char *folder = NULL;

        assert_true(asprintf(&folder, "%s/websess-store-XXXXXX", tmp ? tmp : "/tmp") > 0);
        assert_non_null(mkdtemp(folder));
        return folder;
}

char *folder_free(char *folder) {
        static const char *const files[] = { "sessions.mdb", "sessions.mdb-lock", "sessions.mdb.new", "sessions.mdb.new-lock", "account.key", "account.key.new", "lock",
                                             "backup", "filler" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                char path[512];

                snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
                unlink(path);
        }
        rmdir(folder);
        free(folder);
        return NULL;
}

char *database_path(const char *folder) {
        char *path = NULL;

        assert_true(asprintf(&path, "%s/sessions.mdb", folder) > 0);
        return path;
}

int open_store(Store **ret, const char *folder, uint64_t max_bytes, uint64_t reserve_bytes, Fault *f) {
        return store_open(ret, &(StoreOptions) { .directory = folder, .max_bytes = max_bytes, .reserve_bytes = reserve_bytes }, f);
}

Store *must_open(const char *folder) {
        Fault f = { 0 };
        Store *s = NULL;
        int r;

        r = open_store(&s, folder, 64 * MIB, MIB, &f);
        if (r != 0)
                fail_msg("store_open: %d %s", r, f.text);
        assert_int_equal(store_load(s, NULL, NULL), 0);
        assert_int_equal(store_start(s), 0);
        return s;
}

Ident id_of(uint64_t n) {
        Ident id = { 0 };

        for (unsigned i = 0; i < 8; i++)
                id.bytes[i] = (uint8_t) (n >> (56 - 8 * i));
        return id;
}

uint64_t number_of(const Ident *id) {
        uint64_t n = 0;

        for (unsigned i = 0; i < 8; i++)
                n = n << 8 | id->bytes[i];
        return n;
}

size_t make_record(uint64_t n, uint64_t version, uint8_t *out, size_t size) {
        const Slice roles[] = { slice_of("USER"), slice_of("EDITOR") };
        const Attribute attributes[] = {
                { .key = slice_of("theme"), .type = 's', .bytes = slice_of("dark") },
                { .key = slice_of("company"), .type = 'x', .integer = 42 },
        };
        Record r = {
                .id = id_of(n), .version = version, .created_realtime = 1, .created = 1, .last_seen = 1, .auth_time = 1,
                .idle_usec = 7200000000, .lifetime_end = 86400000000, .uid = 1000, .creator_uid = 998,
                .service = slice_of("shop"), .user = slice_of("user0001"), .remote_host = slice_of("192.0.2.1"),
                .n_roles = ELEMENTSOF(roles), .roles = roles, .n_attributes = ELEMENTSOF(attributes), .attributes = attributes,
        };
        size_t need = record_size(&r);

        assert_true(need > 0 && need <= size);
        assert_int_equal(record_encode(&r, out, need), 0);
        return need;
}

StoreChange *put_change(uint64_t n, uint64_t version) {
        Ident id = id_of(n);
        StoreChange *c = NULL;
        uint8_t record[1024];
        size_t size = make_record(n, version, record, sizeof(record));

        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_put(c, &id, record, size), 0);
        return c;
}

StoreChange *digest_change(uint64_t n, uint8_t digest) {
        uint8_t record[1024], changed[1024];
        Ident id = id_of(n);
        StoreChange *c = NULL;
        size_t size = make_record(n, 1, record, sizeof(record));
        Record r;

        assert_int_equal(record_decode(record, size, &r), 0);
        memset(r.account_digest, digest, sizeof(r.account_digest));
        assert_int_equal(record_encode(&r, changed, size), 0);
        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_put(c, &id, changed, size), 0);
        return c;
}

static void put_meta(LmdbTxn *t, const char *key, const void *value, size_t size) {
        assert_int_equal(lmdb_put(t, LMDB_META, (LmdbBytes) { key, strlen(key) }, (LmdbBytes) { value, size }), 0);
}

void make_format_1(const char *folder, const uint8_t *key) {
        uint8_t value[STORE_ACCOUNT_KEY_SIZE + DIGEST_SIZE], format[4] = { 1 };
        _cleanup_free_ char *path = database_path(folder), *key_path = NULL;
        LmdbTxn *t = NULL;
        Lmdb *l = NULL;

        assert_int_equal(lmdb_open(&l, path, 64 * MIB), 0);
        assert_int_equal(lmdb_begin(l, true, &t), 0);
        put_meta(t, "format", format, sizeof(format));
        assert_int_equal(lmdb_delete(t, LMDB_META, (LmdbBytes) { "digests", 7 }), 0);
        if (key) {
                memcpy(value, key, STORE_ACCOUNT_KEY_SIZE);
                assert_int_equal(digest_sha256(key, STORE_ACCOUNT_KEY_SIZE, value + STORE_ACCOUNT_KEY_SIZE), 0);
                put_meta(t, "accounts", value, STORE_ACCOUNT_KEY_SIZE + 8);
        }
        assert_int_equal(store_meta_write_generation(t), 0);
        assert_int_equal(lmdb_commit(t), 0);
        lmdb_close(l);
        assert_true(asprintf(&key_path, "%s/account.key", folder) > 0);
        assert_int_equal(unlink(key_path), 0);
}

StoreChange *delete_change(uint64_t n) {
        StoreChange *c = NULL;
        Ident id = id_of(n);

        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_delete(c, &id), 0);
        return c;
}

static void note_done(StoreChange *c, int result, void *userdata) {
        Outcome *o = userdata;

        o->n_done++;
        o->n_ok += result == 0;
        o->n_canceled += result == -ECANCELED;
        if (result < 0 && o->first_error == 0)
                o->first_error = result;
}

void submit(Store *s, StoreChange *c, Outcome *o) {
        store_submit(s, c, note_done, o);
}

static int wait_alone(Store *s, StoreChange *c) {
        Outcome o = { 0 };

        submit(s, c, &o);
        store_drain(s);
        assert_int_equal(o.n_done, 1);
        return o.first_error;
}

int put_and_wait(Store *s, uint64_t n, uint64_t version) {
        return wait_alone(s, put_change(n, version));
}

int delete_and_wait(Store *s, uint64_t n) {
        return wait_alone(s, delete_change(n));
}

static int note_record(void *userdata, const Ident *id, const void *data, size_t size) {
        Contents *c = userdata;
        uint64_t n = number_of(id);
        Record r;

        if (record_decode(data, size, &r) != 0 || ident_compare(&r.id, id) != 0) {
                c->n_damaged++;
                return 0;
        }
        assert_true(n < sizeof(c->there));
        c->there[n] = (uint8_t) r.version;
        c->digest[n] = r.account_digest[0];
        c->n++;
        return 0;
}

void read_contents(Store *s, Contents *out) {
        memset(out, 0, sizeof(*out));
        assert_int_equal(store_load(s, note_record, out), 0);
}

void contents_of(const char *folder, Contents *out) {
        Fault f = { 0 };
        Store *s = NULL;
        int r;

        r = open_store(&s, folder, 64 * MIB, MIB, &f);
        if (r != 0)
                fail_msg("store_open: %d %s", r, f.text);
        read_contents(s, out);
        store_free(s);
}
