/* SPDX-License-Identifier: MIT */
/* The verdict on one session. Owns nothing, touches nothing. */
#include "watch-judge.h"

#include <string.h>

static bool is_known(const uint8_t digest[static RECORD_TAG_SIZE]) {
        static const uint8_t unknown[RECORD_TAG_SIZE];

        return memcmp(digest, unknown, RECORD_TAG_SIZE) != 0;
}

/* As sets: the order of the policy's lines says nothing, and each role is there once. */
static bool same_roles(const Record *r, const Slice *roles, size_t n) {
        if (r->n_roles != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!record_has_role(r, roles[i]))
                        return false;
        return true;
}

static bool roles_differ(const Record *r, const AccountView *a, const Service *service, Slice roles[static ROLES_MAX], size_t *n) {
        if (!(r->flags & RECORD_ROLES_FROM_POLICY) || !service || service->users != USERS_UNIX)
                return false;
        *n = service_roles_for(service, a->user, a->groups, roles);
        return !same_roles(r, roles, *n);
}

WatchVerdict watch_judge(const Record *r, const AccountView *a, const Service *service, Slice roles[static ROLES_MAX], size_t *n_roles) {
        bool changed = is_known(r->account_digest) && memcmp(r->account_digest, a->digest, RECORD_TAG_SIZE) != 0;

        if (r->uid == RECORD_NO_UID || (r->flags & (RECORD_APP_USER | RECORD_ANONYMOUS)) || a->state == AUTH_ACCOUNT_UNSURE)
                return WATCH_KEEP;
        /* A local account has a digest: its file was read. */
        if (a->state == AUTH_ACCOUNT_UNKNOWN)
                return is_known(r->account_digest) ? WATCH_END_ACCOUNT : WATCH_DOUBT;
        if (a->uid != r->uid || a->state == AUTH_ACCOUNT_EXPIRED)
                return WATCH_END_ACCOUNT;
        if (changed)
                return a->state == AUTH_ACCOUNT_LOCKED ? WATCH_END_ACCOUNT : a->same && is_known(a->digest) ? WATCH_PASSWORD : WATCH_END_PASSWORD;
        if (roles_differ(r, a, service, roles, n_roles))
                return WATCH_ROLES;
        return !is_known(r->account_digest) && is_known(a->digest) ? WATCH_ADOPT : WATCH_KEEP;
}
