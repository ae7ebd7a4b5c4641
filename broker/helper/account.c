/* SPDX-License-Identifier: MIT */
/* Looks a user and his groups up by NSS, with the re-entrant calls and buffers that grow. */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "cleanup.h"
#include "record.h"

#define BUFFER_FIRST 1024u
#define BUFFER_LAST (1024u * 1024u)
#define GROUPS_FIRST 64
#define GROUPS_LAST 65536

/* Run a call that answers ERANGE until its buffer is large enough. */
#define WITH_BUFFER(buffer, size, call)                                                 \
        __extension__ ({                                                                \
                int _r = ERANGE;                                                        \
                for (size = BUFFER_FIRST; _r == ERANGE && size <= BUFFER_LAST; size *= 2) { \
                        char *_larger = realloc(buffer, size);                          \
                        if (!_larger) {                                                 \
                                _r = ENOMEM;                                            \
                                break;                                                  \
                        }                                                               \
                        buffer = _larger;                                               \
                        _r = (call);                                                    \
                }                                                                       \
                _r;                                                                     \
        })

/* Some NSS modules say with one of these, and not with a missing result, that there is no such name. */
static bool means_unknown(int error) {
        return error == ENOENT || error == ESRCH;
}

/* 1 and the two ids, 0 for an unknown user, or a negative errno. */
static int find_user(const char *user, uid_t *uid, gid_t *gid) {
        _cleanup_free_ char *buffer = NULL;
        struct passwd entry, *found = NULL;
        size_t size;
        int r = WITH_BUFFER(buffer, size, getpwnam_r(user, &entry, buffer, size, &found));

        if (r != 0 && !means_unknown(r))
                return -r;
        if (!found)
                return 0;
        *uid = entry.pw_uid;
        *gid = entry.pw_gid;
        return 1;
}

static int find_gids(const char *user, gid_t primary, gid_t **ret, size_t *ret_n) {
        _cleanup_free_ gid_t *gids = NULL;
        int room = GROUPS_FIRST;

        for (;;) {
                gid_t *larger = reallocarray(gids, (size_t) room, sizeof(gid_t));
                int n = room;

                if (!larger)
                        return -ENOMEM;
                gids = larger;
                if (getgrouplist(user, primary, gids, &n) >= 0) {
                        *ret = TAKE_PTR(gids);
                        *ret_n = (size_t) n;
                        return 0;
                }
                if (room >= GROUPS_LAST)
                        return -E2BIG;
                room = n > room ? n : room * 2;
        }
}

/* 1 and the name, 0 for a gid without a name, or a negative errno. */
static int find_group(gid_t gid, char **ret) {
        _cleanup_free_ char *buffer = NULL;
        struct group entry, *found = NULL;
        size_t size;
        int r = WITH_BUFFER(buffer, size, getgrgid_r(gid, &entry, buffer, size, &found));

        if (r != 0 && !means_unknown(r))
                return -r;
        if (!found)
                return 0;
        *ret = strdup(entry.gr_name);
        return *ret ? 1 : -ENOMEM;
}

static int name_groups(Account *a, const gid_t *gids, size_t n) {
        a->groups = calloc(n + 1, sizeof(char *));
        if (!a->groups)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = find_group(gids[i], &a->groups[a->n_groups]);

                if (r < 0)
                        return r;
                a->n_groups += (size_t) r;
        }
        return 0;
}

int account_lookup(Account *ret, const char *user) {
        _cleanup_(account_done) Account a = { .uid = RECORD_NO_UID };
        _cleanup_free_ gid_t *gids = NULL;
        size_t n = 0;
        uid_t uid = 0;
        gid_t gid = 0;
        int r;

        *ret = a;
        r = find_user(user, &uid, &gid);
        if (r <= 0)
                return r;
        r = find_gids(user, gid, &gids, &n);
        if (r < 0)
                return r;
        r = name_groups(&a, gids, n);
        if (r < 0)
                return r;
        a.uid = uid;
        *ret = a;
        a = (Account) { 0 };
        return 0;
}

void account_done(Account *a) {
        for (size_t i = 0; i < a->n_groups; i++)
                free(a->groups[i]);
        free(a->groups);
        *a = (Account) { .uid = RECORD_NO_UID };
}
