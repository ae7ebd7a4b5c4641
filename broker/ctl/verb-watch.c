/* SPDX-License-Identifier: MIT */
/* The verb watch: a line for each session that begins or ends, as it happens, until interrupted. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "say.h"
#include "text.h"
#include "verbs.h"

typedef struct Watch {
        const Ctl *c;
        uint64_t seen;          /* events that count for --limit */
        int error;
} Watch;

static const char *const event_names[] = {
        [WEBSESS_EVENT_NEW] = "new",
        [WEBSESS_EVENT_REMOVED] = "removed",
        [WEBSESS_EVENT_LOST] = "lost",
        [WEBSESS_EVENT_BACK] = "watching",
};

static bool passes(const char *wanted, const char *is) {
        return !wanted || (is && strcmp(wanted, is) == 0);
}

/* Columns of fixed width: the next line is not known yet. */
static int event_line(const char *const *cells, size_t n) {
        static const int widths[] = { 28, 8, 32, 12, 16, 0 };

        for (size_t i = 0; i < n; i++) {
                const char *cell = cells[i] && *cells[i] ? cells[i] : "-";
                _cleanup_free_ char *escaped = text_escape(cell, strlen(cell));
                int fill;

                if (!escaped)
                        return -ENOMEM;
                fill = widths[i] - (int) text_width(escaped);
                printf("%s%*s", escaped, i + 1 == n ? 0 : fill > 0 ? fill + 2 : 2, "");
        }
        putchar('\n');
        return 0;
}

static int event_json(CtlJson mode, int event, const char *id, const char *service, const char *user,
                      const char *reason) {
        int r = json_texts(stdout, mode, text_now(), (const char *const[]) {
                        "Event", event_names[event], "Id", id, "Service", service, "User", user,
                        "Reason", reason, NULL });

        putchar('\n');
        return r;
}

static void on_event(void *userdata, int event, const char *id, const char *service, const char *user,
                     const char *reason) {
        Watch *w = userdata;
        const CtlOptions *o = &w->c->o;
        bool session = event == WEBSESS_EVENT_NEW || event == WEBSESS_EVENT_REMOVED;
        char time[TEXT_TIME_MAX];

        /* A newer library may have events of which nothing is known here. */
        if (event <= 0 || (size_t) event >= ELEMENTSOF(event_names) || w->error < 0)
                return;
        if (session && (!passes(o->service, service) || !passes(o->user, user) || (o->limit && w->seen == o->limit)))
                return;
        w->seen += session;
        text_time(time, text_now());
        if (o->json == CTL_JSON_OFF)
                w->error = event_line((const char *const[]) { time, event_names[event], id, service, user, reason }, 6);
        else
                w->error = event_json(o->json, event, id, service, user, reason);
        /* Whoever reads by a pipe wants each line now; when nobody reads any more, there is nothing to watch for. */
        if (fflush(stdout) == EOF && w->error == 0)
                w->error = -errno;
}

static int watch_run(websess *w, Watch *watch) {
        uint64_t limit = watch->c->o.limit;

        while (watch->error == 0 && (limit == 0 || watch->seen < limit)) {
                struct pollfd fd = { .fd = websess_fd(w), .events = POLLIN };
                int r;

                if (fd.fd < 0)
                        return fd.fd;
                if (poll(&fd, 1, -1) < 0 && errno != EINTR)
                        return -errno;
                r = websess_dispatch(w);
                if (r < 0)
                        return r;
        }
        return watch->error;
}

int verb_watch(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        Watch watch = { .c = c };
        int r;

        r = verb_open(c, NULL, 0, &w);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_watch(w, on_event, &watch);
        if (r != 0)
                return say_outcome(NULL, r);
        /* Not before now: who sees this may count on seeing what happens from here on. */
        if (c->o.json != CTL_JSON_OFF)
                r = event_json(c->o.json, WEBSESS_EVENT_BACK, NULL, NULL, NULL, NULL);
        else if (!c->o.no_legend && !c->o.quiet)
                r = event_line((const char *const[]) { "TIME", "EVENT", "ID", "SERVICE", "USER", "REASON" }, 6);
        fflush(stdout);
        if (r == 0)
                r = watch_run(w, &watch);
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}
