/* SPDX-License-Identifier: MIT */
/* The steady clock. Owns nothing; reads the clocks and the boot id in the two functions that say so, all else is pure. */
#include "steady.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "cleanup.h"

/* The steady clock of a new database: a year, so that spans can be subtracted from any point of it. */
#define STEADY_START (UINT64_C(365) * 24 * 3600 * 1000000)

static Steady steady_at(const uint8_t boot_id[static 16], uint64_t steady, uint64_t boottime) {
        Steady s = { .offset = steady - boottime };     /* may wrap; the sum wraps back */

        memcpy(s.boot_id, boot_id, sizeof(s.boot_id));
        return s;
}

static Steady after_mark(const SteadyMark *mark, const uint8_t boot_id[static 16], uint64_t realtime, uint64_t boottime) {
        uint64_t passed = 0;

        if (memcmp(mark->boot_id, boot_id, sizeof(mark->boot_id)) == 0)
                return steady_at(boot_id, mark->steady, mark->boottime);

        /* Another boot: only the wall clock saw what passed, and it may have been set back meanwhile. CLOCK_BOOTTIME
         * is no help: a container boots anew, with a boot id of its own, on a machine that has been up for weeks. */
        if (realtime > mark->realtime)
                passed = realtime - mark->realtime;
        return steady_at(boot_id, mark->steady + passed, boottime);
}

Steady steady_from_mark(const SteadyMark *mark, const uint8_t boot_id[static 16], uint64_t realtime, uint64_t boottime) {
        Steady s;

        if (!mark)
                return steady_at(boot_id, STEADY_START, boottime);

        s = after_mark(mark, boot_id, realtime, boottime);
        s.behind = mark->realtime > realtime ? mark->realtime - realtime : 0;
        return s;
}

static uint64_t clock_usec(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

Now steady_now(const Steady *s) {
        uint64_t boottime = clock_usec(CLOCK_BOOTTIME);

        return (Now) {
                .realtime = clock_usec(CLOCK_REALTIME),
                .boottime = boottime,
                .steady = boottime + s->offset,
        };
}

SteadyMark steady_mark(const Steady *s, const Now *now) {
        SteadyMark mark = {
                .realtime = now->realtime,
                .boottime = now->boottime,
                .steady = now->steady,
        };

        memcpy(mark.boot_id, s->boot_id, sizeof(mark.boot_id));
        return mark;
}

void steady_mark_write(const SteadyMark *mark, uint8_t out[static STEADY_MARK_SIZE]) {
        memcpy(out, mark->boot_id, 16);
        store_le64(out + 16, mark->realtime);
        store_le64(out + 24, mark->boottime);
        store_le64(out + 32, mark->steady);
}

SteadyMark steady_mark_read(const uint8_t data[static STEADY_MARK_SIZE]) {
        SteadyMark mark = { .realtime = load_le64(data + 16), .boottime = load_le64(data + 24), .steady = load_le64(data + 32) };

        memcpy(mark.boot_id, data, 16);
        return mark;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

int steady_boot_id(uint8_t out[static 16]) {
        _cleanup_close_ int fd = -EBADF;
        uint8_t id[16] = { 0 };
        unsigned digits = 0;
        char text[64];
        ssize_t n;

        fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text));
        if (n < 0)
                return -errno;

        for (ssize_t i = 0; i < n && digits < 32; i++) {
                int digit = hex_digit(text[i]);

                if (digit < 0)
                        continue;       /* the dashes */
                id[digits / 2] = (uint8_t) (id[digits / 2] << 4 | digit);
                digits++;
        }
        if (digits != 32)
                return -EIO;
        memcpy(out, id, sizeof(id));
        return 0;
}
