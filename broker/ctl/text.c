/* SPDX-License-Identifier: MIT */
/* User agents, host names and attributes are written by strangers: nothing of theirs reaches a terminal unescaped. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "span.h"
#include "text.h"
#include "validate.h"

/* How many bytes the well-formed character at text takes, and which it is; 0 where there is none. */
static size_t character_at(const char *text, size_t size, uint32_t *ret) {
        const unsigned char *b = (const unsigned char *) text;
        size_t n = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;

        if (n > size || !utf8_valid(text, n))
                return 0;
        *ret = n == 1 ? b[0] : b[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++)
                *ret = *ret << 6 | (b[i] & 0x3fu);
        return n;
}

/* Beyond C0, DEL and C1: marks, embeddings, overrides and isolates that change the direction of what stands around
 * them, separators of lines, invisible characters that join nothing, and tags. */
static bool character_is_tricky(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x061c, 0x061c }, { 0x200b, 0x200b }, { 0x200e, 0x200f },
                { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
        };

        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        }
        return false;
}

char *text_escape(const char *text, size_t size) {
        /* At most four characters for each byte: \xNN for one, \u{NNN} for two, \u{NNNN} for three … */
        char *out = malloc(size * 4 + 1);
        char *o = out;

        if (!out)
                return NULL;
        for (size_t i = 0; i < size;) {
                uint32_t c = 0;
                size_t n = character_at(text + i, size - i, &c);

                if (n == 0 || c < 0x20 || c == 0x7f) {
                        o += sprintf(o, "\\x%02x", (unsigned char) text[i]);
                        n = 1;
                } else if (character_is_tricky(c)) {
                        o += sprintf(o, "\\u{%x}", c);
                } else {
                        if (c == '\\')
                                *o++ = '\\';
                        memcpy(o, text + i, n);
                        o += n;
                }
                i += n;
        }
        *o = '\0';
        return out;
}

size_t text_width(const char *text) {
        size_t size = strlen(text), width = 0;

        for (size_t i = 0; i < size;) {
                uint32_t c = 0;
                size_t n = character_at(text + i, size - i, &c);
                int w = n > 0 ? wcwidth((wchar_t) c) : 1;

                /* Without a UTF-8 locale wcwidth() knows ASCII only. */
                width += w >= 0 ? (size_t) w : 1;
                i += n > 0 ? n : 1;
        }
        return width;
}

void text_relative(char out[static TEXT_RELATIVE_MAX], uint64_t realtime_usec, uint64_t now_usec) {
        bool past = realtime_usec <= now_usec;
        uint64_t away = past ? now_usec - realtime_usec : realtime_usec - now_usec;
        char span[32];

        if (realtime_usec == UINT64_MAX) {
                snprintf(out, TEXT_RELATIVE_MAX, "never");
                return;
        }
        if (away < USEC_PER_SEC) {
                snprintf(out, TEXT_RELATIVE_MAX, "now");
                return;
        }
        /* Nobody counts seconds of an hour. */
        span_format(away - away % (away >= USEC_PER_HOUR ? USEC_PER_MINUTE : USEC_PER_SEC), span);
        snprintf(out, TEXT_RELATIVE_MAX, past ? "%s ago" : "in %s", span);
}

void text_time(char out[static TEXT_TIME_MAX], uint64_t realtime_usec) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;

        if (realtime_usec == 0 || realtime_usec == UINT64_MAX || !localtime_r(&seconds, &tm) ||
            strftime(out, TEXT_TIME_MAX, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                snprintf(out, TEXT_TIME_MAX, "-");
}

uint64_t text_now(void) {
        struct timespec ts = {};

        clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
