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
        WatchFilesChanged changed;
        void *userdata;
};

DEFINE_CLEANUP(WatchFiles *, watch_files_free)

static bool concerns_users(const struct inotify_event *e) {
        static const char *const names[] = { "passwd", "shadow", "group", "gshadow", "nsswitch.conf" };

        if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED))
                return true;
        for (size_t i = 0; e->len > 0 && i < ELEMENTSOF(names); i++)
                if (strcmp(e->name, names[i]) == 0)
                        return true;
        return false;
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)] __attribute__((aligned(__alignof__(struct inotify_event))));
        WatchFiles *f = userdata;
        bool changed = false;
        ssize_t n;

        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                for (const char *at = buffer; at < buffer + n;) {
                        struct inotify_event head;

                        memcpy(&head, at, sizeof(head));
                        changed |= concerns_users((const struct inotify_event *) (const void *) at);
                        at += sizeof(head) + head.len;
                }
        if (changed)
                f->changed(f->userdata);
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
