/* SPDX-License-Identifier: MIT */
/* What the checks have in common: the broker's facts by name. Owns nothing. */
#include "doctor.h"

const char *fact_text(const websess_values *v, const char *key, const char *fallback) {
        const char *text = fallback;

        return v && websess_values_get_string(v, key, &text, NULL) == 0 ? text : fallback;
}

uint64_t fact_number(const websess_values *v, const char *key, uint64_t fallback) {
        int64_t number;

        return v && websess_values_get_int64(v, key, &number) == 0 ? (uint64_t) number : fallback;
}

bool fact_flag(const websess_values *v, const char *key, bool fallback) {
        int flag;

        return v && websess_values_get_bool(v, key, &flag) == 0 ? flag != 0 : fallback;
}

size_t fact_lines(const websess_values *v, const char *key, const char *const **ret) {
        size_t n = 0;

        return v && websess_values_get_strings(v, key, ret, &n) == 0 ? n : 0;
}

bool fact_missing(const Patient *p, const websess_values *v, Findings *f, const char *what) {
        if (v)
                return false;
        if (p->status) {
                finding(f, HEALTH_SKIPPED, "%s: only root is told", what);
                advise(f, "Run it as root.");
        } else
                finding(f, HEALTH_SKIPPED, "%s: %s", what, *p->reason ? p->reason : "the broker cannot be reached");
        return true;
}
