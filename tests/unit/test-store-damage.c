/* SPDX-License-Identifier: MIT */
/* S18: a database that is damaged, cut off, foreign or newer is refused by name, and what is loaded is what was stored. */
#include "store-fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "record.h"
#include "store-page.h"

#define N_SESSIONS 400u

/* A database with a history: many transactions, deleted sessions, free pages, records in overflow pages; and its bytes. */
typedef struct Sample {
        char *folder, *path;
        uint8_t *bytes;
        size_t size;
        Contents good;
        int real_stderr;
} Sample;

static void put_large(Store *s, uint64_t n) {
        static char text[12000];
        Attribute attribute = { .key = slice_of("large"), .type = 's', .bytes = { text, sizeof(text) } };
        Record r = { .id = id_of(n), .version = 5, .service = slice_of("shop"), .user = slice_of("u"), .n_attributes = 1, .attributes = &attribute };
        _cleanup_free_ uint8_t *data = NULL;
        StoreChange *c = NULL;
        Outcome o = { 0 };
        size_t size;

        memset(text, 'a', sizeof(text));
        size = record_size(&r);
        data = malloc(size);
        assert_int_equal(record_encode(&r, data, size), 0);
        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_put(c, &r.id, data, size), 0);
        submit(s, c, &o);
        assert_int_equal(store_drain(s), 0);
}

static void make_history(Store *s) {
        const SteadyMark mark = { .boot_id = { 7 }, .realtime = 1000, .boottime = 100, .steady = 5000 };
        StoreChange *c = NULL;
        Outcome o = { 0 };

        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_mark(c, &mark), 0);
        submit(s, c, &o);
        for (uint64_t n = 1; n <= N_SESSIONS; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(store_drain(s), 0);
        for (uint64_t n = 1; n <= N_SESSIONS; n += 9)
                assert_int_equal(put_and_wait(s, n, 2), 0);
        put_large(s, 3000);
        put_large(s, 3001);
        assert_int_equal(delete_and_wait(s, 3001), 0);
        for (uint64_t n = 5; n <= N_SESSIONS; n += 11)
                assert_int_equal(delete_and_wait(s, n), 0);
}

static void write_file(const char *path, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        close(fd);
}

static void read_file(Sample *sample) {
        struct stat st;
        int fd;

        fd = open(sample->path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        sample->bytes = malloc((size_t) st.st_size);
        sample->size = (size_t) st.st_size;
        assert_int_equal(read(fd, sample->bytes, sample->size), sample->size);
        close(fd);
}

/* The checker's notes would fill the screen. */
static int set_up(void **state) {
        Sample *sample = calloc(1, sizeof(*sample));
        StoreStatus status;
        Store *s;
        int null;

        sample->folder = folder_new();
        sample->path = database_path(sample->folder);
        s = must_open(sample->folder);
        make_history(s);
        store_status(s, &status);
        store_free(s);
        contents_of(sample->folder, &sample->good);
        read_file(sample);
        sample->size = status.used_bytes;
        write_file(sample->path, sample->bytes, sample->size);

        fflush(stderr);
        sample->real_stderr = dup(STDERR_FILENO);
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        close(null);
        *state = sample;
        return 0;
}

static int tear_down(void **state) {
        Sample *sample = *state;

        dup2(sample->real_stderr, STDERR_FILENO);
        close(sample->real_stderr);
        folder_free(sample->folder);
        free(sample->path);
        free(sample->bytes);
        free(sample);
        return 0;
}

static int try_open(const Sample *sample, Store **ret, Fault *f) {
        *f = (Fault) { 0 };
        *ret = NULL;
        return open_store(ret, sample->folder, 64 * MIB, 64 * 1024, f);
}

static void expect_refused(const Sample *sample, const char *why, const char *advice) {
        Store *s;
        Fault f;
        int r;

        r = try_open(sample, &s, &f);
        if (r != FAULT_UNAVAILABLE || !strstr(f.text, why) || !strstr(f.text, advice) || !strstr(f.text, sample->path))
                fail_msg("wanted \"%s\" and \"%s\", got %d: %s", why, advice, r, f.text);
        assert_null(s);
}

static void expect_good(const Sample *sample) {
        Contents c;

        contents_of(sample->folder, &c);
        assert_memory_equal(&c, &sample->good, sizeof(c));
}

/* Replace every occurrence: old copies of a page hold it too. */
static void replace(const Sample *sample, const void *from, const void *to, size_t size) {
        uint8_t *p = sample->bytes;
        unsigned n = 0;

        while ((p = memmem(p, sample->size - (size_t) (p - sample->bytes), from, size))) {
                memcpy(p, to, size);
                n++;
        }
        assert_true(n > 0);
        write_file(sample->path, sample->bytes, sample->size);
}

static void test_L10_a_newer_format_is_refused_by_name(void **state) {
        replace(*state, "format\2\0\0", "format\7\0\0", 9);
        expect_refused(*state, "format 7, this websessd knows 2", "install the websess that wrote it");
}

static void test_S18_a_foreign_file_is_refused(void **state) {
        static const char text[10000] = "SQLite format 3";
        const Sample *sample = *state;

        write_file(sample->path, text, sizeof(text));
        expect_refused(sample, "not a database of websess", "move it away");
        write_file(sample->path, text, 5);
        expect_refused(sample, "not a database of websess", "move it away");
}

static void test_S18_a_database_of_another_program_is_refused(void **state) {
        replace(*state, "sessions", "sausages", 8);
        expect_refused(*state, "of another program", "move it away");
}

static void test_S18_what_is_no_file_is_refused(void **state) {
        const Sample *sample = *state;

        unlink(sample->path);
        assert_int_equal(mkdir(sample->path, 0700), 0);
        expect_refused(sample, "not even a regular file", "move it away");
        assert_int_equal(rmdir(sample->path), 0);
        assert_int_equal(symlink("/etc/passwd", sample->path), 0);
        expect_refused(sample, "cannot be opened", "may read it");
}

static void test_S18_a_truncated_file_is_refused(void **state) {
        const Sample *sample = *state;
        const size_t sizes[] = { sample->size - 1, sample->size - 4096, sample->size / 2, 3 * 4096, 8192, 8191, 4096, 200 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                write_file(sample->path, sample->bytes, sizes[i]);
                expect_refused(sample, "truncated", "restore a backup");
        }
        write_file(sample->path, sample->bytes, sample->size);
        expect_good(sample);
}

static void test_an_empty_file_is_a_new_database(void **state) {
        Sample *sample = *state;
        Contents c;

        write_file(sample->path, "", 0);
        contents_of(sample->folder, &c);
        assert_int_equal(c.n, 0);
}

/* The meta page before the last, made to look like the newest: its tree is whole, and older. */
static void test_S18_an_old_state_shown_as_the_newest_is_refused(void **state) {
        Sample *sample = *state;
        uint64_t a, b;
        uint8_t *older;

        memcpy(&a, sample->bytes + 144, sizeof(a));
        memcpy(&b, sample->bytes + 4096 + 144, sizeof(b));
        older = sample->bytes + (a < b ? 0 : 4096);
        a = (a < b ? a : b) + 2;
        memcpy(older + 144, &a, sizeof(a));
        write_file(sample->path, sample->bytes, sample->size);
        expect_refused(sample, "an old state is shown as the newest", "restore a backup");
}

static void test_S18_a_damaged_record_is_left_out(void **state) {
        Sample *sample = *state;
        Contents c;
        Ident id = id_of(123);
        uint8_t *p = sample->bytes;

        /* Behind the key lies the record: a byte of its user. */
        while ((p = memmem(p, sample->size - (size_t) (p - sample->bytes), id.bytes, sizeof(id.bytes)))) {
                uint8_t *user = memmem(p, 400, "user0001", 8);

                if (user)
                        user[3] = 'X';
                p++;
        }
        write_file(sample->path, sample->bytes, sample->size);
        contents_of(sample->folder, &c);
        assert_int_equal(c.there[123], 0);
        assert_int_equal(c.n_damaged, 1);
        assert_int_equal(c.n, sample->good.n - 1);
}

/* ---- damage that no checksum of a record sees: aimed at, since chance rarely hits it ---- */

static int take_sessions(void *userdata, const PageEntry *e) {
        PageEntry *found = userdata;

        if (e->key_size == 8 && memcmp(e->key, "sessions", 8) == 0)
                *found = *e;
        return 0;
}

/* The separator between the first two leaves, one up or down: a look-up would miss a session that a walk still finds. */
static void test_S18_a_separator_that_misleads_is_refused(void **state) {
        Sample *sample = *state;
        PageEntry entry = { 0 };
        uint8_t *node, *key;
        uint16_t offset;
        PageTree tree;
        PageFile p;

        assert_int_equal(page_file_open(&p, sample->bytes, sample->size), 0);
        assert_int_equal(page_walk(&p, &p.main_tree, take_sessions, &entry), 0);
        assert_int_equal(page_tree_read(&p, &entry, &tree), 0);
        page_file_done(&p);
        assert_int_equal(tree.depth, 2);

        node = sample->bytes + tree.root * 4096;
        memcpy(&offset, node + 16 + 2, sizeof(offset));
        key = node + offset + 8;
        for (int step = -1; step <= 1; step += 2) {
                key[7] = (uint8_t) (key[7] + step);
                write_file(sample->path, sample->bytes, sample->size);
                expect_refused(sample, "out of order", "restore a backup");
                key[7] = (uint8_t) (key[7] - step);
        }
        write_file(sample->path, sample->bytes, sample->size);
        expect_good(sample);
}

static int take_free_list(void *userdata, const PageEntry *e) {
        const void **list = userdata;
        uint64_t count;

        memcpy(&count, e->value, sizeof(count));
        if (count > 0)
                *list = e->value;
        return 0;
}

/* A page in use that is also said to be free would be written over. */
static void test_S18_a_page_both_used_and_free_is_refused(void **state) {
        Sample *sample = *state;
        const void *list = NULL;
        uint64_t count, number, root, at = 1;
        PageFile p;

        assert_int_equal(page_file_open(&p, sample->bytes, sample->size), 0);
        assert_int_equal(page_walk(&p, &p.free_tree, take_free_list, &list), 0);
        root = p.main_tree.root;
        page_file_done(&p);
        assert_non_null(list);

        /* Numbers descend, and still do when one is put in the place of the next smaller one, or of the last. */
        memcpy(&count, list, sizeof(count));
        for (; at < count; at++) {
                memcpy(&number, (const uint8_t *) list + 8 * at, sizeof(number));
                if (number < root)
                        break;
        }
        memcpy((uint8_t *) (uintptr_t) list + 8 * at, &root, sizeof(root));
        write_file(sample->path, sample->bytes, sample->size);
        expect_refused(sample, "used twice", "restore a backup");
}

/* A clock that went wrong would revive sessions, or end them all. */
static void test_S18_a_damaged_mark_is_refused(void **state) {
        replace(*state, "mark\7\0\0", "mark\6\0\0", 7);
        expect_refused(*state, "its table of marks is damaged", "restore a backup");
}

/* ---- the checker as a program ---- */

static int open_checked_by(const Sample *sample, const char *checker, Store **ret, Fault *f) {
        *f = (Fault) { 0 };
        *ret = NULL;
        return store_open(ret, &(StoreOptions) { .directory = sample->folder, .max_bytes = 64 * MIB, .checker = checker }, f);
}

static void write_checker(const Sample *sample, char *path, size_t size, const char *script) {
        snprintf(path, size, "%s/filler", sample->folder);
        write_file(path, script, strlen(script));
        assert_int_equal(chmod(path, 0700), 0);
}

static void test_S18_a_checker_that_crashes_means_damaged(void **state) {
        const Sample *sample = *state;
        char path[512];
        Store *s;
        Fault f;

        write_checker(sample, path, sizeof(path), "#!/bin/sh\nkill -SEGV $$\n");
        assert_int_equal(open_checked_by(sample, path, &s, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "damaged, its check ended by signal 11: move it away"));
        assert_int_equal(open_checked_by(sample, "/nonexistent", &s, &f), -ENOENT);
}

static void test_the_checker_is_told_the_file_and_heard(void **state) {
        const Sample *sample = *state;
        char path[512];
        Store *s;
        Fault f;

        write_checker(sample, path, sizeof(path), "#!/bin/sh\n[ $1 = --check-store ] && echo \"a note\" >&2 && echo \"looked at $2\" >&2\nexit 2\n");
        assert_int_equal(open_checked_by(sample, path, &s, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "looked at "));
        assert_non_null(strstr(f.text, "install the websess that wrote it"));
        write_checker(sample, path, sizeof(path), "#!/bin/sh\nexit 0\n");
        assert_int_equal(open_checked_by(sample, path, &s, &f), 0);
        store_free(s);
}

/* ---- by chance ---- */

/* Opened all the same: then what is there is what was stored, no less is wrong than a record left out, and a change is kept. */
static void check_believed(const Sample *sample, Store *s, size_t offset) {
        Contents c;
        Store *again;
        Fault f;

        read_contents(s, &c);
        for (size_t n = 0; n < sizeof(c.there); n++)
                if (c.there[n] != 0 && c.there[n] != sample->good.there[n])
                        fail_msg("a flip at %zu: session %zu has version %u", offset, n, c.there[n]);
        if (c.n + c.n_damaged != sample->good.n)
                fail_msg("a flip at %zu: %u sessions and %u damaged", offset, c.n, c.n_damaged);
        assert_int_equal(store_start(s), 0);
        assert_int_equal(delete_and_wait(s, 1), 0);
        assert_int_equal(put_and_wait(s, 4000, 1), 0);
        store_free(s);

        assert_int_equal(try_open(sample, &again, &f), 0);
        read_contents(again, &c);
        assert_int_equal(c.there[1], 0);
        assert_int_equal(c.there[4000], 1);
        store_free(again);
}

static void test_S18_bits_flipped_page_by_page(void **state) {
        Sample *sample = *state;
        unsigned n_refused = 0, n_opened = 0;

        srandom(18);
        for (size_t page = 0; page < sample->size; page += 4096)
                for (unsigned i = 0; i < 16; i++) {
                        /* Every other one in the page's header, where it hurts most. */
                        size_t offset = page + (size_t) random() % (i % 2 ? 4096 : 160);
                        uint8_t bit = (uint8_t) (1u << random() % 8);
                        Store *s;
                        Fault f;
                        int r;

                        sample->bytes[offset] ^= bit;
                        write_file(sample->path, sample->bytes, sample->size);
                        sample->bytes[offset] ^= bit;
                        r = try_open(sample, &s, &f);
                        assert_true(r == 0 || r == FAULT_UNAVAILABLE);
                        if (r == 0)
                                check_believed(sample, s, offset);
                        n_refused += r != 0;
                        n_opened += r == 0;
                }
        assert_true(n_refused > 20);
        assert_true(n_opened > 20);
}

static int ignore_entry(void *userdata, const PageEntry *e) {
        uint8_t *sum = userdata;

        for (size_t i = 0; i < e->value_size; i++)
                *sum ^= ((const uint8_t *) e->value)[i];
        return 0;
}

static int walk_table(void *userdata, const PageEntry *e) {
        PageFile *p = userdata;
        PageTree tree;
        uint8_t sum = 0;
        int r;

        r = page_tree_read(p, e, &tree);
        return r < 0 ? r : page_walk(p, &tree, ignore_entry, &sum);
}

/* The walker alone, on bytes in a block of exactly their size: a sanitizer sees one byte too far. */
static void test_S18_the_walker_stays_inside_whatever_it_reads(void **state) {
        Sample *sample = *state;
        uint8_t *bytes = malloc(sample->size);

        srandom(19);
        for (unsigned i = 0; i < 20000; i++) {
                size_t where[4];
                PageFile p;

                memcpy(bytes, sample->bytes, i == 0 ? sample->size : 0);
                for (size_t k = 0; k < ELEMENTSOF(where); k++) {
                        where[k] = (size_t) random() % (sample->size / 4096) * 4096 + (size_t) random() % (random() % 2 ? 32 : 4096);
                        bytes[where[k]] = (uint8_t) random();
                }
                if (page_file_open(&p, bytes, sample->size) == 0) {
                        (void) page_walk(&p, &p.main_tree, walk_table, &p);
                        (void) page_walk_free(&p);
                }
                page_file_done(&p);
                for (size_t k = 0; k < ELEMENTSOF(where); k++)
                        bytes[where[k]] = sample->bytes[where[k]];
        }
        free(bytes);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_L10_a_newer_format_is_refused_by_name),
                TEST(test_S18_a_foreign_file_is_refused),
                TEST(test_S18_a_database_of_another_program_is_refused),
                TEST(test_S18_what_is_no_file_is_refused),
                TEST(test_S18_a_truncated_file_is_refused),
                TEST(test_an_empty_file_is_a_new_database),
                TEST(test_S18_an_old_state_shown_as_the_newest_is_refused),
                TEST(test_S18_a_damaged_record_is_left_out),
                TEST(test_S18_a_separator_that_misleads_is_refused),
                TEST(test_S18_a_page_both_used_and_free_is_refused),
                TEST(test_S18_a_damaged_mark_is_refused),
                TEST(test_S18_a_checker_that_crashes_means_damaged),
                TEST(test_the_checker_is_told_the_file_and_heard),
                TEST(test_S18_bits_flipped_page_by_page),
                TEST(test_S18_the_walker_stays_inside_whatever_it_reads),
        };

        /* A thousand databases are written and opened: in memory, where syncing costs nothing. */
        if (access("/dev/shm", W_OK) == 0)
                setenv("TMPDIR", "/dev/shm", 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
