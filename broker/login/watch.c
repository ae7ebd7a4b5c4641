/* SPDX-License-Identifier: MIT */
/* Passes over the accounts: when they run, whom they ask about, and what is done with the answers. Owns the connection to the helper. */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "authenticator-pool.h"
#include "cleanup.h"
#include "digest.h"
#include "log.h"
#include "span.h"
#include "watch-apply.h"
#include "watch-files.h"

#define FOLDER "/etc"
#define GAP_USEC (100u * USEC_PER_MSEC)         /* between passes, so that a storm of changes is not one of look-ups */
#define RETRY_USEC (10u * USEC_PER_SEC)
#define LOOK_TIMEOUT_USEC (60u * USEC_PER_SEC)  /* NSS may ask a server that is slow */
#define RECENT_MAX 64u
#define FRESH_USEC (5u * USEC_PER_SEC)          /* a session that began so soon after a change may rest on what was before it */

/* Whom to look at: all, or these. */
typedef struct Wanted {
        bool all;
        uid_t uids[RECENT_MAX];
        size_t n;
} Wanted;

typedef struct Name {
        char *text;
        uid_t uid;
} Name;

struct Watch {
        sd_event *event;
        WatchOptions options;           /* without socket_path */
        uint64_t check_usec;
        WatchApply *apply;
        WatchFiles *files;
        Pool *pool;
        sd_event_source *timer;         /* when the next pass is due */
        sd_event_source *deadline;      /* of the answers to one question */
        sd_event_source *pump;          /* runs once in the loop when there may be a helper to start */

        bool has_settled;
        uint64_t settled;               /* what watch_files_generation() was before all were looked at */
        uint64_t looking;               /* … before the present pass */

        Wanted next;                    /* what the pass after this one is about */
        uint64_t next_at, changed_at, ended_at;         /* CLOCK_BOOTTIME */

        bool running;
        Wanted now;
        uid_t last;                     /* the owner asked about last, of all */
        bool has_last, failing;
        bool asked;                     /* there was somebody to ask about */
        bool sure;                      /* and every answer so far said something */
        size_t at;                      /* of now.uids */
        PoolHelper *helper;
        Name batch[AUTH_LOOK_MAX];
        size_t n_batch, n_answered;
};

DEFINE_CLEANUP(Watch *, watch_free)

static uint64_t now_usec(const Watch *w) {
        uint64_t usec = 0;

        (void) sd_event_now(w->event, CLOCK_BOOTTIME, &usec);
        return usec;
}

/* ---- when ---- */

static void schedule(Watch *w, uint64_t at) {
        if (w->next_at != 0 && w->next_at <= at)
                return;
        w->next_at = at;
        if (sd_event_source_set_time(w->timer, at) >= 0)
                (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

/* The pass that is due at once need not wait for anything but the end of the one before. */
static uint64_t soonest(const Watch *w) {
        uint64_t after = w->ended_at ? w->ended_at + GAP_USEC : 0, now = now_usec(w);

        return after > now ? after : now;
}

void watch_all(Watch *w) {
        w->next.all = true;
        w->changed_at = now_usec(w);
        if (!w->running)
                schedule(w, soonest(w));
}

static void want(Watch *w, uid_t uid) {
        for (size_t i = 0; i < w->next.n; i++)
                if (w->next.uids[i] == uid)
                        return;
        if (w->next.n < RECENT_MAX)
                w->next.uids[w->next.n++] = uid;
        else
                w->next.all = true;
}

void watch_added(Watch *w, const Session *s) {
        static const uint8_t unknown[RECORD_TAG_SIZE];
        Record r;

        if (!session_owner(s))
                return;
        session_view(s, &r);
        if (memcmp(r.account_digest, unknown, RECORD_TAG_SIZE) != 0 && !w->running && now_usec(w) > w->changed_at + FRESH_USEC)
                return;
        want(w, r.uid);
        if (!w->running)
                schedule(w, soonest(w) + GAP_USEC / 2);
}

bool watch_settled(Watch *w) {
        return w->files && w->has_settled && watch_files_generation(w->files) == w->settled;
}

void watch_password_changed(Watch *w, Session *s) {
        if (watch_settled(w))
                watch_keep_told(watch_apply_keep(w->apply), s);
}

/* ---- the end of a pass ---- */

static void forget_batch(Watch *w) {
        for (size_t i = 0; i < w->n_batch; i++)
                free(w->batch[i].text);
        w->n_batch = w->n_answered = 0;
}

/* One is kept ready while there is somebody to watch: an account may be gone for a moment only. */
static PoolOptions pool_options(bool ready) {
        return (PoolOptions) { .idle = ready, .max = 2, .start_timeout_usec = LOOK_TIMEOUT_USEC };
}

static void set_ready(Watch *w, bool ready) {
        PoolOptions o = pool_options(ready);

        pool_set_options(w->pool, &o);
        (void) sd_event_source_set_enabled(w->pump, SD_EVENT_ONESHOT);
}

static void end_pass(Watch *w) {
        forget_batch(w);
        w->helper = helper_free(w->helper);
        (void) sd_event_source_set_enabled(w->deadline, SD_EVENT_OFF);
        w->running = false;
        w->ended_at = now_usec(w);
        schedule(w, w->next.all || w->next.n > 0 ? soonest(w) : w->ended_at + w->check_usec);
        set_ready(w, w->asked);
}

/* Said once, until it goes well again: accounts are not watched meanwhile. */
static void fail_pass(Watch *w, const char *why) {
        if (!w->failing)
                log_event(LOG_EVENT_INTERNAL, LOG_ERR, LOG_NO_FIELDS, "Cannot look at the accounts that have sessions: %s", why);
        w->failing = true;
        w->next.all = true;
        forget_batch(w);
        w->helper = helper_free(w->helper);
        (void) sd_event_source_set_enabled(w->deadline, SD_EVENT_OFF);
        w->running = false;
        w->ended_at = now_usec(w);
        schedule(w, w->ended_at + RETRY_USEC);
}

static void apply_failed(void *userdata) {
        Watch *w = userdata;

        w->next.all = true;
        if (!w->running)
                schedule(w, now_usec(w) + RETRY_USEC);
}

/* ---- whom ---- */

static int add_name(Watch *w, Slice user, uid_t uid) {
        Name *n = &w->batch[w->n_batch];

        n->text = strndup(user.data, user.size);
        if (!n->text)
                return -ENOMEM;
        n->uid = uid;
        w->n_batch++;
        return 0;
}

/* The names of one uid: hardly ever more than one. */
static int add_owner(Watch *w, const Owner *o) {
        size_t first = w->n_batch;
        Session *s;
        Record r;
        int k;

        TAILQ_FOREACH(s, &o->sessions, more->of_owner) {
                bool known = false;

                session_head(s, &r);
                for (size_t i = first; i < w->n_batch && !known; i++)
                        known = slice_equal(r.user, slice_of(w->batch[i].text));
                if (known || w->n_batch == AUTH_LOOK_MAX)
                        continue;
                k = add_name(w, r.user, o->uid);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* The next one with sessions; NULL at the end. */
static Owner *next_owner(Watch *w) {
        Owner *o = NULL;

        if (!w->now.all) {
                while (!o && w->at < w->now.n)
                        o = table_find_owner(w->options.table, w->now.uids[w->at++]);
                return o;
        }
        do {
                o = table_next_owner(w->options.table, w->has_last ? &w->last : NULL);
                if (o) {
                        w->last = o->uid;
                        w->has_last = true;
                }
        } while (o && TAILQ_EMPTY(&o->sessions));
        return o;
}

static int fill_batch(Watch *w) {
        Owner *o;
        int r = 0;

        forget_batch(w);
        while (r == 0 && w->n_batch < AUTH_LOOK_MAX / 2 && (o = next_owner(w)))
                r = add_owner(w, o);
        return r;
}

/* ---- asking ---- */

static void on_reply(PoolHelper *h, const AuthMessage *m, int error, void *userdata);

static int make_packet(const Watch *w, uint8_t **ret, size_t *ret_size) {
        Slice users[AUTH_LOOK_MAX];
        AuthMessage m = { .operation = AUTH_LOOK, .users = users, .n_users = w->n_batch };
        uint8_t *packet;
        size_t size;
        int r;

        for (size_t i = 0; i < w->n_batch; i++)
                users[i] = slice_of(w->batch[i].text);
        memcpy(m.account_key, w->options.account_key, AUTH_KEY_SIZE);
        size = auth_message_size(&m);
        packet = size > 0 ? malloc(size) : NULL;
        if (!packet)
                return size > 0 ? -ENOMEM : -EINVAL;
        r = auth_message_encode(&m, packet, size, ret_size);
        wipe(m.account_key, sizeof(m.account_key));
        *ret = packet;
        return r;
}

/* Ask about the batch. Without a helper it waits for one: pool_ready() comes back here. */
static void ask(Watch *w) {
        _cleanup_free_ uint8_t *packet = NULL;
        size_t size;
        int r;

        r = make_packet(w, &packet, &size);
        if (r == 0 && w->helper)
                r = helper_send(w->helper, packet, size);
        else if (r == 0) {
                w->helper = pool_take(w->pool, packet, size, on_reply, w);
                if (!w->helper)
                        (void) sd_event_source_set_enabled(w->pump, SD_EVENT_ONESHOT);
        }
        if (packet)
                wipe(packet, size);
        if (r < 0) {
                fail_pass(w, strerror(-r));
                return;
        }
        if (sd_event_source_set_time_relative(w->deadline, LOOK_TIMEOUT_USEC) >= 0)
                (void) sd_event_source_set_enabled(w->deadline, SD_EVENT_ONESHOT);
}

static void go_on(Watch *w) {
        int r = fill_batch(w);

        if (r < 0)
                fail_pass(w, strerror(-r));
        else if (w->n_batch == 0) {
                w->failing = false;
                if (w->now.all && w->sure) {
                        w->settled = w->looking;
                        w->has_settled = true;
                }
                end_pass(w);
        } else {
                w->asked = true;
                ask(w);
        }
}

static void begin_pass(Watch *w) {
        w->now = w->next;
        w->next = (Wanted) {};
        w->next_at = 0;
        w->at = 0;
        w->has_last = false;
        w->running = true;
        w->asked = false;
        w->sure = true;
        w->looking = w->files ? watch_files_generation(w->files) : 0;
        w->check_usec = w->options.policy(w->options.userdata)->settings.account_check_usec;
        go_on(w);
}

/* ---- answers ---- */

static int take_account(Watch *w, const AuthMessage *m) {
        const Name *n = &w->batch[w->n_answered];
        _cleanup_free_ char **groups = NULL, *text = NULL;
        size_t position = 0, i = 0;
        char *at;
        Slice s;

        if (!slice_equal(m->user, slice_of(n->text)) || m->account >= _AUTH_ACCOUNT_MAX)
                return -EBADMSG;
        groups = calloc(m->n_groups + 1, sizeof(char *));
        text = at = malloc(m->fields.size + m->n_groups + 1);
        if (!groups || !text)
                return -ENOMEM;
        while (i < m->n_groups && auth_message_next_group(m, &position, &s)) {
                memcpy(at, s.data, s.size);
                at[s.size] = '\0';
                groups[i++] = at;
                at += s.size + 1;
        }
        w->n_answered++;
        w->sure &= m->account != AUTH_ACCOUNT_UNSURE;
        return watch_apply(w->apply, w->options.policy(w->options.userdata), n->uid, &(AccountView) {
                .state = (AuthAccount) m->account, .uid = m->uid, .user = n->text, .groups = groups, .digest = m->account_digest,
                .same = (m->flags & AUTH_LOCAL) && watch_settled(w),
        }, now_usec(w), w->check_usec);
}

static void on_reply(PoolHelper *h, const AuthMessage *m, int error, void *userdata) {
        Watch *w = userdata;
        int r = error;

        if (r == 0)
                r = m->operation == AUTH_ACCOUNT && w->n_answered < w->n_batch ? take_account(w, m) : -EBADMSG;
        if (r < 0) {
                fail_pass(w, r == -ECONNRESET ? "the helper died: see journalctl -u 'websess-pam@*'" : strerror(-r));
                return;
        }
        pool_worked(w->pool);
        if (w->n_answered == w->n_batch)
                go_on(w);
}

static unsigned pool_wanted(void *userdata) {
        Watch *w = userdata;

        return w->running && !w->helper;
}

static void pool_ready(void *userdata) {
        Watch *w = userdata;

        if (w->running && !w->helper)
                ask(w);
}

static void pool_failed(void *userdata, const Fault *f) {
        Watch *w = userdata;

        if (w->running && !w->helper)
                fail_pass(w, f->text);
}

/* ---- the event loop ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Watch *w = userdata;

        w->next_at = 0;
        if (w->running)
                return 0;       /* its end plans the next one */
        if (w->next.n == 0)
                w->next.all = true;
        begin_pass(w);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        fail_pass(userdata, "NSS does not answer in time: see nsswitch.conf(5)");
        return 0;
}

static int on_pump(sd_event_source *source, void *userdata) {
        Watch *w = userdata;

        pool_pump(w->pool, w->running && !w->helper);
        return 0;
}

static void on_files(void *userdata) {
        watch_all(userdata);
}

/* ---- life ---- */

static int add_timer(Watch *w, sd_event_source **ret, sd_event_time_handler_t handler) {
        int r = sd_event_add_time(w->event, ret, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_MSEC, handler, w);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int watch_new(Watch **ret, sd_event *event, const WatchOptions *options) {
        static const PoolEvents events = { .wanted = pool_wanted, .ready = pool_ready, .failed = pool_failed };
        PoolOptions pool = pool_options(false);
        _cleanup_(watch_freep) Watch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->options = *options;
        w->options.socket_path = NULL;
        pool.socket_path = options->socket_path;
        w->check_usec = options->policy(options->userdata)->settings.account_check_usec;
        r = watch_apply_new(&w->apply, event, options->table, apply_failed, w);
        if (r == 0)
                r = pool_new(&w->pool, event, &pool, &events, w);
        if (r == 0)
                r = add_timer(w, &w->timer, on_timer);
        if (r >= 0)
                r = add_timer(w, &w->deadline, on_deadline);
        if (r >= 0)
                r = sd_event_add_defer(event, &w->pump, on_pump, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->pump, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = watch_files_new(&w->files, event, FOLDER, on_files, w);
        if (r < 0)
                log_error(r, "Cannot watch " FOLDER ": accounts are looked at every CheckSec= only");
        watch_all(w);
        *ret = TAKE_PTR(w);
        return 0;
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        forget_batch(w);
        helper_free(w->helper);
        watch_files_free(w->files);
        sd_event_source_disable_unref(w->timer);
        sd_event_source_disable_unref(w->deadline);
        sd_event_source_disable_unref(w->pump);
        pool_free(w->pool);
        watch_apply_free(w->apply);
        sd_event_unref(w->event);
        free(w);
        return NULL;
}
