/* SPDX-License-Identifier: MIT */
/* Owns the file, the timer, and the thread while it writes. The thread sees a buffer of its own and nothing else. */
#include "throttle-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "span.h"

#define FILE_NAME "throttle"
#define FILE_SIZE_MAX (8u * 1024 * 1024)
#define LATE_USEC USEC_PER_SEC

struct ThrottleKeeper {
        Throttle *throttle;
        const Steady *steady;
        sd_event_source *timer;
        char *path, *fresh;             /* the file, and what is renamed to it */
        uint64_t written;               /* the throttle's generation in the file, or on its way there */

        pthread_t thread;
        bool has_thread;
        atomic_bool finished;           /* the thread has nothing more to do */
        uint8_t *data;                  /* the thread's while it runs */
        size_t size;
        int result;
        bool failed;                    /* the last writing failed, and that has been said */
};

DEFINE_CLEANUP(ThrottleKeeper *, throttle_keeper_free)

/* ---- writing ---- */

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

/* Whoever reads it sees the old one or the new one, whole. */
static int write_file(const ThrottleKeeper *k) {
        _cleanup_close_ int fd = open(k->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, k->data, k->size);
        if (r == 0 && rename(k->fresh, k->path) < 0)
                r = -errno;
        return r;
}

static void *run(void *userdata) {
        ThrottleKeeper *k = userdata;

        k->result = write_file(k);
        atomic_store(&k->finished, true);
        return NULL;
}

/* Take the thread's result. False while it still runs and wait is not wanted. */
static bool collect(ThrottleKeeper *k, bool wait) {
        if (!k->has_thread)
                return true;
        if (!wait && !atomic_load(&k->finished))
                return false;
        pthread_join(k->thread, NULL);
        k->has_thread = false;
        free(k->data);
        k->data = NULL;
        if (k->result < 0 && !k->failed)
                log_error(k->result, "Cannot write %s: failed logins would be forgotten by a restart", k->path);
        k->failed = k->result < 0;
        return true;
}

static int start(ThrottleKeeper *k) {
        sigset_t all, before;
        int r;

        atomic_store(&k->finished, false);
        /* Signals are the loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&k->thread, NULL, run, k);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        k->has_thread = r == 0;
        return -r;
}

static void save(ThrottleKeeper *k) {
        Now now = steady_now(k->steady);
        SteadyMark mark = steady_mark(k->steady, &now);
        int r;

        r = throttle_encode(k->throttle, &mark, &k->data, &k->size);
        if (r == 0)
                r = start(k);
        if (r < 0) {
                free(k->data);
                k->data = NULL;
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

        if (!k->has_thread && k->written == throttle_generation(k->throttle))
                return 0;
        if (sd_event_source_get_time(source, &due) >= 0 && due != UINT64_MAX)
                return 0;
        return sd_event_source_set_time_relative(source, LATE_USEC);
}

/* ---- reading ---- */

/* 0, also when there is none; a negative errno. */
static int read_file(ThrottleKeeper *k) {
        _cleanup_close_ int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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

int throttle_keeper_new(ThrottleKeeper **ret, sd_event *event, Throttle *throttle, const Steady *steady, const char *directory) {
        _cleanup_(throttle_keeper_freep) ThrottleKeeper *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        k->throttle = throttle;
        k->steady = steady;
        if (asprintf(&k->path, "%s/" FILE_NAME, directory) < 0)
                k->path = NULL;
        if (asprintf(&k->fresh, "%s/" FILE_NAME ".new", directory) < 0)
                k->fresh = NULL;
        if (!k->path || !k->fresh)
                return -ENOMEM;

        r = read_file(k);
        if (r < 0)
                log_error(r, "Cannot read %s: what was known of failed logins is lost", k->path);
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
        (void) collect(k, true);
        if (k->timer && k->written != throttle_generation(k->throttle)) {
                save(k);
                (void) collect(k, true);
        }
        sd_event_source_disable_unref(k->timer);
        free(k->path);
        free(k->fresh);
        free(k);
        return NULL;
}
