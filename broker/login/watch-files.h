/* SPDX-License-Identifier: MIT */
/* Tells when one of the files that name users, groups and passwords has been replaced or written. Owns the inotify descriptor. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct WatchFiles WatchFiles;

typedef void (*WatchFilesChanged)(void *userdata);

/* The folder ("/etc") is watched and not the files: what changes them makes new ones and renames them. */
int watch_files_new(WatchFiles **ret, sd_event *event, const char *folder, WatchFilesChanged changed, void *userdata);
/* Grows whenever the list of users may have been written anew, which is the only way in which an account can be made again. What has happened so
 * far is in it: the queue is read first. */
uint64_t watch_files_generation(WatchFiles *f);
WatchFiles *watch_files_free(WatchFiles *f);
