/* SPDX-License-Identifier: MIT */
/* No room: creating is refused with a named error, revoking works all the same, and room given back is used without a restart. */
#include "store-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* ---- the map ---- */

static int set_up(void **state) {
        *state = folder_new();
        return 0;
}

static int tear_down(void **state) {
        folder_free(*state);
        return 0;
}

static Store *open_small(const char *folder, uint64_t max_bytes, uint64_t reserve_bytes) {
        Fault f = { 0 };
        Store *s = NULL;
        int r;

        r = open_store(&s, folder, max_bytes, reserve_bytes, &f);
        if (r != 0)
                fail_msg("store_open: %d %s", r, f.text);
        assert_int_equal(store_load(s, NULL, NULL), 0);
        assert_int_equal(store_start(s), 0);
        return s;
}

/* Create until it is refused; the number that was. */
static uint64_t fill(Store *s, int expected) {
        for (uint64_t n = 1; n < 4000; n++) {
                int r = put_and_wait(s, n, 1);

                if (r == 0)
                        continue;
                assert_int_equal(r, expected);
                return n;
        }
        fail_msg("never full");
        return 0;
}

static void empty_and_use_again(Store *s, uint64_t full, int expected) {
        StoreStatus status;

        assert_int_equal(put_and_wait(s, full, 1), expected);
        store_status(s, &status);
        assert_int_equal(status.last_error, expected);
        for (uint64_t n = 1; n < full; n++)
                assert_int_equal(delete_and_wait(s, n), 0);
        store_status(s, &status);
        assert_int_equal(status.sessions, 0);
        assert_int_equal(status.last_error, expected);
        if (expected != -E2BIG)
                return;         /* the disk is still full */
        assert_int_equal(put_and_wait(s, full, 1), 0);
        store_status(s, &status);
        assert_int_equal(status.last_error, 0);
        assert_int_equal(delete_and_wait(s, full), 0);
}

static void test_L03_a_full_map_refuses_to_create_and_still_revokes(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);

        assert_true(full > 500);
        empty_and_use_again(s, full, -E2BIG);
        assert_true(fill(s, -E2BIG) > full / 2);
        store_free(s);
}

static void test_L03_a_full_map_revokes_after_a_restart(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);

        store_free(s);
        s = open_small(*state, MIB, 0);
        empty_and_use_again(s, full, -E2BIG);
        store_free(s);
}

static void test_L03_a_map_made_smaller_than_its_contents_still_revokes(void **state) {
        Store *s = open_small(*state, 16 * MIB, 0);
        Outcome o = { 0 };

        for (uint64_t n = 1; n < 4000; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(store_drain(s), 0);
        store_free(s);
        s = open_small(*state, MIB, 0);
        assert_int_equal(put_and_wait(s, 4000, 1), -E2BIG);
        for (uint64_t n = 1; n < 4000; n += 100)
                assert_int_equal(delete_and_wait(s, n), 0);
        /* The last page in use never comes back down; what is free before it is room all the same. */
        for (uint64_t n = 1; n < 4000; n++)
                assert_int_equal(delete_and_wait(s, n), 0);
        assert_int_equal(put_and_wait(s, 4000, 1), 0);
        store_free(s);
}

static int revoke_all(Store *s, uint64_t n_sessions) {
        StoreChange *c = NULL;
        Outcome o = { 0 };

        assert_int_equal(store_change_new(&c), 0);
        for (uint64_t n = 1; n <= n_sessions; n++) {
                Ident id = id_of(n);

                assert_int_equal(store_change_delete(c, &id), 0);
        }
        submit(s, c, &o);
        store_drain(s);
        assert_int_equal(o.n_done, 1);
        return o.first_error;
}

static void test_L03_a_full_map_takes_one_revocation_of_everything(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);
        StoreStatus status;

        assert_int_equal(revoke_all(s, full), 0);
        store_status(s, &status);
        assert_int_equal(status.sessions, 0);
        store_free(s);
}

/* ---- what rests on a failure ---- */

typedef struct Retry {
        Store *store;
        Outcome late;
        bool submitted;
} Retry;

static void submit_from_done(StoreChange *c, int result, void *userdata) {
        Retry *r = userdata;

        assert_true(result < 0);
        if (r->submitted)
                return;
        r->submitted = true;
        submit(r->store, delete_change(1), &r->late);
        submit(r->store, put_change(1, 2), &r->late);
}

static void test_nothing_that_rests_on_a_failed_group_is_committed(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);
        Outcome front = { 0 }, behind = { 0 };
        Contents c;

        /* The revocation in front of the failure has room; what is behind fails though it would have had. */
        submit(s, delete_change(3), &front);
        submit(s, put_change(full, 1), &behind);
        submit(s, put_change(full + 1, 1), &behind);
        submit(s, delete_change(2), &behind);
        assert_true(store_drain(s) < 0);
        assert_int_equal(front.n_ok + behind.n_ok + behind.n_canceled + (behind.first_error == -E2BIG), 4);
        assert_int_equal(front.n_ok, 1);
        assert_int_equal(behind.n_done, 3);

        read_contents(s, &c);
        assert_int_equal(c.there[3], 0);
        assert_int_equal(c.there[2], 1);
        assert_int_equal(delete_and_wait(s, 2), 0);
        store_free(s);
}

static void test_until_the_loop_has_seen_the_failure_everything_is_canceled(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);
        Outcome first = { 0 }, unseen = { 0 }, seen = { 0 };
        struct pollfd p = { .fd = store_fd(s), .events = POLLIN };

        submit(s, put_change(full, 1), &first);
        assert_int_equal(poll(&p, 1, 10000), 1);
        submit(s, delete_change(5), &unseen);
        assert_int_equal(unseen.n_done, 0);
        assert_int_equal(store_collect(s), -E2BIG);
        assert_int_equal(unseen.n_canceled, 1);
        submit(s, delete_change(5), &seen);
        assert_int_equal(store_drain(s), 0);
        assert_int_equal(seen.n_ok, 1);
        store_free(s);
}

static void test_while_failures_are_handed_back_only_revocations_are_taken(void **state) {
        Store *s = open_small(*state, MIB, 0);
        uint64_t full = fill(s, -E2BIG);
        Retry retry = { .store = s };

        store_submit(s, put_change(full, 1), submit_from_done, &retry);
        assert_int_equal(store_drain(s), -E2BIG);
        store_drain(s);
        assert_int_equal(retry.late.n_done, 2);
        assert_int_equal(retry.late.n_ok, 1);
        assert_int_equal(retry.late.n_canceled, 1);
        store_free(s);
}

/* ---- the disk: a small file system in a mount namespace of this process's own ---- */

static bool own_namespace(void) {
        static int have = -1;

        if (have < 0)
                have = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        return have;
}

static int set_up_disk(void **state) {
        char *folder = folder_new();

        *state = folder;
        if (own_namespace())
                assert_int_equal(mount("tmpfs", folder, "tmpfs", 0, "size=1m,mode=0700"), 0);
        return 0;
}

static int tear_down_disk(void **state) {
        umount2(*state, MNT_DETACH);
        return tear_down(state);
}

/* Take every block that is left. */
static void fill_disk(const char *folder) {
        char path[512], block[4096] = { 1 };
        int fd;

        snprintf(path, sizeof(path), "%s/filler", folder);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        close(fd);
}

static void free_disk(const char *folder) {
        char path[512];

        snprintf(path, sizeof(path), "%s/filler", folder);
        assert_int_equal(unlink(path), 0);
}

static void test_L03_a_full_disk_refuses_to_create_and_still_revokes(void **state) {
        uint64_t full;
        Store *s;

        if (!own_namespace())
                skip();
        s = open_small(*state, 64 * MIB, 256 * 1024);
        assert_int_equal(put_and_wait(s, 1, 1), 0);
        fill_disk(*state);
        full = fill(s, -ENOSPC);
        empty_and_use_again(s, full, -ENOSPC);

        /* What was freed inside is used again; what is freed outside, too. */
        for (uint64_t n = 1; n < full / 2; n++)
                assert_int_equal(put_and_wait(s, n, 1), 0);
        free_disk(*state);
        for (uint64_t n = 1; n < full + 50; n++)
                assert_int_equal(put_and_wait(s, n, 1), 0);
        store_free(s);
}

/* Large enough that one transaction that empties it would not fit into the reserve. */
static void test_L03_a_full_disk_takes_one_revocation_of_everything(void **state) {
        const uint64_t many = 30000;
        StoreStatus status;
        Outcome o = { 0 };
        Store *s;

        if (!own_namespace())
                skip();
        assert_int_equal(mount(NULL, *state, NULL, MS_REMOUNT, "size=32m"), 0);
        s = open_small(*state, 256 * MIB, 4 * MIB);
        for (uint64_t n = 1; n <= many; n++)
                submit(s, put_change(n, 1), &o);
        assert_int_equal(store_drain(s), 0);
        fill_disk(*state);
        assert_int_equal(revoke_all(s, many), 0);
        store_status(s, &status);
        assert_int_equal(status.sessions, 0);
        assert_int_equal(put_and_wait(s, 1, 1), 0);
        store_free(s);
}

static void test_L03_a_disk_full_at_the_start_lets_the_broker_start_and_revoke(void **state) {
        uint64_t full;
        Store *s;

        if (!own_namespace())
                skip();
        s = open_small(*state, 64 * MIB, 256 * 1024);
        assert_int_equal(put_and_wait(s, 1, 1), 0);
        fill_disk(*state);
        full = fill(s, -ENOSPC);
        store_free(s);

        s = open_small(*state, 64 * MIB, 256 * 1024);
        empty_and_use_again(s, full, -ENOSPC);
        store_free(s);
}

static void test_L03_a_database_that_cannot_be_made_is_named(void **state) {
        Store *s = NULL;
        Fault f = { 0 };

        if (!own_namespace())
                skip();
        fill_disk(*state);
        assert_int_equal(open_store(&s, *state, 64 * MIB, 0, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "the disk is full"));
        free_disk(*state);
        assert_int_equal(mount(NULL, *state, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_int_equal(open_store(&s, *state, 64 * MIB, 0, &f), FAULT_UNAVAILABLE);
        assert_non_null(strstr(f.text, "read-only"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down_disk)
        const struct CMUnitTest tests[] = {
                TEST(test_L03_a_full_map_refuses_to_create_and_still_revokes),
                TEST(test_L03_a_full_map_revokes_after_a_restart),
                TEST(test_L03_a_map_made_smaller_than_its_contents_still_revokes),
                TEST(test_L03_a_full_map_takes_one_revocation_of_everything),
                TEST(test_nothing_that_rests_on_a_failed_group_is_committed),
                TEST(test_until_the_loop_has_seen_the_failure_everything_is_canceled),
                TEST(test_while_failures_are_handed_back_only_revocations_are_taken),
                DISK_TEST(test_L03_a_full_disk_refuses_to_create_and_still_revokes),
                DISK_TEST(test_L03_a_full_disk_takes_one_revocation_of_everything),
                DISK_TEST(test_L03_a_disk_full_at_the_start_lets_the_broker_start_and_revoke),
                DISK_TEST(test_L03_a_database_that_cannot_be_made_is_named),
        };

        /* Thousands of commits: in memory, where syncing costs nothing. */
        if (access("/dev/shm", W_OK) == 0)
                setenv("TMPDIR", "/dev/shm", 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
