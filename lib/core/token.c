/* SPDX-License-Identifier: MIT */
/*
 * Tokens: text to value and back. Owns no state. Base64 is computed, not looked up in a table: which element of a
 * table was read can be seen in the caches by a neighbour.
 */
#include "token.h"

#include <string.h>

#include "bytes.h"

#define RAW_SIZE (IDENT_SIZE + TOKEN_SECRET_SIZE)

_Static_assert(sizeof(Token) == RAW_SIZE && offsetof(Token, secret) == IDENT_SIZE, "one behind the other, as in the text");
_Static_assert(RAW_SIZE % 3 == 0 && RAW_SIZE / 3 * 4 == TOKEN_BODY_SIZE, "a body without padding or loose bits");

/* All ones when low <= value <= high, else zero; without a branch. */
static inline uint8_t within(uint8_t value, uint8_t low, uint8_t high) {
        return (uint8_t) -((uint8_t) (value - low) <= (uint8_t) (high - low));
}

/* The loops of 64 turns, over bytes and without a branch, are written so that compilers make vectors of them. */
static void sextets_to_text(const uint8_t sextets[static TOKEN_BODY_SIZE], char text[static TOKEN_BODY_SIZE]) {
        for (size_t i = 0; i < TOKEN_BODY_SIZE; i++) {
                uint8_t v = sextets[i];

                text[i] = (char) ((within(v, 0, 25) & (v + 'A')) |
                                  (within(v, 26, 51) & (v - 26 + 'a')) |
                                  (within(v, 52, 61) & (v - 52 + '0')) |
                                  (within(v, 62, 62) & '-') |
                                  (within(v, 63, 63) & '_'));
        }
}

/* Every character is looked at, wherever the first bad one stands. */
static bool text_to_sextets(const char text[static TOKEN_BODY_SIZE], uint8_t sextets[static TOKEN_BODY_SIZE]) {
        uint8_t bad = 0;

        for (size_t i = 0; i < TOKEN_BODY_SIZE; i++) {
                uint8_t c = (uint8_t) text[i];
                uint8_t upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), digit = within(c, '0', '9'),
                        minus = within(c, '-', '-'), underline = within(c, '_', '_');

                sextets[i] = (uint8_t) ((upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) |
                                        (minus & 62) | (underline & 63));
                bad |= (uint8_t) ~(upper | lower | digit | minus | underline);
        }
        return bad == 0;
}

void token_format(const Token *token, const char *prefix, char *out) {
        uint8_t raw[RAW_SIZE], sextets[TOKEN_BODY_SIZE];
        size_t prefix_size = prefix ? strlen(prefix) : 0;

        memcpy(raw, token->id.bytes, IDENT_SIZE);
        memcpy(raw + IDENT_SIZE, token->secret, TOKEN_SECRET_SIZE);
        for (size_t i = 0; i < TOKEN_BODY_SIZE / 4; i++) {
                const uint8_t *from = raw + 3 * i;
                uint8_t *to = sextets + 4 * i;

                to[0] = from[0] >> 2;
                to[1] = (uint8_t) ((from[0] & 3) << 4 | from[1] >> 4);
                to[2] = (uint8_t) ((from[1] & 15) << 2 | from[2] >> 6);
                to[3] = from[2] & 63;
        }

        if (prefix_size > 0)
                memcpy(out, prefix, prefix_size);
        sextets_to_text(sextets, out + prefix_size);
        out[prefix_size + TOKEN_BODY_SIZE] = '\0';
        wipe(raw, sizeof(raw));
        wipe(sextets, sizeof(sextets));
}

/* Eight sextets, the first one in the highest byte, pushed together to 48 bits. */
static inline uint64_t join(uint64_t x) {
        x = (x >> 2 & UINT64_C(0x0fc00fc00fc00fc0)) | (x & UINT64_C(0x003f003f003f003f));
        x = (x >> 4 & UINT64_C(0x00fff00000fff000)) | (x & UINT64_C(0x00000fff00000fff));
        return (x >> 8 & UINT64_C(0xffffff000000)) | (x & 0xffffff);
}

static bool body_decode(const char *body, Token *out) {
        uint8_t sextets[TOKEN_BODY_SIZE], *to = (uint8_t *) out;
        bool good = text_to_sextets(body, sextets);

        for (const uint8_t *from = sextets; from < sextets + TOKEN_BODY_SIZE; from += 32, to += 24) {
                uint64_t a = join(load_be64(from)), b = join(load_be64(from + 8)), c = join(load_be64(from + 16)), d = join(load_be64(from + 24));

                store_be64(to, a << 16 | b >> 32);
                store_be64(to + 8, b << 32 | c >> 16);
                store_be64(to + 16, c << 48 | d);
        }
        wipe(sextets, sizeof(sextets));
        return good;
}

bool token_parse(const char *text, size_t size, const char *prefix, size_t prefix_size, Token *out) {
        if (size <= TOKEN_MAX && prefix_size <= TOKEN_PREFIX_MAX && size == prefix_size + TOKEN_BODY_SIZE &&
            (prefix_size == 0 || memcmp(text, prefix, prefix_size) == 0) &&
            body_decode(text + prefix_size, out))
                return true;

        wipe(out, sizeof(*out));
        return false;
}

int token_secret_hash(const uint8_t secret[static TOKEN_SECRET_SIZE], uint8_t out[static DIGEST_SIZE]) {
        return digest_sha256(secret, TOKEN_SECRET_SIZE, out);
}
