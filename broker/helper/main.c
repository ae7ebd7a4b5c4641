/* SPDX-License-Identifier: MIT */
/*
 * websess-pam: one PAM conversation for websessd. Root in production, so everything that came from outside is
 * dropped before the first packet is read: environment, core dumps, umask. Owns the process; the conversation is
 * helper.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "helper.h"
#include "websess-names.h"

#define LISTEN_FD 3             /* sd_listen_fds(3): the first socket that was passed */

typedef struct Arguments {
        HelperOptions helper;
        char *configuration;    /* a copy: the environment it may come from is cleared */
        bool inetd;
        bool help, version;
} Arguments;

static const char usage[] =
        "websess-pam [OPTIONS]\n\n"
        "Answers one question of websessd by PAM. Started for each connection by websess-pam.socket; see "
        "websess-pam(8).\n\n"
        "  --config=DIR       folder of the policy (default $CONFIGURATION_DIRECTORY or "
        WEBSESS_CONFIGURATION_DIRECTORY ")\n"
        "  --pam-confdir=DIR  folder of PAM services, in place of /etc/pam.d\n"
        "  --peer-uid=UID     who may connect besides root and the user websess\n"
        "  --inetd            the connection is standard input, not the descriptor that systemd passes\n"
        "  --help, --version\n";

static bool parse_uid(const char *text, uid_t *ret) {
        unsigned long n;
        char *end;

        errno = 0;
        n = strtoul(text, &end, 10);
        if (errno != 0 || *end || end == text || *text < '0' || *text > '9' || n >= UINT32_MAX)
                return false;
        *ret = (uid_t) n;
        return true;
}

/* 0, or -EINVAL after saying on standard error what is wrong. */
static int parse_arguments(Arguments *a, int argc, char **argv) {
        enum { CONFIG = 1, CONFDIR, PEER, INETD, HELP, VERSION };
        static const struct option options[] = {
                { "config", required_argument, NULL, CONFIG },   { "pam-confdir", required_argument, NULL, CONFDIR },
                { "peer-uid", required_argument, NULL, PEER },   { "inetd", no_argument, NULL, INETD },
                { "help", no_argument, NULL, HELP },             { "version", no_argument, NULL, VERSION },
                { 0 },
        };
        const char *configuration = getenv("CONFIGURATION_DIRECTORY");

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (c) {
                case CONFIG:
                        configuration = optarg;
                        break;
                case CONFDIR:
                        a->helper.pam_confdir = optarg;
                        break;
                case PEER:
                        if (!parse_uid(optarg, &a->helper.peer_uid)) {
                                fprintf(stderr, "--peer-uid: \"%s\" is not a numeric user id\n", optarg);
                                return -EINVAL;
                        }
                        break;
                case INETD:
                        a->inetd = true;
                        break;
                case HELP:
                        a->help = true;
                        break;
                case VERSION:
                        a->version = true;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "\"%s\" is too much: websess-pam takes options only\n", argv[optind]);
                return -EINVAL;
        }
        a->configuration = strdup(configuration && *configuration ? configuration : WEBSESS_CONFIGURATION_DIRECTORY);
        a->helper.configuration = a->configuration;
        if (!a->configuration)
                fputs("websess-pam: out of memory\n", stderr);
        return a->configuration ? 0 : -ENOMEM;
}

/* Was the connection passed to this very process? */
static bool passed_by_systemd(void) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

        return pid && n && strtol(pid, NULL, 10) == getpid() && strcmp(n, "1") == 0;
}

/* The connection on a descriptor of its own, out of the way of modules that write to standard output. -EINVAL when
 * there is none. */
static int take_connection(bool inetd) {
        int fd = inetd ? STDIN_FILENO : LISTEN_FD, moved, type;
        socklen_t size = sizeof(type);

        if (!inetd && !passed_by_systemd())
                return -EINVAL;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
                return -EINVAL;
        moved = fcntl(fd, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
        if (moved < 0)
                return -errno;
        close(fd);
        return moved;
}

/* Standard descriptors that are closed would be handed out to the next file that a module opens. */
static int fill_standard_descriptors(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

/* Nothing of whoever started the process reaches PAM, and no secret reaches a core file. */
static int harden(void) {
        static const struct rlimit no_core = { 0, 0 };

        if (clearenv() != 0)
                return -ENOMEM;
        umask(077);
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
                return -errno;
        return 0;
}

/* What every login needs and loads at its first use: done now, while nobody waits. The answer does not matter. */
static void warm_up(void) {
        struct passwd entry, *found;
        gid_t groups[1];
        char buffer[4096];
        int n = ELEMENTSOF(groups);

        tzset();
        (void) getpwnam_r("root", &entry, buffer, sizeof(buffer), &found);
        (void) getgrouplist("root", 0, groups, &n);
}

static int complain(int r, const char *what) {
        fprintf(stderr, "websess-pam: %s: %s\n", what, strerror(-r));
        return EXIT_FAILURE;
}

static int serve(const Arguments *a) {
        _cleanup_close_ int fd = take_connection(a->inetd);
        int r;

        if (fd < 0)
                return complain(fd, "no connection was passed (a SOCK_SEQPACKET socket by systemd, or standard input "
                                    "with --inetd)");
        r = fill_standard_descriptors();
        if (r >= 0)
                r = harden();
        if (r < 0)
                return complain(r, "cannot shut the outside out");
        r = helper_check_peer(fd, &a->helper);
        if (r < 0)
                return complain(r, "whoever connected may not ask");
        warm_up();
        r = helper_serve(fd, &a->helper);
        return r < 0 ? complain(r, "conversation broken off") : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        Arguments a = { .helper.peer_uid = (uid_t) -1 };
        int r = parse_arguments(&a, argc, argv);

        if (r < 0)
                r = EXIT_FAILURE;
        else if (a.help)
                r = fputs(usage, stdout) < 0;
        else if (a.version)
                r = puts("websess-pam " WEBSESS_VERSION) < 0;
        else
                r = serve(&a);
        free(a.configuration);
        return r;
}
