/* SPDX-License-Identifier: MIT */
/* websessd --restore: what an administrator types to put a backup in the place of the database. */
#pragma once

#include <stdbool.h>

/* Says on standard output what was done, on standard error what was not, and in the journal that it was. As root it becomes the owner of the
 * directory first, so that everything in there stays his. Exit statuses as websessd's. */
int restore_main(const char *directory, const char *backup, bool keep);
