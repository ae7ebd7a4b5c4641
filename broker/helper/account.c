/* SPDX-License-Identifier: MIT */
/* Looks a user, his groups and his shadow entry up by NSS, with the re-entrant calls and buffers that grow. */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "cleanup.h"
#include "digest.h"
#include "record.h"
#include "span.h"

#define PASSWD_FILE "/etc/passwd"
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

/* Where a password is that is not in shadow. */
static bool is_hash(const char *password) {
        return *password && strcmp(password, "x") != 0 && strcmp(password, "*") != 0;
}

/* 1 and the two ids and the password where there is one in here, 0 for an unknown user, or a negative errno. sure is set when NSS really
 * said that there is none: a directory server that is down may look the same. */
static int find_user(const char *user, uid_t *uid, gid_t *gid, char **password, bool *sure) {
        _cleanup_free_ char *buffer = NULL;
        struct passwd entry, *found = NULL;
        size_t size;
        int r = WITH_BUFFER(buffer, size, getpwnam_r(user, &entry, buffer, size, &found));

        if (r != 0 && !means_unknown(r))
                return -r;
        *sure = r == 0;
        if (!found)
                return 0;
        *uid = entry.pw_uid;
        *gid = entry.pw_gid;
        if (is_hash(entry.pw_passwd))
                *password = strdup(entry.pw_passwd);
        return is_hash(entry.pw_passwd) && !*password ? -ENOMEM : 1;
}

/* Whether the files of this machine have the user (uid NULL: with any uid), and not a directory server: 1, 0, or a negative errno. */
static int find_in_files(const char *user, const uid_t *uid) {
        _cleanup_free_ char *buffer = malloc(BUFFER_LAST);
        struct passwd entry, *found = NULL;
        FILE *f = fopen(PASSWD_FILE, "re");
        int r = f && buffer ? 0 : errno;
        bool yes = false;

        while (r == 0 && !yes) {
                r = fgetpwent_r(f, &entry, buffer, BUFFER_LAST, &found);
                yes = r == 0 && strcmp(entry.pw_name, user) == 0 && (!uid || entry.pw_uid == *uid);
        }
        if (f)
                fclose(f);
        return yes ? 1 : r == ENOENT ? 0 : -r;
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

/* ---- shadow ---- */

/* What of an account may change without uid or groups doing so. */
typedef struct Shadow {
        char *password;                 /* NULL: nothing is known */
        long changed, expires;          /* days since 1970; -1: not there */
} Shadow;

static void shadow_done(Shadow *s) {
        if (s->password)
                wipe(s->password, strlen(s->password));
        free(s->password);
}

/* 0, also where there is no entry, or a negative errno. */
static int find_shadow(const char *user, Shadow *s) {
        _cleanup_free_ char *buffer = NULL;
        struct spwd entry, *found = NULL;
        size_t size;
        int r = WITH_BUFFER(buffer, size, getspnam_r(user, &entry, buffer, size, &found));

        if (r != 0 && !means_unknown(r))
                return -r;
        if (!found)
                return 0;
        free(s->password);
        s->password = strdup(entry.sp_pwdp ? entry.sp_pwdp : "");
        s->changed = entry.sp_lstchg;
        s->expires = entry.sp_expire;
        wipe(buffer, size / 2);
        return s->password ? 0 : -ENOMEM;
}

static AuthAccount judge(const Shadow *s) {
        if (s->password && s->expires >= 0 && time(NULL) / (long) (USEC_PER_DAY / USEC_PER_SEC) >= s->expires)
                return AUTH_ACCOUNT_EXPIRED;
        return s->password && *s->password == '!' ? AUTH_ACCOUNT_LOCKED : AUTH_ACCOUNT_FINE;
}

static int digest_account(Account *a, const char *user, const Shadow *s, const uint8_t key[static AUTH_KEY_SIZE]) {
        static const uint8_t no_key[AUTH_KEY_SIZE];
        uint8_t digest[DIGEST_SIZE];
        char *text;
        int n, r;

        if (!s->password || memcmp(key, no_key, AUTH_KEY_SIZE) == 0)
                return 0;
        n = asprintf(&text, "%s\n%lu\n%ld\n%s", user, (unsigned long) a->uid, s->changed, s->password);
        if (n < 0)
                return -ENOMEM;
        r = digest_hmac(key, AUTH_KEY_SIZE, text, (size_t) n, digest);
        if (r == 0)
                memcpy(a->digest, digest, sizeof(a->digest));
        wipe(text, (size_t) n);
        free(text);
        return r;
}

/* Only root reads shadow: whoever is not knows nothing of it. */
static int add_shadow(Account *a, const char *user, Shadow *s, const uint8_t key[static AUTH_KEY_SIZE]) {
        int r = find_shadow(user, s);

        if (r == -EACCES)
                return 0;
        if (r < 0)
                return r;
        a->state = judge(s);
        return digest_account(a, user, s, key);
}

int account_lookup(Account *ret, const char *user, const uint8_t key[static AUTH_KEY_SIZE]) {
        _cleanup_(account_done) Account a = { .uid = RECORD_NO_UID, .state = AUTH_ACCOUNT_UNSURE };
        _cleanup_(shadow_done) Shadow shadow = { .changed = -1, .expires = -1 };
        bool sure = false;
        _cleanup_free_ gid_t *gids = NULL;
        size_t n = 0;
        uid_t uid = 0;
        gid_t gid = 0;
        int r;

        *ret = a;
        r = find_user(user, &uid, &gid, &shadow.password, &sure);
        /* A source of NSS that had no memory or no descriptor is passed over in silence, and the next one does not know the user. */
        if (r == 0 && sure && find_in_files(user, NULL) == 0)
                ret->state = AUTH_ACCOUNT_UNKNOWN;
        if (r <= 0)
                return r;
        r = find_gids(user, gid, &gids, &n);
        if (r < 0)
                return r;
        r = name_groups(&a, gids, n);
        if (r < 0)
                return r;
        a.uid = uid;
        a.local = find_in_files(user, &uid) > 0;        /* in doubt it is not */
        r = add_shadow(&a, user, &shadow, key);
        if (r < 0)
                return r;
        *ret = a;
        a = (Account) { 0 };
        return 0;
}

void account_done(Account *a) {
        for (size_t i = 0; i < a->n_groups; i++)
                free(a->groups[i]);
        free(a->groups);
        *a = (Account) { .uid = RECORD_NO_UID, .state = AUTH_ACCOUNT_UNSURE };
}
