/* SPDX-License-Identifier: MIT */
/* Small files that are read whole, of /proc above all. Owns nothing. */
#pragma once

#include <sys/types.h>

/* A file into out, with a NUL behind it. How many bytes that were (with size - 1 there may be more), or a negative errno. */
ssize_t small_file_read(const char *path, char *out, size_t size);
