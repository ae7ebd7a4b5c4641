/* SPDX-License-Identifier: MIT */
/* The rule of who passes. Owns no state. */
#include "verdict.h"

#include <stdio.h>
#include <string.h>

static const Need any_login;

/* One text for every reason: whether the token was ever good is not the caller's to know. */
static int no_session(Fault *f) {
        return fault(f, FAULT_NO_SESSION, "%s", fault_text(FAULT_NO_SESSION));
}

/* "ADMIN, USER", cut where there are too many. */
static void join_roles(const Need *need, char *out, size_t size) {
        size_t length = 0;

        out[0] = '\0';
        for (size_t i = 0; i < need->n_roles; i++) {
                Slice s = need->roles[i];
                size_t room = size - length;

                if (s.size + sizeof(", ...") >= room) {
                        snprintf(out + length, room, "...");
                        return;
                }
                length += (size_t) snprintf(out + length, room, "%.*s%s", (int) s.size, s.data,
                                            i + 1 < need->n_roles ? ", " : "");
        }
}

static int forbidden(const Record *r, const Need *need, Fault *f) {
        char roles[200];

        if (!f)
                return FAULT_FORBIDDEN;
        join_roles(need, roles, sizeof(roles));
        return fault(f, FAULT_FORBIDDEN,
                     "User \"%.*s\" of service \"%.*s\" has no role of those needed (%s): give one in [Roles] of its "
                     "policy, from the next login on, or with SetRoles, at once",
                     (int) r->user.size, r->user.data, (int) r->service.size, r->service.data, roles);
}

static bool has_needed_role(const Record *r, const Need *need, const VerdictPolicy *policy) {
        if (need->n_roles == 0)
                return true;
        if (policy->admin_role.size > 0 && record_has_role(r, policy->admin_role))
                return true;
        for (size_t i = 0; i < need->n_roles; i++)
                if (record_has_role(r, need->roles[i]))
                        return true;
        return false;
}

/* A visitor is nobody: to ask for a role, a level or a recent login is to ask for a login. */
static bool visitor_suffices(const Need *need) {
        return (need->flags & NEED_ALLOW_ANONYMOUS) && need->n_roles == 0 && need->level == 0 &&
               need->max_auth_age_usec == 0;
}

bool verdict_live(const Record *r, uint64_t now) {
        return now < record_end(r);
}

VerdictEnd verdict_end(const Record *r, uint64_t now) {
        if (verdict_live(r, now))
                return VERDICT_END_NONE;
        return now >= r->lifetime_end ? VERDICT_END_LIFETIME : VERDICT_END_IDLE;
}

int verdict_require(const Record *r, const Need *need, const VerdictPolicy *policy, uint64_t now, Fault *f) {
        if (!need)
                need = &any_login;

        if (r->flags & RECORD_ANONYMOUS)
                return visitor_suffices(need) ? 0 : no_session(f);

        if (r->level < need->level)
                return fault(f, FAULT_STEP_UP_REQUIRED,
                             "The session has level %u and level %u is needed: let the user authenticate again, "
                             "with a further factor", r->level, need->level);

        if (need->max_auth_age_usec > 0 && now > r->auth_time && now - r->auth_time > need->max_auth_age_usec)
                return fault(f, FAULT_STEP_UP_REQUIRED,
                             "The user authenticated longer ago than MaxAuthAgeUSec allows: let the user authenticate "
                             "again");

        if (!has_needed_role(r, need, policy))
                return forbidden(r, need, f);
        return 0;
}

int verdict(const Record *r, const Need *need, const VerdictPolicy *policy, uint64_t now, Fault *f) {
        if (!verdict_live(r, now) || !slice_equal(r->service, policy->service))
                return no_session(f);
        return verdict_require(r, need, policy, now, f);
}
