/* SPDX-License-Identifier: MIT */
/*
 * Two programs for tests of how one user's flood is felt by another, in C since an interpreter would be the bottleneck itself.
 *
 *      flood measure ADDRESS TOKEN             each line on standard input: how many ms to resolve the token for, one call after the
 *                                              other; answered by a line of JSON with the median and the 99th of 100 in µs
 *      flood calls SOCKET HELLO CALL N WINDOW  N connections that send the message in the file CALL over and over, each with at most
 *                                              WINDOW calls unanswered (0: whatever the socket takes)
 *      flood connects SOCKET HELLO CALL N 0    N at a time that connect, send it once, and go
 *
 * The last two do on standard input's last word: "flood", "spin" (keep the processor as busy, and call nobody) or "rest", which first waits for the
 * answers of calls within a window. They answer each with a line: how many messages they have sent so far. HELLO is a message too. Serials are put in.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "marshal.h"
#include "websess-names.h"

#define SAMPLES_MAX 1000000u
#define RECEIVE_MAX 4096u

static uint64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

/* ---- measure ---- */

static sd_bus *connect_bus(const char *address) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 || sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0)
                errx(1, "cannot connect to %s", address);
        return bus;
}

static void resolve(sd_bus *bus, const char *token) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (sd_bus_call_method(bus, WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Resolve", &error, NULL, "ssa{sv}",
                               "default", token, 1, "NoTouch", "b", true) < 0)
                errx(1, "Resolve: %s", error.message);
}

static int compare_samples(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static void measure(const char *address, const char *token) {
        uint64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples)), before;
        sd_bus *bus = connect_bus(address);
        char line[32];

        if (!samples)
                err(1, "memory");
        for (int i = 0; i < 100; i++)
                resolve(bus, token);
        while (fgets(line, sizeof(line), stdin)) {
                uint64_t end = now_nsec() + strtoull(line, NULL, 10) * 1000000;
                size_t n = 0;

                while ((before = now_nsec()) < end && n < SAMPLES_MAX) {
                        resolve(bus, token);
                        samples[n++] = now_nsec() - before;
                }
                qsort(samples, n, sizeof(*samples), compare_samples);
                printf("{\"n\": %zu, \"p50\": %.1f, \"p99\": %.1f}\n", n, n ? (double) samples[n / 2] / 1e3 : 0,
                       n ? (double) samples[n * 99 / 100] / 1e3 : 0);
                (void) fflush(stdout);
        }
        free(samples);
        sd_bus_flush_close_unref(bus);
}

/* ---- flood ---- */

typedef struct Bytes {
        uint8_t *data;
        size_t size;
} Bytes;

typedef struct Connection {
        int fd;                 /* -1: not connected */
        Bytes begin;            /* what is sent first */
        size_t sent;            /* of begin, then of the call */
        bool begun;
        uint32_t serial;
        uint64_t unanswered;
        uint8_t in[65536];
        size_t in_size, skip;   /* skip: rest of a reply that is not looked at */
} Connection;

typedef struct Flood {
        const char *socket;
        Bytes hello, call;
        Connection *connections;
        unsigned n;
        uint64_t window, n_sent;
        bool once;              /* connect, send once, go */
        bool over;              /* nothing new is sent */
} Flood;

static Bytes read_file(const char *path) {
        FILE *f = fopen(path, "re");
        Bytes b = { malloc(1 << 20), 0 };

        if (!f || !b.data)
                err(1, "%s", path);
        b.size = fread(b.data, 1, 1 << 20, f);
        (void) fclose(f);
        return b;
}

static void set_serial(uint8_t *message, uint32_t serial) {
        memcpy(message + 8, &serial, sizeof(serial));
}

/* What begins a connection: the handshake and Hello, in one piece. */
static void prepare(Flood *f, Connection *c) {
        static const char auth[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        size_t n = sizeof(auth) - 1;

        c->begin = (Bytes) { malloc(n + f->hello.size), n + f->hello.size };
        if (!c->begin.data)
                err(1, "memory");
        memcpy(c->begin.data, auth, n);
        memcpy(c->begin.data + n, f->hello.data, f->hello.size);
        set_serial(c->begin.data + n, UINT32_MAX);
        c->fd = -1;
}

static void hang_up(Connection *c) {
        (void) close(c->fd);
        c->fd = -1;
}

static void connect_again(Flood *f, Connection *c) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->socket);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                err(1, "socket");
        c->sent = c->in_size = c->skip = 0;
        c->unanswered = 0;
        c->begun = false;
        if (connect(c->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                hang_up(c);
}

/* One piece more; false when the socket takes no more, or it is enough for now. */
static bool send_on(Flood *f, Connection *c) {
        Bytes what = c->begun ? f->call : c->begin;
        ssize_t n;

        if (c->begun && f->window && c->unanswered >= f->window)
                return false;
        if (f->over && c->sent == 0)
                return false;
        if (c->begun && c->sent == 0)
                set_serial(f->call.data, c->serial = c->serial % INT32_MAX + 1);
        n = send(c->fd, what.data + c->sent, what.size - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
                if (errno != EAGAIN)
                        hang_up(c);
                return false;
        }
        c->sent += (size_t) n;
        if (c->sent < what.size)
                return false;           /* the next bytes of this message bear its serial, which is out already */
        f->n_sent += c->begun;
        c->unanswered++;
        c->begun = true;
        c->sent = 0;
        return true;
}

/* Count the replies that have come. The lines of the handshake are passed over. */
static void count_replies(Connection *c) {
        size_t at = 0;

        while (at < c->in_size) {
                ssize_t size;

                if (c->in[at] != 'l') {
                        const uint8_t *end = memmem(c->in + at, c->in_size - at, "\r\n", 2);

                        if (!end)
                                break;
                        at = (size_t) (end - c->in) + 2;
                        continue;
                }
                size = marshal_message_size(c->in + at, c->in_size - at);
                if (size < 0)
                        errx(1, "this is no message");
                if (size == 0)
                        break;
                if (c->unanswered > 0)
                        c->unanswered--;
                if ((size_t) size > c->in_size - at) {
                        c->skip = (size_t) size - (c->in_size - at);
                        at = c->in_size;
                        break;
                }
                at += (size_t) size;
        }
        memmove(c->in, c->in + at, c->in_size - at);
        c->in_size -= at;
}

/* A little at a time: however urgent the caller is, on this processor he waits for the system call under way, and hundreds of replies at once
 * take the kernel a tenth of a millisecond. */
static void receive(Connection *c) {
        size_t room = sizeof(c->in) - c->in_size, skip;
        ssize_t n = recv(c->fd, c->in + c->in_size, room < RECEIVE_MAX ? room : RECEIVE_MAX, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN)) {
                hang_up(c);
                return;
        }
        if (n < 0)
                return;
        skip = c->skip < (size_t) n ? c->skip : (size_t) n;
        memmove(c->in + c->in_size, c->in + c->in_size + skip, (size_t) n - skip);
        c->skip -= skip;
        c->in_size += (size_t) n - skip;
        count_replies(c);
}

static void flood_round(Flood *f, struct pollfd *fds) {
        for (unsigned i = 0; i < f->n; i++) {
                Connection *c = &f->connections[i];

                if (c->fd < 0 && !f->over)
                        connect_again(f, c);
                while (c->fd >= 0 && send_on(f, c))
                        ;
                fds[i] = (struct pollfd) { .fd = c->fd, .events = POLLIN };
                if (c->sent > 0)
                        fds[i].events |= POLLOUT;
        }
        fds[f->n] = (struct pollfd) { .fd = 0, .events = POLLIN };
        (void) poll(fds, f->n + 1, 10);
        for (unsigned i = 0; i < f->n; i++) {
                Connection *c = &f->connections[i];
                bool waited = c->unanswered > 0;

                if (c->fd >= 0 && fds[i].revents)
                        receive(c);
                if (f->once && c->fd >= 0 && waited && c->unanswered == 0)
                        hang_up(c);
        }
}

/* What was called is answered before a calm round begins. Where there is no window the socket is full of calls, and that they are short is the test's affair. */
static void settle(Flood *f, struct pollfd *fds) {
        bool waiting = f->window > 0 && !f->once;

        f->over = true;
        while (waiting) {
                flood_round(f, fds);
                waiting = false;
                for (unsigned i = 0; i < f->n; i++)
                        waiting |= f->connections[i].fd >= 0 && f->connections[i].unanswered > 0;
        }
        f->over = false;
}

static void spin(void) {
        struct pollfd p = { .fd = 0, .events = POLLIN };

        for (volatile unsigned i = 0; i < 20000; i++)
                ;
        (void) poll(&p, 1, 0);
}

static void flood(Flood *f) {
        struct pollfd *fds = calloc(f->n + 1, sizeof(*fds));
        char line[32] = "rest\n";

        if (!fds || fcntl(0, F_SETFL, O_NONBLOCK) < 0)
                err(1, "start");
        for (;;) {
                ssize_t n;

                if (*line == 'f')
                        flood_round(f, fds);
                else if (*line == 's')
                        spin();
                else
                        (void) poll(&(struct pollfd) { .fd = 0, .events = POLLIN }, 1, -1);
                n = read(0, line, sizeof(line));
                if (n == 0)
                        break;
                if (n < 0)
                        continue;
                if (*line == 'r')
                        settle(f, fds);
                printf("%llu\n", (unsigned long long) f->n_sent);
                (void) fflush(stdout);
        }
        free(fds);
}

int main(int argc, char *argv[]) {
        Flood f = {};

        if (argc == 4 && strcmp(argv[1], "measure") == 0) {
                measure(argv[2], argv[3]);
                return 0;
        }
        if (argc != 7)
                errx(2, "usage: see the beginning of the source");
        f = (Flood) {
                .socket = argv[2], .hello = read_file(argv[3]), .call = read_file(argv[4]), .n = (unsigned) atoi(argv[5]),
                .window = strtoull(argv[6], NULL, 10), .once = strcmp(argv[1], "connects") == 0,
        };
        if (f.once)
                f.window = 2;
        f.connections = calloc(f.n, sizeof(*f.connections));
        if (!f.connections)
                err(1, "memory");
        for (unsigned i = 0; i < f.n; i++)
                prepare(&f, &f.connections[i]);
        flood(&f);
        return 0;
}
