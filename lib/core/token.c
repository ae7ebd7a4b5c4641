/* SPDX-License-Identifier: MIT */
/*
 * Tokens: text to value and back. Owns no state. Base64 is computed, not looked up in a table: which element of a
 * table was read can be seen in the caches by a neighbour.
 */
#include "token.h"

#include <string.h>

#define RAW_SIZE (IDENT_SIZE + TOKEN_SECRET_SIZE)

_Static_assert(RAW_SIZE % 3 == 0 && RAW_SIZE / 3 * 4 == TOKEN_BODY_SIZE, "a body without padding or loose bits");

/* All ones when low <= value <= high, else zero; for values below 2^31. */
static inline uint32_t within(uint32_t value, uint32_t low, uint32_t high) {
        return 0u - (((low - 1 - value) & (value - high - 1)) >> 31);
}

static inline char sextet_encode(uint32_t v) {
        return (char) ((within(v, 0, 25) & (v + 'A')) |
                       (within(v, 26, 51) & (v - 26 + 'a')) |
                       (within(v, 52, 61) & (v - 52 + '0')) |
                       (within(v, 62, 62) & '-') |
                       (within(v, 63, 63) & '_'));
}

/* The value of a character; *valid becomes zero when it has none. */
static inline uint32_t sextet_decode(uint32_t c, uint32_t *valid) {
        uint32_t upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), digit = within(c, '0', '9'),
                 minus = within(c, '-', '-'), underline = within(c, '_', '_');

        *valid &= upper | lower | digit | minus | underline;
        return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) |
               (minus & 62) | (underline & 63);
}

void token_format(const Token *token, const char *prefix, char *out) {
        uint8_t raw[RAW_SIZE];
        size_t prefix_size = prefix ? strlen(prefix) : 0;

        memcpy(raw, token->id.bytes, IDENT_SIZE);
        memcpy(raw + IDENT_SIZE, token->secret, TOKEN_SECRET_SIZE);

        if (prefix_size > 0)
                memcpy(out, prefix, prefix_size);
        out += prefix_size;
        for (size_t i = 0; i < RAW_SIZE; i += 3, out += 4) {
                uint32_t v = (uint32_t) raw[i] << 16 | (uint32_t) raw[i + 1] << 8 | raw[i + 2];

                out[0] = sextet_encode(v >> 18);
                out[1] = sextet_encode(v >> 12 & 63);
                out[2] = sextet_encode(v >> 6 & 63);
                out[3] = sextet_encode(v & 63);
        }
        *out = '\0';
        wipe(raw, sizeof(raw));
}

/* Every character is looked at, wherever the first bad one stands. */
static bool body_decode(const char *body, uint8_t raw[static RAW_SIZE]) {
        uint32_t valid = UINT32_MAX;

        for (size_t i = 0; i < RAW_SIZE; i += 3, body += 4) {
                uint32_t v = sextet_decode((uint8_t) body[0], &valid) << 18 |
                             sextet_decode((uint8_t) body[1], &valid) << 12 |
                             sextet_decode((uint8_t) body[2], &valid) << 6 |
                             sextet_decode((uint8_t) body[3], &valid);

                raw[i] = (uint8_t) (v >> 16);
                raw[i + 1] = (uint8_t) (v >> 8);
                raw[i + 2] = (uint8_t) v;
        }
        return valid != 0;
}

bool token_parse(const char *text, size_t size, const char *prefix, size_t prefix_size, Token *out) {
        uint8_t raw[RAW_SIZE];
        bool good = false;

        if (size <= TOKEN_MAX && prefix_size <= TOKEN_PREFIX_MAX && size == prefix_size + TOKEN_BODY_SIZE &&
            (prefix_size == 0 || memcmp(text, prefix, prefix_size) == 0)) {
                good = body_decode(text + prefix_size, raw);
                memcpy(out->id.bytes, raw, IDENT_SIZE);
                memcpy(out->secret, raw + IDENT_SIZE, TOKEN_SECRET_SIZE);
                wipe(raw, sizeof(raw));
        }

        if (!good)
                wipe(out, sizeof(*out));
        return good;
}

int token_secret_hash(const uint8_t secret[static TOKEN_SECRET_SIZE], uint8_t out[static DIGEST_SIZE]) {
        return digest_sha256(secret, TOKEN_SECRET_SIZE, out);
}
