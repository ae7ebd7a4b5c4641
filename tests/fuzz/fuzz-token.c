/* SPDX-License-Identifier: MIT */
/* Any text as a token behind any prefix, and as an id: refused, or the same text when written again. */
#include <string.h>

#include "fuzz.h"
#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char prefix[TOKEN_PREFIX_MAX + 1], text[TOKEN_PREFIX_MAX + TOKEN_BODY_SIZE + 1], hex[IDENT_HEX_SIZE + 1];
        size_t prefix_size = size > TOKEN_BODY_SIZE ? size - TOKEN_BODY_SIZE : 0;
        const char *input = (const char *) data;
        Token token;
        Ident id;

        if (ident_parse(input, size, &id)) {
                ident_format(&id, hex);
                CHECK(size == IDENT_HEX_SIZE && memcmp(hex, data, size) == 0);
        }

        if (prefix_size > TOKEN_PREFIX_MAX || memchr(data, '\0', prefix_size)) {
                token_parse(input, size, input, prefix_size, &token);
                return 0;
        }
        memcpy(prefix, data, prefix_size);
        prefix[prefix_size] = '\0';
        if (token_parse(input, size, prefix, prefix_size, &token)) {
                token_format(&token, prefix, text);
                CHECK(strlen(text) == size && memcmp(text, data, size) == 0);
        }
        return 0;
}
