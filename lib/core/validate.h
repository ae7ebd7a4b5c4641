/* SPDX-License-Identifier: MIT */
/*
 * What may come in from outside: one function per kind of name, used by broker, library and tools alike. Pure. Each
 * returns 0 or FAULT_INVALID_ARGUMENT with a text that says which argument and why (never repeating bytes that are
 * not printable). All refuse embedded NULs, control characters (U+0000–001F, 007F, 0080–009F) and malformed UTF-8.
 */
#pragma once

#include <stdbool.h>

#include "fault.h"
#include "record.h"

/* Without NUL-checks; the noncharacters (U+FFFE, U+FDD0 …), which sd-bus carries in no message, count as malformed. */
bool utf8_valid(const char *data, size_t size);

int validate_service(Slice s, Fault *f);          /* 1–64 of A–Z a–z 0–9 _ - . ; not beginning with '.', no ".." */
int validate_user(Slice s, Fault *f);             /* 1–256 bytes; "" is the caller's to allow */
int validate_role(Slice s, Fault *f);             /* 1–64 bytes, no white space, not beginning with '@' or '*' */
int validate_token_text(Slice s, Fault *f);       /* 0–256 bytes; printable rubbish is merely no session */
int validate_password(Slice s, Fault *f);         /* 1–512 bytes of UTF-8; control characters allowed but NUL is not */
int validate_attribute(const Attribute *a, Fault *f);   /* key 1–128 bytes, type, value (control characters allowed, NUL
                                                         * not in strings) */
int validate_method(Slice s, Fault *f);           /* 1–32 of a–z 0–9 - _ */
int validate_remote_host(Slice s, Fault *f);      /* 0–255 bytes */
int validate_language(Slice s, Fault *f);         /* 0–64 letters, digits, _ - . */
int validate_user_agent(Slice s, Fault *f);       /* 0–1024 bytes */
int validate_request_id(Slice s, Fault *f);       /* 1–128 bytes */
