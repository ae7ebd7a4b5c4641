/* SPDX-License-Identifier: MIT */
/* inotify over one folder. */
#include "watch-files.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>

#include "cleanup.h"

struct WatchFiles {
        sd_event_source *source;
        int fd;
        uint64_t generation;
        WatchFilesChanged changed;
        void *userdata;
};

DEFINE_CLEANUP(WatchFiles *, watch_files_free)

/* Does it concern users; may there be others now? */
static bool concerns_users(const struct inotify_event *e, bool *others) {
        static const struct {
                const char *name;
                bool others;
        } files[] = { { "passwd", true }, { "nsswitch.conf", true }, { "shadow", false }, { "group", false }, { "gshadow", false } };

        if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED))
                return *others = true;
        for (size_t i = 0; e->len > 0 && i < ELEMENTSOF(files); i++)
                if (strcmp(e->name, files[i].name) == 0) {
                        *others |= files[i].others;
                        return true;
                }
        return false;
}

static void read_events(WatchFiles *f) {
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool changed = false, others = false;
        ssize_t n;

        while ((n = read(f->fd, buffer, sizeof(buffer))) > 0)
                for (const char *at = buffer; at < buffer + n;) {
                        struct inotify_event head;

                        memcpy(&head, at, sizeof(head));
                        changed |= concerns_users((const struct inotify_event *) (const void *) at, &others);
                        at += sizeof(head) + head.len;
                }
        f->generation += others;
        if (changed)
                f->changed(f->userdata);
}

uint64_t watch_files_generation(WatchFiles *f) {
        read_events(f);
        return f->generation;
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        read_events(userdata);
        return 0;
}

int watch_files_new(WatchFiles **ret, sd_event *event, const char *folder, WatchFilesChanged changed, void *userdata) {
        _cleanup_(watch_files_freep) WatchFiles *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->changed = changed;
        f->userdata = userdata;
        f->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (f->fd < 0)
                return -errno;
        if (inotify_add_watch(f->fd, folder, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR) < 0)
                return -errno;
        r = sd_event_add_io(event, &f->source, f->fd, EPOLLIN, on_events, f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

WatchFiles *watch_files_free(WatchFiles *f) {
        if (!f)
                return NULL;
        sd_event_source_disable_unref(f->source);
        close_fd(f->fd);
        free(f);
        return NULL;
}
