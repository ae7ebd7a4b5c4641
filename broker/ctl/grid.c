/* SPDX-License-Identifier: MIT */
/* Tables. All cells lie one behind the other in one buffer, so that a list of a million sessions stays affordable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "grid.h"
#include "text.h"

struct Grid {
        const char *const *titles;
        size_t n_columns;
        size_t n_cells;
        size_t *widths;
        char *cells;            /* NUL-terminated, n_cells of them */
        size_t size, allocated;
};

DEFINE_CLEANUP(Grid *, grid_free)

int grid_new(Grid **ret, const char *const *titles, size_t n_columns) {
        _cleanup_(grid_freep) Grid *g = calloc(1, sizeof(*g));

        if (!g)
                return -ENOMEM;
        g->titles = titles;
        g->n_columns = n_columns;
        g->widths = calloc(n_columns, sizeof(*g->widths));
        if (!g->widths)
                return -ENOMEM;
        for (size_t i = 0; i < n_columns; i++)
                g->widths[i] = text_width(titles[i]);
        *ret = TAKE_PTR(g);
        return 0;
}

Grid *grid_free(Grid *g) {
        if (!g)
                return NULL;
        free(g->cells);
        free(g->widths);
        free(g);
        return NULL;
}

static int grid_reserve(Grid *g, size_t more) {
        size_t wanted = g->size + more;
        char *cells;

        if (wanted <= g->allocated)
                return 0;
        if (wanted < 4096)
                wanted = 4096;
        cells = realloc(g->cells, wanted * 2);
        if (!cells)
                return -ENOMEM;
        g->cells = cells;
        g->allocated = wanted * 2;
        return 0;
}

int grid_add(Grid *g, const char *text) {
        _cleanup_free_ char *cell = text_escape(text && *text ? text : "-", text && *text ? strlen(text) : 1);
        size_t *width = &g->widths[g->n_cells % g->n_columns];
        size_t size, columns;

        if (!cell)
                return -ENOMEM;
        size = strlen(cell) + 1;
        if (grid_reserve(g, size) < 0)
                return -ENOMEM;
        memcpy(g->cells + g->size, cell, size);
        g->size += size;
        g->n_cells++;
        columns = text_width(cell);
        if (columns > *width)
                *width = columns;
        return 0;
}

size_t grid_rows(const Grid *g) {
        return g->n_cells / g->n_columns;
}

/* No blanks behind the last cell of a line: lines are cut and compared by scripts. */
static void cell_print(const Grid *g, FILE *out, size_t column, const char *text) {
        bool last = column + 1 == g->n_columns;

        fprintf(out, "%s%*s", text, last ? 0 : (int) (g->widths[column] - text_width(text) + 2), last ? "\n" : "");
}

void grid_print(const Grid *g, FILE *out, bool heading) {
        const char *cell = g->cells;
        size_t column = 0;

        for (size_t i = 0; heading && i < g->n_columns; i++)
                cell_print(g, out, i, g->titles[i]);
        for (size_t i = 0; i < g->n_cells; i++) {
                cell_print(g, out, column, cell);
                cell += strlen(cell) + 1;
                column = column + 1 < g->n_columns ? column + 1 : 0;
        }
}
