/* SPDX-License-Identifier: MIT */
/* Owns an sd_bus and the pipe or socket pair in front of it. Knows no policy. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "peer-feed.h"
#include "peer-wire.h"

/* sd-bus insists on a handshake. The real one has been done; this one is played to it through the pair, and what it
 * answers is thrown away. */
static int feed_handshake(sd_bus *bus, int in, bool fds) {
        static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\n", negotiate[] = "NEGOTIATE_UNIX_FD\r\n",
                          begin[] = "BEGIN\r\n";
        char script[sizeof(hello) + sizeof(negotiate) + sizeof(begin)], answer[512];
        size_t n = sizeof(hello) - 1;
        int r;

        memcpy(script, hello, n);
        if (fds) {
                memcpy(script + n, negotiate, sizeof(negotiate) - 1);
                n += sizeof(negotiate) - 1;
        }
        memcpy(script + n, begin, sizeof(begin) - 1);
        n += sizeof(begin) - 1;
        if (send(in, script, n, MSG_NOSIGNAL) != (ssize_t) n)
                return -errno;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        while (sd_bus_is_ready(bus) == 0) {
                r = sd_bus_process(bus, NULL);
                if (r <= 0)
                        return r < 0 ? r : -EPROTO;
        }
        if (sd_bus_is_ready(bus) < 0)
                return -EPROTO;
        while (recv(in, answer, sizeof(answer), MSG_DONTWAIT) > 0)
                ;
        return 0;
}

/* Takes both ends, also on failure. */
static int feed_configure(sd_bus *bus, int in, int out, bool fds, sd_id128_t guid, const char *sender) {
        int r;

        r = sd_bus_set_fd(bus, in, out);
        if (r < 0) {
                close_fd(in);
                close_fd(out);
                return r;
        }
        r = sd_bus_set_server(bus, true, guid);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, fds);
        if (r >= 0)
                r = sd_bus_set_trusted(bus, true);      /* who may do what is decided per call, by us */
        if (r >= 0)
                r = sd_bus_set_sender(bus, sender);
        return r;
}

/* Give the number that the sd_bus reads from to a pipe. *in was the other end of the pair and is the pipe's now. */
static int feed_put_pipe(int bus_in, int *in) {
        int ends[2], r = 0;

        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
                return -errno;
        if (dup3(ends[0], bus_in, O_CLOEXEC) < 0)
                r = -errno;
        close_fd(ends[0]);
        close_fd(*in);
        *in = ends[1];
        return r;
}

int feed_open(Feed *ret, int socket, bool fds, bool takes_fds, sd_id128_t guid, const char *sender,
        sd_bus_message_handler_t handler, void *userdata) {
        _cleanup_close_ int in = -EBADF;
        sd_bus *bus = NULL;
        int pair[2], out, r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                goto fail;
        }
        in = pair[1];
        out = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
        if (out < 0) {
                r = -errno;
                close_fd(pair[0]);
                goto fail;
        }
        r = feed_configure(bus, pair[0], out, fds, guid, sender);
        if (r >= 0)
                r = feed_handshake(bus, in, fds);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, handler, userdata);
        if (r >= 0 && !takes_fds)
                r = feed_put_pipe(pair[0], &in);
        if (r < 0)
                goto fail;
        /* From here on it writes to the peer: the socket takes the number that the sd_bus knows */
        if (dup3(socket, out, O_CLOEXEC) < 0) {
                r = -errno;
                goto fail;
        }
        *ret = (Feed) { .bus = bus, .out = out, .in = TAKE_FD(in), .takes_fds = takes_fds };
        return 0;

fail:
        sd_bus_close_unref(bus);
        return r;
}

void feed_close(Feed *f) {
        if (!f->bus)
                return;
        f->bus = sd_bus_close_unref(f->bus);
        f->in = close_fd(f->in);
}

static ssize_t feed_write(Feed *f, const uint8_t *data, size_t size, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        /* With its reading end closed a pipe would raise SIGPIPE, which write() can't be told not to */
        if (sd_bus_is_open(f->bus) <= 0)
                return -ENOTCONN;
        if (!f->takes_fds) {
                n = write(f->in, data, size);
                return n < 0 ? errno == EAGAIN ? 0 : -errno : n;
        }
        if (n_fds > 0) {
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                memset(&control, 0, sizeof(control));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        n = sendmsg(f->in, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? errno == EAGAIN ? 0 : -errno : n;
}

/* Let the sd_bus read all that was written. Writing queued replies counts as progress too, hence the loop. */
static int feed_drain(Feed *f) {
        int r;

        do
                r = sd_bus_process(f->bus, NULL);
        while (r > 0 && !f->seen);
        return r;
}

int feed_message(Feed *f, const void *data, size_t size, const int *fds, unsigned n_fds) {
        unsigned n = n_fds;
        size_t done = 0;
        int r = 0;

        f->seen = false;
        while (done < size) {
                ssize_t w = feed_write(f, (const uint8_t *) data + done, size - done, fds, n);

                if (w < 0 || f->seen) {
                        r = w < 0 ? (int) w : -EBADMSG;
                        break;
                }
                if (w > 0)
                        n = 0;
                done += (size_t) w;
                r = feed_drain(f);
                if (r < 0)
                        break;
        }
        for (unsigned i = 0; i < n_fds; i++)
                close_fd(fds[i]);
        if (r < 0)
                return r;
        return f->seen ? 0 : -EBADMSG;
}
