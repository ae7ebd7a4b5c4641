/* SPDX-License-Identifier: MIT */
/*
 * Any bytes from a peer of the private socket: as a message, whose end sd-bus must see where we saw it, or not at all;
 * and as lines of the handshake, which must never lead to somebody else's identity.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"
#include "peer-feed.h"
#include "peer-wire.h"

static Feed feed;

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        feed.seen = true;
        return 1;
}

static void open_feed(void) {
        int null = dup(STDIN_FILENO);

        CHECK(null >= 0);
        CHECK(feed_open(&feed, null, true, false, SD_ID128_NULL, ":1.0", on_message, NULL) == 0);
        close(null);
}

static void one_message(const uint8_t *data, size_t size) {
        ssize_t total = size >= WIRE_HEADER_SIZE ? wire_message_size(data) : -1;
        int left = 0;

        if (total < 0 || (size_t) total > size)
                return;
        CHECK(total >= (ssize_t) WIRE_HEADER_SIZE && total <= (ssize_t) WIRE_MESSAGE_MAX);
        CHECK(wire_message_fds(data, (size_t) total) <= (int) WIRE_FDS_MAX);
        if (!feed.bus)
                open_feed();
        if (feed_message(&feed, data, (size_t) total, NULL, 0) < 0)
                feed_close(&feed);      /* as a peer loses its connection */
        else
                CHECK(ioctl(feed.in, FIONREAD, &left) == 0 && left == 0);
}

static void handshake(const uint8_t *data, size_t size) {
        Sasl s = { .uid = 4242 };
        char answer[64];

        for (const uint8_t *line = data, *end; (end = memchr(line, '\n', size - (size_t) (line - data)));
                line = end + 1) {
                SaslState before = s.state;

                if (sasl_line(&s, (const char *) line, (size_t) (end - line), "0123456789abcdef0123456789abcdef",
                            answer) < 0)
                        return;
                CHECK(strlen(answer) < sizeof(answer));
                if (s.state != SASL_WANTS_BEGIN || before == SASL_WANTS_BEGIN)
                        continue;
                /* just believed: it named nobody, or the one the kernel names */
                const uint8_t *last = memrchr(line, ' ', (size_t) (end - line));
                CHECK(!last || last + 1 == end || (end - last == 9 && memcmp(last + 1, "34323432", 8) == 0) ||
                        (end - last == 9 && memcmp(last + 1, "EXTERNAL", 8) == 0));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        one_message(data, size);
        handshake(data, size);
        return 0;
}
