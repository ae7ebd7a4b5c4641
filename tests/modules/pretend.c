/* SPDX-License-Identifier: MIT */
/*
 * No PAM module: to be preloaded into a program, so that it sees a machine with something wrong that cannot be made wrong here.
 *
 *   PRETEND_CLOCK=FILE     the wall clock is off by as many seconds as stand in the file
 *   PRETEND_SYNC=yes|no    what the kernel thinks of its clock
 *   PRETEND_NO_PIDFD=1     a kernel without SO_PEERPIDFD
 *   PRETEND_DUMPABLE=1     a process that cannot make itself undumpable
 *   PRETEND_TID=1          a kernel that does not notice the end of a robust futex's owner
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PEERPIDFD 77

static long offset(void) {
        const char *path = getenv("PRETEND_CLOCK");
        FILE *file = path ? fopen(path, "re") : NULL;
        char text[32] = "";

        if (!file)
                return 0;
        if (!fgets(text, sizeof(text), file))
                text[0] = '\0';
        (void) fclose(file);
        return strtol(text, NULL, 10);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ts) {
        long r = syscall(SYS_clock_gettime, clock, ts);

        if (r == 0 && clock == CLOCK_REALTIME)
                ts->tv_sec += offset();
        return (int) r;
}

EXPORT int adjtimex(struct timex *t) {
        const char *sync = getenv("PRETEND_SYNC");
        long r = syscall(SYS_adjtimex, t);

        if (!sync)
                return (int) r;
        t->maxerror = 1000;
        t->status = *sync == 'y' ? 0 : STA_UNSYNC;
        return *sync == 'y' ? TIME_OK : TIME_ERROR;
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size) {
        if (level == SOL_SOCKET && name == PEERPIDFD && getenv("PRETEND_NO_PIDFD")) {
                errno = ENOPROTOOPT;
                return -1;
        }
        return (int) syscall(SYS_getsockopt, fd, level, name, value, size);
}

EXPORT int prctl(int option, ...) {
        unsigned long a[4];
        va_list ap;

        va_start(ap, option);
        for (int i = 0; i < 4; i++)
                a[i] = va_arg(ap, unsigned long);
        va_end(ap);
        if (option == PR_SET_DUMPABLE && getenv("PRETEND_DUMPABLE"))
                return 0;
        return (int) syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

EXPORT pid_t gettid(void) {
        return getenv("PRETEND_TID") ? 1 : (pid_t) syscall(SYS_gettid);
}
