/* SPDX-License-Identifier: MIT */
/*
 * What the machine says of an account, and what that means for a session of it. Pure: values in, a verdict out.
 *
 * A session carries a digest of its user's shadow entry as it was when it began. The digest tells a change from a state: an account that
 * was locked already when PAM (or whoever made the session) let the user in, is let be; one that has been locked since, is not. Where the name has
 * become another account's, or none's, nothing of the old one's is left. What is not known for sure ends nothing.
 */
#pragma once

#include "auth-protocol.h"
#include "policy.h"
#include "record.h"

typedef struct AccountView {
        AuthAccount state;
        uint32_t uid;                   /* RECORD_NO_UID: no such user */
        const char *user;
        char *const *groups;            /* names, NULL-terminated */
        const uint8_t *digest;          /* RECORD_TAG_SIZE bytes; all zero: there is no shadow entry */
        bool same;                      /* for sure the account that had name and uid when all were looked at last */
} AccountView;

typedef enum WatchVerdict {
        WATCH_KEEP,
        WATCH_ADOPT,                    /* keep, and put the digest into the record: none was known yet */
        WATCH_ROLES,                    /* the roles of the policy are others now */
        WATCH_DOUBT,                    /* gone, it seems; a directory server that is down looks like that: ask again later */
        WATCH_PASSWORD,                 /* its password has changed, and nothing else: to be ended, unless the user changed it from this session */
        WATCH_END_ACCOUNT,
        WATCH_END_PASSWORD,
} WatchVerdict;

/* service: the policy of the session's service, NULL where it has none any more. With WATCH_ROLES, roles and *n_roles are what the user is
 * to have; they point into the service. */
WatchVerdict watch_judge(const Record *r, const AccountView *a, const Service *service, Slice roles[static ROLES_MAX], size_t *n_roles);
