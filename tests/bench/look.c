/* SPDX-License-Identifier: MIT */
/*
 * Resolve out of the map, one thread, whole: from the text of a token, drawn at random, to a checked session value. Round by round in turn with Redis
 * HGETALL over its unix socket, and with the least that such a look-up can cost: one hash (ours, the fastest here) and one copy of 256 bytes out of
 * as much memory of the same kind. Then the rate of two processes beside that of one.
 *
 *      look TOKENS WEBSESS_SOCKET REDIS_TOKENS REDIS_SOCKET MAP_BYTES ROUNDS CALLS
 *
 * TOKENS is what tests/bench/fill wrote, REDIS_TOKENS what tests/bench/create wrote. Every time is that of one call and holds the two readings of
 * the clock around it too.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "digest.h"
#include "websess.h"

#define COPIED 256u
#define REDIS_IDS_MAX 30000u

typedef struct Bench {
        Tokens tokens;
        websess *handle;
        websess_session *session;
        redisContext *redis;
        char (*redis_ids)[ID_SIZE + 1];
        size_t n_redis_ids, at;
        const char *memory;             /* as much as the map has, and of the same kind */
        uint64_t memory_size, random;
} Bench;

static void open_handle(Bench *b, const char *socket) {
        if (websess_open_socket(&b->handle, SERVICE, socket, 0) != 0 || websess_session_new(&b->session) != 0)
                errx(1, "%s", websess_last_error_text());
}

static void resolve(Bench *b) {
        if (websess_resolve(b->handle, tokens_next(&b->tokens), TOKEN_SIZE, NULL, b->session) != 0)
                errx(1, "resolve: %s", websess_last_error_text());
}

static void resolve_checked(Bench *b) {
        resolve(b);
        if (strlen(websess_session_user(b->session)) != USER_SIZE)
                errx(1, "resolve: another session came");
}

static void hgetall(Bench *b) {
        redisReply *reply;

        b->at = (b->at + 7919) % b->n_redis_ids;
        reply = redisCommand(b->redis, "HGETALL session:%b", b->redis_ids[b->at], (size_t) ID_SIZE);
        if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
                errx(1, "HGETALL: %s", !reply ? b->redis->errstr : reply->str ?: "no such session");
        freeReplyObject(reply);
}

static void limit(Bench *b) {
        uint8_t hash[DIGEST_SIZE], copy[COPIED];
        uint64_t x = b->random;

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        b->random = x;
        if (digest_sha256(b->memory, 32, hash) < 0)
                errx(1, "SHA-256");
        memcpy(copy, b->memory + x % ((b->memory_size - COPIED) / 64) * 64, COPIED);
        __asm__ volatile("" : : "r"(copy), "r"(hash) : "memory");
}

static void limit_open(Bench *b, uint64_t size) {
        int fd = memfd_create("limit", MFD_CLOEXEC);
        char *p;

        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                err(1, "memory");
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                err(1, "memory");
        memset(p, 'x', size);
        b->memory = p;
        b->memory_size = size;
        b->random = UINT64_C(0x9e3779b97f4a7c15);
        (void) close(fd);
}

static void redis_begin(Bench *b, const char *path, const char *socket) {
        FILE *f = fopen(path, "re");

        if (!f)
                err(1, "%s", path);
        b->redis_ids = allocate(REDIS_IDS_MAX, sizeof(*b->redis_ids));
        while (b->n_redis_ids < REDIS_IDS_MAX && fscanf(f, "%*s %32s", b->redis_ids[b->n_redis_ids]) == 1)
                b->n_redis_ids++;
        (void) fclose(f);
        b->redis = redis_open(socket);
}

static void go(Bench *b, const char *name, void (*call)(Bench *b), uint64_t *samples, size_t n) {
        uint64_t start;

        for (size_t i = 0; i < n / 20 + 1; i++)
                call(b);
        start = now_nsec();
        for (size_t i = 0; i < n; i++) {
                uint64_t before = now_nsec();

                call(b);
                samples[i] = now_nsec() - before;
        }
        report(name, samples, n, (double) (now_nsec() - start) / 1e9);
}

/* ---- two processes ---- */

typedef struct Line {
        atomic_uint ready, go;
        _Atomic uint64_t nsec[2];
} Line;

/* A process of its own, with a handle of its own, on a processor of its own. */
static void race(Bench *b, const char *socket, Line *line, unsigned k, size_t n) {
        uint64_t start;

        stay_on((int) k);
        open_handle(b, socket);
        b->tokens.at = b->tokens.n / 2 * k;
        for (size_t i = 0; i < n / 4; i++)
                resolve(b);
        if (!has_map())
                errx(1, "there is no map");
        atomic_fetch_add(&line->ready, 1);
        while (!atomic_load(&line->go))
                ;
        start = now_nsec();
        for (size_t i = 0; i < n; i++)
                resolve(b);
        atomic_store(&line->nsec[k], now_nsec() - start);
        _exit(0);
}

static void scale(Bench *b, const char *socket, unsigned n_processes, size_t n) {
        Line *line = mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const char *names[] = { "one_process", "two_processes" };
        pid_t pids[2] = {};
        double per_s = 0;
        int status;

        if (line == MAP_FAILED)
                err(1, "memory");
        for (unsigned k = 0; k < n_processes; k++) {
                pids[k] = fork();
                if (pids[k] < 0)
                        err(1, "fork");
                if (pids[k] == 0)
                        race(b, socket, line, k, n);
        }
        while (atomic_load(&line->ready) < n_processes)
                if (waitpid(-1, &status, WNOHANG) > 0 || usleep(1000) < 0)
                        errx(1, "a process ended before its time");
        atomic_store(&line->go, 1);
        for (unsigned k = 0; k < n_processes; k++) {
                if (waitpid(pids[k], &status, 0) < 0 || status != 0)
                        errx(1, "a process failed");
                per_s += (double) n * 1e9 / (double) atomic_load(&line->nsec[k]);
        }
        printf("{\"name\": \"%s\", \"n\": %zu, \"per_s\": %.0f}\n", names[n_processes - 1], n, per_s);
        (void) fflush(stdout);
        (void) munmap(line, sizeof(*line));
}

int main(int argc, char *argv[]) {
        uint64_t *samples, rounds, n;
        Bench b = {}, fresh;

        if (argc != 8)
                errx(2, "usage: look TOKENS WEBSESS_SOCKET REDIS_TOKENS REDIS_SOCKET MAP_BYTES ROUNDS CALLS");
        rounds = number_argument(argv[6]);
        n = number_argument(argv[7]);
        samples = allocate(n, sizeof(*samples));
        b.tokens = tokens_read(argv[1]);
        fresh = b;
        redis_begin(&b, argv[3], argv[4]);
        limit_open(&b, number_argument(argv[5]));
        open_handle(&b, argv[2]);
        resolve_checked(&b);

        for (uint64_t i = 0; i < rounds; i++) {
                go(&b, "map_resolve", resolve_checked, samples, n);
                go(&b, "limit", limit, samples, n);
                go(&b, "redis_hgetall", hgetall, samples, n / 10);
        }
        if (!has_map())
                errx(1, "there is no map");
        for (uint64_t i = 0; i < rounds; i++) {
                scale(&fresh, argv[2], 1, n);
                scale(&fresh, argv[2], 2, n);
        }

        redisFree(b.redis);
        b.session = websess_session_free(b.session);
        b.handle = websess_close(b.handle);
        free(b.redis_ids);
        free(b.tokens.lines);
        free(samples);
        return 0;
}
