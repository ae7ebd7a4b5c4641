/* SPDX-License-Identifier: MIT */
/* A table of text: collected cell by cell, printed with columns as wide as their widest cell. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Grid Grid;

/* titles must outlive the grid. */
int grid_new(Grid **ret, const char *const *titles, size_t n_columns);
Grid *grid_free(Grid *g);

/* The next cell, from left to right and line by line. Escaped here; "" and NULL are shown as "-". 0 or -ENOMEM. */
int grid_add(Grid *g, const char *text);

size_t grid_rows(const Grid *g);
void grid_print(const Grid *g, FILE *out, bool heading);
