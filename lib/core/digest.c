/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, comparison, random bytes, wiping. The only file that includes OpenSSL. Owns one hashing context per
 * thread: making one costs several times what hashing a token does.
 */
#include "digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "cleanup.h"

typedef struct Hasher {
        EVP_MD *algorithm;
        EVP_MD_CTX *context;
} Hasher;

/*
 * glibc's own hook behind the destructors of thread-local objects. Unlike the destructor of a pthread key it keeps
 * the library that holds the code loaded until it has run, so that a program may dlclose() a PAM module or the
 * client library while threads that used it live on; and in the main thread it runs before libcrypto takes itself down.
 */
extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle __attribute__((visibility("hidden")));

static _Thread_local Hasher *thread_hasher;

static Hasher *hasher_free(Hasher *h) {
        if (!h)
                return NULL;
        EVP_MD_CTX_free(h->context);
        EVP_MD_free(h->algorithm);
        free(h);
        return NULL;
}
DEFINE_CLEANUP(Hasher *, hasher_free)

static void thread_ends(void *object) {
        thread_hasher = hasher_free(object);
}

static Hasher *hasher_get(void) {
        _cleanup_(hasher_freep) Hasher *h = NULL;

        if (thread_hasher)
                return thread_hasher;

        h = calloc(1, sizeof(*h));
        if (!h)
                return NULL;
        h->algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
        h->context = EVP_MD_CTX_new();
        if (!h->algorithm || !h->context)
                return NULL;
        if (__cxa_thread_atexit_impl(thread_ends, h, &__dso_handle) != 0)
                return NULL;

        thread_hasher = TAKE_PTR(h);
        return thread_hasher;
}

int digest_sha256_two(const void *a, size_t a_size, const void *b, size_t b_size, uint8_t out[static DIGEST_SIZE]) {
        Hasher *h = hasher_get();

        if (h &&
            EVP_DigestInit_ex2(h->context, h->algorithm, NULL) == 1 &&
            (a_size == 0 || EVP_DigestUpdate(h->context, a, a_size) == 1) &&
            (b_size == 0 || EVP_DigestUpdate(h->context, b, b_size) == 1) &&
            EVP_DigestFinal_ex(h->context, out, NULL) == 1)
                return 0;

        memset(out, 0, DIGEST_SIZE);
        return -ENOMEM;
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

bool digest_equal(const void *a, const void *b, size_t size) {
        return size == 0 || CRYPTO_memcmp(a, b, size) == 0;
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
