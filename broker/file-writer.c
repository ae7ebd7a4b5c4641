/* SPDX-License-Identifier: MIT */
/* Owns the thread while it writes. The thread sees a buffer of its own and nothing else. */
#include "file-writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "thread.h"

struct FileWriter {
        char *path, *fresh;             /* the file, and what is renamed to it */
        mode_t mode;

        pthread_t thread;
        bool has_thread;
        atomic_bool finished;           /* the thread has nothing more to do */
        uint8_t *data;                  /* the thread's while it runs */
        size_t size;
        int result;
};

int file_writer_new(FileWriter **ret, const char *path, mode_t mode) {
        _cleanup_(file_writer_freep) FileWriter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->mode = mode;
        w->path = strdup(path);
        if (asprintf(&w->fresh, "%s.new", path) < 0)
                w->fresh = NULL;
        if (!w->path || !w->fresh)
                return -ENOMEM;
        *ret = TAKE_PTR(w);
        return 0;
}

FileWriter *file_writer_free(FileWriter *w) {
        int ignored;

        if (!w)
                return NULL;
        (void) file_writer_collect(w, true, &ignored);
        free(w->path);
        free(w->fresh);
        free(w);
        return NULL;
}

const char *file_writer_path(const FileWriter *w) {
        return w->path;
}

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

static int write_file(const FileWriter *w) {
        _cleanup_close_ int fd = open(w->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, w->data, w->size);
        if (r == 0 && fchmod(fd, w->mode) < 0)
                r = -errno;
        if (r == 0 && rename(w->fresh, w->path) < 0)
                r = -errno;
        return r;
}

static void *run(void *userdata) {
        FileWriter *w = userdata;

        w->result = write_file(w);
        atomic_store(&w->finished, true);
        return NULL;
}

int file_writer_start(FileWriter *w, void *data, size_t size) {
        int r;

        w->data = data;
        w->size = size;
        atomic_store(&w->finished, false);
        r = thread_start(&w->thread, "file-writer", run, w);
        w->has_thread = r == 0;
        if (r != 0) {
                free(w->data);
                w->data = NULL;
        }
        return r;
}

bool file_writer_is_busy(const FileWriter *w) {
        return w->has_thread;
}

bool file_writer_collect(FileWriter *w, bool wait, int *ret_result) {
        if (!w->has_thread || (!wait && !atomic_load(&w->finished)))
                return false;
        pthread_join(w->thread, NULL);
        w->has_thread = false;
        free(w->data);
        w->data = NULL;
        *ret_result = w->result;
        return true;
}
