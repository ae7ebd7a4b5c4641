/* SPDX-License-Identifier: MIT */
/* The store by itself: what is acknowledged is there, in order, in groups, for one owner, and can be copied. */
#include "store-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int set_up(void **state) {
        *state = folder_new();
        return 0;
}

static int tear_down(void **state) {
        folder_free(*state);
        return 0;
}

static void test_F7_sessions_survive_a_restart(void **state) {
        Store *s = must_open(*state);
        Contents c;

        for (uint64_t n = 1; n <= 100; n++)
                assert_int_equal(put_and_wait(s, n, 1), 0);
        assert_int_equal(put_and_wait(s, 7, 9), 0);
        assert_int_equal(delete_and_wait(s, 50), 0);
        assert_int_equal(delete_and_wait(s, 50), 0);
        assert_int_equal(delete_and_wait(s, 4000), 0);
        store_free(s);

        contents_of(*state, &c);
        assert_int_equal(c.n, 99);
        assert_int_equal(c.n_damaged, 0);
        assert_int_equal(c.there[7], 9);
        assert_int_equal(c.there[50], 0);
        assert_int_equal(c.there[100], 1);
}

static int note_sorted(void *userdata, const Ident *id, const void *data, size_t size) {
        uint64_t *last = userdata;

        assert_true(number_of(id) > *last);
        *last = number_of(id);
        return 0;
}

static void test_records_load_in_order_of_id_whatever_the_order_of_creation(void **state) {
        Store *s = must_open(*state);
        uint64_t last = 0;

        for (uint64_t n = 1; n <= 500; n++)
                assert_int_equal(put_and_wait(s, 1 + n * 7 % 501, 1), 0);
        assert_int_equal(store_load(s, note_sorted, &last), 0);
        assert_int_equal(last, 501);
        store_free(s);
}

static int stop_at_ten(void *userdata, const Ident *id, const void *data, size_t size) {
        return number_of(id) == 10 ? -EINTR : 0;
}

static void test_a_negative_return_stops_loading(void **state) {
        Store *s = must_open(*state);

        for (uint64_t n = 1; n <= 20; n++)
                assert_int_equal(put_and_wait(s, n, 1), 0);
        assert_int_equal(store_load(s, stop_at_ten, NULL), -EINTR);
        store_free(s);
}

typedef struct Order {
        unsigned next;
        unsigned mine[200];
} Order;

static Order order;

static void note_order(StoreChange *c, int result, void *userdata) {
        assert_int_equal(result, 0);
        assert_ptr_equal(userdata, &order.mine[order.next]);
        order.next++;
}

static void test_changes_come_back_in_the_order_they_went(void **state) {
        Store *s = must_open(*state);

        memset(&order, 0, sizeof(order));
        for (unsigned i = 0; i < ELEMENTSOF(order.mine); i++) {
                store_submit(s, i % 3 == 2 ? delete_change(i - 1) : put_change(i + 1, 1), note_order, &order.mine[i]);
                if (i % 20 == 0)
                        store_collect(s);
        }
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(order.next, ELEMENTSOF(order.mine));
        store_free(s);
}

static void test_what_is_queued_together_is_committed_in_one_group(void **state) {
        Fault f = { 0 };
        Store *s = NULL;
        Outcome o = { 0 };
        StoreStatus status;

        assert_int_equal(open_store(&s, *state, 64 * MIB, MIB, &f), 0);
        for (uint64_t n = 1; n <= 50; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(o.n_done, 0);
        assert_int_equal(store_start(s), 0);
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(o.n_ok, 50);
        store_status(s, &status);
        assert_int_equal(status.groups, 1);
        assert_int_equal(status.changes, 50);
        assert_int_equal(status.sessions, 50);
        assert_true(status.reserved);
        store_free(s);
}

static void test_completion_makes_the_descriptor_readable(void **state) {
        Store *s = must_open(*state);
        struct pollfd p = { .fd = store_fd(s), .events = POLLIN };
        Outcome o = { 0 };

        assert_int_equal(poll(&p, 1, 0), 0);
        submit(s, put_change(1, 1), &o);
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(o.n_done, 0);
        assert_int_equal(store_collect(s), 0);
        assert_int_equal(o.n_ok, 1);
        assert_int_equal(poll(&p, 1, 0), 0);
        store_free(s);
}

static void test_freeing_commits_what_is_queued(void **state) {
        Store *s = must_open(*state);
        Outcome o = { 0 };
        Contents c;

        for (uint64_t n = 1; n <= 300; n++)
                submit(s, put_change(n, 1), &o);
        store_free(s);
        contents_of(*state, &c);
        assert_int_equal(c.n, 300);
}

static void test_a_mark_is_kept_with_its_group(void **state) {
        SteadyMark mark = { .boot_id = { 1, 2, 3 }, .realtime = 4, .boottime = 5, .steady = UINT64_MAX - 6 }, found;
        Store *s = must_open(*state);
        StoreChange *c = NULL;
        Outcome o = { 0 };

        assert_false(store_mark(s, &found));
        assert_int_equal(store_change_new(&c), 0);
        assert_int_equal(store_change_mark(c, &mark), 0);
        assert_true(store_change_is_revocation(c));
        submit(s, c, &o);
        assert_int_equal(store_drain(s), 0);
        store_free(s);

        s = must_open(*state);
        assert_true(store_mark(s, &found));
        assert_memory_equal(&found, &mark, sizeof(mark));
        store_free(s);
}

static void test_only_deletes_and_marks_are_a_revocation(void **state) {
        StoreChange *c = delete_change(1);

        assert_true(store_change_is_revocation(c));
        store_change_free(c);
        c = put_change(1, 1);
        assert_false(store_change_is_revocation(c));
        store_change_free(c);
        assert_null(store_change_free(NULL));
}

/* The child's open meets the parent's lock. */
static void test_a_second_broker_is_refused_by_pid(void **state) {
        Store *s = must_open(*state), *second = NULL;
        char expected[64];
        Fault f = { 0 };
        int status;
        pid_t pid;

        snprintf(expected, sizeof(expected), "another websessd (pid %d) owns", (int) getpid());
        pid = fork();
        if (pid == 0)
                _exit(open_store(&second, *state, MIB, 0, &f) == FAULT_UNAVAILABLE && strstr(f.text, expected) ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(open_store(&second, *state, MIB, 0, &f), FAULT_UNAVAILABLE);
        assert_null(second);
        store_free(s);
        store_free(must_open(*state));
}

static void test_a_folder_that_is_not_there_is_named(void **state) {
        Store *s = NULL;
        Fault f = { 0 };

        assert_int_equal(open_store(&s, "/nonexistent/websess", MIB, 0, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "/nonexistent/websess"));
}

/* ---- backup ---- */

static int backup_result;
static unsigned backups_done;

static void note_backup(int result, void *userdata) {
        backup_result = result;
        backups_done++;
}

static void wait_for_backup(Store *s) {
        unsigned before = backups_done;

        while (backups_done == before) {
                struct pollfd p = { .fd = store_fd(s), .events = POLLIN };

                assert_int_equal(poll(&p, 1, 40000), 1);
                store_collect(s);
        }
}

static int open_backup(const char *folder, char *path, size_t size) {
        int fd;

        snprintf(path, size, "%s/backup", folder);
        fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        return fd;
}

static void test_L10_a_backup_made_under_load_restores_what_was_there(void **state) {
        _cleanup_free_ char *database = database_path(*state);
        Store *s = must_open(*state);
        Outcome o = { 0 };
        Contents before, after;
        char path[512];

        for (uint64_t n = 1; n <= 2000; n++)
                submit(s, put_change(n, 3), &o);
        assert_int_equal(store_drain(s), 0);
        read_contents(s, &before);
        assert_int_equal(store_backup(s, open_backup(*state, path, sizeof(path)), note_backup, NULL), 0);
        for (uint64_t n = 2001; n <= 2500; n++) {
                submit(s, put_change(n, 4), &o);
                submit(s, delete_change(n), &o);
        }
        wait_for_backup(s);
        assert_int_equal(backup_result, 0);
        assert_int_equal(store_drain(s), 0);
        store_free(s);

        assert_int_equal(rename(path, database), 0);
        contents_of(*state, &after);
        assert_int_equal(after.n_damaged, 0);
        assert_memory_equal(after.there, before.there, 2001);

        /* And goes on from there. */
        for (unsigned i = 0; i < 3; i++) {
                s = must_open(*state);
                assert_int_equal(put_and_wait(s, 3000 + i, 1), 0);
                assert_int_equal(delete_and_wait(s, 1 + i), 0);
                store_free(s);
        }
        contents_of(*state, &after);
        assert_int_equal(after.there[3002], 1);
        assert_int_equal(after.there[3], 0);
}

static void test_a_backup_whose_reader_left_fails_alone(void **state) {
        Store *s = must_open(*state);
        Outcome o = { 0 };
        int pair[2];

        for (uint64_t n = 1; n <= 2000; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        close(pair[0]);
        assert_int_equal(store_backup(s, pair[1], note_backup, NULL), 0);
        wait_for_backup(s);
        assert_int_equal(backup_result, -EPIPE);
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(o.n_ok, 2000);

        assert_int_equal(store_backup(s, open("/dev/full", O_WRONLY | O_CLOEXEC), note_backup, NULL), 0);
        wait_for_backup(s);
        assert_int_equal(backup_result, -ENOSPC);
        assert_int_equal(put_and_wait(s, 2001, 1), 0);
        store_free(s);
}

/* Nobody reads; the store can still be freed, and a second copy is refused meanwhile. */
static void backup_into(void **state, int destination, int other) {
        Store *s = must_open(*state);
        unsigned before = backups_done;
        Outcome o = { 0 };

        for (uint64_t n = 1; n <= 4000; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(store_backup(s, destination, note_backup, NULL), 0);
        assert_int_equal(store_backup(s, open("/dev/null", O_WRONLY | O_CLOEXEC), note_backup, NULL), -EBUSY);
        assert_int_equal(put_and_wait(s, 4001, 1), 0);
        store_free(s);
        assert_int_equal(backups_done, before + 1);
        assert_int_equal(backup_result, -ECANCELED);
        close(other);
}

static void test_a_backup_that_nobody_reads_holds_nobody_up(void **state) {
        int pair[2];

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        backup_into(state, pair[1], pair[0]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        backup_into(state, pair[1], pair[0]);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_F7_sessions_survive_a_restart),
                TEST(test_records_load_in_order_of_id_whatever_the_order_of_creation),
                TEST(test_a_negative_return_stops_loading),
                TEST(test_changes_come_back_in_the_order_they_went),
                TEST(test_what_is_queued_together_is_committed_in_one_group),
                TEST(test_completion_makes_the_descriptor_readable),
                TEST(test_freeing_commits_what_is_queued),
                TEST(test_a_mark_is_kept_with_its_group),
                TEST(test_only_deletes_and_marks_are_a_revocation),
                TEST(test_a_second_broker_is_refused_by_pid),
                TEST(test_a_folder_that_is_not_there_is_named),
                TEST(test_L10_a_backup_made_under_load_restores_what_was_there),
                TEST(test_a_backup_whose_reader_left_fails_alone),
                TEST(test_a_backup_that_nobody_reads_holds_nobody_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
