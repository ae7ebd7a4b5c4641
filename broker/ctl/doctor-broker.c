/* SPDX-License-Identifier: MIT */
/* What the broker says of itself: health, store, maps, helpers. Asks the disk how much room there is. */
#include <sys/statvfs.h>

#include "doctor.h"
#include "judge.h"

void check_health(const Patient *p, Findings *f) {
        if (fact_missing(p, p->status, f, "health"))
                return;
        if (fact_flag(p->facts, "PolicyRefused", false)) {
                finding(f, HEALTH_PROBLEM, "the policy in %s is refused, and the one before is in force", p->configuration);
                advise(f, "Run `websessctl reload`: it names file, line, key and reason.");
        } else if (fact_flag(p->status, "Healthy", true))
                finding(f, HEALTH_OK, "the broker says that it is well");
        else {
                finding(f, HEALTH_PROBLEM, "the broker says that it is not well");
                advise(f, "See `journalctl -u websessd -x`.");
        }
}

void check_store(const Patient *p, Findings *f) {
        StoreFacts s = {
                .directory = p->state ? p->state : "the state", .error = fact_text(p->status, "StoreError", ""), .used = fact_number(p->status, "StoreUsedBytes", 0),
                .max = fact_number(p->status, "StoreMaxBytes", 0), .reserve = fact_number(p->facts, "ReserveBytes", 0),
                .reserve_kept = fact_flag(p->facts, "ReserveKept", true),
        };
        struct statvfs disk;

        if (fact_missing(p, p->status, f, "store"))
                return;
        s.disk_known = p->state && statvfs(p->state, &disk) == 0;
        s.disk_free = s.disk_known ? (uint64_t) disk.f_bavail * disk.f_frsize : 0;
        judge_store(&s, f);
}

void check_maps(const Patient *p, Findings *f) {
        const char *const *services = NULL;
        size_t n;

        if (fact_missing(p, p->facts, f, "maps"))
                return;
        if (!fact_flag(p->facts, "MapsPossible", true)) {
                finding(f, HEALTH_PROBLEM, "there are no maps: the broker's self-test failed, and every look-up is a call");
                advise(f, "See in `journalctl -u websessd` why; a system call filter or a kernel without robust futexes may be in the way.");
                return;
        }
        n = fact_lines(p->facts, "MapsIncomplete", &services);
        for (size_t i = 0; i < n; i++) {
                finding(f, HEALTH_WARNING, "the map of \"%s\" has no room for all its sessions: a miss in it is a call", services[i]);
                advise(f, "Raise MaxMemory= in [Map] of websess.conf, then restart the broker.");
        }
        if (n == 0)
                finding(f, HEALTH_OK, "%zu maps, all complete", fact_lines(p->status, "Maps", &services));
}

void check_helpers(const Patient *p, Findings *f) {
        HelperFacts h = {
                .wanted = fact_number(p->facts, "HelpersWanted", 0), .idle = fact_number(p->status, "HelpersIdle", 0),
                .active = fact_number(p->facts, "HelpersActive", 0), .starting = fact_number(p->facts, "HelpersStarting", 0),
                .started = fact_number(p->facts, "HelpersStarted", 0),
                .failed = fact_number(p->facts, "HelpersFailed", 0), .waiting = fact_number(p->facts, "LoginsWaiting", 0),
                .max = fact_number(p->facts, "HelpersMax", 0),
        };

        if (!fact_missing(p, p->facts, f, "PAM helpers"))
                judge_helpers(&h, f);
}
