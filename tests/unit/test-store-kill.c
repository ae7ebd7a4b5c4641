/* SPDX-License-Identifier: MIT */
/* L01: the process is killed at any moment; what was acknowledged before is there afterwards, created or gone. */
#include "store-fixture.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define CYCLES 50u
#define N_MAX 4096u

/* What the child tells of each step, before it submits and after it was told of success. */
typedef enum Step {
        CREATE_ACKNOWLEDGED = 1,
        DELETE_SUBMITTED,
        DELETE_ACKNOWLEDGED,
} Step;

typedef struct Report {
        uint32_t step, n;
} Report;

static int report_fd;

static void report(Step step, uint64_t n) {
        Report r = { step, (uint32_t) n };

        if (write(report_fd, &r, sizeof(r)) != sizeof(r))
                _exit(1);
}

static void created(StoreChange *c, int result, void *userdata) {
        if (result != 0)
                _exit(2);
        report(CREATE_ACKNOWLEDGED, (uintptr_t) userdata);
}

static void deleted(StoreChange *c, int result, void *userdata) {
        if (result != 0)
                _exit(3);
        report(DELETE_ACKNOWLEDGED, (uintptr_t) userdata);
}

static void wait_and_collect(Store *s) {
        struct pollfd p = { .fd = store_fd(s), .events = POLLIN };

        if (poll(&p, 1, 10000) != 1)
                _exit(4);
        store_collect(s);
}

/* Creates a few, deletes every third, never stops. */
static void child(const char *folder, uint64_t first) {
        Store *s = must_open(folder);

        for (uint64_t n = first; n < N_MAX; n++) {
                store_submit(s, put_change(n, 1), created, (void *) (uintptr_t) n);
                if (n % 3 == 0 && n > first + 8) {
                        report(DELETE_SUBMITTED, n - 7);
                        store_submit(s, delete_change(n - 7), deleted, (void *) (uintptr_t) (n - 7));
                }
                if (n % 5 == 0)
                        wait_and_collect(s);
        }
        for (;;)
                wait_and_collect(s);
}

/* A delete may be submitted before its create is acknowledged: steps only go up. */
static void note(Step steps[static N_MAX], const Report *r) {
        assert_true(r->n < N_MAX);
        if (steps[r->n] < (Step) r->step)
                steps[r->n] = r->step;
}

static void read_reports(int fd, Step steps[static N_MAX]) {
        Report r;

        while (read(fd, &r, sizeof(r)) == sizeof(r))
                note(steps, &r);
}

static pid_t start_child(const char *folder, uint64_t first, int *ret_fd) {
        int pair[2];
        pid_t pid;

        assert_int_equal(pipe(pair), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(pair[0]);
                report_fd = pair[1];
                child(folder, first);
        }
        close(pair[1]);
        *ret_fd = pair[0];
        return pid;
}

/* The moment is random: within the first milliseconds after the first acknowledgement. */
static void kill_somewhen(pid_t pid, int fd, Step steps[static N_MAX]) {
        struct timespec delay = { .tv_nsec = random() % 8000000 };
        Report r;
        int status;

        assert_int_equal(read(fd, &r, sizeof(r)), sizeof(r));
        note(steps, &r);
        nanosleep(&delay, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        read_reports(fd, steps);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check(const Contents *c, const Step steps[static N_MAX]) {
        for (unsigned n = 0; n < N_MAX; n++) {
                if (steps[n] == CREATE_ACKNOWLEDGED && c->there[n] == 0)
                        fail_msg("session %u was acknowledged and is lost", n);
                if (steps[n] == DELETE_ACKNOWLEDGED && c->there[n] != 0)
                        fail_msg("session %u was revoked and is back", n);
        }
        assert_int_equal(c->n_damaged, 0);
}

static void test_L01_killed_at_any_moment_nothing_acknowledged_is_lost_or_revived(void **state) {
        static Step steps[N_MAX];
        unsigned n_acknowledged = 0;
        char *folder = folder_new();
        uint64_t first = 1;
        Contents c;

        srandom(1);
        for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
                pid_t pid;
                int fd;

                pid = start_child(folder, first, &fd);
                kill_somewhen(pid, fd, steps);
                close(fd);
                contents_of(folder, &c);
                check(&c, steps);
                for (unsigned n = first; n < N_MAX; n++) {
                        n_acknowledged += steps[n] != 0;
                        if (c.there[n] != 0 || steps[n] != 0)
                                first = n + 1;
                }
                if (first < N_MAX - 1500)
                        continue;
                /* The numbers run out: begin anew. */
                folder_free(folder);
                folder = folder_new();
                memset(steps, 0, sizeof(steps));
                first = 1;
        }
        assert_true(n_acknowledged > 2 * CYCLES);
        folder_free(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_L01_killed_at_any_moment_nothing_acknowledged_is_lost_or_revived),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
