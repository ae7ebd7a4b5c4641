/* SPDX-License-Identifier: MIT */
/* Tokens and passwords on their way in: from standard input or a prompt, never from the command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The longest that is read; a Cookie header may be as long as web servers let it be. */
#define SECRET_MAX 16384u

typedef struct Secret {
        size_t size;
        char data[SECRET_MAX + 1];      /* with a NUL behind it */
} Secret;

/*
 * Ask on the terminal, with echo off, when standard input is one; else read standard input to its end. One newline at
 * the end is not part of the secret; everything else is. 0, -ENODATA (nothing there), -EMSGSIZE, another negative errno.
 */
int secret_read(Secret *s, const char *prompt);

/* Ask one question on the terminal, its answer shown or not; it may be empty. -ENODATA at the end
 * of the input, -ENOTTY where there is no terminal. */
int secret_ask_line(Secret *s, const char *prompt, bool echo);

/* Show a line on the terminal. */
int secret_say(const char *line);

/* The same from a descriptor that is no terminal. */
int secret_read_fd(Secret *s, int fd);

void secret_wipe(Secret *s);

/* True when a word holds what the broker makes: 64 characters of base64url whose first bytes are a time that can be. */
bool secret_looks_like_token(const char *word);
