/* SPDX-License-Identifier: MIT */
/* Lists of authentication methods and of languages, and what a stack of PAM proves and speaks. Pure. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy-keys.h"
#include "validate.h"

void methods_reset(void *field) {
        Methods *m = field;

        while (m->n > 0)
                free(m->names[--m->n]);
}

static bool contains(const Methods *m, Slice word) {
        for (size_t i = 0; i < m->n; i++)
                if (slice_equal(slice_of(m->names[i]), word))
                        return true;
        return false;
}

static int parse_list(const ConfigItem *item, Methods *m, int (*check)(Slice s, Fault *f), const char *what, Fault *f) {
        const char *cursor = item->value;
        Slice word;
        int r;

        while (next_word(&cursor, &word)) {
                r = check(word, f);
                if (r != 0)
                        return r;
                if (contains(m, word))
                        continue;
                if (m->n >= METHODS_MAX)
                        return fault(f, FAULT_INVALID_ARGUMENT, "more than %u %s", METHODS_MAX, what);
                m->names[m->n] = strndup(word.data, word.size);
                if (!m->names[m->n])
                        return -ENOMEM;
                m->n++;
        }
        return 0;
}

int parse_methods(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        return parse_list(item, field, validate_method, "methods", f);
}

/* ---- languages ---- */

/* D-Bus carries nothing but UTF-8. What could be a path is no name. */
static int check_locale(Slice s, Fault *f) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
        char text[LANGUAGE_MAX + 1];
        size_t dot;

        snprintf(text, sizeof(text), "%.*s", (int) s.size, s.data);
        dot = strcspn(text, ".");
        if (s.size > LANGUAGE_MAX || dot == 0 || text[strspn(text, allowed)] ||
            (strncasecmp(text + dot, ".UTF-8", 6) != 0 && strncasecmp(text + dot, ".utf8", 5) != 0))
                return fault(f, FAULT_INVALID_ARGUMENT, "\"%.80s\" names no locale in UTF-8, as de_DE.UTF-8 does", text);
        return 0;
}

int parse_languages(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        return parse_list(item, field, check_locale, "languages", f);
}

/* How many letters of a tag and a locale are one language: all of the tag, or its first part; 0 for another language. */
static size_t fits(const char *locale, const char *wanted) {
        size_t n = 0, first = strcspn(wanted, "-_");

        while (wanted[n] && (tolower((unsigned char) locale[n]) == tolower((unsigned char) wanted[n]) || (locale[n] == '_' && wanted[n] == '-')))
                n++;
        if (!wanted[n] && strchr("_.@", locale[n]))
                return n;
        return n >= first && strchr("_.@", locale[first]) ? first : 0;
}

const char *service_language(const Service *s, const char *wanted) {
        const char *best = s->languages.n > 0 ? s->languages.names[0] : NULL;
        size_t length = 0;

        for (size_t i = 0; i < s->languages.n; i++) {
                size_t n = *wanted ? fits(s->languages.names[i], wanted) : 0;

                if (n > length) {
                        best = s->languages.names[i];
                        length = n;
                }
        }
        return best;
}

Stack service_stack(const Service *s, bool step_up) {
        Stack normal = { s->pam_service, &s->methods, s->level };

        if (!step_up)
                return normal;
        return (Stack) {
                .pam_service = *s->step_up_pam_service ? s->step_up_pam_service : normal.pam_service,
                .methods = s->step_up_methods.n > 0 ? &s->step_up_methods : normal.methods,
                .level = s->step_up_level > 0 ? s->step_up_level : normal.level,
        };
}
