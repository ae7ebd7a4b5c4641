/* SPDX-License-Identifier: MIT */
/* D-Bus messages made by hand, so that they can be wrong; and how much memory a test has cost. For the tests of the
 * Bus. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Wire {
        uint8_t bytes[1024];
        size_t size;
} Wire;

void wire_put(Wire *w, const void *data, size_t size);
void wire_put_u32(Wire *w, uint32_t value);
void wire_set_u32(Wire *w, size_t at, uint32_t value);

/* A call of the toy's manager; little-endian, as this machine. */
Wire wire_call(const char *member, const char *signature, const void *body, size_t body_size);
Wire wire_echo(const char *text, size_t size);

void wire_send(int fd, const void *data, size_t size);
int wire_next_type(int fd); /* of the next message: 2 a reply, 3 an error, -1 when the connection is closed */

long resident_kib(void);
void assert_grown_less(long before, long kib);

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
