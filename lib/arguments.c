/* SPDX-License-Identifier: MIT */
/* Arguments of calls. Owns nothing. */
#include <errno.h>
#include <string.h>

#include "arguments.h"
#include "validate.h"

int client_token_text(TokenText *out, const char *token, size_t size) {
        Fault f = {};

        if (!token)
                size = 0;
        if (validate_token_text(slice(token ?: "", size), &f) != 0)
                return error_fault(&f);
        if (size > 0)
                memcpy(out->data, token, size);
        out->data[size] = '\0';
        out->size = size;
        return 0;
}

void token_text_done(TokenText *t) {
        wipe(t, sizeof(*t));
}

int client_append_strings(sd_bus_message *m, const char *const *strings, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "s", strings[i] ?: "");
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int client_append_blank(sd_bus_message *m, size_t size) {
        char *space;
        int r;

        r = sd_bus_message_append_string_space(m, size, &space);
        if (r >= 0)
                memset(space, '-', size);
        return r;
}

int client_append_token(sd_bus_message *m, const char *service, size_t token_size) {
        int r;

        r = sd_bus_message_append(m, "s", service);
        return r < 0 ? r : client_append_blank(m, token_size);
}

int client_fill_in(sd_bus_message *m, unsigned index, Slice secret) {
        const char *blank = NULL;
        int r;

        do {
                r = sd_bus_message_read_basic(m, 's', &blank);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
        } while (index-- > 0);
        if (strlen(blank) != secret.size)
                return -EBADMSG;
        /* What reading returns lies in the message itself, which is ours until it is sent. */
        if (secret.size > 0)
                memcpy((char *) blank, secret.data, secret.size);
        return sd_bus_message_rewind(m, true);
}

int client_append_option(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

int client_check_text(const char *what, const char *text) {
        if (!text)
                return error_set(FAULT_INVALID_ARGUMENT, "%s is missing", what);
        if (strnlen(text, 4097) > 4096)
                return error_set(FAULT_INVALID_ARGUMENT, "%s is too long", what);
        if (!utf8_valid(text, strlen(text)))
                return error_set(FAULT_INVALID_ARGUMENT, "%s holds malformed UTF-8, which is not allowed", what);
        return 0;
}
