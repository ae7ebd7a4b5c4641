/* SPDX-License-Identifier: MIT */
/* A list of findings, and how it looks. */
#include "findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

void findings_done(Findings *f) {
        for (size_t i = 0; i < f->n; i++) {
                free(f->items[i].text);
                free(f->items[i].advice);
        }
        free(f->items);
        *f = (Findings) {};
}

__attribute__((format(printf, 1, 0)))
static char *print(const char *format, va_list ap) {
        char *text;

        return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

void findings_drop(Findings *f) {
        if (f->n == 0)
                return;
        f->n--;
        free(f->items[f->n].text);
        free(f->items[f->n].advice);
}

void finding(Findings *f, Health health, const char *format, ...) {
        Finding *longer = reallocarray(f->items, f->n + 1, sizeof(*longer)), *item;
        va_list ap;

        if (!longer) {
                f->failed = true;
                return;
        }
        f->items = longer;
        item = &f->items[f->n++];
        va_start(ap, format);
        *item = (Finding) { .check = f->check, .health = health, .text = print(format, ap) };
        va_end(ap);
        f->failed = f->failed || !item->text;
}

void advise(Findings *f, const char *format, ...) {
        Finding *last = f->n > 0 ? &f->items[f->n - 1] : NULL;
        va_list ap;

        if (!last)
                return;
        va_start(ap, format);
        free(last->advice);
        last->advice = print(format, ap);
        va_end(ap);
        f->failed = f->failed || !last->advice;
}

const char *health_name(Health h) {
        static const char *const names[_HEALTH_MAX] = {
                [HEALTH_OK] = "ok", [HEALTH_SKIPPED] = "skipped", [HEALTH_WARNING] = "warning", [HEALTH_PROBLEM] = "problem",
        };

        return h < _HEALTH_MAX ? names[h] : "?";
}

size_t findings_count(const Findings *f, Health h) {
        size_t n = 0;

        for (size_t i = 0; i < f->n; i++)
                n += f->items[i].health == h;
        return n;
}

/* ---- printing ---- */

static void print_escaped(const char *before, const char *text) {
        _cleanup_free_ char *escaped = text ? text_escape(text, strlen(text)) : NULL;

        printf("%s%s\n", before, escaped ? escaped : "");
}

static void print_text(const Findings *f, const Ctl *c) {
        for (size_t i = 0; i < f->n; i++) {
                const Finding *item = &f->items[i];
                char before[64];

                if (c->o.quiet && (item->health == HEALTH_OK || item->health == HEALTH_SKIPPED))
                        continue;
                snprintf(before, sizeof(before), "%-8s %-8s ", health_name(item->health), item->check);
                print_escaped(before, item->text);
                if (item->advice)
                        print_escaped("                  → ", item->advice);
        }
        if (!c->o.quiet && !c->o.no_legend)
                printf("\n%zu ok, %zu warnings, %zu problems, %zu not looked at.\n", findings_count(f, HEALTH_OK),
                       findings_count(f, HEALTH_WARNING), findings_count(f, HEALTH_PROBLEM), findings_count(f, HEALTH_SKIPPED));
}

static int print_json(const Findings *f, const Ctl *c) {
        static const char *const keys[] = { "Check", "Health", "Text", "Advice" };
        const char **cells = calloc(f->n + 1, sizeof(keys));
        int r;

        if (!cells)
                return -ENOMEM;
        for (size_t i = 0; i < f->n; i++) {
                cells[i * 4] = f->items[i].check;
                cells[i * 4 + 1] = health_name(f->items[i].health);
                cells[i * 4 + 2] = f->items[i].text;
                cells[i * 4 + 3] = f->items[i].advice;
        }
        r = json_rows(stdout, c->o.json, keys, ELEMENTSOF(keys), cells, f->n);
        putchar('\n');
        free(cells);
        return r;
}

int findings_print(const Findings *f, const Ctl *c) {
        if (f->failed)
                return -ENOMEM;
        if (c->o.json != CTL_JSON_OFF)
                return print_json(f, c);
        print_text(f, c);
        return 0;
}
