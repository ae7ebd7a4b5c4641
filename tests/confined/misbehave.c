/* SPDX-License-Identifier: MIT */
/*
 * What an attacker would try who has taken over the broker or its helper: put in the place of the program, run as root and without
 * a sandbox, so that nothing but the confinement of its domain stands in the way. Says of each act what became of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define PORT_OUT 25
#define PORT_IN 8081

/* 0, or the errno with which it failed. */
static int try_open(const char *path, int flags) {
        int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);

        if (fd < 0)
                return errno;
        close(fd);
        return 0;
}

static int read_shadow(void) { return try_open("/etc/shadow", O_RDONLY); }
static int read_home(void) { return try_open("/home/alice/diary", O_RDONLY); }
static int read_other_state(void) { return try_open("/var/lib/neighbour/state", O_RDONLY); }
static int read_sessions(void) { return try_open("/var/lib/websess/sessions.mdb", O_RDONLY); }
static int read_environment(void) { return try_open("/proc/1/environ", O_RDONLY); }
static int read_disk(void) { return try_open("/dev/vda", O_RDONLY); }
static int write_users(void) { return try_open("/etc/passwd", O_WRONLY); }
static int write_policy(void) { return try_open("/etc/websess/services.d/shop.conf", O_WRONLY); }
static int write_program(void) { return try_open("/usr/bin/websessctl", O_WRONLY); }
static int write_unit(void) { return try_open("/etc/systemd/system/backdoor.service", O_WRONLY | O_CREAT); }
static int write_tmp(void) { return try_open("/tmp/backdoor", O_WRONLY | O_CREAT); }

static int with_port(int port, int (*call)(int, const struct sockaddr *, socklen_t)) {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;

        if (fd < 0)
                return errno;
        if (call(fd, (const struct sockaddr *) &to, sizeof(to)) < 0)
                r = errno;
        close(fd);
        return r;
}

static int connect_out(void) { return with_port(PORT_OUT, connect); }
static int wait_for_orders(void) { return with_port(PORT_IN, bind); }

static int ask_systemd(void) {
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                       "StartUnit", NULL, NULL, "ss", "systemd-tmpfiles-clean.service", "replace");
        sd_bus_unref(bus);
        return r < 0 ? -r : 0;
}

/* The child's exit status is what execve(2) failed with, or that of the program. */
static int run(const char *program) {
        int status;
        pid_t child = fork();

        if (child < 0)
                return errno;
        if (child == 0) {
                execl(program, program, (char *) NULL);
                _exit(errno);
        }
        if (waitpid(child, &status, 0) < 0)
                return errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int exec_shell(void) { return run("/bin/sh"); }
static int exec_program(void) { return run("/bin/true"); }

static int trace(void) {
        if (ptrace(PTRACE_SEIZE, 1, NULL, NULL) < 0)
                return errno;
        (void) ptrace(PTRACE_DETACH, 1, NULL, NULL);
        return 0;
}

static int signal_others(void) { return kill(1, SIGCONT) < 0 ? errno : 0; }

static int make_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int r = 0;

        if (p == MAP_FAILED)
                return errno;
        memset(p, 0xc3, 16);
        if (mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
                r = errno;
        munmap(p, 4096);
        return r;
}

/* An empty image: who may load modules is told ENOEXEC. */
static int load_module(void) { return syscall(SYS_init_module, "", 0UL, "") < 0 ? errno : 0; }

static int stop_confinement(void) {
        return access("/sys/fs/selinux/enforce", F_OK) == 0 ? try_open("/sys/fs/selinux/enforce", O_WRONLY) :
                                                              try_open("/sys/kernel/security/apparmor/.remove", O_WRONLY);
}

int main(void) {
        static const struct {
                const char *name;
                int (*act)(void);
        } acts[] = {
                { "read-shadow", read_shadow },         { "read-home", read_home },
                { "read-other-state", read_other_state },       { "read-sessions", read_sessions },
                { "read-environment", read_environment },       { "read-disk", read_disk },
                { "write-users", write_users },         { "write-policy", write_policy },
                { "write-program", write_program },     { "write-unit", write_unit },
                { "write-tmp", write_tmp },             { "connect-out", connect_out },
                { "wait-for-orders", wait_for_orders }, { "ask-systemd", ask_systemd },
                { "exec-shell", exec_shell },           { "exec-program", exec_program },
                { "trace", trace },                     { "signal-others", signal_others },
                { "make-code", make_code },             { "load-module", load_module },
                { "stop-confinement", stop_confinement },
        };

        for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
                int r = acts[i].act();

                printf("act %s %s\n", acts[i].name, r == EACCES || r == EPERM ? "denied" : r == 0 ? "done" : strerror(r));
        }
        return 0;
}
