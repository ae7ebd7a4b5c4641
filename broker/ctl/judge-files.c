/* SPDX-License-Identifier: MIT */
/* Judgements of files. Pure. */
#include <errno.h>
#include <string.h>

#include "judge.h"
#include "span.h"

#define KEY_OLD (5 * 365 * USEC_PER_DAY)

static const char *type_name(mode_t type) {
        switch (type) {
        case S_IFDIR:
                return "a folder";
        case S_IFSOCK:
                return "a socket";
        default:
                return "a plain file";
        }
}

static void judge_missing(const FileFacts *file, const FileRule *rule, Findings *f) {
        if (file->error != ENOENT && file->error != ENOTDIR) {
                finding(f, file->error == EACCES ? HEALTH_SKIPPED : HEALTH_WARNING, "%s cannot be looked at: %s", file->path, strerror(file->error));
                if (file->error == EACCES)
                        advise(f, "Run it as root.");
                return;
        }
        finding(f, rule->missing, "%s is not there", file->path);
        advise(f, "Run `systemd-tmpfiles --create websess.conf`, and see that websessd.socket, websess-pam.socket and websessd.service are started.");
}

static bool owner_is_good(const FileFacts *file, const FileRule *rule) {
        return rule->owner == (uid_t) -1 || file->uid == rule->owner || (rule->root_too && file->uid == 0);
}

void judge_file(const FileFacts *file, const FileRule *rule, Findings *f) {
        mode_t mode = file->mode & 07777, better = (mode & ~rule->forbidden) | rule->needed;

        if (file->error != 0) {
                judge_missing(file, rule, f);
        } else if ((file->mode & S_IFMT) != rule->type) {
                finding(f, HEALTH_PROBLEM, "%s is not %s", file->path, type_name(rule->type));
                advise(f, "Move it away, and restart what should have made it.");
        } else if (mode & rule->forbidden) {
                finding(f, HEALTH_PROBLEM, "%s has mode %04o: others can %s it", file->path, mode, mode & rule->forbidden & 022 ? "change" : "read");
                advise(f, "Run `chmod %04o %s`.", better, file->path);
        } else if ((mode & rule->needed) != rule->needed) {
                finding(f, HEALTH_PROBLEM, "%s has mode %04o: those who need it are kept out", file->path, mode);
                advise(f, "Run `chmod %04o %s`.", better, file->path);
        } else if (!owner_is_good(file, rule)) {
                finding(f, HEALTH_PROBLEM, "%s belongs to uid %u instead of %u", file->path, (unsigned) file->uid, (unsigned) rule->owner);
                advise(f, "Run `chown %u %s`, and find out who made it.", (unsigned) rule->owner, file->path);
        } else
                finding(f, HEALTH_OK, "%s: mode %04o, uid %u", file->path, mode, (unsigned) file->uid);
}

void judge_key(const KeyFacts *k, Findings *f) {
        char text[32];

        if (k->mode & 077) {
                finding(f, HEALTH_PROBLEM, "the key of the accounts' digests lies in %s, which others can read (mode %04o)", k->path, k->mode & 07777);
                advise(f, "Run `chmod 0600 %s`: with the key and a session's digest, guesses at a password's hash can be checked.", k->path);
        }
        if (!k->age_known) {
                finding(f, HEALTH_SKIPPED, "the age of the key in %s is not known: the file system keeps no time of birth", k->path);
                return;
        }
        span_format(k->age_usec, text);
        finding(f, k->age_usec > KEY_OLD ? HEALTH_WARNING : HEALTH_OK, "the key of the accounts' digests is at least %s old, as old as %s",
                k->age_usec < USEC_PER_SEC ? "0s" : text, k->path);
        if (k->age_usec > KEY_OLD)
                advise(f, "For a new one, stop websessd, move %s away, and start it: all sessions end by that.", k->path);
}
