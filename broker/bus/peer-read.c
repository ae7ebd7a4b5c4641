/* SPDX-License-Identifier: MIT */
/*
 * Bytes of one private connection: reads what has come, cuts it into handshake lines and then messages, keeps what is
 * not whole yet. No more memory is ever taken than the message begun needs, which is charged before it is taken; for a
 * call that is too long, none. What comes is read piece by piece, so that a turn is short however much there is.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "peer-internal.h"

static void in_drop(Peer *p) {
        if (p->in)
                explicit_bzero(p->in, p->in_allocated);
        free(p->in);
        p->in = NULL;
        p->in_at = p->in_size = p->in_allocated = 0;
        quota_refund(&p->in_charge);
}

/* Keep what is left over of data, with room for want bytes in all. data is in in[] or the Bus's scratch memory. */
static int in_keep(Peer *p, const uint8_t *data, size_t size, size_t want) {
        size_t allocate = want > size ? want : size;
        QuotaCharge charge = {};
        uint8_t *in;
        int r;

        if (p->in && allocate <= p->in_allocated) {
                if (want > size && data != p->in) {     /* more will be read behind it */
                        memmove(p->in, data, size);
                        data = p->in;
                }
                p->in_at = (size_t) (data - p->in);
                p->in_size = size;
                return 0;
        }
        r = quota_charge(p->bus->quota, &charge, p->client->caller.uid, QUOTA_BYTES, allocate);
        if (r != 0)
                return r > 0 ? -EDQUOT : r;
        in = malloc(allocate);
        if (!in) {
                quota_refund(&charge);
                return -ENOMEM;
        }
        memcpy(in, data, size);
        in_drop(p);
        p->in = in;
        p->in_size = size;
        p->in_allocated = allocate;
        p->in_charge = charge;
        return 0;
}

/* Both steps return how much was used up; 0 when it is not whole yet, and then in *want how much there has to be; or a
 * negative errno. */
static ssize_t step_handshake(Peer *p, const uint8_t *data, size_t size, size_t *want) {
        char guid[SD_ID128_STRING_MAX], answer[64];
        const uint8_t *end;
        size_t n;
        int r;

        if (!p->greeted) {
                p->greeted = true;
                p->handshake_size++;
                return data[0] == 0 ? 1 : -EPROTO;
        }
        end = memmem(data, size, "\r\n", 2);
        if (!end) {
                *want = SASL_BYTES_MAX;
                return p->handshake_size + size < SASL_BYTES_MAX ? 0 : -EPROTO;
        }
        n = (size_t) (end - data) + 2;
        p->handshake_size += n;
        if (p->handshake_size > SASL_BYTES_MAX)
                return -EPROTO;
        r = sasl_line(&p->sasl, (const char *) data, n - 2, sd_id128_to_string(p->bus->guid, guid), answer);
        if (r < 0)
                return r;
        /* What follows the last line waits for another turn: there is an sd_bus to be made first */
        if (p->sasl.state != SASL_DONE && send(p->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t) strlen(answer))
                r = -ECONNRESET;
        return r < 0 ? r : (ssize_t) n;
}

static void fds_drop(Peer *p) {
        while (p->n_fds > 0)
                close_fd(p->fds[--p->n_fds]);
}

/* Nothing of it is looked at but the head; when it is over it is refused. */
static ssize_t step_long(Peer *p, size_t size) {
        size_t n = size < p->skip ? size : p->skip;

        p->skip -= n;
        if (n == size)
                fds_drop(p);    /* they came with it; with more behind it, they may be the next one's */
        if (p->skip == 0 && p->skip_serial != 0)
                peer_refuse_long(p, p->skip_serial);
        return (ssize_t) n;
}

static ssize_t step_message(Peer *p, const uint8_t *data, size_t size, size_t *want) {
        ssize_t total;
        int n_fds = 0, r;

        if (p->skip > 0)
                return step_long(p, size);
        *want = WIRE_HEADER_SIZE;
        if (size < WIRE_HEADER_SIZE)
                return 0;
        total = wire_message_size(data);
        if (total < 0)
                return total;
        if (total > (ssize_t) WIRE_CALL_MAX) {
                p->skip = (size_t) total;
                p->skip_serial = wire_call_serial(data);
                return step_long(p, size);
        }
        *want = (size_t) total;
        if (size < (size_t) total)
                return 0;
        if (p->n_fds > 0)
                n_fds = wire_message_fds(data, (size_t) total);
        if (n_fds < 0 || (unsigned) n_fds > p->n_fds)
                return -EBADMSG;
        if (p->n_fds == 0 && peer_answer_quickly(p, data, (size_t) total))
                return total;
        r = peer_feed(p, data, (size_t) total, (unsigned) n_fds);
        return r < 0 ? r : total;
}

void peer_fail(Peer *p, int error) {
        if (error != -ECONNRESET && error != -ENOTCONN && error != -EPIPE)
                bus_complain(p->bus, error == -EDQUOT ? LOG_EVENT_QUOTA : LOG_EVENT_HOSTILE_PEER, &p->client->caller,
                             "connection %s closed: %s", p->client->name,
                             error == -EMSGSIZE ? "it sent a message that is too long" :
                             error == -EDQUOT ? "its user has too many bytes under way" :
                             error == -ENOMEM ? "out of memory" :
                             "what it sent is not D-Bus");
        peer_doom(p);
}

/* One message, or the lines of a handshake. Returns how much was used up; *n is what the last step returned. */
static size_t handle_one(Peer *p, const uint8_t *data, size_t size, ssize_t *n, size_t *want) {
        size_t done = 0;

        if (peer_is_up(p)) {
                *n = step_message(p, data, size, want);
                return *n > 0 ? (size_t) *n : 0;
        }
        while (done < size && p->sasl.state != SASL_DONE) {
                *n = step_handshake(p, data + done, size - done, want);
                if (*n <= 0)
                        break;
                done += (size_t) *n;
        }
        return done;
}

static void handle(Peer *p, const uint8_t *data, size_t size) {
        size_t done, want = 0, skipped = p->skip;
        ssize_t n = 0;
        int r = 0;

        p->backlog = false;
        done = handle_one(p, data, size, &n, &want);
        p->partial = p->skip > 0;
        if (done > 0 && !(skipped > 0 && p->partial))
                p->begun_anew = true;
        if (n < 0)
                r = (int) n;
        else if (p->n_fds > 0 && (done == size || !p->sasl.fds))
                r = -EPROTO;            /* descriptors that no message claims */
        else if (done < size && !p->doomed) {
                p->partial = n == 0;
                p->backlog = !p->partial;
                r = in_keep(p, data + done, size - done, p->partial ? want : 0);
        }
        if (done == size || p->doomed || r < 0)
                in_drop(p);
        if (r < 0)
                peer_fail(p, r);
}

/* Take over descriptors that came with the bytes. Too many, or cut off by the kernel, is -EPROTO; none leaks. */
static int take_fds(Peer *p, struct msghdr *m) {
        int r = m->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (p->n_fds < WIRE_FDS_MAX)
                                p->fds[p->n_fds++] = fd;
                        else {
                                close_fd(fd);
                                r = -EPROTO;
                        }
                }
        }
        return r;
}

void peer_read(Peer *p) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        } control;
        uint8_t *to = p->in ? p->in + p->in_at + p->in_size : p->bus->scratch;
        size_t room = p->in ? p->in_allocated - p->in_at - p->in_size : BUS_SCRATCH_SIZE;
        struct iovec iov = { to, room < BUS_SCRATCH_SIZE ? room : BUS_SCRATCH_SIZE };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n;
        int r;

        n = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                peer_doom(p);
                return;
        }
        r = m.msg_controllen > 0 || (m.msg_flags & MSG_CTRUNC) ? take_fds(p, &m) : 0;
        if (r < 0)
                peer_fail(p, r);
        else if (p->in) {
                p->in_size += (size_t) n;
                handle(p, p->in + p->in_at, p->in_size);
        } else
                handle(p, to, (size_t) n);
        if (to == p->bus->scratch)
                explicit_bzero(to, (size_t) n); /* a password may have been in it */
}

void peer_handle_backlog(Peer *p) {
        if (p->in)
                handle(p, p->in + p->in_at, p->in_size);
}

void peer_forget_input(Peer *p) {
        in_drop(p);
        fds_drop(p);
}
