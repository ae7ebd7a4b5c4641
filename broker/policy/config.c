/* SPDX-License-Identifier: MIT */
/* The INI reader: splits lines, checks their bytes and hands items on. Touches nothing but the text it is given. */
#include "config.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "validate.h"

typedef struct Reader {
        const char *path;
        unsigned line;
        bool in_section;
        char section[CONFIG_LINE_MAX + 1];
        char buffer[CONFIG_LINE_MAX + 1];       /* the line at hand, NUL-terminated */
        ConfigHandler handler;
        void *userdata;
        Fault *fault;
} Reader;

int config_refuse(Fault *f, const char *path, unsigned line, const char *key, const char *format, ...) {
        char reason[FAULT_TEXT_SIZE];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        if (key)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s:%u: %s: %s", path, line, key, reason);
        return fault(f, FAULT_INVALID_ARGUMENT, "%s:%u: %s", path, line, reason);
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static char *trim(char *text) {
        size_t size;

        while (is_blank(*text))
                text++;
        for (size = strlen(text); size > 0 && is_blank(text[size - 1]); size--)
                ;
        text[size] = '\0';
        return text;
}

/* Why these bytes cannot be a line; NULL when they can. */
static const char *bad_bytes(const char *data, size_t size) {
        if (size > CONFIG_LINE_MAX)
                return "line too long: at most 1024 bytes";
        if (memchr(data, '\0', size))
                return "NUL byte";
        if (!utf8_valid(data, size))
                return "not valid UTF-8";
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) data[i];
                unsigned char next = i + 1 < size ? (unsigned char) data[i + 1] : 0;

                if (c == '\r' && i + 1 == size)
                        return "carriage return at the end of the line: write plain line feeds";
                if ((c < 0x20 && c != '\t') || c == 0x7f || (c == 0xc2 && next >= 0x80 && next <= 0x9f))
                        return "control character";
        }
        if (size > 0 && data[size - 1] == '\\')
                return "backslash at the end of the line: lines are not continued, repeat the key instead";
        return NULL;
}

/* `raw` is everything behind the '='. Systemd's own reader would take such a comment for a part of the value. */
static bool has_comment(const char *raw) {
        for (const char *c = raw; *c; c++)
                if (is_blank(*c) && (c[1] == '#' || c[1] == ';'))
                        return true;
        return false;
}

static int read_section(Reader *r, char *text) {
        size_t size = strlen(text);
        const char *name;

        if (text[size - 1] != ']')
                return config_refuse(
                        r->fault, r->path, r->line, NULL, "a section ends with ']' and nothing follows it");
        text[size - 1] = '\0';
        name = trim(text + 1);
        if (!*name || strpbrk(name, "[]"))
                return config_refuse(r->fault, r->path, r->line, NULL, "malformed section name");
        strcpy(r->section, name);       /* a part of a line always fits */
        r->in_section = true;
        return 0;
}

static int read_key(Reader *r, char *text) {
        char *equals = strchr(text, '=');
        ConfigItem item = { .path = r->path, .line = r->line, .section = r->section };
        Fault reason = {};
        int k;

        if (!equals)
                return config_refuse(r->fault, r->path, r->line, NULL, "neither [Section], Key=value nor a comment");
        *equals = '\0';
        item.key = trim(text);
        if (!*item.key)
                return config_refuse(r->fault, r->path, r->line, NULL, "no key before '='");
        if (!r->in_section)
                return config_refuse(r->fault, r->path, r->line, item.key, "stands before any [Section]");
        if (has_comment(equals + 1))
                return config_refuse(r->fault, r->path, r->line, item.key, "a comment needs a line of its own");
        item.value = trim(equals + 1);
        k = r->handler(&item, r->userdata, &reason);
        if (k > 0)
                return config_refuse(r->fault, r->path, r->line, item.key, "%s", reason.text);
        return k;
}

static int read_line(Reader *r, const char *data, size_t size) {
        const char *bad = bad_bytes(data, size);
        char *text;

        if (bad)
                return config_refuse(r->fault, r->path, r->line, NULL, "%s", bad);
        memcpy(r->buffer, data, size);
        r->buffer[size] = '\0';
        text = trim(r->buffer);
        if (*text == '\0' || *text == '#' || *text == ';')
                return 0;
        if (*text == '[')
                return read_section(r, text);
        return read_key(r, text);
}

int config_read(const char *path, const char *text, size_t size, ConfigHandler handler, void *userdata, Fault *f) {
        Reader r = { .path = path, .handler = handler, .userdata = userdata, .fault = f };

        while (size > 0) {
                const char *end = memchr(text, '\n', size);
                size_t n = end ? (size_t) (end - text) : size;
                int k;

                r.line++;
                k = read_line(&r, text, n);
                if (k != 0)
                        return k;
                n += end ? 1 : 0;
                text += n;
                size -= n;
        }
        return 0;
}
