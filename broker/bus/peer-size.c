/* SPDX-License-Identifier: MIT */
/* sd-bus doesn't tell a message's size, so it is walked. Done only for messages that have to queue. Owns nothing. */
#include <string.h>

#include "peer-size.h"

#define OVERHEAD 512u           /* sd-bus's own structures and the header */
#define UNKNOWN (256u * 1024u)  /* what can't be walked counts as much as the largest message that is accepted */

static int add_basic(sd_bus_message *m, char type, uint64_t *size) {
        union {
                uint64_t number;
                const char *string;
        } value;
        int r = sd_bus_message_read_basic(m, type, &value);

        if (r < 0)
                return r;
        if (type == 's' || type == 'o' || type == 'g')
                *size += strlen(value.string) + 8;
        else
                *size += 8;
        return 0;
}

static int add_values(sd_bus_message *m, uint64_t *size) {
        for (;;) {
                const char *contents;
                char type;
                int r;

                r = sd_bus_message_peek_type(m, &type, &contents);
                if (r <= 0)
                        return r;
                if (type == 'a' && strcmp(contents, "y") == 0) {
                        const void *bytes;
                        size_t n = 0;

                        r = sd_bus_message_read_array(m, 'y', &bytes, &n);
                        *size += n + 8;
                } else if (strchr("arve", type) || type == '(' || type == '{') {
                        r = sd_bus_message_enter_container(m, type, contents);
                        if (r >= 0)
                                r = add_values(m, size);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                        *size += 8;
                } else
                        r = add_basic(m, type, size);
                if (r < 0)
                        return r;
        }
}

static int walk(sd_bus_message *m, uint64_t *size) {
        int r;

        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = add_values(m, size);
        (void) sd_bus_message_rewind(m, true);
        return r;
}

uint64_t message_size(sd_bus_message *m) {
        uint64_t size = OVERHEAD;

        return walk(m, &size) < 0 ? UNKNOWN : size;
}

bool message_is_sound(sd_bus_message *m) {
        uint64_t size = 0;

        return walk(m, &size) >= 0;
}
