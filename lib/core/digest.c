/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, comparison, random bytes, wiping. The only file that includes OpenSSL. Owns no state.
 *
 * Of libcrypto's two ways to hash, the one whose state is the caller's own: OpenSSL calls it deprecated and keeps it. The other one, EVP, takes
 * memory from the heap for every hash (OpenSSL 3.0), wants a context per thread, and costs twice the time.
 */
#define OPENSSL_API_COMPAT 10101

#include "digest.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

int digest_sha256_two(const void *a, size_t a_size, const void *b, size_t b_size, uint8_t out[static DIGEST_SIZE]) {
        SHA256_CTX state;

        if (SHA256_Init(&state) == 1 &&
            (a_size == 0 || SHA256_Update(&state, a, a_size) == 1) &&
            (b_size == 0 || SHA256_Update(&state, b, b_size) == 1) &&
            SHA256_Final(out, &state) == 1)
                return 0;

        memset(out, 0, DIGEST_SIZE);
        return -EIO;
}

int digest_sha256(const void *data, size_t size, uint8_t out[static DIGEST_SIZE]) {
        return digest_sha256_two(data, size, NULL, 0, out);
}

#define HMAC_BLOCK_SIZE 64u

int digest_hmac(const void *key, size_t key_size, const void *data, size_t size, uint8_t out[static DIGEST_SIZE]) {
        uint8_t inner[HMAC_BLOCK_SIZE] = {}, outer[HMAC_BLOCK_SIZE] = {};
        int r;

        if (key_size > HMAC_BLOCK_SIZE)
                return -EINVAL;
        memcpy(inner, key, key_size);
        memcpy(outer, key, key_size);
        for (size_t i = 0; i < HMAC_BLOCK_SIZE; i++) {
                inner[i] ^= 0x36;
                outer[i] ^= 0x5c;
        }
        r = digest_sha256_two(inner, sizeof(inner), data, size, out);
        if (r == 0)
                r = digest_sha256_two(outer, sizeof(outer), out, DIGEST_SIZE, out);
        wipe(inner, sizeof(inner));
        wipe(outer, sizeof(outer));
        return r;
}

/* libcrypto takes sixteen bytes at once, and others one by one. */
bool digest_equal(const void *a, const void *b, size_t size) {
        const uint8_t *x = a, *y = b;
        int difference = 0;

        for (; size >= 16; size -= 16, x += 16, y += 16)
                difference |= CRYPTO_memcmp(x, y, 16);
        if (size > 0)
                difference |= CRYPTO_memcmp(x, y, size);
        return difference == 0;
}

int random_bytes(void *out, size_t size) {
        uint8_t *at = out;
        size_t left = size;

        while (left > 0) {
                ssize_t n = getrandom(at, left, 0);

                if (n < 0) {
                        int r = -errno;

                        if (r == -EINTR)
                                continue;
                        wipe(out, size);
                        return r;
                }
                at += n;
                left -= (size_t) n;
        }
        return 0;
}

void wipe(void *data, size_t size) {
        if (data && size > 0)
                explicit_bzero(data, size);
}
