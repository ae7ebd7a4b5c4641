/* SPDX-License-Identifier: MIT */
/* Judgements of the broker's process, of swap and of labels. Pure. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

/* ---- reading ---- */

/* The number behind "\nKEY:" or "\nKEY" and blanks. */
static uint64_t number_of(const char *text, const char *key, int base) {
        const char *at = strstr(text, key);

        if (!at)
                return 0;
        at += strlen(key);
        at += strspn(at, " \t");
        return strncmp(at, "unlimited", 9) == 0 ? UINT64_MAX : strtoull(at, NULL, base);
}

void process_read(ProcessFacts *p, const char *status, const char *limits) {
        p->uid = (uid_t) number_of(status, "\nUid:", 10);
        p->capabilities = number_of(status, "\nCapEff:", 16);
        p->no_new_privileges = number_of(status, "\nNoNewPrivs:", 10) == 1;
        p->filtered = number_of(status, "\nSeccomp:", 10) == 2;
        p->swapped_kb = number_of(status, "\nVmSwap:", 10);
        p->core_limit = number_of(limits, "\nMax core file size", 10);
}

/* ---- the process ---- */

void judge_process(const ProcessFacts *p, Findings *f) {
        if (p->uid == 0) {
                finding(f, HEALTH_PROBLEM, "the broker runs as root");
                advise(f, "Start it by its unit, `systemctl restart websessd.service`, which gives it a user of its own.");
                return;
        }
        if (p->capabilities != 0) {
                finding(f, HEALTH_PROBLEM, "the broker has capabilities that it does not need (%" PRIx64 ")", p->capabilities);
                advise(f, "See drop-ins with `systemctl cat websessd.service`: CapabilityBoundingSet= is to be empty.");
        }
        if (!p->no_new_privileges || !p->filtered) {
                finding(f, HEALTH_WARNING, "the broker runs outside the sandbox of its unit");
                advise(f, "See what is in the way with `systemctl cat websessd.service` and `systemd-analyze security websessd.service`.");
        }
        if (p->capabilities == 0 && p->no_new_privileges && p->filtered)
                finding(f, HEALTH_OK, "the broker runs as uid %u, without capabilities, in its sandbox", (unsigned) p->uid);
}

/* Not dumpable is enough, whatever the limit: then no pattern and no debugger gets its memory. */
void judge_cores(const ProcessFacts *p, Findings *f) {
        if (!p->dumpable) {
                finding(f, HEALTH_OK, "the broker leaves no core file and cannot be traced");
                return;
        }
        finding(f, p->core_limit > 0 ? HEALTH_PROBLEM : HEALTH_WARNING, "the broker's memory can be read by its own user%s",
                p->core_limit > 0 ? ", and a crash leaves it in a core file" : "");
        advise(f, "It makes itself undumpable at its start: see in the journal why not, and restart it.");
}

/* ---- swap ---- */

size_t swaps_open(const char *swaps, SwapIsSafe safe, char *out, size_t size) {
        const char *line = strchr(swaps, '\n');         /* behind the heading */
        size_t n = 0, used = 0;

        out[0] = '\0';
        for (; line && line[1]; line = strchr(line + 1, '\n')) {
                char device[256];
                size_t length = strcspn(line + 1, " \t\n");

                if (length == 0 || length >= sizeof(device))
                        continue;
                memcpy(device, line + 1, length);
                device[length] = '\0';
                if (safe(device))
                        continue;
                if (used + length + 2 < size)
                        used += (size_t) snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "", device);
                n++;
        }
        return n;
}

void judge_swap(size_t n_open, const char *names, uint64_t swapped_kb, Findings *f) {
        if (n_open == 0) {
                finding(f, HEALTH_OK, "no secret can reach a disk by swap: there is none, or it is encrypted or in memory");
                return;
        }
        finding(f, HEALTH_WARNING, "passwords and tokens may reach a disk by swap that is not encrypted (%s); %" PRIu64 " KiB of the broker are there now",
                names, swapped_kb);
        advise(f, "Encrypt it (crypttab(5), swap with a random key), use zram, or set MemorySwapMax=0 for websessd.service and websess-pam@.service.");
}

/* ---- labels ---- */

void judge_label(const LabelFacts *l, Findings *f) {
        if (!l->process)
                finding(f, HEALTH_SKIPPED, "%s is there, and the broker's label could not be read", l->system);
        else if (!l->expected) {
                finding(f, HEALTH_WARNING, "%s is there, and nothing of it confines the broker", l->system);
                advise(f, "%s", l->install);
        } else if (!strstr(l->process, l->expected)) {
                finding(f, HEALTH_PROBLEM, "%s does not confine the broker: it runs as \"%s\", not as %s", l->system, l->process, l->expected);
                advise(f, "%s", l->install);
        } else if (!l->enforcing) {
                finding(f, HEALTH_WARNING, "%s only warns, it does not enforce", l->system);
                advise(f, "When the journal shows no denials, let it enforce.");
        } else
                finding(f, HEALTH_OK, "%s confines the broker as \"%s\"", l->system, l->process);
}
