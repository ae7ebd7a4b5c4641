/* SPDX-License-Identifier: MIT */
/* The shell around store_restore(): opens the backup as whoever asks, does everything else as the owner of the state directory. */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "store.h"

static int become_owner(const char *directory, Fault *f) {
        struct stat st;

        if (stat(directory, &st) < 0)
                return fault(f, FAULT_UNAVAILABLE, "cannot restore into %s: %s: start websessd once, or make the directory for it", directory, strerror(errno));
        if (geteuid() != 0 || st.st_uid == 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 || setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
                return fault(f, FAULT_UNAVAILABLE, "cannot become uid %u, who owns %s: %s", (unsigned) st.st_uid, directory, strerror(errno));
        return 0;
}

static int restore(const char *directory, const char *backup, bool keep, uint64_t *ret_sessions, Fault *f) {
        _cleanup_close_ int fd = open(backup, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r;

        if (fd < 0)
                return fault(f, FAULT_UNAVAILABLE, "cannot open %s: %s", backup, strerror(errno));
        r = become_owner(directory, f);
        if (r != 0)
                return r;
        umask(0077);
        return store_restore(&(StoreRestore) {
                .directory = directory, .fd = fd, .name = backup, .keep = keep, .checker = "/proc/self/exe",
        }, ret_sessions, f);
}

int restore_main(const char *directory, const char *backup, bool keep) {
        uid_t caller = getuid();
        uint64_t n = 0;
        char text[512];
        Fault f = {};
        int r;

        r = restore(directory, backup, keep, &n, &f);
        if (r != 0) {
                fprintf(stderr, "websessd: %s\n", r > 0 ? f.text : strerror(-r));
                return r > 0 ? EX_CONFIG : EXIT_FAILURE;
        }
        snprintf(text, sizeof(text), "Restored %s into %s: its %llu sessions %s", backup, directory, (unsigned long long) n, keep ? "go on" : "are ended");
        puts(text);
        log_to_journal(LOG_EVENT_RESTORED, LOG_NOTICE, &(LogFields) { .uid = caller }, text);
        return EXIT_SUCCESS;
}
