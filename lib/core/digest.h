/* SPDX-License-Identifier: MIT */
/*
 * The only door to libcrypto and to the kernel's random numbers. Everything secret is hashed, compared and wiped
 * here. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32u

/* SHA-256 (FIPS 180-4). 0, or -EIO when libcrypto refuses: then out is all zero and must not be believed. */
int digest_sha256(const void *data, size_t size, uint8_t out[static DIGEST_SIZE]);

/* The same over two pieces, as if they stood one behind the other. */
int digest_sha256_two(const void *a, size_t a_size, const void *b, size_t b_size, uint8_t out[static DIGEST_SIZE]);

/* HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes. As digest_sha256(). */
int digest_hmac(const void *key, size_t key_size, const void *data, size_t size, uint8_t out[static DIGEST_SIZE]);

/* Equal, in a time that depends on size alone. */
bool digest_equal(const void *a, const void *b, size_t size);

/* getrandom(2), whole or not at all: 0 or a negative errno. */
int random_bytes(void *out, size_t size);

/* explicit_bzero(3); NULL is fine. */
void wipe(void *data, size_t size);
