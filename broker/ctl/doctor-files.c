/* SPDX-License-Identifier: MIT */
/* Who may read and change what: state, sockets, policy, stacks; and the key that lies in the state. Looks at files, reads none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "judge.h"
#include "span.h"

DEFINE_CLEANUP(DIR *, closedir)

#define OTHERS_READ 077u
#define OTHERS_CHANGE 022u

static FileFacts look(const char *path) {
        FileFacts file = { .path = path };
        struct stat st;

        if (lstat(path, &st) < 0)
                file.error = errno;
        else {
                file.mode = st.st_mode;
                file.uid = st.st_uid;
        }
        return file;
}

static void check(Findings *f, const FileRule *rule, const char *folder, const char *name) {
        char path[512];
        FileFacts file;

        snprintf(path, sizeof(path), "%s%s%s", folder, *name ? "/" : "", name);
        file = look(path);
        judge_file(&file, rule, f);
}

/* Only what is not well of these: there may be many. */
static void check_all_in(Findings *f, const FileRule *rule, const char *folder) {
        _cleanup_(closedirp) DIR *d = opendir(folder);
        const size_t before = f->n;
        const struct dirent *e;
        size_t n = 0;

        while (d && (e = readdir(d))) {
                char path[512];
                FileFacts file;
                FileRule any = *rule;

                if (e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
                file = look(path);
                any.type = file.mode & S_IFMT;
                n++;
                judge_file(&file, &any, f);
                if (f->n > before && f->items[f->n - 1].health == HEALTH_OK)
                        findings_drop(f);
        }
        if (d && f->n == before)
                finding(f, HEALTH_OK, "%s: what is in it (%zu) is as it should be", folder, n);
        else if (!d && errno == EACCES) {
                finding(f, HEALTH_SKIPPED, "what is in %s cannot be looked at: %s", folder, strerror(errno));
                advise(f, "Run it as root.");
        }
}

void check_files(const Patient *p, Findings *f) {
        /* Without the broker's word, these may not be the right places. */
        const Health missing = p->facts ? HEALTH_PROBLEM : HEALTH_WARNING;
        const FileRule state = { S_IFDIR, OTHERS_READ, 0700, p->uid, false, missing };
        const FileRule in_state = { S_IFREG, OTHERS_READ, 0600, p->uid, false, missing };
        const FileRule runtime = { S_IFDIR, OTHERS_CHANGE, 0555, p->uid, true, missing };
        const FileRule open_socket = { S_IFSOCK, 0, 0666, p->uid, true, missing };
        const FileRule closed_socket = { S_IFSOCK, OTHERS_READ, 0600, p->uid, false, missing };
        const FileRule policy = { S_IFDIR, OTHERS_CHANGE, 0, 0, true, HEALTH_WARNING };
        char services[512];

        if (p->state && p->runtime) {
                check(f, &state, p->state, "");
                check_all_in(f, &in_state, p->state);
                check(f, &runtime, p->runtime, "");
                check(f, &open_socket, p->runtime, "websess.sock");
                check(f, &closed_socket, p->runtime, "pam.sock");
        } else
                (void) fact_missing(p, p->facts, f, "state and sockets");
        check(f, &policy, p->configuration, "");
        check_all_in(f, &policy, p->configuration);
        snprintf(services, sizeof(services), "%s/services.d", p->configuration);
        check_all_in(f, &policy, services);
}

/* ---- the key ---- */

/* The key is as old as the database, which is as old as its file, or older where that was restored. */
void check_key(const Patient *p, Findings *f) {
        char path[512];
        struct statx st;
        struct timespec now;
        KeyFacts k = { .path = path };

        if (!p->state) {
                (void) fact_missing(p, p->facts, f, "the key of the accounts' digests");
                return;
        }
        snprintf(path, sizeof(path), "%s/sessions.mdb", p->state);
        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MODE | STATX_BTIME, &st) < 0) {
                finding(f, HEALTH_SKIPPED, "the key of the accounts' digests: %s: %s", path, strerror(errno));
                return;
        }
        clock_gettime(CLOCK_REALTIME, &now);
        k.mode = st.stx_mode;
        k.age_known = (st.stx_mask & STATX_BTIME) && st.stx_btime.tv_sec > 0;
        k.age_usec = now.tv_sec > st.stx_btime.tv_sec ? (uint64_t) (now.tv_sec - st.stx_btime.tv_sec) * USEC_PER_SEC : 0;
        judge_key(&k, f);
}
