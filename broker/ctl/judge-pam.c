/* SPDX-License-Identifier: MIT */
/*
 * Judgement of PAM stacks. A stack is played through for somebody whom nothing lets in: modules that check say no, those that only
 * prepare are passed over, and pam_permit says yes. If the stack then says yes, it lets everybody in. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "judge.h"

typedef enum Said { SAID_YES, SAID_NO, SAID_NOTHING } Said;

static Said module_says(const char *module) {
        static const char *const preparing[] = {
                "pam_env.so", "pam_faildelay.so", "pam_nologin.so", "pam_warn.so", "pam_echo.so", "pam_cap.so", "pam_keyinit.so", "pam_umask.so",
        };

        if (strcmp(module, "pam_permit.so") == 0)
                return SAID_YES;
        for (size_t i = 0; i < sizeof(preparing) / sizeof(*preparing); i++)
                if (strcmp(module, preparing[i]) == 0)
                        return SAID_NOTHING;
        return SAID_NO;
}

/* The simple words as what they stand for, see pam.conf(5). */
static const char *actions_of(const char *control) {
        static const struct { const char *word, *actions; } words[] = {
                { "required", "success=ok ignore=ignore default=bad" },
                { "requisite", "success=ok ignore=ignore default=die" },
                { "sufficient", "success=done default=ignore" },
                { "optional", "success=ok default=ignore" },
        };

        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
                if (strcmp(control, words[i].word) == 0)
                        return words[i].actions;
        return control;
}

/* The action for a key, or for default; "bad" where neither is there, as libpam has it. Its size in *size. */
static const char *action_for(const char *actions, Said said, size_t *size) {
        const char *keys[] = { said == SAID_YES ? "success=" : said == SAID_NOTHING ? "ignore=" : "auth_err=", "default=" };

        for (size_t i = 0; i < 2; i++) {
                const char *at = strstr(actions, keys[i]);

                if (at) {
                        at += strlen(keys[i]);
                        *size = strcspn(at, " \t]");
                        return at;
                }
        }
        *size = 3;
        return said == SAID_NOTHING ? "ignore" : "bad";
}

static bool is(const char *text, size_t size, const char *word) {
        return size == strlen(word) && memcmp(text, word, size) == 0;
}

bool pam_lets_everybody_in(const PamLine *lines, size_t n, const char *type) {
        bool yes = false, no = false;
        size_t skip = 0;

        for (size_t i = 0; i < n; i++) {
                const char *action;
                size_t size;
                Said said;

                if (strcmp(lines[i].type, type) != 0)
                        continue;
                if (skip > 0) {
                        skip--;
                        continue;
                }
                said = module_says(lines[i].module);
                action = action_for(actions_of(lines[i].control), said, &size);
                if (is(action, size, "ok") || is(action, size, "done")) {
                        yes = yes || said == SAID_YES;
                        no = no || said == SAID_NO;
                        if (is(action, size, "done") && !no)
                                return yes;
                } else if (is(action, size, "bad"))
                        no = true;
                else if (is(action, size, "die"))
                        return false;
                else if (is(action, size, "reset"))
                        yes = no = false;
                else if (*action >= '0' && *action <= '9')
                        skip = strtoul(action, NULL, 10);       /* and says nothing by itself */
        }
        return yes && !no;
}

static size_t count(const StackFacts *s, const char *type, const char *module) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += strcmp(s->lines[i].type, type) == 0 && (!module || strcmp(s->lines[i].module, module) == 0);
        return n;
}

/* True: something was said. */
static bool judge_lines(const StackFacts *s, Findings *f) {
        if (count(s, "auth", NULL) == 0) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\" has no auth line: nobody gets in", s->stack, s->service);
                advise(f, "Write one into %s, for instance `@include common-auth`.", s->path);
        } else if (count(s, "account", NULL) == 0) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\" has no account line: locked and expired accounts are not noticed, or "
                        "nobody gets in", s->stack, s->service);
                advise(f, "Write one into %s, for instance `@include common-account`.", s->path);
        } else if (pam_lets_everybody_in(s->lines, s->n, "auth")) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\" lets everybody in with any password: pam_permit decides in its auth lines",
                        s->stack, s->service);
                advise(f, "Take pam_permit out of the auth lines of %s, or put a required module before it.", s->path);
        } else if (count(s, "auth", "pam_websess.so") > 0) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\" asks websess itself: with a session's token one could begin more sessions",
                        s->stack, s->service);
                advise(f, "Take pam_websess out of the auth lines of %s; it belongs into the stacks of other programs.", s->path);
        } else
                return false;
        return true;
}

void judge_stack(const StackFacts *s, Findings *f) {
        if (s->error) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\": %s", s->stack, s->service, s->error);
                advise(f, "Write /etc/pam.d/%s, or mend PAMService= of the service; without it PAM takes \"other\", which denies.", s->stack);
                return;
        }
        if (s->missing) {
                finding(f, HEALTH_PROBLEM, "PAM service \"%s\" of service \"%s\" names %s, which is not installed", s->stack, s->service, s->missing);
                advise(f, "Install the package that has it, or take it out of %s.", s->path);
                return;
        }
        if (!judge_lines(s, f))
                finding(f, HEALTH_OK, "PAM service \"%s\" of service \"%s\" checks logins and accounts", s->stack, s->service);
}
