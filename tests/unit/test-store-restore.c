/* SPDX-License-Identifier: MIT */
/* L10, S18: a backup takes the database's place as a whole, or nothing changes. */
#include "store-fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "record.h"
#include "store-internal.h"

typedef struct Bytes {
        uint8_t *data;
        size_t size;
} Bytes;

/* A database that went on after its backup was made: 3 was ended, 50 began. */
typedef struct World {
        char *folder, *database, *backup;
        Bytes before, good;             /* the database, the backup */
} World;

static Bytes read_file(const char *path) {
        struct stat st;
        Bytes b = { 0 };
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        b = (Bytes) { malloc((size_t) st.st_size + 1), (size_t) st.st_size };
        assert_int_equal(read(fd, b.data, b.size), b.size);
        close(fd);
        return b;
}

static void write_file(const char *path, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        close(fd);
}

static void note(int result, void *userdata) {
        *(int *) userdata = result;
}

static void back_up(Store *s, const char *path) {
        int result = 1;

        assert_int_equal(store_backup(s, open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), note, &result), 0);
        while (result == 1)
                store_collect(s);
        assert_int_equal(result, 0);
}

static void set_mark(Store *s, uint64_t steady) {
        const SteadyMark mark = { .boot_id = { 7 }, .realtime = 1000, .boottime = 100, .steady = steady };
        StoreChange *c = NULL;

        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_mark(c, &mark), 0);
        submit(s, c, &(Outcome) { 0 });
        assert_int_equal(store_drain(s), 0);
}

static int set_up(void **state) {
        World *w = calloc(1, sizeof(*w));
        Store *s;

        w->folder = folder_new();
        w->database = database_path(w->folder);
        assert_true(asprintf(&w->backup, "%s/backup", w->folder) > 0);
        s = must_open(w->folder);
        set_mark(s, 5000);
        for (uint64_t n = 1; n <= 40; n++)
                submit(s, digest_change(n, 6), &(Outcome) { 0 });
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(delete_and_wait(s, 2), 0);
        back_up(s, w->backup);
        assert_int_equal(delete_and_wait(s, 3), 0);
        assert_int_equal(put_and_wait(s, 50, 1), 0);
        set_mark(s, 9000);
        store_free(s);
        w->before = read_file(w->database);
        w->good = read_file(w->backup);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        folder_free(w->folder);
        free(w->database);
        free(w->backup);
        free(w->before.data);
        free(w->good.data);
        free(w);
        return 0;
}

static int restore(const World *w, const char *folder, bool keep, uint64_t *ret_n, Fault *f) {
        _cleanup_close_ int fd = open(w->backup, O_RDONLY | O_CLOEXEC);

        *f = (Fault) { 0 };
        assert_true(fd >= 0);
        return store_restore(&(StoreRestore) { .directory = folder, .fd = fd, .name = "monday.mdb", .keep = keep }, ret_n, f);
}

static void must_restore(const World *w, const char *folder, bool keep) {
        uint64_t n = 0;
        Fault f;
        int r;

        r = restore(w, folder, keep, &n, &f);
        if (r != 0)
                fail_msg("store_restore: %d %s", r, f.text);
        assert_int_equal(n, 39);
}

static bool is_there(const World *w, const char *name) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", w->folder, name);
        return access(path, F_OK) == 0;
}

/* Nothing of the attempt is left, and nothing of the database has changed. */
static void expect_refused(const World *w, const char *why) {
        Bytes after;
        uint64_t n;
        Fault f;

        for (int keep = 0; keep <= 1; keep++) {
                assert_int_equal(restore(w, w->folder, keep, &n, &f), FAULT_UNAVAILABLE);
                if (!strstr(f.text, why) || !strstr(f.text, "monday.mdb"))
                        fail_msg("wanted \"%s\", got: %s", why, f.text);
                after = read_file(w->database);
                assert_int_equal(after.size, w->before.size);
                assert_memory_equal(after.data, w->before.data, after.size);
                free(after.data);
                assert_false(is_there(w, "sessions.mdb.new"));
                assert_false(is_there(w, "sessions.mdb.new-lock"));
        }
}

/* ---- what is restored ---- */

static void test_L10_kept_sessions_are_those_of_the_backup(void **state) {
        const World *w = *state;
        struct stat st;
        SteadyMark mark;
        Contents c;
        Store *s;

        must_restore(w, w->folder, true);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 39);
        assert_int_equal(c.there[2], 0);
        assert_int_equal(c.there[3], 1);
        assert_int_equal(c.there[50], 0);
        assert_int_equal(c.digest[1], 6);
        assert_int_equal(stat(w->database, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_false(is_there(w, "sessions.mdb.new-lock"));

        s = must_open(w->folder);
        assert_true(store_mark(s, &mark));
        assert_int_equal(mark.steady, 5000);
        assert_int_equal(put_and_wait(s, 51, 1), 0);
        store_free(s);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 40);
}

static void test_L10_without_keep_every_session_is_ended_and_the_rest_is_there(void **state) {
        const World *w = *state;
        SteadyMark mark;
        Contents c;
        Bytes after;
        Store *s;

        must_restore(w, w->folder, false);
        contents_of(w->folder, &c);
        assert_int_equal(c.n + c.n_damaged, 0);
        s = must_open(w->folder);
        assert_true(store_mark(s, &mark));
        assert_int_equal(mark.steady, 5000);
        store_free(s);
        after = read_file(w->database);
        assert_null(memmem(after.data, after.size, "user0001", 8));
        free(after.data);
}

/* 50 was given and is not in the backup: it is not to be given again, whatever becomes of the clock. */
static void test_L10_no_id_is_given_again(void **state) {
        const World *w = *state;
        Store *s;

        for (int keep = 0; keep <= 1; keep++) {
                Ident last;

                must_restore(w, w->folder, keep);
                s = must_open(w->folder);
                last = store_last(s);
                assert_int_equal(number_of(&last), 50);
                assert_int_equal(put_and_wait(s, 51, 1), 0);
                assert_int_equal(delete_and_wait(s, 51), 0);
                store_free(s);
        }
}

static void test_L10_restored_where_the_database_is_damaged_or_gone(void **state) {
        const World *w = *state;
        Contents c;

        write_file(w->database, "rubbish, rubbish, rubbish", 25);
        must_restore(w, w->folder, true);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 39);
        assert_int_equal(unlink(w->database), 0);
        must_restore(w, w->folder, true);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 39);
}

/* Another folder has another key: the digests are not taken for passwords that have changed, nor for such that have not. */
static void test_L10_restored_on_another_machine(void **state) {
        const World *w = *state;
        char *elsewhere = folder_new();
        Contents c;
        Store *s;

        must_restore(w, elsewhere, true);
        contents_of(elsewhere, &c);
        assert_int_equal(c.n, 39);
        assert_int_equal(c.digest[1], 0);
        s = must_open(elsewhere);
        assert_int_equal(put_and_wait(s, 41, 1), 0);
        store_free(s);
        folder_free(elsewhere);
}

static void test_L10_a_backup_of_format_1(void **state) {
        static const uint8_t key[STORE_ACCOUNT_KEY_SIZE] = "a key of thirty-two bytes again!";
        const World *w = *state;
        char *old = folder_new();
        _cleanup_free_ char *old_database = database_path(old);
        Store *s = must_open(old);
        Contents c;
        Bytes b;

        for (uint64_t n = 1; n <= 39; n++)
                submit(s, digest_change(n, 8), &(Outcome) { 0 });
        assert_int_equal(store_drain(s), 0);
        store_free(s);
        make_format_1(old, key);
        b = read_file(old_database);
        write_file(w->backup, b.data, b.size);
        must_restore(w, w->folder, true);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 39);
        assert_int_equal(c.digest[1], 0);
        free(b.data);
        folder_free(old);
}

static void test_L10_what_an_earlier_attempt_left_is_in_nobodys_way(void **state) {
        const World *w = *state;
        char path[512];
        Contents c;

        snprintf(path, sizeof(path), "%s/sessions.mdb.new", w->folder);
        write_file(path, "half of it", 10);
        snprintf(path, sizeof(path), "%s/sessions.mdb.new-lock", w->folder);
        write_file(path, "x", 1);
        must_restore(w, w->folder, true);
        contents_of(w->folder, &c);
        assert_int_equal(c.n, 39);
}

/* ---- what is refused ---- */

static void test_L10_not_while_a_broker_runs(void **state) {
        const World *w = *state;
        Store *s = must_open(w->folder);
        Contents c;
        uint64_t n;
        Fault f;

        assert_int_equal(restore(w, w->folder, true, &n, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "another websessd"));
        assert_int_equal(put_and_wait(s, 60, 1), 0);
        store_free(s);
        contents_of(w->folder, &c);
        assert_int_equal(c.there[60], 1);
        assert_int_equal(c.there[3], 0);
}

static void test_S18_a_truncated_backup_is_refused(void **state) {
        const World *w = *state;

        for (size_t size = w->good.size - 1; size > 0; size /= 2) {
                write_file(w->backup, w->good.data, size);
                expect_refused(w, size < 200 ? "not a database of websess" : "truncated");
        }
        write_file(w->backup, "", 0);
        expect_refused(w, "empty");
}

static void test_S18_a_foreign_file_is_refused(void **state) {
        static const char text[10000] = "SQLite format 3";
        const World *w = *state;

        write_file(w->backup, text, sizeof(text));
        expect_refused(w, "restore what `websessctl backup` has written");
        assert_int_equal(unlink(w->backup), 0);
        assert_int_equal(mkdir(w->backup, 0700), 0);
        expect_refused(w, "not even a regular file");
        assert_int_equal(rmdir(w->backup), 0);
        write_file(w->backup, "", 0);
}

static void test_L10_a_newer_backup_is_refused_by_name(void **state) {
        World *w = *state;
        uint8_t *p = memmem(w->good.data, w->good.size, "format\2\0\0", 9);

        assert_non_null(p);
        p[6] = 9;
        write_file(w->backup, w->good.data, w->good.size);
        expect_refused(w, "format 9, this websessd knows 2: install the websess that wrote it, or restore another backup");
}

/* Refused, or what it made of it is what was stored, but for records that are left out. */
static void test_S18_bits_flipped_in_a_backup(void **state) {
        World *w = *state;
        unsigned n_refused = 0, n_taken = 0;

        srandom(18);
        for (unsigned i = 0; i < 120; i++) {
                size_t offset = (size_t) random() % (w->good.size / 4096) * 4096 + (size_t) random() % (i % 2 ? 4096 : 160);
                uint8_t bit = (uint8_t) (1u << random() % 8);
                Contents c;
                uint64_t n;
                Fault f;
                int r;

                w->good.data[offset] ^= bit;
                write_file(w->backup, w->good.data, w->good.size);
                w->good.data[offset] ^= bit;
                r = restore(w, w->folder, true, &n, &f);
                n_refused += r != 0;
                n_taken += r == 0;
                if (r != 0) {
                        assert_int_equal(r, FAULT_UNAVAILABLE);
                        continue;
                }
                contents_of(w->folder, &c);
                assert_int_equal(c.n + c.n_damaged, 39);
                for (unsigned k = 0; k < sizeof(c.there); k++)
                        if (c.there[k] != 0 && (c.there[k] != 1 || k == 2 || k > 40))
                                fail_msg("a flip at %zu: session %u has version %u", offset, k, c.there[k]);
        }
        assert_true(n_refused > 10);
        assert_true(n_taken > 10);
}

static void silence(void) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO);
        close(null);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_L10_kept_sessions_are_those_of_the_backup),
                TEST(test_L10_without_keep_every_session_is_ended_and_the_rest_is_there),
                TEST(test_L10_no_id_is_given_again),
                TEST(test_L10_restored_where_the_database_is_damaged_or_gone),
                TEST(test_L10_restored_on_another_machine),
                TEST(test_L10_a_backup_of_format_1),
                TEST(test_L10_what_an_earlier_attempt_left_is_in_nobodys_way),
                TEST(test_L10_not_while_a_broker_runs),
                TEST(test_S18_a_truncated_backup_is_refused),
                TEST(test_S18_a_foreign_file_is_refused),
                TEST(test_L10_a_newer_backup_is_refused_by_name),
                TEST(test_S18_bits_flipped_in_a_backup),
        };

        /* Hundreds of databases: in memory, where syncing costs nothing. The checker's notes would fill the screen. */
        if (access("/dev/shm", W_OK) == 0)
                setenv("TMPDIR", "/dev/shm", 0);
        silence();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
