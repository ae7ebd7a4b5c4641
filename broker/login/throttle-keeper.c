/* SPDX-License-Identifier: MIT */
/* Owns the timer and the file's writer. */
#include "throttle-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "file-writer.h"
#include "log.h"
#include "span.h"

#define FILE_NAME "throttle"
#define FILE_SIZE_MAX (8u * 1024 * 1024)
#define LATE_USEC USEC_PER_SEC

struct ThrottleKeeper {
        Throttle *throttle;
        const Steady *steady;
        sd_event_source *timer;
        FileWriter *writer;
        uint64_t written;               /* the throttle's generation in the file, or on its way there */
        bool failed;                    /* the last writing failed, and that has been said */
};

DEFINE_CLEANUP(ThrottleKeeper *, throttle_keeper_free)

/* ---- writing ---- */

/* Take the result of the last writing. False while it goes on and is not to be waited for. */
static bool collect(ThrottleKeeper *k, bool wait) {
        int result = 0;

        if (!file_writer_is_busy(k->writer))
                return true;
        if (!file_writer_collect(k->writer, wait, &result))
                return false;
        if (result < 0 && !k->failed)
                log_error(result, "Cannot write %s: failed logins would be forgotten by a restart", file_writer_path(k->writer));
        k->failed = result < 0;
        return true;
}

static void save(ThrottleKeeper *k) {
        Now now = steady_now(k->steady);
        SteadyMark mark = steady_mark(k->steady, &now);
        uint8_t *data;
        size_t size;
        int r;

        r = throttle_encode(k->throttle, &mark, &data, &size);
        if (r == 0)
                r = file_writer_start(k->writer, data, size);
        if (r < 0) {
                log_error(r, "Cannot keep what is known of failed logins");
                return;
        }
        k->written = throttle_generation(k->throttle);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        ThrottleKeeper *k = userdata;

        (void) sd_event_source_set_time(source, UINT64_MAX);
        if (collect(k, false) && k->written != throttle_generation(k->throttle))
                save(k);
        return 0;
}

/* Before the loop waits: is there something to write, or a result to take? The timer is always on, since for one that is off this is not
 * called: without work it is set to never. */
static int on_prepare(sd_event_source *source, void *userdata) {
        ThrottleKeeper *k = userdata;
        uint64_t due;

        if (!file_writer_is_busy(k->writer) && k->written == throttle_generation(k->throttle))
                return 0;
        if (sd_event_source_get_time(source, &due) >= 0 && due != UINT64_MAX)
                return 0;
        return sd_event_source_set_time_relative(source, LATE_USEC);
}

/* ---- reading ---- */

/* 0, also when there is none; a negative errno. */
static int read_file(ThrottleKeeper *k) {
        _cleanup_close_ int fd = open(file_writer_path(k->writer), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_free_ uint8_t *data = NULL;
        Now now = steady_now(k->steady);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > FILE_SIZE_MAX)
                return -EBADMSG;
        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;
        if (read(fd, data, (size_t) st.st_size) != st.st_size)
                return -EBADMSG;
        return throttle_decode(k->throttle, data, (size_t) st.st_size, k->steady, &now);
}

/* ---- life ---- */

static int make_writer(ThrottleKeeper *k, const char *directory) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/" FILE_NAME, directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return file_writer_new(&k->writer, path, 0600);
}

int throttle_keeper_new(ThrottleKeeper **ret, sd_event *event, Throttle *throttle, const Steady *steady, const char *directory) {
        _cleanup_(throttle_keeper_freep) ThrottleKeeper *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        k->throttle = throttle;
        k->steady = steady;
        r = make_writer(k, directory);
        if (r < 0)
                return r;

        r = read_file(k);
        if (r < 0)
                log_error(r, "Cannot read %s: what was known of failed logins is lost", file_writer_path(k->writer));
        k->written = throttle_generation(throttle);
        r = sd_event_add_time(event, &k->timer, CLOCK_BOOTTIME, UINT64_MAX, 0, on_timer, k);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(k->timer, SD_EVENT_ON);
        if (r < 0)
                return r;
        r = sd_event_source_set_prepare(k->timer, on_prepare);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(k);
        return 0;
}

ThrottleKeeper *throttle_keeper_free(ThrottleKeeper *k) {
        if (!k)
                return NULL;
        if (k->writer)
                (void) collect(k, true);
        if (k->timer && k->written != throttle_generation(k->throttle)) {
                save(k);
                (void) collect(k, true);
        }
        sd_event_source_disable_unref(k->timer);
        file_writer_free(k->writer);
        free(k);
        return NULL;
}
