/* SPDX-License-Identifier: MIT */
/* See bus-wire.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "bus-wire.h"
#include "websess-names.h"

void wire_put(Wire *w, const void *data, size_t size) {
        memcpy(w->bytes + w->size, data, size);
        w->size += size;
}

void wire_put_u32(Wire *w, uint32_t value) {
        wire_put(w, &value, sizeof(value));
}

static void put_align(Wire *w, size_t to) {
        while (w->size % to)
                w->bytes[w->size++] = 0;
}

static void put_field(Wire *w, char field, char type, const char *value) {
        put_align(w, 8);
        wire_put(w, (char[]) { field, 1, type, 0 }, 4);
        if (type == 'g')
                wire_put(w, (char[]) { (char) strlen(value) }, 1);
        else
                wire_put_u32(w, (uint32_t) strlen(value));
        wire_put(w, value, strlen(value) + 1);
}

void wire_set_u32(Wire *w, size_t at, uint32_t value) {
        memcpy(w->bytes + at, &value, sizeof(value));
}

Wire wire_call(const char *member, const char *signature, const void *body, size_t body_size) {
        Wire w = {};

        wire_put(&w, "l\1\0\1", 4);
        wire_put_u32(&w, (uint32_t) body_size);
        wire_put_u32(&w, 1);
        wire_put_u32(&w, 0);
        put_field(&w, 1, 'o', WEBSESS_MANAGER_PATH);
        put_field(&w, 2, 's', WEBSESS_MANAGER_INTERFACE);
        put_field(&w, 3, 's', member);
        if (*signature)
                put_field(&w, 8, 'g', signature);
        wire_set_u32(&w, 12, (uint32_t) w.size - 16);
        put_align(&w, 8);
        wire_put(&w, body, body_size);
        return w;
}

Wire wire_echo(const char *text, size_t size) {
        Wire body = {};

        wire_put_u32(&body, (uint32_t) size);
        wire_put(&body, text, size);
        wire_put(&body, "", 1);
        return wire_call("Echo", "s", body.bytes, body.size);
}

void wire_send(int fd, const void *data, size_t size) {
        assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

int wire_next_type(int fd) {
        uint8_t header[16], rest[4096];
        uint32_t body, fields;
        ssize_t n = recv(fd, header, sizeof(header), MSG_WAITALL);

        if (n != sizeof(header))
                return -1;
        memcpy(&body, header + 4, 4);
        memcpy(&fields, header + 12, 4);
        n = (fields + 7) / 8 * 8 + body;
        assert_true(n < (ssize_t) sizeof(rest));
        assert_int_equal(recv(fd, rest, (size_t) n, MSG_WAITALL), n);
        return header[1];
}

long resident_kib(void) {
        FILE *f = fopen("/proc/self/statm", "re");
        long all, resident;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
        fclose(f);
        return resident * 4;
}

void assert_grown_less(long before, long kib) {
#ifndef __SANITIZE_ADDRESS__            /* which keeps what was freed */
        assert_true(resident_kib() - before < kib);
#endif
}
