/* SPDX-License-Identifier: MIT */
/* Lists of texts that end with NULL. Pure. */
#include "texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int texts_append(char ***list, size_t n, const char *text, size_t size) {
        char **longer, *copy;

        longer = reallocarray(*list, n + 2, sizeof(*longer));
        if (!longer)
                return -ENOMEM;
        *list = longer;
        longer[n] = NULL;
        copy = strndup(text, size);
        if (!copy)
                return -ENOMEM;
        longer[n + 1] = NULL;
        longer[n] = copy;
        return 0;
}

size_t texts_count(char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

char **texts_free(char **list) {
        for (char **s = list; s && *s; s++)
                free(*s);
        free(list);
        return NULL;
}
