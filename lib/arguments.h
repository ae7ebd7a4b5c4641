/* SPDX-License-Identifier: MIT */
/* Arguments of calls, checked and copied: what is handed in may point into the very session value that a call fills. */
#pragma once

#include <systemd/sd-bus.h>

#include "error.h"
#include "record.h"
#include "token.h"

typedef struct TokenText {
        char data[TOKEN_MAX + 1];
        size_t size;
} TokenText;

/* 0 or FAULT_INVALID_ARGUMENT with the error text set. NULL is an empty one. */
int client_token_text(TokenText *out, const char *token, size_t size);
void token_text_done(TokenText *t);

/* An `as` of n strings. NULL stands for "" . 0 or a negative errno. */
int client_append_strings(sd_bus_message *m, const char *const *strings, size_t n);

/* A string of size bytes, to be filled by client_fill_in(). */
int client_append_blank(sd_bus_message *m, size_t size);

/* The service and a blank for the token: how all calls by token begin. The token is string number 1. */
int client_append_token(sd_bus_message *m, const char *service, size_t token_size);

/* Write a secret over the blank that is string number index of the sealed message. A message that grows leaves old
 * copies of its bytes in the heap, so a secret goes in when it cannot grow any more. 0 or a negative errno. */
int client_fill_in(sd_bus_message *m, unsigned index, Slice secret);

/* {sv} of one string; nothing where value is NULL. */
int client_append_option(sd_bus_message *m, const char *key, const char *value);

/* 0, or FAULT_INVALID_ARGUMENT when a string is missing, or not what a D-Bus message can carry. */
int client_check_text(const char *what, const char *text);
