/* SPDX-License-Identifier: MIT */
/*
 * The files of the policy: which there are, in which order, and their text. Refuses what anybody may write to, what is
 * not a regular file, and what is larger than any policy. A missing folder or optional file is an empty one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

#define POLICY_FILE_MAX (1024u * 1024u)

/* The names in a folder that end in ".conf" and do not begin with a dot, sorted byte by byte; a list that
 * ends with NULL. */
int files_list(const char *folder, char ***ret, Fault *f);

/* *ret (NUL-terminated) and *ret_size. Without `required` a file that is not there reads as an empty one. */
int files_read(const char *path, bool required, char **ret, size_t *ret_size, Fault *f);
