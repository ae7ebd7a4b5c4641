/* SPDX-License-Identifier: MIT */
/*
 * Reads INI text as systemd writes it. Pure: text in, items out; it knows no key, opens no file and logs nothing.
 *
 *   [Section]            white space around a section, key or value does not count
 *   Key=value            a value may be empty; what repetition and emptiness mean is the handler's
 *   # comment, ; comment on a line of its own, anywhere
 *
 * Refused, because each would otherwise be read as something that its author did not mean: a comment behind a value
 * (white space, then # or ;), a line over CONFIG_LINE_MAX bytes, a backslash at the end of a line (there are no
 * continuation lines: repeat the key), NUL, control characters other than tab, malformed UTF-8, a key before any
 * section.
 */
#pragma once

#include <stddef.h>

#include "fault.h"

#define CONFIG_LINE_MAX 1024u           /* bytes, without the line's end */

typedef struct ConfigItem {
        const char *path;               /* as given to config_read(); for messages */
        unsigned line;                  /* from 1 */
        const char *section, *key;
        const char *value;              /* never NULL; "" where nothing stands behind = */
} ConfigItem;

/* Called for each line with a key. Pointers are valid during the call. Returns 0; or FAULT_INVALID_ARGUMENT with the
 * bare reason in *f, which config_read() completes with file, line and key; or a negative errno. Anything but 0 ends
 * the reading. */
typedef int (*ConfigHandler)(const ConfigItem *item, void *userdata, Fault *f);

/* 0, FAULT_INVALID_ARGUMENT ("PATH:LINE: KEY: reason", or "PATH:LINE: reason" where there is no key), or a negative
 * errno. */
int config_read(const char *path, const char *text, size_t size, ConfigHandler handler, void *userdata, Fault *f);

/* FAULT_INVALID_ARGUMENT with "PATH:LINE: KEY: reason"; key may be NULL. Line 0 says that the file as a whole is
 * meant. */
int config_refuse(Fault *f, const char *path, unsigned line, const char *key, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
