/* SPDX-License-Identifier: MIT */
/* Sentences. Owns nothing. */
#include "explain.h"

#include <stdio.h>
#include <string.h>

#include "span.h"

const char *explain_reason(Reason reason) {
        static const char *const texts[_REASON_MAX] = {
                [REASON_LOGOUT] = "whoever held the token logged out",
                [REASON_REVOKED] = "it was revoked, by an administrator or by its user",
                [REASON_IDLE] = "nobody came for longer than it may be idle",
                [REASON_EXPIRED] = "it reached the absolute end of its life",
                [REASON_EVICTED] = "its user began another session when there were MaxSessions= already, and this was the oldest",
                [REASON_REPLACED] = "a login or CreateSession replaced it by a new one (ReplaceToken)",
                [REASON_ROLES] = "the user's roles were changed, with OnRoleChange=revoke",
                [REASON_ACCOUNT] = "the user's account was locked, expired, deleted or made anew",
                [REASON_PASSWORD] = "the user's password was changed",
        };

        return reason < _REASON_MAX ? texts[reason] : "for a reason that is not known";
}

/* ---- what ends it ---- */

static const char *span(uint64_t usec, char out[static 32]) {
        span_format(usec, out);
        return out;
}

/* A session keeps the spans it began with: the policy may be another one by now. */
static void add_span(const char *what, uint64_t is, const char *key, uint64_t policy, const Service *s, Lines *out) {
        char a[32], b[32];

        if (is == policy)
                lines_add(out, "%s: %s, by %s= in %s", what, span(is, a), key, s->path);
        else
                lines_add(out, "%s: %s, from when the session began; %s= in %s is %s", what, span(is, a), key, s->path, span(policy, b));
}

static void add_limit(const Service *s, const Standing *standing, Lines *out) {
        if (s->max_sessions == 0)
                lines_add(out, "number: a user may have any number of sessions (MaxSessions=0)");
        else if (s->on_limit == ON_LIMIT_REFUSE)
                lines_add(out, "number: %u of %u sessions of this user; beyond MaxSessions= new ones are refused, and this one stays",
                          standing->live, s->max_sessions);
        else
                lines_add(out, "number: %u of %u sessions of this user, the oldest first; a new one beyond MaxSessions=%u ends the oldest",
                          standing->position, standing->live, s->max_sessions);
}

static void add_account(const Record *r, Lines *out) {
        if (r->flags & RECORD_ANONYMOUS)
                return;
        if (r->flags & RECORD_APP_USER)
                lines_add(out, "account: not watched, the users are the application's own (Users=app)");
        else if (r->uid == RECORD_NO_UID)
                lines_add(out, "account: not watched, this machine knew no such user when the session began");
        else
                lines_add(out, "account: uid %u is watched; when it is locked, expires or is deleted, or its password changes, the session ends",
                          r->uid);
}

static void add_roles_change(const Service *s, const Record *r, Lines *out) {
        if (r->flags & RECORD_ANONYMOUS)
                return;
        if (r->flags & RECORD_ROLES_FROM_POLICY)
                lines_add(out, "roles: follow the user's groups; a change of them %s the session (OnRoleChange=)",
                          s->on_role_change == ON_ROLE_CHANGE_REVOKE ? "ends" : "is written into");
        else
                lines_add(out, "roles: SetUserRoles %s the session (OnRoleChange=)",
                          s->on_role_change == ON_ROLE_CHANGE_REVOKE ? "ends" : "changes");
}

void explain_ends(const Service *s, const Record *r, const Standing *standing, Lines *out) {
        const char *key = r->flags & RECORD_REMEMBER ? "RememberSec" : r->flags & RECORD_ANONYMOUS ? "AnonymousIdleSec" : "IdleSec";
        uint64_t idle = r->flags & RECORD_REMEMBER ? s->remember_usec : r->flags & RECORD_ANONYMOUS ? s->anonymous_idle_usec : s->idle_usec;

        add_span("idle", r->idle_usec, key, idle, s, out);
        if (r->flags & RECORD_REMEMBER)
                add_span("lifetime", r->lifetime_end - r->created, "RememberSec", s->remember_usec, s, out);
        else
                add_span("lifetime", r->lifetime_end - r->created, "LifetimeSec", s->lifetime_usec, s, out);
        if (!(r->flags & RECORD_ANONYMOUS))
                add_limit(s, standing, out);
        add_account(r, out);
        add_roles_change(s, r, out);
}

/* ---- roles ---- */

static void join(char *const *words, const char *prefix, char *out, size_t size) {
        for (size_t n = strlen(out); words && *words && n < size; words++)
                n += (size_t) snprintf(out + n, size - n, "%s%s%s", n > 0 ? " " : "", prefix, *words);
}

static bool names_user(const RoleRule *rule, Slice user) {
        for (char *const *u = rule->users; u && *u; u++)
                if (slice_equal(slice_of(*u), user))
                        return true;
        return false;
}

static void add_role(const Service *s, const Record *r, const RoleRule *rule, Slice role, Lines *out) {
        const int n = (int) role.size;
        char groups[256] = "";

        if (rule->groups)
                join(rule->groups, "@", groups, sizeof(groups));
        if (rule->everyone)
                lines_add(out, "%.*s: everyone gets it at login, by %.*s=* in [Roles] of %s", n, role.data, n, role.data, s->path);
        else if (names_user(rule, r->user))
                lines_add(out, "%.*s: the user is named behind %.*s= in [Roles] of %s", n, role.data, n, role.data, s->path);
        else if (*groups)
                lines_add(out, "%.*s: the user was in a group named behind %.*s= in [Roles] of %s: %s", n, role.data, n, role.data, s->path,
                          groups);
        else
                lines_add(out, "%.*s: no line of [Roles] in %s gives it to this user any more", n, role.data, s->path);
}

void explain_roles(const Service *s, const Record *r, Lines *out) {
        static const RoleRule nobody;
        Slice role;

        for (size_t at = 0; record_next_role(r, &at, &role); ) {
                const RoleRule *rule = &nobody;

                for (size_t i = 0; i < s->n_roles; i++)
                        if (slice_equal(slice_of(s->roles[i].role), role))
                                rule = &s->roles[i];
                if (r->flags & RECORD_ROLES_FROM_POLICY)
                        add_role(s, r, rule, role, out);
                else
                        lines_add(out, "%.*s: given by name, by CreateSession, Login with Roles, or SetRoles; not by [Roles]", (int) role.size,
                                  role.data);
        }
        if (*s->admin_role && record_has_role(r, slice_of(s->admin_role)))
                lines_add(out, "%s passes every check of roles (AdminRole= in %s)", s->admin_role, s->path);
}

/* ---- login ---- */

static bool has_methods(const Record *r, const Methods *m) {
        for (size_t i = 0; i < m->n; i++) {
                bool found = false;
                Slice method;

                for (size_t at = 0; !found && record_next_method(r, &at, &method); )
                        found = slice_equal(method, slice_of(m->names[i]));
                if (!found)
                        return false;
        }
        return true;
}

static bool comes_from(const Record *r, const Stack *stack) {
        return r->level == stack->level && has_methods(r, stack->methods);
}

void explain_login(const Service *s, const Record *r, Lines *out) {
        const Stack normal = service_stack(s, false), further = service_stack(s, true);

        if (r->flags & RECORD_ANONYMOUS)
                lines_add(out, "a visitor: nobody has logged in, and only AllowAnonymous finds it");
        else if (s->users == USERS_APP)
                lines_add(out, "on the word of uid %u, who has the Create right: the users are the application's own (Users=app)", r->creator_uid);
        else if (r->level == 0)
                lines_add(out, "on the word of uid %u, who has the Create right: nothing was proved to this machine's PAM", r->creator_uid);
        else if (comes_from(r, &normal))
                lines_add(out, "level %u is what the PAM service \"%s\" is worth (PAMService=, Level=, AuthMethods= in %s)%s", r->level,
                          normal.pam_service, s->path,
                          r->flags & RECORD_ROLES_FROM_POLICY ? "" : ", or the word of a caller with the Create right");
        else if (comes_from(r, &further))
                lines_add(out, "level %u is what authenticating again by the PAM service \"%s\" is worth (StepUp… keys in %s)", r->level,
                          further.pam_service, s->path);
        else
                lines_add(out, "level %u is on the word of a caller with the Create right, or from a policy that has changed since: %s gives %u",
                          r->level, s->path, normal.level);
}

/* ---- access ---- */

void explain_access(const Service *s, const Record *r, const Caller *caller, Lines *out) {
        const AccessRule *rule;

        for (Right right = 0; right < _RIGHT_MAX; right++) {
                if (!access_find(s, right, caller, &rule))
                        continue;
                if (!rule) {
                        lines_add(out, "everything: root may");
                        return;
                }
                lines_add(out, "%s: by %s in [Access] of %s", right_name(right), rule->text, s->path);
        }
        if (r && caller_owns(caller, r))
                lines_add(out, "this session: it carries the caller's own uid %u", (unsigned) caller->uid);
}
