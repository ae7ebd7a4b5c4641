/* SPDX-License-Identifier: MIT */
/* Owns the text until it is handed over. What the stream cannot take (no memory) shows at the end. */
#include "exposition.h"

#include <errno.h>
#include <inttypes.h>

int exposition_begin(Exposition *e) {
        *e = (Exposition) {};
        e->file = open_memstream(&e->text, &e->size);
        return e->file ? 0 : -ENOMEM;
}

void exposition_done(Exposition *e) {
        if (e->file)
                fclose(e->file);
        free(e->text);
        *e = (Exposition) {};
}

int exposition_end(Exposition *e, char **ret, size_t *ret_size) {
        int bad = ferror(e->file) | fclose(e->file);

        e->file = NULL;
        if (bad) {
                exposition_done(e);
                return -ENOMEM;
        }
        *ret = TAKE_PTR(e->text);
        *ret_size = e->size;
        return 0;
}

void exposition_family(Exposition *e, const char *name, ExpositionType type, const char *help) {
        static const char *const types[] = { "counter", "gauge", "histogram" };

        e->name = name;
        fprintf(e->file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void put_escaped(FILE *f, const char *text) {
        for (; *text; text++)
                if (*text == '\n')
                        fputs("\\n", f);
                else {
                        if (*text == '\\' || *text == '"')
                                fputc('\\', f);
                        fputc(*text, f);
                }
}

void exposition_sample(Exposition *e, const char *label, const char *value_of_label, uint64_t value) {
        fprintf(e->file, "%s{%s=\"", e->name, label);
        put_escaped(e->file, value_of_label);
        fprintf(e->file, "\"} %" PRIu64 "\n", value);
}

/* value / unit, exactly: a double would lose the last digits of a sum of years in µs. unit is a power of ten. */
static void put_scaled(FILE *f, uint64_t value, uint64_t unit) {
        uint64_t rest = value % unit;

        fprintf(f, "%" PRIu64, value / unit);
        if (rest > 0)
                fputc('.', f);
        for (; rest > 0; rest = rest % unit) {
                unit /= 10;
                fputc((char) ('0' + rest / unit), f);
        }
}

void exposition_histogram(Exposition *e, const Histogram *h, const HistogramScale *scale) {
        uint64_t n = 0;

        for (size_t i = 0; i < scale->n; i++) {
                n += h->counts[i];
                fprintf(e->file, "%s_bucket{le=\"", e->name);
                put_scaled(e->file, scale->bounds[i], scale->unit);
                fprintf(e->file, "\"} %" PRIu64 "\n", n);
        }
        n = histogram_count(h, scale);
        fprintf(e->file, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", e->name, n, e->name);
        put_scaled(e->file, h->sum, scale->unit);
        fprintf(e->file, "\n%s_count %" PRIu64 "\n", e->name, n);
}

void exposition_one(Exposition *e, const char *name, ExpositionType type, const char *help, uint64_t value) {
        exposition_family(e, name, type, help);
        fprintf(e->file, "%s %" PRIu64 "\n", name, value);
}
