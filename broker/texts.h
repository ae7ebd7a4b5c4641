/* SPDX-License-Identifier: MIT */
/* Lists of texts that end with NULL. Whoever has a list owns it and its texts; no list at all is an empty one. */
#pragma once

#include <stddef.h>

#include "cleanup.h"

/* size bytes of text behind the n texts that are there. What is there stays when memory is short. */
int texts_append(char ***list, size_t n, const char *text, size_t size);

size_t texts_count(char *const *list);
char **texts_free(char **list);
DEFINE_CLEANUP(char **, texts_free)
