/* SPDX-License-Identifier: MIT */
/* websessd: parse, new, run, free. Exit statuses: 0; 1 failed; 2 usage; 78 (EX_CONFIG) what an administrator must mend first. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "cleanup.h"
#include "log.h"
#include "manager.h"
#include "restore.h"
#include "websess-names.h"

static int help(FILE *to) {
        fputs("websessd [OPTIONS…]\n\n"
              "The broker of web sessions. See websessd(8).\n\n"
              "  --check-store FILE   Walk a database, say what is wrong, and exit\n"
              "  --check-policy       Read the policy, say what is wrong, and exit\n"
              "  --restore FILE       Put a backup in the place of the database, and exit;\n"
              "                       all sessions end\n"
              "  --keep               With --restore: the sessions in the backup go on\n"
              "  --help               Show this help\n"
              "  --version            Show the version\n", to);
        return to == stdout ? EXIT_SUCCESS : EX_USAGE;
}

/* systemd lists several directories with colons between them; the first is ours. */
static char *directory(const char *variable, const char *fallback) {
        const char *value = getenv(variable);

        if (!value || !*value)
                value = fallback;
        return strndup(value, strcspn(value, ":"));
}

/* Secrets pass through this process: none of them is to end in a core file. */
static void forbid_core_files(void) {
        (void) prctl(PR_SET_DUMPABLE, 0);
        (void) setrlimit(RLIMIT_CORE, &(struct rlimit) {});
}

static int check_policy(const char *configuration) {
        Policy *p = NULL;
        Fault f = {};
        int r;

        r = policy_load(&p, configuration, &f);
        if (r == 0)
                printf("%s: %zu services\n", configuration, p->n_services);
        else
                fprintf(stderr, "websessd: %s\n", r > 0 ? f.text : strerror(-r));
        policy_unref(p);
        return r == 0 ? EXIT_SUCCESS : r > 0 ? EX_CONFIG : EXIT_FAILURE;
}

static int serve(const ManagerOptions *options) {
        Manager *m = NULL;
        Fault f = {};
        int r;

        forbid_core_files();
        r = manager_new(&m, options, &f);
        if (r > 0) {
                log_event(LOG_EVENT_INTERNAL, LOG_CRIT, LOG_NO_FIELDS, "%s", f.text);
                return EX_CONFIG;
        }
        if (r < 0) {
                log_error(r, "Cannot start");
                return EXIT_FAILURE;
        }

        r = manager_run(m);
        manager_free(m);
        return r;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "check-store", required_argument, NULL, 's' },
                { "check-policy", no_argument, NULL, 'p' },
                { "restore", required_argument, NULL, 'r' },
                { "keep", no_argument, NULL, 'k' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                {}
        };
        _cleanup_free_ char *configuration = directory("CONFIGURATION_DIRECTORY", WEBSESS_CONFIGURATION_DIRECTORY);
        _cleanup_free_ char *state = directory("STATE_DIRECTORY", WEBSESS_STATE_DIRECTORY);
        _cleanup_free_ char *runtime = directory("RUNTIME_DIRECTORY", WEBSESS_RUNTIME_DIRECTORY);

        const char *backup = NULL;
        bool keep = false;
        int option;

        if (!configuration || !state || !runtime) {
                fputs("websessd: out of memory\n", stderr);
                return EXIT_FAILURE;
        }

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
                switch (option) {
                case 's':
                        return store_check_main(optarg);
                case 'p':
                        return check_policy(configuration);
                case 'r':
                        backup = optarg;
                        break;
                case 'k':
                        keep = true;
                        break;
                case 'h':
                        return help(stdout);
                case 'v':
                        printf("websessd %s\n", WEBSESS_VERSION);
                        return EXIT_SUCCESS;
                default:
                        return help(stderr);
                }
        if (optind < argc || (keep && !backup))
                return help(stderr);
        if (backup)
                return restore_main(state, backup, keep);
        return serve(&(ManagerOptions) { configuration, state, runtime });
}
