/* SPDX-License-Identifier: MIT */
/*
 * The key of digests of accounts (see watch-judge.h). In a file of its own beside the database, so that no backup carries it: the records there hold
 * digests of shadow entries, which are good for nothing without. Where it is lost or damaged another one is made, and the
 * digests made with the old one are forgotten.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "store-internal.h"

#define SUM_SIZE 8u

/* What the file holds: the key, and the first bytes of its SHA-256. */
typedef struct KeyFile {
        uint8_t key[STORE_ACCOUNT_KEY_SIZE], sum[SUM_SIZE];
} KeyFile;

static int fill_sum(const uint8_t key[static STORE_ACCOUNT_KEY_SIZE], uint8_t out[static SUM_SIZE]) {
        uint8_t digest[DIGEST_SIZE];
        int r;

        r = digest_sha256(key, STORE_ACCOUNT_KEY_SIZE, digest);
        if (r == 0)
                memcpy(out, digest, SUM_SIZE);
        return r;
}

/* Of the key, but not what could be taken for its sum: HMAC of nothing at all. */
int store_key_id(const uint8_t key[static STORE_ACCOUNT_KEY_SIZE], uint8_t out[static STORE_KEY_ID_SIZE]) {
        uint8_t digest[DIGEST_SIZE];
        int r;

        r = digest_hmac(key, STORE_ACCOUNT_KEY_SIZE, "", 0, digest);
        if (r == 0)
                memcpy(out, digest, STORE_KEY_ID_SIZE);
        return r;
}

/* 1, 0 when there is none that is good, or a negative errno. */
static int read_key(const char *path, uint8_t out[static STORE_ACCOUNT_KEY_SIZE]) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        uint8_t sum[SUM_SIZE];
        KeyFile file;
        ssize_t n;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        n = read(fd, &file, sizeof(file));
        if (n < 0)
                return -errno;
        r = n == sizeof(file) ? fill_sum(file.key, sum) : -EBADMSG;
        if (r == 0 && memcmp(sum, file.sum, sizeof(sum)) == 0) {
                memcpy(out, file.key, sizeof(file.key));
                r = 1;
        } else if (r == 0 || r == -EBADMSG) {
                fprintf(stderr, "websessd: store: %s is damaged: another key is made\n", path);
                r = 0;
        }
        wipe(&file, sizeof(file));
        return r;
}

static int write_durably(const char *path, const KeyFile *file) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, file, sizeof(*file));
        if (n != sizeof(*file))
                return n < 0 ? -errno : -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

/* The old one or the new one, whole, also after a power cut. */
static int write_key(const char *directory, const char *path, const uint8_t key[static STORE_ACCOUNT_KEY_SIZE]) {
        _cleanup_free_ char *fresh = NULL;
        KeyFile file;
        int r;

        if (asprintf(&fresh, "%s.new", path) < 0) {
                fresh = NULL;
                return -ENOMEM;
        }
        memcpy(file.key, key, sizeof(file.key));
        r = fill_sum(key, file.sum);
        if (r == 0)
                r = write_durably(fresh, &file);
        wipe(&file, sizeof(file));
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r == 0)
                return store_sync_directory(directory);
        (void) unlink(fresh);
        return r;
}

int store_key_load(const char *directory, const uint8_t *preset, uint8_t out[static STORE_ACCOUNT_KEY_SIZE]) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (asprintf(&path, "%s/%s", directory, STORE_KEY_FILE) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_key(path, out);
        if (r != 0)
                return r < 0 ? r : 0;
        if (preset)
                memcpy(out, preset, STORE_ACCOUNT_KEY_SIZE);
        r = preset ? 0 : random_bytes(out, STORE_ACCOUNT_KEY_SIZE);
        return r < 0 ? r : write_key(directory, path, out);
}
