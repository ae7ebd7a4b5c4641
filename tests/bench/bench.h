/* SPDX-License-Identifier: MIT */
/*
 * What the measuring programs share: the session that both sides keep, clocks, samples, and the one line of JSON per round that
 * they write to standard output for tests/bench/run to read.
 *
 * The session: a user of 8 bytes, two roles, three attributes, and what a login knows besides: about 200 bytes in all. Redis keeps
 * the same fields in a hash under the id, with an expiry, and the user's ids in a sorted set by time. It is asked by id and keeps
 * no secret and no request's tag, so that the comparison is not in our favour.
 */
#pragma once

#include <err.h>
#include <hiredis/hiredis.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE "bench"
#define ROLE_1 "EDITOR"
#define ROLE_2 "USER"
#define ATTRIBUTE_1 "company"
#define ATTRIBUTE_1_VALUE INT64_C(1000042)
#define ATTRIBUTE_2 "theme"
#define ATTRIBUTE_2_VALUE "dark"
#define ATTRIBUTE_3 "name"
#define ATTRIBUTE_3_VALUE "Erika Mustermann-Beispiel"
#define REMOTE_HOST "192.0.2.117"
#define USER_AGENT "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)"
#define ID_SIZE 32              /* hex digits */
#define TOKEN_SIZE 64
#define USER_SIZE 8

static inline uint64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static inline int compare_samples(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* One line: which figure, and its median, 99th percentile (µs) and rate over the round. Sorts the samples (ns). */
static inline void report(const char *name, uint64_t *samples, size_t n, double seconds) {
        qsort(samples, n, sizeof(*samples), compare_samples);
        printf("{\"name\": \"%s\", \"n\": %zu, \"p50\": %.2f, \"p99\": %.2f, \"per_s\": %.0f}\n", name, n,
               (double) samples[n / 2] / 1e3, (double) samples[n * 99 / 100] / 1e3, (double) n / seconds);
        (void) fflush(stdout);
}

static inline void *allocate(size_t n, size_t size) {
        void *p = calloc(n, size);

        if (!p)
                errx(1, "out of memory");
        return p;
}

static inline uint64_t number_argument(const char *text) {
        char *end;
        uint64_t n = strtoull(text, &end, 10);

        if (!*text || *end)
                errx(2, "not a number: %s", text);
        return n;
}

static inline redisContext *redis_open(const char *path) {
        redisContext *c = redisConnectUnix(path);

        if (!c || c->err)
                errx(1, "redis at %s: %s", path, c ? c->errstr : "out of memory");
        return c;
}

/* What tests/bench/fill wrote: a token per line. In random order, so that reading one after the other is as good as drawing. */
typedef struct Tokens {
        char (*lines)[TOKEN_SIZE + 1];
        size_t n, at;
} Tokens;

static inline Tokens tokens_read(const char *path) {
        FILE *f = fopen(path, "re");
        Tokens t = {};
        long size;

        if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < (long) sizeof(*t.lines))
                err(1, "%s", path);
        rewind(f);
        t.n = (size_t) size / sizeof(*t.lines);
        t.lines = allocate(t.n, sizeof(*t.lines));
        if (fread(t.lines, sizeof(*t.lines), t.n, f) != t.n)
                err(1, "%s", path);
        (void) fclose(f);
        return t;
}

static inline const char *tokens_next(Tokens *t) {
        t->at = (t->at + 1) % t->n;
        return t->lines[t->at];
}

static inline void stay_on(int processor) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                err(1, "processor %d", processor);
}

/* Does this process hold a map? Else what is measured is something else. */
static inline bool has_map(void) {
        FILE *f = fopen("/proc/self/maps", "re");
        bool found = false;
        char line[512];

        if (!f)
                err(1, "/proc/self/maps");
        while (fgets(line, sizeof(line), f))
                found = found || strstr(line, "memfd:websess-map");
        (void) fclose(f);
        return found;
}
