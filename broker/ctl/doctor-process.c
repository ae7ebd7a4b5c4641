/* SPDX-License-Identifier: MIT */
/* The broker's process, the kernel it runs on, swap, and labels. Reads /proc and /sys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "judge.h"
#include "small-file.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77         /* Linux 6.5 */
#endif

/* ---- the kernel ---- */

bool kernel_has_peer_pidfd(void) {
        int pair[2], pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);
        bool has;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return false;
        has = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
        if (has)
                (void) close(pidfd);
        (void) close(pair[0]);
        (void) close(pair[1]);
        return has;
}

void check_kernel(const Patient *p, Findings *f) {
        if (kernel_has_peer_pidfd())
                finding(f, HEALTH_OK, "the kernel tells callers' units beyond doubt");
        else {
                finding(f, HEALTH_WARNING, "the kernel cannot tell a caller's unit beyond doubt: unit: entries of [Access] match nobody");
                advise(f, "Use Linux 6.5 or later, or name users and groups.");
        }
}

/* ---- the process ---- */

static bool read_process(const Patient *p, ProcessFacts *ret, Findings *f) {
        char path[64], status[8192], limits[8192];
        struct stat st;
        ssize_t r;

        if (p->pid <= 0) {
                (void) fact_missing(p, p->facts, f, "the broker's process");
                return false;
        }
        snprintf(path, sizeof(path), "/proc/%d/limits", (int) p->pid);
        r = small_file_read(path, limits, sizeof(limits));
        snprintf(path, sizeof(path), "/proc/%d/status", (int) p->pid);
        if (r >= 0)
                r = small_file_read(path, status, sizeof(status));
        if (r < 0) {
                finding(f, HEALTH_SKIPPED, "the broker's process: %s: %s", path, strerror((int) -r));
                return false;
        }
        process_read(ret, status, limits);
        /* The files of a process in /proc belong to root where its memory is closed; its folder never does. */
        ret->dumpable = stat(path, &st) == 0 && st.st_uid == ret->uid && ret->uid != 0;
        return true;
}

void check_process(const Patient *p, Findings *f) {
        ProcessFacts facts = {};

        if (read_process(p, &facts, f))
                judge_process(&facts, f);
}

/* ---- where secrets could leak to ---- */

/* In memory, or encrypted by dm-crypt. */
static bool swap_is_safe(const char *device) {
        char path[300], uuid[64];
        const char *name = strrchr(device, '/');

        if (!name)
                return false;
        if (strncmp(name, "/zram", 5) == 0)
                return true;
        snprintf(path, sizeof(path), "/sys/block%s/dm/uuid", name);
        return small_file_read(path, uuid, sizeof(uuid)) > 0 && strncmp(uuid, "CRYPT-", 6) == 0;
}

void check_secrets(const Patient *p, Findings *f) {
        char swaps[8192] = "", names[256];
        ProcessFacts facts = {};

        if (read_process(p, &facts, f))
                judge_cores(&facts, f);
        (void) small_file_read("/proc/swaps", swaps, sizeof(swaps));
        judge_swap(swaps_open(swaps, swap_is_safe, names, sizeof(names)), names, facts.swapped_kb, f);
}

/* ---- labels ---- */

static const char *read_label(const Patient *p, const char *attribute, char *out, size_t size) {
        char path[64];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/attr/%s", (int) p->pid, attribute);
        n = p->pid > 0 ? small_file_read(path, out, size) : -ESRCH;
        if (n <= 0)
                return NULL;
        out[strcspn(out, "\n")] = '\0';
        return out;
}

static bool begins_with(const char *path, char what) {
        char text[16];

        return small_file_read(path, text, sizeof(text)) > 0 && text[0] == what;
}

/* An older kernel has one place for the labels of all. */
static void check_apparmor(const Patient *p, Findings *f) {
        char text[256];
        const char *label = read_label(p, "apparmor/current", text, sizeof(text));

        if (!label)
                label = read_label(p, "current", text, sizeof(text));
        judge_label(&(LabelFacts) {
                .system = "AppArmor", .process = label, .enforcing = label && !strstr(label, "(complain)"),
                .expected = access("/etc/apparmor.d/websessd", F_OK) == 0 ? "websessd" : NULL,
                .install = "Install the profile as /etc/apparmor.d/websessd (`make install` does), load it by apparmor_parser(8), restart websessd.service.",
        }, f);
}

void check_labels(const Patient *p, Findings *f) {
        const bool selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
        const bool apparmor = begins_with("/sys/module/apparmor/parameters/enabled", 'Y');
        char label[256];

        if (selinux)
                judge_label(&(LabelFacts) {
                        .system = "SELinux", .enforcing = begins_with("/sys/fs/selinux/enforce", '1'),
                        .process = read_label(p, "current", label, sizeof(label)), .expected = "websessd_t",
                        .install = "Load /usr/share/selinux/packages/websess.pp by semodule(8), `restorecon -R /usr/lib/websess /var/lib/websess "
                                   "/run/websess /etc/websess`, restart: see SECURITY MODULES in websessd(8).",
                }, f);
        if (apparmor)
                check_apparmor(p, f);
        if (!selinux && !apparmor)
                finding(f, HEALTH_OK, "neither SELinux nor AppArmor is active; the units' sandbox is all that confines");
}
