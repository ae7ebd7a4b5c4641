/* SPDX-License-Identifier: MIT */
/* Verbs about the broker itself: status, services, reload, reset-throttle, backup. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "grid.h"
#include "json.h"
#include "say.h"
#include "span.h"
#include "verbs.h"
#include "view.h"

DEFINE_CLEANUP(Grid *, grid_free)

/* A million sessions and a slow disk. */
#define BACKUP_TIMEOUT_USEC USEC_PER_HOUR

static int status_read(const Ctl *c, websess_values **ret) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_values_new(ret);
        if (r == 0)
                r = websess_status(w, *ret);
        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}

/* A broker that says it is not well is an error, so that monitoring need not read. */
int verb_status(Ctl *c) {
        _cleanup_(websess_values_freep) websess_values *v = NULL;
        int healthy = 1, r;

        r = status_read(c, &v);
        if (r != CTL_EXIT_OK)
                return r;
        r = c->o.quiet ? 0 : view_values(c, v);
        if (r < 0)
                return say_errno(NULL, r);
        (void) websess_values_get_bool(v, "Healthy", &healthy);
        return healthy ? CTL_EXIT_OK : CTL_EXIT_ERROR;
}

static int services_table(const Ctl *c, const char *const *names, size_t n) {
        static const char *const titles[] = { "SERVICE" };
        _cleanup_(grid_freep) Grid *g = NULL;
        int r;

        r = grid_new(&g, titles, ELEMENTSOF(titles));
        for (size_t i = 0; r == 0 && i < n; i++)
                r = grid_add(g, names[i]);
        if (r < 0)
                return r;
        grid_print(g, stdout, !c->o.no_legend && !c->o.quiet);
        return 0;
}

int verb_services(Ctl *c) {
        _cleanup_(websess_values_freep) websess_values *v = NULL;
        const char *const *names = NULL;
        size_t n = 0;
        int r;

        r = status_read(c, &v);
        if (r != CTL_EXIT_OK)
                return r;
        (void) websess_values_get_strings(v, "Services", &names, &n);
        if (c->o.json == CTL_JSON_OFF) {
                r = services_table(c, names, n);
        } else {
                r = json_strings(stdout, c->o.json, names, n);
                putchar('\n');
        }
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

int verb_reload(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_reload(w);
        return r == 0 ? CTL_EXIT_OK : say_outcome(NULL, r);
}

int verb_reset_throttle(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        const char *names[3] = { "", "", "" };
        uint32_t n = 0;
        int r;

        for (size_t i = 0; i < c->args.n; i++)
                names[i] = c->args.items[i];
        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_reset_throttle(w, names[0], names[1], names[2], &n);
        if (r != 0)
                return say_outcome(NULL, r);
        r = view_count(c, "Reset", n, "count", "forgotten");
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

/* Never over a file that is there: it may be the last good backup. Half a backup is taken away. */
int verb_backup(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *path = c->args.items[0];
        int r;

        r = verb_open(c, NULL, BACKUP_TIMEOUT_USEC, &w);
        if (r != CTL_EXIT_OK)
                return r;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return say_errno(path, -errno);
        r = websess_backup(w, fd);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r == 0)
                return CTL_EXIT_OK;
        r = say_outcome(path, r);
        (void) unlink(path);
        return r;
}
