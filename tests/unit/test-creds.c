/* SPDX-License-Identifier: MIT */
/* Units from cgroup paths, and what the kernel says about the other end of a socket. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "cleanup.h"
#include "creds.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77         /* Linux 6.5 */
#endif

static void test_S26_unit_of_a_cgroup(void **state) {
        static const struct {
                const char *path, *unit;
        } cases[] = {
                { "/system.slice/shop.service", "shop.service" },
                { "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service" },
                { "/system.slice/shop.service/worker", "shop.service" },
                { "/shop.slice/shop.service", "shop.service" },
                { "/init.scope", "init.scope" },
                { "/user.slice/user-1000.slice/session-2.scope", "session-2.scope" },
                { "/system.slice/_cpu.service", "cpu.service" },
                /* what lies below a unit is the unit's to name: a delegated folder, a container, a user's manager */
                { "/system.slice/evil.service/shop.service", "evil.service" },
                { "/system.slice/evil.service/system.slice/shop.service", "evil.service" },
                { "/machine.slice/systemd-nspawn@box.service/payload/system.slice/shop.service",
                        "systemd-nspawn@box.service" },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service", NULL },
                { "/user.slice/user-1000.slice/user@1000.service/shop.service", NULL },
                { "/../../system.slice/shop.service", NULL },
                { "/system.slice", NULL },
                { "/system.slice/shop.socket", NULL },
                { "/system.slice/docker-1234/shop.service", NULL },
                { "/.service", NULL },
                { "/", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *unit = NULL;

                assert_int_equal(creds_unit_of_cgroup(cases[i].path, &unit), 0);
                if (cases[i].unit)
                        assert_string_equal(unit ?: "none", cases[i].unit);
                else
                        assert_null(unit);
        }
}

static void test_credentials_of_a_socket(void **state) {
        Caller c = CALLER_NONE;
        bool primary = false;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(creds_of_socket(pair[0], &c), 0);
        assert_null(c.unit);            /* that has to be asked for */
        assert_int_equal(c.uid, getuid());
        assert_int_equal(c.pid, getpid());
        for (size_t i = 0; i < c.n_gids; i++)
                primary = primary || c.gids[i] == getgid();
        assert_true(primary);
        caller_done(&c);
        close(pair[0]);
        close(pair[1]);
}

static void test_S26_the_unit_of_a_socket_is_its_process_s(void **state) {
        _cleanup_free_ char *by_socket = NULL, *by_pidfd = NULL;
        int pair[2], peer = -1, pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
        socklen_t size = sizeof(peer);

        assert_true(pidfd >= 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(creds_unit_of_pidfd(pidfd, &by_pidfd), 0);
        by_socket = creds_unit_of_socket(pair[0]);
        if (getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &peer, &size) < 0)
                assert_null(by_socket); /* the kernel does not tell */
        else
                assert_string_equal(by_socket ?: "none", by_pidfd ?: "none");
        close(peer);
        close(pidfd);
        close(pair[0]);
        close(pair[1]);
}

static void test_S26_a_dead_process_has_no_unit(void **state) {
        char *unit = NULL;
        pid_t pid = fork();
        int pidfd;

        if (pid == 0)
                _exit(0);
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        assert_true(pidfd >= 0);
        /* ended but not waited for: its files in /proc are still there, and no longer believed */
        siginfo_t info;
        assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
        assert_true(creds_unit_of_pidfd(pidfd, &unit) < 0);
        assert_null(unit);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(creds_unit_of_pidfd(pidfd, &unit) < 0);
        close(pidfd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S26_unit_of_a_cgroup),
                cmocka_unit_test(test_credentials_of_a_socket),
                cmocka_unit_test(test_S26_the_unit_of_a_socket_is_its_process_s),
                cmocka_unit_test(test_S26_a_dead_process_has_no_unit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
