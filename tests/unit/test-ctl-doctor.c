/* SPDX-License-Identifier: MIT */
/* What the doctor thinks of what it saw, and that every finding that is not well says what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "ctl/judge.h"
#include "span.h"

#define MIB (UINT64_C(1024) * 1024)

/* The finding number i is this bad and says this. */
static void found(const Findings *f, size_t i, Health health, const char *text) {
        assert_false(f->failed);
        if (i >= f->n)
                fail_msg("nothing is said of \"%s\"", text);
        if (f->items[i].health != health || !strstr(f->items[i].text, text))
                fail_msg("%s: \"%s\" instead of %s: \"%s\"", health_name(f->items[i].health), f->items[i].text, health_name(health), text);
        assert_true(health < HEALTH_WARNING || f->items[i].advice);
}

static void test_reach(void **state) {
        const struct {
                ReachFacts facts;
                Health health;
                const char *text;
                size_t i, n;
        } cases[] = {
                { { "the socket", NULL, "1", "1", false }, HEALTH_OK, "version 1 answers on the socket", 0, 1 },
                { { "the socket", NULL, "1", "2", false }, HEALTH_WARNING, "version 1 runs, and 2 is installed", 1, 2 },
                { { "the socket", "refused", NULL, "1", false }, HEALTH_PROBLEM, "nobody answers on the socket: refused", 0, 1 },
                { { "the bus", "refused", NULL, "1", true }, HEALTH_WARNING, "nobody answers on the bus: refused", 0, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                judge_reach(&cases[i].facts, &f);
                assert_int_equal(f.n, cases[i].n);
                found(&f, cases[i].i, cases[i].health, cases[i].text);
        }
}

static void test_store(void **state) {
        const struct {
                uint64_t used, disk_free;
                bool kept;
                const char *error;
                Health used_health, disk_health;
        } cases[] = {
                { 79, 100 * MIB, true, "", HEALTH_OK, HEALTH_OK },
                { 80, 100 * MIB, true, "", HEALTH_WARNING, HEALTH_OK },
                { 94, 100 * MIB, true, "", HEALTH_WARNING, HEALTH_OK },
                { 95, 67 * MIB, true, "", HEALTH_PROBLEM, HEALTH_WARNING },
                { 100, 4 * MIB, true, "", HEALTH_PROBLEM, HEALTH_WARNING },
                { 0, 3 * MIB, true, "", HEALTH_OK, HEALTH_PROBLEM },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                judge_store(&(StoreFacts) { "/s", cases[i].error, cases[i].used * MIB, 100 * MIB, 4 * MIB, cases[i].kept, true, cases[i].disk_free }, &f);
                assert_int_equal(f.n, 2);
                found(&f, 0, cases[i].used_health, "of MaxSize= is used");
                found(&f, 1, cases[i].disk_health, "the disk of /s");
        }
}

static void test_store_in_trouble(void **state) {
        _cleanup_(findings_done) Findings f = {};

        judge_store(&(StoreFacts) { "/s", "No space left on device", 0, 0, 0, false, false, 0 }, &f);
        assert_int_equal(f.n, 3);
        found(&f, 0, HEALTH_PROBLEM, "the store cannot write: No space left");
        found(&f, 1, HEALTH_OK, "0%");
        found(&f, 2, HEALTH_WARNING, "could not set the reserve aside");
}

static void test_helpers(void **state) {
        const struct {
                HelperFacts facts;
                Health health;
                const char *text;
        } cases[] = {
                { { .wanted = 2, .idle = 2, .started = 9 }, HEALTH_OK, "2 PAM helpers wait" },
                { { .wanted = 2, .idle = 0, .active = 2, .started = 9 }, HEALTH_OK, "2 are at work" },
                { { .wanted = 2, .starting = 2 }, HEALTH_OK, "2 start" },
                { { .wanted = 0 }, HEALTH_OK, "0 PAM helpers wait" },
                { { .wanted = 2, .failed = 3 }, HEALTH_PROBLEM, "no PAM helper is there" },
                { { .wanted = 2, .active = 64, .max = 64, .waiting = 5, .started = 99 }, HEALTH_WARNING, "5 logins wait" },
                { { .wanted = 2, .idle = 1, .started = 5, .failed = 3 }, HEALTH_WARNING, "3 of 5 PAM helpers were lost" },
                { { .wanted = 2, .idle = 1, .started = 6, .failed = 3 }, HEALTH_OK, "1 PAM helpers wait" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                judge_helpers(&cases[i].facts, &f);
                assert_int_equal(f.n, 1);
                found(&f, 0, cases[i].health, cases[i].text);
        }
}

static void test_clock(void **state) {
        const struct {
                ClockFacts facts;
                Health health[3];
                const char *text[3];
        } cases[] = {
                { { .synchronised = true }, { HEALTH_OK }, { "is synchronised" } },
                { { .synchronised = true, .error_usec = 5 * USEC_PER_SEC }, { HEALTH_WARNING }, { "wrong by 5000 ms" } },
                { { .steps_known = true }, { HEALTH_WARNING, HEALTH_OK }, { "not synchronised", "has not been set" } },
                { { .synchronised = true, .steps_known = true, .stepped_usec = 2000000 }, { HEALTH_OK, HEALTH_OK }, { "is", "has not been set" } },
                { { .synchronised = true, .steps_known = true, .stepped_usec = -2000001 }, { HEALTH_OK, HEALTH_WARNING }, { "is", "set back by 2s" } },
                { { .synchronised = true, .steps_known = true, .stepped_usec = INT64_C(3600000000) }, { HEALTH_OK, HEALTH_WARNING },
                  { "is", "set forward by 1h" } },
                { { .synchronised = true, .steps_known = true, .behind_usec = USEC_PER_DAY, .stepped_usec = -5000000 },
                  { HEALTH_OK, HEALTH_WARNING, HEALTH_WARNING }, { "is", "stood 1d before the last time", "set back by 5s" } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                judge_clock(&cases[i].facts, &f);
                for (size_t k = 0; k < 3 && cases[i].text[k]; k++)
                        found(&f, k, cases[i].health[k], cases[i].text[k]);
                assert_true(f.n == 3 || !cases[i].text[f.n]);
        }
}

static void test_files(void **state) {
        const FileRule folder = { S_IFDIR, 077, 0700, 9, false, HEALTH_PROBLEM }, policy = { S_IFREG, 022, 0, 0, true, HEALTH_WARNING };
        const FileRule open_socket = { S_IFSOCK, 0, 0666, 9, true, HEALTH_PROBLEM };
        const struct {
                const FileRule *rule;
                FileFacts file;
                Health health;
                const char *text, *advice;
        } cases[] = {
                { &folder, { "/f", 0, S_IFDIR | 0700, 9 }, HEALTH_OK, "/f: mode 0700", NULL },
                { &folder, { "/f", 0, S_IFDIR | 0750, 9 }, HEALTH_PROBLEM, "others can read it", "chmod 0700 /f" },
                { &folder, { "/f", 0, S_IFDIR | 0702, 9 }, HEALTH_PROBLEM, "others can change it", "chmod 0700 /f" },
                { &folder, { "/f", 0, S_IFDIR | 0500, 9 }, HEALTH_PROBLEM, "are kept out", "chmod 0700 /f" },
                { &folder, { "/f", 0, S_IFDIR | 0700, 8 }, HEALTH_PROBLEM, "belongs to uid 8 instead of 9", "chown 9 /f" },
                { &folder, { "/f", 0, S_IFDIR | 0700, 0 }, HEALTH_PROBLEM, "belongs to uid 0", "chown 9 /f" },
                { &folder, { "/f", 0, S_IFLNK | 0777, 9 }, HEALTH_PROBLEM, "is not a folder", "Move it away" },
                { &folder, { "/f", ENOENT, 0, 0 }, HEALTH_PROBLEM, "is not there", "systemd-tmpfiles" },
                { &folder, { "/f", EACCES, 0, 0 }, HEALTH_SKIPPED, "cannot be looked at", "root" },
                { &policy, { "/p", 0, S_IFREG | 0644, 0 }, HEALTH_OK, "/p", NULL },
                { &policy, { "/p", 0, S_IFREG | 0664, 0 }, HEALTH_PROBLEM, "others can change it", "chmod 0644 /p" },
                { &policy, { "/p", ENOENT, 0, 0 }, HEALTH_WARNING, "is not there", "systemd-tmpfiles" },
                { &open_socket, { "/s", 0, S_IFSOCK | 0666, 0 }, HEALTH_OK, "/s", NULL },
                { &open_socket, { "/s", 0, S_IFSOCK | 0600, 0 }, HEALTH_PROBLEM, "are kept out", "chmod 0666 /s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                judge_file(&cases[i].file, cases[i].rule, &f);
                assert_int_equal(f.n, 1);
                found(&f, 0, cases[i].health, cases[i].text);
                if (cases[i].advice && !strstr(f.items[0].advice, cases[i].advice))
                        fail_msg("case %zu advises \"%s\"", i, f.items[0].advice);
        }
}

static void test_key(void **state) {
        _cleanup_(findings_done) Findings f = {};

        judge_key(&(KeyFacts) { { "/k", 0, S_IFREG | 0600, 9 }, 3 * USEC_PER_DAY }, &f);
        found(&f, 0, HEALTH_OK, "is 3d old");
        judge_key(&(KeyFacts) { { "/k", 0, S_IFREG | 0600, 9 }, 6 * 365 * USEC_PER_DAY }, &f);
        found(&f, 1, HEALTH_WARNING, "old");
        judge_key(&(KeyFacts) { { "/k", 0, S_IFREG | 0640, 9 }, 0 }, &f);
        found(&f, 2, HEALTH_PROBLEM, "others can read /k (mode 0640)");
        found(&f, 3, HEALTH_OK, "is 0s old");
        judge_key(&(KeyFacts) { { "/k", ENOENT, 0, 0 }, 0 }, &f);
        found(&f, 4, HEALTH_WARNING, "is not there");
        judge_key(&(KeyFacts) { { "/k", EACCES, 0, 0 }, 0 }, &f);
        found(&f, 5, HEALTH_SKIPPED, "cannot be looked at");
        assert_int_equal(f.n, 6);
}

static const char sandboxed[] = "Name:\twebsessd\nUid:\t998\t998\t998\t998\nVmSwap:\t      12 kB\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t9\n"
                                "CapEff:\t0000000000000000\n";
static const char limits[] = "Limit                     Soft Limit           Hard Limit           Units\n"
                             "Max core file size        0                    0                    bytes\n";

static void test_process_is_read(void **state) {
        ProcessFacts p = {};

        process_read(&p, sandboxed, limits);
        assert_int_equal(p.uid, 998);
        assert_int_equal(p.swapped_kb, 12);
        assert_int_equal(p.capabilities, 0);
        assert_true(p.no_new_privileges && p.filtered);
        assert_int_equal(p.core_limit, 0);
        process_read(&p, "x\nUid:\t0\t0\nCapEff:\t00000000000000ff\nNoNewPrivs:\t0\nSeccomp:\t0\n", "x\nMax core file size        unlimited  unlimited\n");
        assert_int_equal(p.uid, 0);
        assert_int_equal(p.capabilities, 0xff);
        assert_false(p.no_new_privileges || p.filtered);
        assert_true(p.core_limit == UINT64_MAX);
        process_read(&p, "", "");
        assert_int_equal(p.core_limit, 0);
}

static void test_process(void **state) {
        _cleanup_(findings_done) Findings f = {};
        ProcessFacts p = { .uid = 998, .no_new_privileges = true, .filtered = true };

        judge_process(&p, &f);
        found(&f, 0, HEALTH_OK, "in its sandbox");
        p.filtered = false;
        judge_process(&p, &f);
        found(&f, 1, HEALTH_WARNING, "outside the sandbox");
        p.filtered = true;
        p.capabilities = 1;
        judge_process(&p, &f);
        found(&f, 2, HEALTH_PROBLEM, "has capabilities");
        p.uid = 0;
        judge_process(&p, &f);
        found(&f, 3, HEALTH_PROBLEM, "runs as root");
        assert_int_equal(f.n, 4);
}

static void test_S19_cores(void **state) {
        _cleanup_(findings_done) Findings f = {};

        judge_cores(&(ProcessFacts) { .core_limit = UINT64_MAX }, &f);
        found(&f, 0, HEALTH_OK, "no core file");
        judge_cores(&(ProcessFacts) { .dumpable = true }, &f);
        found(&f, 1, HEALTH_WARNING, "by its own user");
        judge_cores(&(ProcessFacts) { .dumpable = true, .core_limit = 1 }, &f);
        found(&f, 2, HEALTH_PROBLEM, "in a core file");
}

static bool is_safe(const char *device) {
        return strcmp(device, "/dev/zram0") == 0;
}

static void test_S19_swap(void **state) {
        _cleanup_(findings_done) Findings f = {};
        static const char heading[] = "Filename\t\tType\tSize\tUsed\tPriority\n";
        char names[64], text[256];

        assert_int_equal(swaps_open("", is_safe, names, sizeof(names)), 0);
        assert_int_equal(swaps_open(heading, is_safe, names, sizeof(names)), 0);
        snprintf(text, sizeof(text), "%s/dev/zram0 partition 1 0 -2\n", heading);
        assert_int_equal(swaps_open(text, is_safe, names, sizeof(names)), 0);
        snprintf(text, sizeof(text), "%s/dev/zram0 partition 1 0 -2\n/swapfile\tfile\t1\t0\t-3\n/dev/sda2 partition 1 0 -2\n", heading);
        assert_int_equal(swaps_open(text, is_safe, names, sizeof(names)), 2);
        assert_string_equal(names, "/swapfile /dev/sda2");
        assert_int_equal(swaps_open(text, is_safe, names, 12), 2);

        judge_swap(0, "", 0, &f);
        found(&f, 0, HEALTH_OK, "no secret can reach");
        judge_swap(1, "/dev/sda2", 8, &f);
        found(&f, 1, HEALTH_WARNING, "(/dev/sda2); 8 KiB of the broker");
}

static void test_S25_labels(void **state) {
        _cleanup_(findings_done) Findings f = {};

        judge_label(&(LabelFacts) { "SELinux", true, "system_u:system_r:websessd_t:s0", "websessd_t", "do it" }, &f);
        found(&f, 0, HEALTH_OK, "confines the broker");
        judge_label(&(LabelFacts) { "SELinux", false, "system_u:system_r:websessd_t:s0", "websessd_t", "do it" }, &f);
        found(&f, 1, HEALTH_WARNING, "does not enforce");
        judge_label(&(LabelFacts) { "SELinux", true, "unconfined_t", "websessd_t", "do it" }, &f);
        found(&f, 2, HEALTH_PROBLEM, "runs as \"unconfined_t\"");
        judge_label(&(LabelFacts) { "AppArmor", true, "unconfined", NULL, "do it" }, &f);
        found(&f, 3, HEALTH_WARNING, "nothing of it confines");
        judge_label(&(LabelFacts) { "AppArmor", true, NULL, "websessd", "do it" }, &f);
        found(&f, 4, HEALTH_SKIPPED, "could not be read");
}

static void test_entries(void **state) {
        const struct {
                EntryFacts e;
                bool said;
                Health health;
                const char *text;
        } cases[] = {
                { { "shop", "Resolve", "irc", true, 39, true, 39, true }, false, HEALTH_OK, NULL },
                { { "shop", "Resolve", "998", false, 0, false, 0, true }, false, HEALTH_OK, NULL },
                { { "shop", "Resolve", "unit:a.service", false, 0, false, 0, true }, false, HEALTH_OK, NULL },
                { { "shop", "Resolve", "unit:a.service", false, 0, false, 0, false }, true, HEALTH_PROBLEM, "matches nobody" },
                { { "shop", "Resolve", "irc", true, 39, false, 0, true }, true, HEALTH_PROBLEM, "no such user any more, and uid 39 keeps" },
                { { "shop", "Resolve", "@irc", true, 39, false, 0, true }, true, HEALTH_PROBLEM, "no such group any more, and gid 39 keeps" },
                { { "shop", "Resolve", "irc", true, 39, true, 40, true }, true, HEALTH_PROBLEM, "was 39 when the policy was read, and is 40 now" },
                { { "shop", "Resolve", "*", false, 0, false, 0, true }, true, HEALTH_WARNING, "every program" },
                { { "shop", "Login", "*", false, 0, false, 0, true }, true, HEALTH_WARNING, "every program" },
                { { "shop", "Create", "*", false, 0, false, 0, true }, true, HEALTH_PROBLEM, "every program" },
                { { "shop", "Manage", "*", false, 0, false, 0, true }, true, HEALTH_PROBLEM, "every program" },
                { { "shop", "Map", "*", false, 0, false, 0, true }, true, HEALTH_PROBLEM, "every program" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};

                assert_int_equal(judge_entry(&cases[i].e, &f), cases[i].said);
                assert_int_equal(f.n, cases[i].said);
                if (cases[i].said)
                        found(&f, 0, cases[i].health, cases[i].text);
        }
}

/* ---- PAM ---- */

#define DEBIAN "success=1 default=ignore"

static void test_stacks_that_let_everybody_in(void **state) {
        const struct {
                PamLine lines[5];
                bool open;
        } cases[] = {
                { { { "auth", "required", "pam_unix.so" } }, false },
                { { { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", "sufficient", "pam_permit.so" }, { "auth", "required", "pam_unix.so" } }, true },
                { { { "auth", "required", "pam_unix.so" }, { "auth", "sufficient", "pam_permit.so" } }, false },
                { { { "auth", "sufficient", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", "optional", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, true },
                /* Debian's: a deny that a good password jumps over. */
                { { { "auth", DEBIAN, "pam_unix.so" }, { "auth", "requisite", "pam_deny.so" }, { "auth", "required", "pam_permit.so" } }, false },
                { { { "auth", DEBIAN, "pam_permit.so" }, { "auth", "requisite", "pam_deny.so" }, { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", DEBIAN, "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", "success=ok default=bad", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, false },
                { { { "auth", "success=ok default=die", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, false },
                { { { "auth", "required", "pam_unix.so" }, { "auth", "default=reset", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", "success=done", "pam_permit.so" } }, true },
                /* What only prepares lets nobody in, and keeps nobody out. */
                { { { "auth", "required", "pam_env.so" } }, false },
                { { { "auth", "required", "pam_env.so" }, { "auth", "required", "pam_permit.so" } }, true },
                { { { "auth", "required", "pam_faillock.so" }, { "auth", "sufficient", "pam_unix.so" }, { "auth", "required", "pam_deny.so" } }, false },
                /* Other types are another matter. */
                { { { "account", "required", "pam_permit.so" }, { "auth", "required", "pam_unix.so" } }, false },
                { { { "auth", "nonsense", "pam_unix.so" }, { "auth", "required", "pam_permit.so" } }, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t n = 0;

                while (n < 5 && cases[i].lines[n].type)
                        n++;
                if (pam_lets_everybody_in(cases[i].lines, n, "auth") != cases[i].open)
                        fail_msg("case %zu", i);
        }
        assert_false(pam_lets_everybody_in(NULL, 0, "auth"));
}

static void test_stacks(void **state) {
        static const PamLine good[] = { { "auth", "required", "pam_unix.so" }, { "account", "required", "pam_unix.so" } };
        static const PamLine loop[] = { { "auth", "sufficient", "pam_websess.so" }, { "auth", "required", "pam_unix.so" },
                                        { "account", "required", "pam_unix.so" } };
        const struct {
                StackFacts s;
                Health health;
                const char *text;
        } cases[] = {
                { { .lines = good, .n = 2 }, HEALTH_OK, "checks logins and accounts" },
                { { .lines = good, .n = 1 }, HEALTH_PROBLEM, "has no account line" },
                { { .lines = good + 1, .n = 1 }, HEALTH_PROBLEM, "has no auth line" },
                { { .lines = loop, .n = 3 }, HEALTH_PROBLEM, "asks websess itself" },
                { { .error = "/etc/pam.d/x: gone" }, HEALTH_PROBLEM, "/etc/pam.d/x: gone" },
                { { .lines = good, .n = 2, .missing = "pam_u2f.so" }, HEALTH_PROBLEM, "names pam_u2f.so, which is not installed" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(findings_done) Findings f = {};
                StackFacts s = cases[i].s;

                s.service = "shop";
                s.stack = "web";
                s.path = "/etc/pam.d/web";
                judge_stack(&s, &f);
                assert_int_equal(f.n, 1);
                found(&f, 0, cases[i].health, cases[i].text);
                assert_non_null(strstr(f.items[0].text, "PAM service \"web\" of service \"shop\""));
        }
}

static void test_findings(void **state) {
        _cleanup_(findings_done) Findings f = { .check = "one" };

        advise(&f, "of nothing");
        finding(&f, HEALTH_OK, "%s", "good");
        f.check = "two";
        finding(&f, HEALTH_PROBLEM, "bad");
        advise(&f, "Mend it.");
        advise(&f, "Mend it %s.", "well");
        assert_int_equal(f.n, 2);
        assert_string_equal(f.items[0].check, "one");
        assert_null(f.items[0].advice);
        assert_string_equal(f.items[1].check, "two");
        assert_string_equal(f.items[1].advice, "Mend it well.");
        assert_int_equal(findings_count(&f, HEALTH_PROBLEM), 1);
        findings_drop(&f);
        assert_int_equal(findings_count(&f, HEALTH_PROBLEM), 0);
        findings_drop(&f);
        findings_drop(&f);
        assert_int_equal(f.n, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reach),
                cmocka_unit_test(test_store),
                cmocka_unit_test(test_store_in_trouble),
                cmocka_unit_test(test_helpers),
                cmocka_unit_test(test_clock),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_key),
                cmocka_unit_test(test_process_is_read),
                cmocka_unit_test(test_process),
                cmocka_unit_test(test_S19_cores),
                cmocka_unit_test(test_S19_swap),
                cmocka_unit_test(test_S25_labels),
                cmocka_unit_test(test_entries),
                cmocka_unit_test(test_stacks_that_let_everybody_in),
                cmocka_unit_test(test_stacks),
                cmocka_unit_test(test_findings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
