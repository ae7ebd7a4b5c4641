/* SPDX-License-Identifier: MIT */
/* Hashing, comparing, random bytes and wiping. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"

static void to_hex(const uint8_t *bytes, char out[static 2 * DIGEST_SIZE + 1]) {
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
                out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
        }
        out[2 * DIGEST_SIZE] = '\0';
}

static void assert_digest(const char *text, const char *hex) {
        uint8_t digest[DIGEST_SIZE];
        char got[2 * DIGEST_SIZE + 1];

        assert_int_equal(digest_sha256(text, strlen(text), digest), 0);
        to_hex(digest, got);
        assert_string_equal(got, hex);
}

/* The examples of FIPS 180. */
static void test_known_answers(void **state) {
        assert_digest("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_digest("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_nothing_may_be_null(void **state) {
        uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];

        assert_int_equal(digest_sha256(NULL, 0, a), 0);
        assert_int_equal(digest_sha256("", 0, b), 0);
        assert_memory_equal(a, b, DIGEST_SIZE);
        assert_true(digest_equal(NULL, NULL, 0));
        assert_int_equal(random_bytes(NULL, 0), 0);
        wipe(NULL, 0);
        wipe(NULL, 5);
}

static void test_two_pieces_are_as_one(void **state) {
        uint8_t data[150], whole[DIGEST_SIZE], pieces[DIGEST_SIZE];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7);
        assert_int_equal(digest_sha256(data, sizeof(data), whole), 0);
        for (size_t cut = 0; cut <= sizeof(data); cut++) {
                assert_int_equal(digest_sha256_two(data, cut, data + cut, sizeof(data) - cut, pieces), 0);
                assert_memory_equal(whole, pieces, DIGEST_SIZE);
        }
}

static void test_S19_equal_sees_every_bit(void **state) {
        uint8_t a[DIGEST_SIZE] = { 1, 2, 3 }, b[DIGEST_SIZE];

        memcpy(b, a, sizeof(a));
        assert_true(digest_equal(a, b, sizeof(a)));
        for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
                b[bit / 8] ^= (uint8_t) (1u << bit % 8);
                assert_false(digest_equal(a, b, sizeof(a)));
                b[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
}

static int compare_blocks(const void *a, const void *b) {
        return memcmp(a, b, 16);
}

/* More than 256 bytes at once too: there the kernel may give less than was asked for. */
static void test_S01_random_bytes_are_whole_and_differ(void **state) {
        static uint8_t block[4096][16];

        assert_int_equal(random_bytes(block, sizeof(block)), 0);
        qsort(block, ELEMENTSOF(block), sizeof(block[0]), compare_blocks);
        for (size_t i = 1; i < ELEMENTSOF(block); i++)
                assert_memory_not_equal(block[i - 1], block[i], sizeof(block[0]));
}

static void test_S19_wipe_leaves_nothing(void **state) {
        uint8_t secret[64], zero[64] = { 0 };

        memset(secret, 0xa5, sizeof(secret));
        wipe(secret, sizeof(secret));
        assert_memory_equal(secret, zero, sizeof(zero));
}

static void *hash_often(void *argument) {
        uint8_t first[DIGEST_SIZE], again[DIGEST_SIZE];

        if (digest_sha256(argument, 8, first) < 0)
                return NULL;
        for (int i = 0; i < 1000; i++)
                if (digest_sha256(argument, 8, again) < 0 || memcmp(first, again, DIGEST_SIZE) != 0)
                        return NULL;
        return argument;
}

/* Threads that hash at the same time are not in each other's way. */
static void test_threads(void **state) {
        uint64_t seeds[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
        pthread_t threads[8];
        void *result;

        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, hash_often, &seeds[i]), 0);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_ptr_equal(result, &seeds[i]);
        }
}

static void test_child_after_fork_can_hash(void **state) {
        uint8_t digest[DIGEST_SIZE];
        int status;
        pid_t pid;

        assert_int_equal(digest_sha256("abc", 3, digest), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                uint8_t again[DIGEST_SIZE];

                _exit(digest_sha256("abc", 3, again) == 0 && memcmp(digest, again, DIGEST_SIZE) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* RFC 4231, test cases 1, 2 and 3. */
static void test_hmac_of_the_standard(void **state) {
        static const struct {
                const char *key, *data;
                size_t key_size, size;
                uint8_t begin[4];
        } cases[] = {
                { "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There", 20, 8, { 0xb0, 0x34, 0x4c, 0x61 } },
                { "Jefe", "what do ya want for nothing?", 4, 28, { 0x5b, 0xdc, 0xc1, 0x46 } },
        };
        uint8_t out[DIGEST_SIZE], key[20], data[50];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(digest_hmac(cases[i].key, cases[i].key_size, cases[i].data, cases[i].size, out), 0);
                assert_memory_equal(out, cases[i].begin, 4);
        }
        memset(key, 0xaa, sizeof(key));
        memset(data, 0xdd, sizeof(data));
        assert_int_equal(digest_hmac(key, sizeof(key), data, sizeof(data), out), 0);
        assert_memory_equal(out, ((uint8_t[]) { 0x77, 0x3e, 0xa9, 0x1e }), 4);
        assert_int_equal(digest_hmac(out, 65, "", 0, out), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hmac_of_the_standard),
                cmocka_unit_test(test_known_answers),
                cmocka_unit_test(test_nothing_may_be_null),
                cmocka_unit_test(test_two_pieces_are_as_one),
                cmocka_unit_test(test_S19_equal_sees_every_bit),
                cmocka_unit_test(test_S01_random_bytes_are_whole_and_differ),
                cmocka_unit_test(test_S19_wipe_leaves_nothing),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_child_after_fork_can_hash),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
