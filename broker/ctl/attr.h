/* SPDX-License-Identifier: MIT */
/* Attributes as they are typed and shown: KEY=VALUE, KEY:TYPE=VALUE. Pure. */
#pragma once

#include "fault.h"
#include "websess.h"

/*
 * Take one word apart and add it to values. Without a type it is a string; b: yes or no, x: integer, d: number, s:
 * string, y: bytes in hexadecimal, a: strings with commas between. A key that itself ends like a type is written with
 * one more: `KEY:b:s=VALUE`. 0, FAULT_INVALID_ARGUMENT or -ENOMEM.
 */
int attr_parse(websess_values *values, const char *word, Fault *f);

/* The value behind a key as text, not yet escaped. NULL when memory is short or the key is unknown. To be freed. */
char *attr_format(const websess_values *values, const char *key);
