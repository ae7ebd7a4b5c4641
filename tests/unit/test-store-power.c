/* SPDX-License-Identifier: MIT */
/*
 * The disk goes away under the store: an ext4 of its own on a loop device, shut down without flushing its journal, which is what a
 * power cut looks like from inside. Needs root, a loop device and mkfs.ext4; skipped without.
 */
#include "store-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* From the kernel's uapi for ext4, where user space has no header for it: stop at once, flush nothing. */
#define FS_SHUTDOWN _IOR('X', 125, uint32_t)
#define FS_SHUTDOWN_WITHOUT_FLUSH 2u

typedef struct Disk {
        char *folder, *image;
        bool mounted;
} Disk;

__attribute__((format(printf, 1, 2)))
static bool run(const char *format, ...) {
        char command[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        return system(command) == 0;
}

static bool disk_mount(Disk *d) {
        d->mounted = run("mount -o loop '%s' '%s' 2>/dev/null", d->image, d->folder);
        return d->mounted;
}

static void disk_unmount(Disk *d) {
        if (d->mounted)
                assert_int_equal(umount(d->folder), 0);
        d->mounted = false;
}

static int set_up(void **state) {
        Disk *d = calloc(1, sizeof(*d));

        *state = d;
        d->folder = folder_new();
        assert_true(asprintf(&d->image, "%s.img", d->folder) > 0);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 0;
        if (run("truncate -s 32M '%s' && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q '%s' 2>/dev/null", d->image, d->image))
                disk_mount(d);
        return 0;
}

static int tear_down(void **state) {
        Disk *d = *state;

        disk_unmount(d);
        unlink(d->image);
        folder_free(d->folder);
        free(d->image);
        free(d);
        return 0;
}

static void cut_power(const Disk *d) {
        uint32_t how = FS_SHUTDOWN_WITHOUT_FLUSH;
        _cleanup_close_ int fd = open(d->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(ioctl(fd, FS_SHUTDOWN, &how), 0);
}

static void test_L03_after_an_error_of_the_disk_the_store_is_dead(void **state) {
        Disk *d = *state;
        StoreStatus status;
        Store *s;

        if (!d->mounted)
                skip();
        s = must_open(d->folder);
        assert_int_equal(put_and_wait(s, 1, 1), 0);
        assert_false(store_is_dead(s));
        cut_power(d);
        assert_int_equal(put_and_wait(s, 2, 1), -EIO);
        assert_true(store_is_dead(s));
        assert_int_equal(delete_and_wait(s, 1), -EIO);
        assert_int_equal(put_and_wait(s, 3, 1), -EIO);
        store_status(s, &status);
        assert_int_equal(status.last_error, -EIO);
        store_free(s);
}

#define N_MAX 4000u

typedef struct Acknowledged {
        bool created[N_MAX], deleted[N_MAX];
        unsigned n;
} Acknowledged;

static Acknowledged acknowledged;

static void note_created(StoreChange *c, int result, void *userdata) {
        acknowledged.created[(uintptr_t) userdata] = result == 0;
        acknowledged.n += result == 0;
}

static void note_deleted(StoreChange *c, int result, void *userdata) {
        acknowledged.deleted[(uintptr_t) userdata] = result == 0;
}

/* Keep the thread busy until enough is acknowledged, and cut the power under what is on its way. */
static void work_and_cut(const Disk *d, unsigned enough) {
        Store *s = must_open(d->folder);
        struct pollfd p = { .fd = store_fd(s), .events = POLLIN };

        for (uintptr_t n = 1; n < N_MAX && acknowledged.n < enough; n++) {
                store_submit(s, put_change(n, 1), note_created, (void *) n);
                if (n > 20 && n % 4 == 0)
                        store_submit(s, delete_change(n - 20), note_deleted, (void *) (n - 20));
                if (n % 16 == 0 && poll(&p, 1, 10000) == 1)
                        store_collect(s);
        }
        cut_power(d);
        store_drain(s);
        store_free(s);
}

static void test_L02_a_power_cut_loses_and_revives_nothing_acknowledged(void **state) {
        Disk *d = *state;
        Contents c;

        if (!d->mounted)
                skip();
        for (unsigned cycle = 0; cycle < 5; cycle++) {
                memset(&acknowledged, 0, sizeof(acknowledged));
                work_and_cut(d, 100 + 150 * cycle);
                assert_true(acknowledged.n >= 100);
                disk_unmount(d);
                assert_true(disk_mount(d));
                contents_of(d->folder, &c);
                assert_int_equal(c.n_damaged, 0);
                for (unsigned n = 0; n < N_MAX; n++) {
                        if (acknowledged.deleted[n])
                                assert_int_equal(c.there[n], 0);
                        else if (acknowledged.created[n] && n % 4 != 0)
                                assert_int_equal(c.there[n], 1);
                }
                assert_true(run("rm -f '%s'/sessions.mdb*", d->folder));
        }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_L03_after_an_error_of_the_disk_the_store_is_dead),
                TEST(test_L02_a_power_cut_loses_and_revives_nothing_acknowledged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
