/* SPDX-License-Identifier: MIT */
/* Lists of authentication methods, and which of them a stack of PAM proves. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int parse_methods(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const char *cursor = item->value;
        Methods *m = field;
        Slice word;
        int r;

        while (next_word(&cursor, &word)) {
                r = validate_method(word, f);
                if (r != 0)
                        return r;
                if (contains(m, word))
                        continue;
                if (m->n >= METHODS_MAX)
                        return fault(f, FAULT_INVALID_ARGUMENT, "more than %u methods", METHODS_MAX);
                m->names[m->n] = strndup(word.data, word.size);
                if (!m->names[m->n])
                        return -ENOMEM;
                m->n++;
        }
        return 0;
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
