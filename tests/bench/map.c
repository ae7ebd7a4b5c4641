/* SPDX-License-Identifier: MIT */
/*
 * Resolve in a map of N sessions, as a whole, from the token's text to the session value: one thread, random valid tokens. And beside it what no resolve can do
 * without: hashing 32 bytes and copying 256 random ones out of as much memory. There is no broker: the map is written here.
 *
 *      map N CALLS
 */
#include <stdatomic.h>
#include <sys/stat.h>

#include "bench.h"
#include "client.h"
#include "huge-pages.h"
#include "map-writer.h"
#include "token.h"

typedef struct Bench {
        Lifeline *lifeline;
        HugePages *huge_pages;
        Map *map;
        websess *handle;
        websess_session *session;
        char (*tokens)[TOKEN_BODY_SIZE + 1];
        uint64_t random, n;
        char *memory;
} Bench;

static uint64_t next_random(Bench *b) {
        b->random ^= b->random << 13;
        b->random ^= b->random >> 7;
        b->random ^= b->random << 17;
        return b->random;
}

static uint64_t now_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static void put_session(Bench *b, uint64_t i, uint64_t now) {
        static const Slice roles[] = { { "USER", 4 }, { "EDITOR", 6 } }, methods[] = { { "pwd", 3 } };
        static const Attribute attributes[] = {
                { .key = { "company", 7 }, .type = 'x', .integer = 100 },
                { .key = { "name", 4 }, .type = 's', .bytes = { "Alice Example", 13 } },
                { .key = { "theme", 5 }, .type = 's', .bytes = { "dark", 4 } },
        };
        uint8_t data[1024];
        char user[9];
        Record r = {
                .version = 1, .created_realtime = 1000000000000000, .created = now, .last_seen = now, .auth_time = now,
                .idle_usec = UINT64_C(7200000000), .lifetime_end = now + UINT64_C(86400000000), .uid = RECORD_NO_UID, .creator_uid = 1000,
                .service = slice_of("bench"), .user = slice(user, 8), .remote_host = slice_of("192.0.2.1"), .user_agent = slice_of("Lynx"),
                .roles = roles, .n_roles = 2, .methods = methods, .n_methods = 1, .attributes = attributes, .n_attributes = 3,
        };
        const uint8_t *p;
        uint32_t cell = 0;
        size_t size;
        Token token;

        (void) snprintf(user, sizeof(user), "%08llu", (unsigned long long) i % 100000000);
        if (random_bytes(&token, sizeof(token)) < 0 || token_secret_hash(token.secret, r.secret_hash) < 0)
                errx(1, "no random bytes");
        r.id = token.id;
        size = record_size(&r);
        if (size == 0 || size > sizeof(data) || record_encode(&r, data, size) < 0 ||
            map_put(b->map, data, size, now, &cell, &p) < 0)
                errx(1, "cannot put session %llu into the map", (unsigned long long) i);
        token_format(&token, "", b->tokens[i]);
        if (i == 0)
                printf("record_bytes %zu\n", size);
}

static void fill(Bench *b) {
        uint32_t buckets = 128;
        struct stat st;
        MapFacts facts = { .touch_usec = UINT64_C(1800000000), .clock_offset = UINT64_C(1000000000000), .service = slice_of("bench") };
        size_t size;
        void *full;
        uint64_t now = now_ns(CLOCK_BOOTTIME) / 1000 + facts.clock_offset;

        while ((uint64_t) buckets * MAP_BUCKET_FULL < b->n)
                buckets *= 2;
        if (stat("/proc/self/ns/time", &st) == 0)
                facts.time_namespace = st.st_ino;
        if (lifeline_new(&b->lifeline, offsetof(MapHeader, owner)) < 0 ||
            map_new(&b->map, b->lifeline, &facts, 1, &(MapSize) { .n_buckets = buckets, .n_cells = (uint32_t) (b->n * 16 + 64) }) < 0)
                errx(1, "cannot make a map");
        b->tokens = allocate(b->n, sizeof(*b->tokens));
        for (uint64_t i = 0; i < b->n; i++)
                put_session(b, i, now);
        map_publish(b->map);
        if (getenv("HUGE") && huge_pages_new(&b->huge_pages) == 0 && map_take_full(b->map, &full, &size)) {
                huge_pages_want(b->huge_pages, full, size);
                huge_pages_drain(b->huge_pages);
        }
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

static void resolve_one(Bench *b, const char *token) {
        if (websess_resolve(b->handle, token, TOKEN_BODY_SIZE, NULL, b->session) != 0)
                errx(1, "resolve: %s", websess_last_error_text());
}

static void least_one(Bench *b, const char *token) {
        uint64_t copy[32], at = next_random(b) % b->n * 256;
        uint8_t hash[DIGEST_SIZE];

        (void) digest_sha256(token, 32, hash);
        for (size_t i = 0; i < 32; i++)
                copy[i] = atomic_load_explicit((_Atomic uint64_t *) (void *) (b->memory + at + i * 8), memory_order_relaxed);
        __asm__ volatile("" : : "r" (copy), "r" (hash) : "memory");
}

static void measure(Bench *b, const char *name, void (*one)(Bench *b, const char *token), size_t calls) {
        uint32_t *times = allocate(calls, sizeof(*times));
        char token[TOKEN_BODY_SIZE + 1];
        uint64_t begin, sum = 0;

        for (size_t i = 0; i < calls; i++) {
                memcpy(token, b->tokens[next_random(b) % b->n], sizeof(token));
                begin = now_ns(CLOCK_MONOTONIC);
                one(b, token);
                times[i] = (uint32_t) (now_ns(CLOCK_MONOTONIC) - begin);
                sum += times[i];
        }
        qsort(times, calls, sizeof(*times), compare);
        printf("%s_us_p50 %.3f\n%s_us_p99 %.3f\n%s_us_mean %.3f\n", name, times[calls / 2] / 1e3, name, times[calls / 100 * 99] / 1e3, name,
               (double) sum / (double) calls / 1e3);
        free(times);
}

static void nothing(Bench *b, const char *token) {
        (void) b;
        (void) token;
}

int main(int argc, char *argv[]) {
        Bench b = { .random = 88172645463325252u };
        size_t calls;
        int fd;

        if (argc != 3)
                errx(1, "usage: map N CALLS");
        b.n = strtoull(argv[1], NULL, 10);
        calls = strtoull(argv[2], NULL, 10);
        fill(&b);
        fd = map_open(b.map);
        if (websess_open_socket(&b.handle, "bench", "/nonexistent", 0) != 0 || websess_session_new(&b.session) != 0 || fd < 0 ||
            map_handle_adopt(&b.handle->map, fd) < 0)
                errx(1, "no handle with this map: %s", websess_last_error_text());
        b.memory = allocate(b.n, 256);
        memset(b.memory, 1, b.n * 256);
        for (unsigned i = 0; i < 2; i++) {
                measure(&b, "clock", nothing, calls);
                measure(&b, "map_resolve", resolve_one, calls);
                measure(&b, "least", least_one, calls);
        }
        return 0;
}
