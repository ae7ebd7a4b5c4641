/* SPDX-License-Identifier: MIT */
/* The entries of the policy in force, against the users, groups and kernel that are here now. Asks NSS. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "judge.h"

#define WORDS_MAX 4u

/* Splits a line at its blanks, in place. */
static size_t split(char *line, char *words[static WORDS_MAX]) {
        size_t n = 0;

        for (char *word = strtok_r(line, " ", &line); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &line))
                words[n++] = word;
        return n;
}

static bool look_up(const char *name, uint32_t *ret) {
        if (name[0] == '@') {
                const struct group *g = getgrnam(name + 1);

                *ret = g ? g->gr_gid : 0;
                return g != NULL;
        }
        const struct passwd *u = getpwnam(name);

        *ret = u ? u->pw_uid : 0;
        return u != NULL;
}

static bool check_entry(char *line, Findings *f) {
        char *words[WORDS_MAX];
        EntryFacts e = { .units_possible = kernel_has_peer_pidfd() };

        if (split(line, words) != WORDS_MAX)
                return false;
        e.service = words[0];
        e.right = words[1];
        e.entry = words[2];
        e.has_number = words[3][0] != '-' && e.entry[strspn(e.entry, "0123456789")] != '\0';
        e.number = (uint32_t) strtoul(words[3], NULL, 10);
        if (e.has_number)
                e.found = look_up(e.entry, &e.found_number);
        return judge_entry(&e, f);
}

/* A holder who is not there gets nothing, which is safe, and perhaps not what was meant. */
static bool check_holder(char *line, Findings *f) {
        char *words[WORDS_MAX];
        uint32_t number;

        if (split(line, words) != 3 || look_up(words[2], &number))
                return false;
        finding(f, HEALTH_WARNING, "%s=%s of service \"%s\": there is no such %s", words[1], words[2], words[0], words[2][0] == '@' ? "group" : "user");
        advise(f, "Take it out of [Roles], then `websessctl reload`; a new one of that name would get the role.");
        return true;
}

static size_t check_lines(const websess_values *facts, const char *key, bool (*check)(char *line, Findings *f), Findings *f, size_t *said) {
        const char *const *lines = NULL;
        size_t n = fact_lines(facts, key, &lines);

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *line = strdup(lines[i]);

                if (line)
                        *said += check(line, f);
        }
        return n;
}

void check_policy(const Patient *p, Findings *f) {
        size_t n, said = 0;

        if (fact_missing(p, p->facts, f, "policy"))
                return;
        n = check_lines(p->facts, "Access", check_entry, f, &said);
        n += check_lines(p->facts, "RoleHolders", check_holder, f, &said);
        if (said == 0)
                finding(f, HEALTH_OK, "%zu entries of [Access] and [Roles] name somebody who is there, and none is open to all", n);
}
