/* SPDX-License-Identifier: MIT */
/* Lists of texts. Pure. */
#include "lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void lines_done(Lines *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
        *l = (Lines) {};
}

__attribute__((format(printf, 1, 0)))
static char *print(const char *format, va_list ap) {
        char *text;

        return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

void lines_add(Lines *l, const char *format, ...) {
        char **longer = reallocarray(l->items, l->n + 2, sizeof(*longer)), *text;
        va_list ap;

        if (!longer) {
                l->failed = true;
                return;
        }
        l->items = longer;
        va_start(ap, format);
        text = print(format, ap);
        va_end(ap);
        l->failed = l->failed || !text;
        l->items[l->n] = text;
        l->n += text != NULL;
        l->items[l->n] = NULL;
}
