/* SPDX-License-Identifier: MIT */
/*
 * Tokens: `[prefix]` + base64url(id ‖ 32 random bytes), 64 characters without padding. The 32 random bytes are the
 * secret; only their SHA-256 is ever kept. Pure: random bytes are passed in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "ident.h"

#define TOKEN_SECRET_SIZE 32u
#define TOKEN_BODY_SIZE 64u          /* characters behind the prefix */
#define TOKEN_PREFIX_MAX 64u
#define TOKEN_MAX 256u               /* longest text that is looked at */

typedef struct Token {
        Ident id;
        uint8_t secret[TOKEN_SECRET_SIZE];   /* wipe after use */
} Token;

/* Writes prefix, body and a NUL. out must hold strlen(prefix) + TOKEN_BODY_SIZE + 1. */
void token_format(const Token *token, const char *prefix, char *out);

/* True when text is exactly prefix + 64 characters of the base64url alphabet; else false and *out is wiped. Takes a
 * time that does not depend on the body's characters. */
bool token_parse(const char *text, size_t size, const char *prefix, size_t prefix_size, Token *out);

/* What the database keeps of a secret. 0 or -EIO. */
int token_secret_hash(const uint8_t secret[static TOKEN_SECRET_SIZE], uint8_t out[static DIGEST_SIZE]);
