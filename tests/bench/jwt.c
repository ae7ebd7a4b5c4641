/* SPDX-License-Identifier: MIT */
/*
 * What a service does instead that keeps no sessions: check the signature of an RS256 JSON web token (RFC 7515, RSA of 2048 bits), in C, by OpenSSL. The
 * signature alone: no JSON is read, and nobody can be logged out.
 *
 *      jwt ROUNDS CALLS
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "bench.h"

#define SIGNED "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." \
        "eyJzdWIiOiJ1MDAwMDAwMSIsInJvbGVzIjpbIkVESVRPUiIsIlVTRVIiXSwiY29tcGFueSI6MTAwMDA0MiwidGhlbWUiOiJkYXJrIiwibmFtZSI6" \
        "IkVyaWthIE11c3Rlcm1hbm4tQmVpc3BpZWwiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDA4NjQwMH0"

typedef struct Signature {
        unsigned char bytes[256];
        size_t size;
} Signature;

static void sign(EVP_PKEY *key, Signature *s) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        s->size = sizeof(s->bytes);
        if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
            EVP_DigestSign(ctx, s->bytes, &s->size, (const unsigned char *) SIGNED, strlen(SIGNED)) != 1)
                errx(1, "sign");
        EVP_MD_CTX_free(ctx);
}

static void verify(EVP_PKEY *key, const Signature *s) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        if (!ctx || EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
            EVP_DigestVerify(ctx, s->bytes, s->size, (const unsigned char *) SIGNED, strlen(SIGNED)) != 1)
                errx(1, "verify");
        EVP_MD_CTX_free(ctx);
}

int main(int argc, char *argv[]) {
        uint64_t *samples, rounds, n, start;
        EVP_PKEY *key = EVP_RSA_gen(2048);
        Signature s;

        if (argc != 3)
                errx(2, "usage: jwt ROUNDS CALLS");
        if (!key)
                errx(1, "key");
        rounds = number_argument(argv[1]);
        n = number_argument(argv[2]);
        samples = allocate(n, sizeof(*samples));
        sign(key, &s);
        for (uint64_t round = 0; round < rounds; round++) {
                start = now_nsec();
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t before = now_nsec();

                        verify(key, &s);
                        samples[i] = now_nsec() - before;
                }
                report("jwt_verify", samples, n, (double) (now_nsec() - start) / 1e9);
        }
        EVP_PKEY_free(key);
        free(samples);
        return 0;
}
