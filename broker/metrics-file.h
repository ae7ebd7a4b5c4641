/* SPDX-License-Identifier: MIT */
/* Writes a file of metrics every so often, for node_exporter's collector of text files. What is in it, its owner says. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

typedef struct MetricsFile MetricsFile;

/* Fills *ret (to be freed) and *ret_size. 0 or a negative errno. */
typedef int (*MetricsText)(void *userdata, char **ret, size_t *ret_size);

/* Writes it at once, and then every interval. */
int metrics_file_new(MetricsFile **ret, sd_event *event, const char *path, uint64_t interval_usec, MetricsText text, void *userdata);
/* Takes the file away: what it says is not true any more. */
MetricsFile *metrics_file_free(MetricsFile *f);
DEFINE_CLEANUP(MetricsFile *, metrics_file_free)
