/* SPDX-License-Identifier: MIT */
/* Judgements of what the broker says of itself: reach, store, helpers, clock. Pure. */
#include <inttypes.h>
#include <string.h>

#include "judge.h"
#include "span.h"

#define MIB (UINT64_C(1024) * 1024)
#define DISK_MIN (64 * MIB)             /* of room on the disk, beyond the reserve */
#define STEP_LARGE (2 * USEC_PER_SEC)   /* time daemons slew what is less */
#define ERROR_LARGE (USEC_PER_SEC)

void judge_reach(const ReachFacts *r, Findings *f) {
        if (r->error) {
                finding(f, r->optional ? HEALTH_WARNING : HEALTH_PROBLEM, "nobody answers on %s: %s", r->way, r->error);
                if (r->optional)
                        advise(f, "D-Bus clients find the broker only there; libwebsess and websessctl do without. See dbus.service and websessd.service.");
                else
                        advise(f, "See `systemctl status websessd.socket websessd.service`, and `journalctl -u websessd`.");
                return;
        }
        finding(f, HEALTH_OK, "version %s answers on %s", r->version, r->way);
        if (strcmp(r->version, r->own_version) == 0)
                return;
        finding(f, HEALTH_WARNING, "version %s runs, and %s is installed", r->version, r->own_version);
        advise(f, "Run `systemctl restart websessd.service`: it loses no request.");
}

/* ---- store ---- */

static void judge_disk(const StoreFacts *s, Findings *f) {
        if (!s->disk_known)
                return;
        if (s->disk_free < s->reserve)
                finding(f, HEALTH_PROBLEM, "the disk of %s is full: %" PRIu64 " KiB are free", s->directory, s->disk_free / 1024);
        else if (s->disk_free < s->reserve + DISK_MIN)
                finding(f, HEALTH_WARNING, "the disk of %s has only %" PRIu64 " MiB left", s->directory, s->disk_free / MIB);
        else {
                finding(f, HEALTH_OK, "the disk of %s has %" PRIu64 " MiB left", s->directory, s->disk_free / MIB);
                return;
        }
        advise(f, "Make room there: when it is full no session can begin, though all can still be ended.");
}

void judge_store(const StoreFacts *s, Findings *f) {
        unsigned percent = s->max > 0 ? (unsigned) (s->used * 100 / s->max) : 0;

        if (*s->error) {
                finding(f, HEALTH_PROBLEM, "the store cannot write: %s", s->error);
                advise(f, "Mend the disk of %s, or make room; the broker goes on by itself. Sessions can be ended meanwhile.", s->directory);
        }
        finding(f, percent >= 95 ? HEALTH_PROBLEM : percent >= 80 ? HEALTH_WARNING : HEALTH_OK, "%u%% of MaxSize= is used (%" PRIu64 " of %" PRIu64
                " MiB)", percent, s->used / MIB, s->max / MIB);
        if (percent >= 80)
                advise(f, "Raise MaxSize= in [Store] of websess.conf and restart the broker, or shorten LifetimeSec= and IdleSec= of the services.");
        if (!s->reserve_kept) {
                finding(f, HEALTH_WARNING, "the file system of %s could not set the reserve aside", s->directory);
                advise(f, "Keep the disk from filling up: there, sessions may not be ended when it is full. Use ext4 or XFS, for instance.");
        }
        judge_disk(s, f);
}

/* ---- helpers ---- */

void judge_helpers(const HelperFacts *h, Findings *f) {
        if (h->wanted > 0 && h->idle == 0 && h->active == 0 && h->starting == 0) {
                finding(f, HEALTH_PROBLEM, "no PAM helper is there (%" PRIu64 " started, %" PRIu64 " lost at once): nobody can log in", h->started,
                        h->failed);
                advise(f, "Run `systemctl enable --now websess-pam.socket`, and see `journalctl -u 'websess-pam@*'`.");
                return;
        }
        if (h->waiting > 0) {
                finding(f, HEALTH_WARNING, "%" PRIu64 " logins wait for a helper; %" PRIu64 " of %" PRIu64 " are at work", h->waiting, h->active, h->max);
                advise(f, "If it lasts, raise MaxHelpers= in [PAM] of websess.conf, or see which PAM module takes so long.");
                return;
        }
        if (h->failed * 2 > h->started) {
                finding(f, HEALTH_WARNING, "%" PRIu64 " of %" PRIu64 " PAM helpers were lost before they had done anything", h->failed, h->started);
                advise(f, "See `journalctl -u 'websess-pam@*'`.");
                return;
        }
        finding(f, HEALTH_OK, "%" PRIu64 " PAM helpers wait, %" PRIu64 " are at work, %" PRIu64 " start", h->idle, h->active, h->starting);
}

/* ---- clock ---- */

static uint64_t size_of(int64_t usec) {
        return usec < 0 ? (uint64_t) -usec : (uint64_t) usec;
}

static void judge_steps(const ClockFacts *c, Findings *f) {
        char text[32];

        if (c->behind_usec > STEP_LARGE) {
                span_format(c->behind_usec, text);
                finding(f, HEALTH_WARNING, "when the broker started, the wall clock stood %s before the last time that it knew", text);
                advise(f, "If a clock without a battery was to blame, let websessd start after time-sync.target; sessions live by as much longer.");
        }
        if (size_of(c->stepped_usec) > STEP_LARGE) {
                span_format(size_of(c->stepped_usec), text);
                finding(f, HEALTH_WARNING, "the wall clock was set %s by %s since the broker started", c->stepped_usec > 0 ? "forward" : "back", text);
                advise(f, "Sessions are not touched by that; times that are shown of them may be off by as much. See who sets the clock.");
        }
        if (c->behind_usec <= STEP_LARGE && size_of(c->stepped_usec) <= STEP_LARGE)
                finding(f, HEALTH_OK, "the wall clock has not been set since the broker started");
}

void judge_clock(const ClockFacts *c, Findings *f) {
        if (!c->synchronised) {
                finding(f, HEALTH_WARNING, "the clock is not synchronised");
                advise(f, "Run a time daemon, systemd-timesyncd for instance: after a reboot only the wall clock tells how long sessions were away.");
        } else if (c->error_usec > ERROR_LARGE) {
                finding(f, HEALTH_WARNING, "the clock may be wrong by %" PRIu64 " ms", c->error_usec / 1000);
                advise(f, "See whether the time daemon reaches its servers.");
        } else
                finding(f, HEALTH_OK, "the clock is synchronised");
        if (c->steps_known)
                judge_steps(c, f);
}
