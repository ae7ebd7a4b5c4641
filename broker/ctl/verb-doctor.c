/* SPDX-License-Identifier: MIT */
/* The verb doctor: the table of checks, and what they all start from. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "say.h"
#include "span.h"
#include "verbs.h"
#include "websess-names.h"

/* A broker that does not answer is a finding, and is not waited for as long as by others. */
#define DOCTOR_TIMEOUT_USEC (3 * USEC_PER_SEC)

static const struct {
        const char *name;
        void (*run)(const Patient *p, Findings *f);
} checks[] = {
        { "reach", check_reach },
        { "bus", check_bus },
        { "health", check_health },
        { "store", check_store },
        { "maps", check_maps },
        { "helpers", check_helpers },
        { "policy", check_policy },
        { "pam", check_pam },
        { "files", check_files },
        { "key", check_key },
        { "clock", check_clock },
        { "kernel", check_kernel },
        { "process", check_process },
        { "secrets", check_secrets },
        { "labels", check_labels },
};

/* What the broker says of itself. Without it most can be looked at all the same. */
static int ask(const Ctl *c, websess_values *status, websess_values *facts, Patient *p, char *reason, size_t size) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        r = websess_open(&w, NULL, p->timeout_usec);
        if (r == 0)
                r = websess_status(w, status);
        if (r == 0) {
                p->status = status;
                r = websess_inspect(w, facts);
        }
        if (r == 0)
                p->facts = facts;
        else
                (void) snprintf(reason, size, "%s", websess_last_error_text());
        return r == -ENOMEM ? r : 0;
}

static void place(Patient *p) {
        p->configuration = fact_text(p->status, "ConfigurationDirectory", WEBSESS_CONFIGURATION_DIRECTORY);
        p->state = fact_text(p->facts, "StateDirectory", p->status ? NULL : WEBSESS_STATE_DIRECTORY);
        p->runtime = fact_text(p->facts, "RuntimeDirectory", p->status ? NULL : WEBSESS_RUNTIME_DIRECTORY);
        p->pid = (pid_t) fact_number(p->facts, "Pid", 0);
        p->uid = (uid_t) fact_number(p->facts, "Uid", (uid_t) -1);
}

static int run(const Ctl *c, websess_values *status, websess_values *facts) {
        _cleanup_(findings_done) Findings f = {};
        char reason[512] = "";
        Patient p = { .reason = reason, .timeout_usec = c->o.timeout_usec ? c->o.timeout_usec : DOCTOR_TIMEOUT_USEC };
        int r;

        r = ask(c, status, facts, &p, reason, sizeof(reason));
        if (r < 0)
                return say_errno(NULL, r);
        place(&p);
        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                f.check = checks[i].name;
                checks[i].run(&p, &f);
        }
        r = findings_print(&f, c);
        if (r < 0)
                return say_errno(NULL, r);
        return findings_count(&f, HEALTH_PROBLEM) > 0 ? CTL_EXIT_ERROR : CTL_EXIT_OK;
}

int verb_doctor(Ctl *c) {
        _cleanup_(websess_values_freep) websess_values *status = NULL, *facts = NULL;
        int r;

        r = websess_values_new(&status);
        if (r == 0)
                r = websess_values_new(&facts);
        return r == 0 ? run(c, status, facts) : say_outcome(NULL, r);
}
