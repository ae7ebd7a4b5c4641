/* SPDX-License-Identifier: MIT */
/* Judgement of the entries of [Access]. Pure. */
#include <string.h>

#include "judge.h"

/* With these anybody could become anybody, or have everything. */
static bool is_strong(const char *right) {
        return strcmp(right, "Create") == 0 || strcmp(right, "Manage") == 0 || strcmp(right, "Map") == 0;
}

static bool judge_name(const EntryFacts *e, Findings *f) {
        const bool group = e->entry[0] == '@';

        if (!e->found) {
                finding(f, HEALTH_PROBLEM, "%s=%s of service \"%s\": there is no such %s any more, and %s %u keeps the right", e->right, e->entry, e->service,
                        group ? "group" : "user", group ? "gid" : "uid", (unsigned) e->number);
                advise(f, "Take it out of [Access], then `websessctl reload`; whoever gets that number next would have the right.");
                return true;
        }
        if (e->found_number == e->number)
                return false;
        finding(f, HEALTH_PROBLEM, "%s=%s of service \"%s\": the name was %u when the policy was read, and is %u now", e->right, e->entry, e->service,
                (unsigned) e->number, (unsigned) e->found_number);
        advise(f, "Run `websessctl reload`.");
        return true;
}

bool judge_entry(const EntryFacts *e, Findings *f) {
        if (strcmp(e->entry, "*") == 0) {
                finding(f, is_strong(e->right) ? HEALTH_PROBLEM : HEALTH_WARNING, "%s=* of service \"%s\": every program of this machine has the right",
                        e->right, e->service);
                advise(f, "Name the users, groups or units that need it in [Access].");
                return true;
        }
        if (strncmp(e->entry, "unit:", 5) == 0) {
                if (e->units_possible)
                        return false;
                finding(f, HEALTH_PROBLEM, "%s=%s of service \"%s\" matches nobody: this kernel cannot tell a caller's unit beyond doubt", e->right,
                        e->entry, e->service);
                advise(f, "Use Linux 6.5 or later, or name the unit's user instead.");
                return true;
        }
        return e->has_number && judge_name(e, f);
}
