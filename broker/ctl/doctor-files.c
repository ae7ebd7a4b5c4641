/* SPDX-License-Identifier: MIT */
/* Who may read and change what: state, sockets, policy, stacks; and the key that lies in the state. Looks at files, reads none. */
#include <dirent.h>
#include <errno.h>
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

/* Said only when it is not well: there may be many. */
static void check_quietly(Findings *f, const FileRule *rule, const FileFacts *file) {
        const size_t before = f->n;

        judge_file(file, rule, f);
        if (f->n > before && f->items[before].health == HEALTH_OK)
                findings_drop(f);
}

/* What is in a folder, with the folders in it down to depth. How many there were. */
static size_t walk(Findings *f, const FileRule *rule, const char *folder, unsigned depth) {
        _cleanup_(closedirp) DIR *d = opendir(folder);
        const struct dirent *e;
        size_t n = 0;

        if (!d && errno != ENOENT) {
                finding(f, HEALTH_SKIPPED, "what is in %s cannot be looked at: %s", folder, strerror(errno));
                advise(f, "Run it as root.");
        }
        while (d && (e = readdir(d))) {
                char path[512];
                FileFacts file;
                FileRule any = *rule;

                if (e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
                file = look(path);
                any.type = file.mode & S_IFMT;
                check_quietly(f, &any, &file);
                n += 1 + (S_ISDIR(file.mode) && depth > 0 ? walk(f, rule, path, depth - 1) : 0);
        }
        return n;
}

static void check_all_in(Findings *f, const FileRule *rule, const char *folder) {
        const size_t before = f->n, n = walk(f, rule, folder, 2);

        if (f->n == before)
                finding(f, HEALTH_OK, "%s: what is in it (%zu) is as it should be", folder, n);
}

/* Whoever may change a PAM stack lets in whom he likes. That one is missing is for check_pam() to say. */
static void check_stacks(const Patient *p, Findings *f, const FileRule *rule) {
        const char *const *lines = NULL;
        size_t n = fact_lines(p->facts, "Stacks", &lines);

        for (size_t i = 0; i < n; i++) {
                const char *name = strchr(lines[i], ' ');
                char path[512];
                FileFacts file;

                snprintf(path, sizeof(path), "/etc/pam.d/%s", name ? name + 1 : "");
                file = look(path);
                if (file.error == 0)
                        check_quietly(f, rule, &file);
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
        const FileRule stack = { S_IFREG, OTHERS_CHANGE, 0, 0, true, HEALTH_OK };

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
        check_stacks(p, f, &stack);
}

/* ---- the key ---- */

/* It is written once, so its age is that of its content. */
void check_key(const Patient *p, Findings *f) {
        char path[512];
        struct stat st;
        struct timespec now;
        KeyFacts k = {};

        if (!p->state) {
                (void) fact_missing(p, p->facts, f, "the key of the accounts' digests");
                return;
        }
        snprintf(path, sizeof(path), "%s/account.key", p->state);
        k.file = look(path);
        clock_gettime(CLOCK_REALTIME, &now);
        if (k.file.error == 0 && lstat(path, &st) == 0 && now.tv_sec > st.st_mtim.tv_sec)
                k.age_usec = (uint64_t) (now.tv_sec - st.st_mtim.tv_sec) * USEC_PER_SEC;
        judge_key(&k, f);
}
