/* SPDX-License-Identifier: MIT */
/*
 * A small file that is written anew now and then, by a thread, so that the event loop never waits for a disk. Whoever reads it sees the one before
 * or the new one, whole: it is written beside and renamed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

typedef struct FileWriter FileWriter;

int file_writer_new(FileWriter **ret, const char *path, mode_t mode);
FileWriter *file_writer_free(FileWriter *w);    /* waits for the writing under way */
DEFINE_CLEANUP(FileWriter *, file_writer_free)

const char *file_writer_path(const FileWriter *w);

/* Begin to write data (malloc'ed; taken, whatever is returned). 0 or a negative errno; not while another is under way. */
int file_writer_start(FileWriter *w, void *data, size_t size);
bool file_writer_is_busy(const FileWriter *w);
/* Take the result of what was begun, 0 or a negative errno. False while there is none; wait is for when there must be. */
bool file_writer_collect(FileWriter *w, bool wait, int *ret_result);
