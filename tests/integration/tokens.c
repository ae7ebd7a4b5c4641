/* SPDX-License-Identifier: MIT */
/*
 * Many tokens, and where they are: in C, since there are a million of them and gigabytes to look through.
 *
 *      tokens make SOCKET SERVICE N            that many new sessions; their tokens go to standard output, one a line
 *      tokens find NEEDLES FILE…               NEEDLES is a file of 8 bytes each; says for each FILE how many of them are in it, wherever they
 *                                              stand, and how many bytes it has. /proc/PID/mem is all that this process can read of its memory.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "marshal.h"
#include "websess-names.h"

#define WINDOW 100u             /* calls under way at once, so that many share a commit; their replies fit into the socket while calls are sent */
#define NEEDLE 8u
#define BLOCK ((size_t) 1 << 20)

/* ---- make ---- */

typedef struct Connection {
        int fd;
        uint8_t in[1 << 16];
        size_t n;
} Connection;

static void send_all(int fd, const void *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = send(fd, (const uint8_t *) data + done, size - done, MSG_NOSIGNAL);

                if (n <= 0)
                        err(1, "send");
                done += (size_t) n;
        }
}

static void fill(Connection *c) {
        ssize_t n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);

        if (n <= 0)
                err(1, "the connection is closed");
        c->n += (size_t) n;
}

static void drop(Connection *c, size_t size) {
        memmove(c->in, c->in + size, c->n - size);
        c->n -= size;
}

static void connect_to(Connection *c, const char *path) {
        static const char auth[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const uint8_t *end;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                err(1, "%s", path);
        send_all(c->fd, auth, sizeof(auth) - 1);
        for (int lines = 0; lines < 2;) {       /* DATA, OK … */
                end = memmem(c->in, c->n, "\r\n", 2);
                if (!end) {
                        fill(c);
                        continue;
                }
                drop(c, (size_t) (end - c->in) + 2);
                lines++;
        }
}

/* Of all sizes, as soak.py's */
static void put_attributes(Marshal *m) {
        static char seen[200];
        MarshalArray all = marshal_open(m, 8);

        memset(seen, 'x', sizeof(seen));
        marshal_align(m, 8);
        marshal_string(m, slice_of("company"));
        marshal_signature(m, slice_of("x"));
        marshal_u64(m, 42);
        marshal_align(m, 8);
        marshal_string(m, slice_of("seen"));
        marshal_signature(m, slice_of("s"));
        marshal_string(m, (Slice) { seen, (size_t) random() % sizeof(seen) });
        marshal_close(m, all);
}

static void create(Connection *c, const char *service, uint32_t serial) {
        uint8_t bytes[1024];
        char user[16];
        Marshal m = { .data = bytes, .size = sizeof(bytes) };

        marshal_header(&m, &(MarshalHeader) {
                .type = MARSHAL_CALL, .serial = serial, .path = slice_of(WEBSESS_MANAGER_PATH), .interface = slice_of(WEBSESS_MANAGER_INTERFACE),
                .member = slice_of("CreateSession"), .destination = slice_of(WEBSESS_BUS_NAME), .signature = slice_of("ssasa{sv}a{sv}"),
        });
        snprintf(user, sizeof(user), "u%ld", random() % 1000000);
        marshal_string(&m, slice_of(service));
        marshal_string(&m, slice_of(user));
        marshal_close(&m, marshal_open(&m, 4));
        put_attributes(&m);
        marshal_close(&m, marshal_open(&m, 8));
        marshal_end(&m);
        if (m.full)
                errx(1, "the message is too long");
        send_all(c->fd, bytes, m.used);
}

static void take(Connection *c) {
        Unmarshal u;
        MarshalHeader h;
        ssize_t size;
        Slice token;

        while ((size = marshal_message_size(c->in, c->n)) == 0 || (size_t) size > c->n)
                fill(c);
        u = (Unmarshal) { .data = c->in, .size = (size_t) size };
        if (!unmarshal_header(&u, &h))
                errx(1, "this is no message");
        token = unmarshal_string(&u);
        if (h.type != MARSHAL_REPLY)
                errx(1, "%.*s: %.*s", (int) h.error.size, h.error.data, (int) token.size, token.data);
        printf("%.*s\n", (int) token.size, token.data);
        drop(c, (size_t) size);
}

static void make(const char *path, const char *service, uint32_t n) {
        static Connection c;
        uint32_t asked = 0;

        srandom((unsigned) getpid());
        connect_to(&c, path);
        for (uint32_t taken = 0; taken < n; taken++) {
                while (asked < n && asked - taken < WINDOW)
                        create(&c, service, ++asked);
                take(&c);
        }
        (void) close(c.fd);
}

/* ---- find ---- */

typedef struct Needles {
        uint64_t *slots;        /* a hash table; 0 is none of them */
        bool *found;
        uint64_t *filter;       /* a bit for each hash, to pass over nearly everything without a look at the table */
        unsigned bits;          /* 2^bits slots, and 16 times as many in the filter */
        size_t n_found;
} Needles;

static uint64_t mix(uint64_t v) {
        v *= UINT64_C(0x9e3779b97f4a7c15);
        return v ^ v >> 32;
}

static uint64_t *slot_of(const Needles *all, uint64_t v) {
        uint64_t mask = (UINT64_C(1) << all->bits) - 1, i = mix(v) & mask;

        while (all->slots[i] != 0 && all->slots[i] != v)
                i = (i + 1) & mask;
        return &all->slots[i];
}

static uint64_t filter_bit(const Needles *all, uint64_t v) {
        return mix(v) & ((UINT64_C(16) << all->bits) - 1);
}

static void read_needles(Needles *all, const char *path) {
        FILE *f = fopen(path, "re");
        uint64_t v;
        long size;

        if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) <= 0)
                err(1, "%s", path);
        rewind(f);
        for (all->bits = 10; (UINT64_C(1) << all->bits) < (uint64_t) size / NEEDLE * 2; all->bits++)
                ;
        all->slots = calloc(UINT64_C(1) << all->bits, sizeof(*all->slots));
        all->found = calloc(UINT64_C(1) << all->bits, sizeof(*all->found));
        all->filter = calloc((UINT64_C(16) << all->bits) / 64, sizeof(*all->filter));
        if (!all->slots || !all->found || !all->filter)
                errx(1, "out of memory");
        while (fread(&v, NEEDLE, 1, f) == 1) {
                *slot_of(all, v) = v;
                all->filter[filter_bit(all, v) / 64] |= UINT64_C(1) << filter_bit(all, v) % 64;
        }
        (void) fclose(f);
}

static void look(Needles *all, const uint8_t *data, size_t size) {
        for (size_t i = 0; i + NEEDLE <= size; i++) {
                uint64_t v, bit;
                uint64_t *slot;

                memcpy(&v, data + i, NEEDLE);
                bit = filter_bit(all, v);
                if (!(all->filter[bit / 64] >> bit % 64 & 1))
                        continue;
                slot = slot_of(all, v);
                if (*slot == 0 || all->found[slot - all->slots])
                        continue;
                all->found[slot - all->slots] = true;
                all->n_found++;
        }
}

/* Blocks overlap, so that nothing is missed between them. Returns how much could be read. */
static uint64_t search(Needles *all, int fd, uint64_t from, uint64_t to) {
        static uint8_t block[BLOCK + NEEDLE];
        uint64_t at = from;
        size_t kept = 0;
        ssize_t n;

        while (at < to && (n = pread(fd, block + kept, to - at < BLOCK ? (size_t) (to - at) : BLOCK, (off_t) at)) > 0) {
                look(all, block, kept + (size_t) n);
                at += (uint64_t) n;
                n += (ssize_t) kept;
                kept = (size_t) n < NEEDLE - 1 ? (size_t) n : NEEDLE - 1;
                memmove(block, block + n - kept, kept);
        }
        return at - from;
}

static uint64_t search_memory(Needles *all, const char *path, int fd) {
        char maps[64], line[512];
        uint64_t n = 0, from, to;
        FILE *f;

        snprintf(maps, sizeof(maps), "%.*smaps", (int) strlen(path) - 3, path);
        f = fopen(maps, "re");
        if (!f)
                err(1, "%s", maps);
        while (fgets(line, sizeof(line), f)) {
                char flags[5];

                /* What the kernel maps for its own purposes cannot be read */
                if (sscanf(line, "%lx-%lx %4s", &from, &to, flags) == 3 && flags[0] == 'r' && !strstr(line, "[v"))
                        n += search(all, fd, from, to);
        }
        (void) fclose(f);
        return n;
}

static void find(Needles *all, const char *path) {
        size_t length = strlen(path);
        bool is_memory = length > 4 && strcmp(path + length - 4, "/mem") == 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t n;

        if (fd < 0)
                err(1, "%s", path);
        all->n_found = 0;
        memset(all->found, 0, UINT64_C(1) << all->bits);
        n = is_memory ? search_memory(all, path, fd) : search(all, fd, 0, UINT64_MAX >> 1);
        printf("%zu %llu\n", all->n_found, (unsigned long long) n);
        (void) close(fd);
}

int main(int argc, char *argv[]) {
        Needles all = {};

        if (argc == 5 && strcmp(argv[1], "make") == 0) {
                make(argv[2], argv[3], (uint32_t) atol(argv[4]));
                return 0;
        }
        if (argc < 4 || strcmp(argv[1], "find") != 0)
                errx(2, "usage: see the beginning of the source");
        read_needles(&all, argv[2]);
        for (int i = 3; i < argc; i++)
                find(&all, argv[i]);
        return 0;
}
