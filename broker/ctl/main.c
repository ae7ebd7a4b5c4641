/* SPDX-License-Identifier: MIT */
/* websessctl: from a command line to a verb to an exit status. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cmdline.h"
#include "pager.h"
#include "say.h"

static bool verb_pages(const Ctl *c) {
        static const char *const names[] = { "list", "show", "services", "status", "explain", "doctor" };

        if (c->o.no_pager)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (c->verb == ctl_verb_find(names[i]))
                        return true;
        }
        return false;
}

static int run(Ctl *c) {
        pid_t pager = verb_pages(c) ? pager_open() : 0;
        int status = c->verb->run(c);

        /* What could not be written was not done: a script would go on without its token. */
        if (pager == 0 && fflush(stdout) == EOF && status == CTL_EXIT_OK)
                status = say_errno("standard output", -errno);
        pager_close(pager);
        return status;
}

static int dispatch(Ctl *c, int argc, char **argv) {
        Fault f = {};
        int r;

        r = ctl_parse(c, argc, argv, &f);
        if (r != 0)
                return say_fault(&f, r);
        if (c->o.version) {
                puts("websessctl " WEBSESS_VERSION);
                return CTL_EXIT_OK;
        }
        if (c->o.help) {
                ctl_help(stdout, c->verb);
                return CTL_EXIT_OK;
        }
        if (!c->verb)
                return say_usage("what is to be done? See websessctl --help");
        return run(c);
}

int main(int argc, char **argv) {
        Ctl c;
        int status;

        /* Names and words are UTF-8 here whatever the terminal's user has set; numbers and times stay plain. */
        (void) setlocale(LC_CTYPE, "C.UTF-8");
        /* Tokens and passwords pass through: no core file. */
        (void) setrlimit(RLIMIT_CORE, &(struct rlimit) {});

        status = dispatch(&c, argc, argv);
        ctl_done(&c);
        return status;
}
