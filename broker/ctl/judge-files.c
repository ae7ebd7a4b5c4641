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
        const FileFacts *file = &k->file;
        char text[32];

        if (file->error == ENOENT) {
                finding(f, HEALTH_WARNING, "the key of the accounts' digests, %s, is not there", file->path);
                advise(f, "Restart websessd.service, which makes another; what happened to accounts before that, no session will notice.");
                return;
        }
        if (file->error != 0) {
                finding(f, HEALTH_SKIPPED, "the key of the accounts' digests, %s, cannot be looked at: %s", file->path, strerror(file->error));
                advise(f, "Run it as root.");
                return;
        }
        if (file->mode & 077) {
                finding(f, HEALTH_PROBLEM, "others can read %s (mode %04o)", file->path, file->mode & 07777);
                advise(f, "Run `chmod 0600 %s`: with it and a backup, guesses at the hash of a password can be checked. Then make another.", file->path);
        }
        span_format(k->age_usec, text);
        finding(f, k->age_usec > KEY_OLD ? HEALTH_WARNING : HEALTH_OK, "the key of the accounts' digests is %s old", k->age_usec < USEC_PER_SEC ? "0s" : text);
        if (k->age_usec > KEY_OLD)
                advise(f, "For another, stop websessd.service, remove %s, and start it; sessions then begin to watch their accounts anew.", file->path);
}
