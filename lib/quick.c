/* SPDX-License-Identifier: MIT */
/*
 * One request and its reply over the socket of an idle connection. Its sd-bus has nothing queued and nothing half read, and does not see
 * them: serials here are from the upper half of their range. After anything unexpected the connection is dropped.
 *
 * Most look-ups are answered by the map. The rest, of callers who may not have it and of sessions too large for it, take 0.95 of a Redis HGETALL's time
 * this way, and by sd-bus 1.35.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "quick.h"
#include "websess-names.h"

#define REQUEST_MAX 1024u
#define REPLY_USUAL 4096u       /* on the stack */
#define REPLY_MAX (256u * 1024u)
#define RESOLVE "Resolve"

static void marshal_key(Marshal *m, const char *key, const char *type) {
        marshal_align(m, 8);
        marshal_string(m, slice_of(key));
        marshal_signature(m, slice_of(type));
}

static void marshal_request(Marshal *m, uint32_t serial, const char *service, const TokenText *token, const Need *need) {
        MarshalArray entries, list;

        marshal_header(m, &(MarshalHeader) {
                .type = MARSHAL_CALL, .serial = serial, .path = slice_of(WEBSESS_MANAGER_PATH),
                .interface = slice_of(WEBSESS_MANAGER_INTERFACE), .member = slice_of(RESOLVE), .signature = slice_of("ssa{sv}"),
        });
        marshal_string(m, slice_of(service));
        marshal_string(m, slice(token->data, token->size));
        entries = marshal_open(m, 8);
        if (need->n_roles > 0) {
                marshal_key(m, "Roles", "as");
                list = marshal_open(m, 4);
                for (size_t i = 0; i < need->n_roles; i++)
                        marshal_string(m, need->roles[i]);
                marshal_close(m, list);
        }
        if (need->flags & NEED_NO_TOUCH) {
                marshal_key(m, "NoTouch", "b");
                marshal_u32(m, 1);
        }
        marshal_close(m, entries);
        marshal_end(m);
}

static int wait_for(int fd, uint64_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                uint64_t now = client_now();
                struct timespec ts;
                int n;

                if (now >= deadline)
                        return -ETIMEDOUT;
                ts = (struct timespec) { (time_t) ((deadline - now) / 1000000), (long) ((deadline - now) % 1000000) * 1000 };
                n = ppoll(&p, 1, &ts, NULL);
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

/* Reads on until there are size bytes or, with *ret_whole, until what there is tells how long the message is. */
static int receive(int fd, uint8_t *reply, size_t size, size_t *have, size_t *ret_whole, uint64_t deadline) {
        while (*have < size) {
                ssize_t n;
                int r = wait_for(fd, deadline);

                if (r < 0)
                        return r;
                n = recv(fd, reply + *have, size - *have, MSG_DONTWAIT);
                if (n == 0)
                        return -ECONNRESET;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                *have += n > 0 ? (size_t) n : 0;
                n = ret_whole ? marshal_message_size(reply, *have) : 0;
                if (n < 0 || n > (ssize_t) REPLY_MAX)
                        return -EPROTO;
                if (n > 0) {
                        *ret_whole = (size_t) n;
                        return 0;
                }
        }
        return 0;
}

/* 0 or positive: the call's outcome. Negative: the ordinary way is to be taken; -EBADMSG and -ENOMEM: over the same connection, if one likes. */
static int take_reply(uint8_t *reply, size_t size, uint32_t serial, websess_session *s) {
        Unmarshal u = { .data = reply, .size = size };
        MarshalHeader h;

        if (!unmarshal_header(&u, &h) || h.reply_serial != serial)
                return -EPROTO;
        if (h.type == MARSHAL_ERROR) {
                int code = fault_from_dbus_name(h.error.data ?: "");
                Slice text = slice_equal(h.signature, slice_of("s")) ? unmarshal_string(&u) : slice("", 0);

                if (code <= 0 || u.bad)
                        return -EBADMSG;
                return error_set(code, "%s", text.size > 0 ? text.data : fault_text(code));
        }
        if (h.type != MARSHAL_REPLY || !slice_equal(h.signature, slice_of("a{sv}")))
                return -EBADMSG;
        websess_session_clear(s);
        return session_read_bytes(s, &u);
}

/* As take_reply(); -ETIMEDOUT is the call's outcome too. The broker sends nothing but the reply. */
static int exchange(Conn *c, const uint8_t *request, size_t size, uint32_t serial, uint64_t deadline, websess_session *s) {
        uint8_t usual[REPLY_USUAL], *reply = usual;
        _cleanup_free_ uint8_t *large = NULL;
        int fd = sd_bus_get_fd(c->bus), r;
        size_t have = 0, whole = 0;

        if (fd < 0)
                return fd;
        if (send(fd, request, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t) size)
                return -EIO;
        r = receive(fd, usual, sizeof(usual), &have, &whole, deadline);
        if (r < 0)
                return r;
        if (whole > sizeof(usual)) {
                reply = large = malloc(whole);
                if (!large)
                        return -EPROTO;
                memcpy(large, usual, have);
        }
        r = receive(fd, reply, whole, &have, NULL, deadline);
        if (r < 0)
                return r;
        return have == whole ? take_reply(reply, whole, serial, s) : -EPROTO;
}

bool quick_resolve(websess *w, const char *service, const TokenText *token, const Need *need, websess_session *s,
                   uint64_t *timeout_usec, int *ret) {
        uint64_t now = client_now(), deadline = now + w->timeout_usec;
        uint8_t request[REQUEST_MAX];
        Marshal m = { .data = request, .size = sizeof(request) };
        uint32_t serial;
        bool gone;
        Conn *c;
        int r;

        /* What the broker itself leaves to the ordinary way */
        if (need->level > 0 || need->max_auth_age_usec > 0 || (need->flags & ~(uint32_t) NEED_NO_TOUCH) || deadline < now)
                return false;
        c = conn_pool_take(&w->pool);
        if (!c)
                return false;
        if (c->on_bus) {
                conn_pool_put(&w->pool, c);
                return false;
        }

        serial = UINT32_C(0x80000000) | ++c->n_quick;
        marshal_request(&m, serial, service, token, need);
        r = m.full ? -EMSGSIZE : exchange(c, request, m.used, serial, deadline, s);
        explicit_bzero(request, m.used);
        *ret = r;
        if ((r >= 0 && r != FAULT_UNAVAILABLE) || r == -EBADMSG || r == -ENOMEM) {
                conn_pool_put(&w->pool, c);
                return r >= 0;
        }
        /* A late reply must not meet the next call */
        conn_free(c);
        if (r == -ETIMEDOUT) {
                *ret = client_error(r, &SD_BUS_ERROR_NULL, RESOLVE, &gone);
                return true;
        }
        now = client_now();
        *timeout_usec = now < deadline ? deadline - now : 1;
        return r == FAULT_UNAVAILABLE;
}
