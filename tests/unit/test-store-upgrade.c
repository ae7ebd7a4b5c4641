/* SPDX-License-Identifier: MIT */
/* L10: databases of older formats, of newer ones, and such whose digests of accounts were made with a key that is not here. */
#include "store-fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "record.h"
#include "store-internal.h"

#define N 200u

static const uint8_t old_key[STORE_ACCOUNT_KEY_SIZE] = "a key of thirty-two bytes to see";

static int set_up(void **state) {
        *state = folder_new();
        return 0;
}

static int tear_down(void **state) {
        folder_free(*state);
        return 0;
}

/* Sessions of which every other one has a digest. */
static void fill(const char *folder) {
        Store *s = must_open(folder);
        Outcome o = { 0 };

        for (uint64_t n = 1; n <= N; n++)
                submit(s, n % 2 ? put_change(n, 1) : digest_change(n, (uint8_t) n), &o);
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(delete_and_wait(s, 7), 0);
        store_free(s);
}

static void expect_sessions(const char *folder, bool with_digests) {
        Contents c;

        contents_of(folder, &c);
        assert_int_equal(c.n, N - 1);
        assert_int_equal(c.n_damaged, 0);
        for (unsigned n = 1; n <= N; n++) {
                assert_int_equal(c.there[n], n != 7);
                assert_int_equal(c.digest[n], with_digests && n % 2 == 0 ? (uint8_t) n : 0);
        }
}

static void key_path(const char *folder, char *out, size_t size) {
        snprintf(out, size, "%s/account.key", folder);
}

static bool holds(const char *path, const void *bytes, size_t size) {
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool found;
        void *data;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_true(data != MAP_FAILED);
        found = memmem(data, (size_t) st.st_size, bytes, size);
        munmap(data, (size_t) st.st_size);
        close(fd);
        return found;
}

static void read_key(const char *folder, uint8_t out[static STORE_ACCOUNT_KEY_SIZE]) {
        Fault f = { 0 };
        Store *s = NULL;

        assert_int_equal(open_store(&s, folder, 64 * MIB, MIB, &f), 0);
        memcpy(out, store_account_key(s), STORE_ACCOUNT_KEY_SIZE);
        store_free(s);
}

static uint32_t format_of(const char *folder) {
        _cleanup_free_ char *path = database_path(folder);
        LmdbTxn *t = NULL;
        Lmdb *l = NULL;
        StoreMeta meta;

        assert_int_equal(lmdb_open(&l, path, 64 * MIB), 0);
        assert_int_equal(lmdb_begin(l, false, &t), 0);
        assert_int_equal(store_meta_read(t, &meta), 0);
        lmdb_abort(t);
        lmdb_close(l);
        return meta.format;
}

/* ---- format 1 ---- */

static void test_L10_format_1_is_brought_up_and_its_key_moves_out(void **state) {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE];
        struct stat st;
        char path[512];

        fill(*state);
        make_format_1(*state, old_key);
        assert_int_equal(format_of(*state), 1);
        expect_sessions(*state, true);
        assert_int_equal(format_of(*state), 2);
        read_key(*state, key);
        assert_memory_equal(key, old_key, sizeof(key));
        key_path(*state, path, sizeof(path));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        expect_sessions(*state, true);
}

static void test_L10_format_1_from_before_there_was_a_key(void **state) {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE], again[STORE_ACCOUNT_KEY_SIZE];
        static const uint8_t none[STORE_ACCOUNT_KEY_SIZE];
        Store *s = must_open(*state);

        assert_int_equal(put_and_wait(s, 1, 1), 0);
        store_free(s);
        make_format_1(*state, NULL);
        read_key(*state, key);
        assert_memory_not_equal(key, none, sizeof(key));
        assert_int_equal(format_of(*state), 2);
        read_key(*state, again);
        assert_memory_equal(key, again, sizeof(key));
}

/* The file may be there already: the power failed between it and the transaction, or this is an old database put beside a newer key. */
static void test_L10_format_1_beside_a_key_of_its_own_or_another(void **state) {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE], other[STORE_ACCOUNT_KEY_SIZE];

        fill(*state);
        make_format_1(*state, old_key);
        assert_int_equal(store_key_load(*state, old_key, key), 0);
        expect_sessions(*state, true);

        make_format_1(*state, old_key);
        assert_int_equal(store_key_load(*state, NULL, other), 0);
        assert_memory_not_equal(other, old_key, sizeof(other));
        expect_sessions(*state, false);
        read_key(*state, key);
        assert_memory_equal(key, other, sizeof(key));
}

static void test_L10_no_backup_holds_the_key(void **state) {
        _cleanup_free_ char *database = database_path(*state);
        uint8_t key[STORE_ACCOUNT_KEY_SIZE];
        char path[512];
        Store *s;
        int fd;

        fill(*state);
        read_key(*state, key);
        assert_false(holds(database, key, sizeof(key)));

        make_format_1(*state, old_key);
        assert_true(holds(database, old_key, sizeof(old_key)));
        s = must_open(*state);
        assert_int_equal(put_and_wait(s, 1, 2), 0);     /* as the mark that every broker writes when it starts */
        snprintf(path, sizeof(path), "%s/backup", (char *) *state);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(lmdb_copy(s->lmdb, fd), 0);
        close(fd);
        store_free(s);
        assert_true(holds(path, "user0001", 8));
        assert_false(holds(path, old_key, sizeof(old_key)));
        assert_false(holds(path, old_key, 16));
}

/* ---- another key ---- */

static void test_L10_digests_made_with_another_key_are_forgotten(void **state) {
        char path[512];
        Contents c;
        Store *s;

        fill(*state);
        key_path(*state, path, sizeof(path));
        assert_int_equal(unlink(path), 0);
        expect_sessions(*state, false);
        /* … once: those of the new key stay. */
        s = must_open(*state);
        assert_int_equal(delete_and_wait(s, 1), 0);
        submit(s, digest_change(2, 99), &(Outcome) { 0 });
        assert_int_equal(store_drain(s), 0);
        store_free(s);
        contents_of(*state, &c);
        assert_int_equal(c.digest[2], 99);
        assert_int_equal(c.n, N - 2);
}

static void test_L10_a_damaged_key_is_as_good_as_none(void **state) {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE], other[STORE_ACCOUNT_KEY_SIZE];
        char path[512];
        int fd;

        fill(*state);
        read_key(*state, key);
        key_path(*state, path, sizeof(path));
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "\xff\x01", 2, 20), 2);
        close(fd);
        read_key(*state, other);
        assert_memory_not_equal(key, other, sizeof(key));
        expect_sessions(*state, false);

        assert_int_equal(truncate(path, 3), 0);
        expect_sessions(*state, false);
        read_key(*state, key);
        assert_memory_not_equal(key, other, sizeof(key));
}

/* More than fit into one transaction; damaged ones stay damaged, since a mended checksum would make them believed. */
static void test_S18_forgetting_digests_mends_nothing(void **state) {
        _cleanup_free_ char *database = database_path(*state);
        static const unsigned many = 4000;
        char path[512];
        Contents c;
        LmdbTxn *t = NULL;
        Lmdb *l = NULL;
        uint8_t record[1024];
        Ident id;
        size_t size;
        Store *s;

        s = must_open(*state);
        for (uint64_t n = 1; n <= many; n++)
                submit(s, digest_change(n, 5), &(Outcome) { 0 });
        assert_int_equal(store_drain(s), 0);
        store_free(s);
        assert_int_equal(lmdb_open(&l, database, 64 * MIB), 0);
        assert_int_equal(lmdb_begin(l, true, &t), 0);
        for (uint64_t n = 5000; n < 5300; n++) {        /* beyond what Contents counts: too short, or with a byte changed */
                id = id_of(n);
                size = make_record(n, 1, record, sizeof(record));
                record[size - 1] ^= 1;
                assert_int_equal(lmdb_put(t, LMDB_SESSIONS, (LmdbBytes) { id.bytes, 16 }, (LmdbBytes) { record, n % 2 ? size : 10 }), 0);
        }
        assert_int_equal(store_meta_write_generation(t), 0);
        assert_int_equal(lmdb_commit(t), 0);
        lmdb_close(l);
        key_path(*state, path, sizeof(path));
        assert_int_equal(unlink(path), 0);

        contents_of(*state, &c);
        assert_int_equal(c.n, many);
        assert_int_equal(c.n_damaged, 300);
        for (unsigned n = 1; n <= many; n++)
                assert_int_equal(c.digest[n], 0);
}

/* ---- newer ---- */

static void test_L10_a_record_of_a_newer_format_is_refused_by_name(void **state) {
        _cleanup_free_ char *database = database_path(*state);
        uint8_t record[1024], sum[DIGEST_SIZE];
        size_t size = make_record(9, 1, record, sizeof(record));
        LmdbTxn *t = NULL;
        Lmdb *l = NULL;
        Ident id = id_of(9);
        Fault f = { 0 };
        Store *s = NULL;

        fill(*state);
        record[8] = 77;
        assert_int_equal(digest_sha256(record + 8, size - 8, sum), 0);
        memcpy(record, sum, 8);
        assert_int_equal(lmdb_open(&l, database, 64 * MIB), 0);
        assert_int_equal(lmdb_begin(l, true, &t), 0);
        assert_int_equal(lmdb_put(t, LMDB_SESSIONS, (LmdbBytes) { id.bytes, 16 }, (LmdbBytes) { record, size }), 0);
        assert_int_equal(store_meta_write_generation(t), 0);
        assert_int_equal(lmdb_commit(t), 0);
        lmdb_close(l);
        assert_int_equal(open_store(&s, *state, 64 * MIB, MIB, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "records of format 77, this websessd knows"));
        assert_non_null(strstr(f.text, "install the websess that wrote it"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_L10_format_1_is_brought_up_and_its_key_moves_out),
                TEST(test_L10_format_1_from_before_there_was_a_key),
                TEST(test_L10_format_1_beside_a_key_of_its_own_or_another),
                TEST(test_L10_no_backup_holds_the_key),
                TEST(test_L10_digests_made_with_another_key_are_forgotten),
                TEST(test_L10_a_damaged_key_is_as_good_as_none),
                TEST(test_S18_forgetting_digests_mends_nothing),
                TEST(test_L10_a_record_of_a_newer_format_is_refused_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
