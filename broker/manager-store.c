/* SPDX-License-Identifier: MIT */
/* The manager's part in the store. Reads the database into the table, and notes the clocks in it. */
#include "manager-store.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>

#include "api.h"
#include "cleanup.h"
#include "log.h"
#include "manager-maps.h"
#include "span.h"

#define MARK_EVERY_USEC (60 * USEC_PER_SEC)     /* how much life a power cut may give or take when the wall clock steps */
#define COLLECT_MAX 4u                          /* changes to be made visible and answered in one go: callers have turns in between */

/* ---- what the store hands back ---- */

/* A disk that has room again is noticed by the next change that goes through. */
static void check_recovery(Manager *m) {
        StoreStatus s;

        if (!m->store_failed)
                return;
        store_status(m->store, &s);
        if (s.last_error != 0)
                return;
        m->store_failed = false;
        if (!m->store_complained)
                return;
        m->store_complained = false;
        log_event(LOG_EVENT_STORE_RECOVERED, LOG_NOTICE, LOG_NO_FIELDS, "The store can write again");
        manager_update_status(m);
}

static int on_store(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Manager *m = userdata;

        store_collect_some(m->store, COLLECT_MAX);
        if (store_is_dead(m->store)) {
                /* What is on the disk is not known any more: only a new start, from the disk, is to be believed. */
                log_event(LOG_EVENT_STORE_FAILED, LOG_CRIT, LOG_NO_FIELDS, "Input/output error while committing to %s: starting anew",
                          m->state_directory);
                m->exit_status = EXIT_FAILURE;
                return sd_event_exit(m->event, 0);
        }
        check_recovery(m);
        return 0;
}

/* ---- marks ---- */

void manager_write_mark(Manager *m) {
        Now now = manager_now(m);
        SteadyMark mark = steady_mark(&m->steady, &now);
        StoreChange *c = NULL;

        if (store_change_new(&c) < 0 || store_change_mark(c, &mark) < 0) {
                store_change_free(c);
                return;
        }
        store_submit(m->store, c, NULL, NULL);
}

static int on_mark(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        manager_write_mark(m);
        manager_update_status(m);
        (void) sd_event_source_set_time(source, usec + MARK_EVERY_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The wall clock was stepped (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET): what the store knows of it is out of date. */
static int arm_clock(int fd) {
        struct itimerspec never = { .it_value.tv_sec = INT64_MAX / 1000000000 };     /* the kernel counts in nanoseconds */

        return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 ? -errno : 0;
}

static int on_clock(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        uint64_t n;

        (void) !read(fd, &n, sizeof(n));
        (void) arm_clock(fd);
        manager_write_mark(userdata);
        return 0;
}

static int watch_clock(Manager *m) {
        _cleanup_close_ int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        int r;

        if (fd < 0)
                return -errno;
        r = arm_clock(fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(m->event, &m->clock_source, fd, EPOLLIN, on_clock, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(m->clock_source, true);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        return 0;
}

int manager_watch_store(Manager *m) {
        int r;

        r = sd_event_add_io(m->event, &m->store_source, store_fd(m->store), EPOLLIN, on_store, m);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(m->event, &m->store_mark_source, CLOCK_BOOTTIME, MARK_EVERY_USEC, USEC_PER_SEC, on_mark, m);
        if (r < 0)
                return r;
        return watch_clock(m);
}

/* ---- loading ---- */

typedef struct Loading {
        Manager *manager;
        uint64_t now, damaged;
} Loading;

static int load_one(void *userdata, const Ident *id, const void *data, size_t size) {
        Loading *l = userdata;
        char text[IDENT_HEX_SIZE + 1];
        int r;

        r = table_load(l->manager->table, id, data, size, l->now);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                ident_format(id, text);
                log_event(LOG_EVENT_RECORD_DAMAGED, LOG_ERR, &(LogFields) { .session = text, .uid = -1 },
                          "The record of session %s is damaged: the session is ended", text);
                l->damaged++;
        }
        return 0;
}

int manager_open_store(Manager *m, Fault *f) {
        const Settings *s = &m->policy->settings;
        uint8_t boot_id[16];
        Loading l = { .manager = m };
        SteadyMark mark;
        bool marked;
        Ident last;
        Now now;
        int r;

        r = store_open(&m->store, &(StoreOptions) {
                .directory = m->state_directory, .max_bytes = s->store_max_bytes, .reserve_bytes = s->store_reserve_bytes,
                .checker = "/proc/self/exe",
        }, f);
        if (r != 0)
                return r;
        r = steady_boot_id(boot_id);
        if (r < 0)
                return r;

        now = steady_now(&(Steady) {});
        marked = store_mark(m->store, &mark);
        m->steady = steady_from_mark(marked ? &mark : NULL, boot_id, now.realtime, now.boottime);
        l.now = manager_now(m).steady;

        maps_start(m);
        r = table_new(&m->table, &(TableOptions) {
                .store = m->store, .lifeline = m->lifeline, .huge_pages = m->huge_pages, .map_max_bytes = s->map_max_bytes, .now_steady = l.now,
                .facts = maps_facts, .events = api_events, .userdata = m,
        });
        if (r < 0)
                return r;
        r = store_load(m->store, load_one, &l);
        if (r < 0)
                return r;
        table_loaded(m->table);
        last = store_last(m->store);
        ident_seen(&m->table->idents, &last);
        r = store_start(m->store);
        if (r < 0)
                return r;
        manager_write_mark(m);
        return sweep_new(&m->sweep, m->event, m->table, &m->steady);
}
