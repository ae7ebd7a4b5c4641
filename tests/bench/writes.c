/* SPDX-License-Identifier: MIT */
/*
 * Reading the map while it changes: the times of Resolve in a quiet machine and while others begin and end RATE sessions a second (half of the changes
 * each), in turn; then how long a session is still let in after somebody has called for its end.
 *
 *      writes TOKENS WEBSESS_SOCKET ROUNDS CALLS RATE REVOKES
 *
 * The reader has processor 0 for itself, the writers and the broker share processor 1. The sessions that are ended are the writers' own; those that are
 * revoked are the last ones of TOKENS.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bench.h"
#include "websess.h"

#define WRITERS 32u
#define NSEC_PER_SEC UINT64_C(1000000000)

typedef struct Bench {
        Tokens tokens;
        const char *socket;
        websess *handle;                /* the reader's */
        websess_session *session;
        uint64_t rate;
        atomic_bool writing, ending;
        _Atomic uint64_t n_changes, called;
        _Atomic(const char *) doomed;   /* a token: end its session */
} Bench;

static websess *open_handle(const Bench *b) {
        websess *w = NULL;

        if (websess_open_socket(&w, SERVICE, b->socket, 0) != 0)
                errx(1, "%s", websess_last_error_text());
        return w;
}

static websess_session *new_session(void) {
        websess_session *s = NULL;

        if (websess_session_new(&s) != 0)
                errx(1, "%s", websess_last_error_text());
        return s;
}

static void wait_until_nsec(uint64_t when) {
        struct timespec ts = { .tv_sec = (time_t) (when / NSEC_PER_SEC), .tv_nsec = (long) (when % NSEC_PER_SEC) };

        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Begins a session and ends it, at its share of the rate. One handle each: nobody waits for another's answer. */
static void *write_on(void *userdata) {
        Bench *b = userdata;
        uint64_t next = now_nsec(), step = 2 * WRITERS * NSEC_PER_SEC / b->rate;
        websess_session *s = new_session();
        websess *w = open_handle(b);

        stay_on(1);
        while (!atomic_load(&b->ending)) {
                if (!atomic_load(&b->writing)) {
                        next = now_nsec() + 10000000;
                        wait_until_nsec(next);
                        continue;
                }
                if (websess_create(w, "writer", NULL, s) != 0 || websess_logout(w, websess_session_token(s), TOKEN_SIZE) != 0)
                        errx(1, "%s", websess_last_error_text());
                atomic_fetch_add(&b->n_changes, 2);
                next += step;
                wait_until_nsec(next);
        }
        (void) websess_session_free(s);
        (void) websess_close(w);
        return NULL;
}

static void resolve(Bench *b) {
        if (websess_resolve(b->handle, tokens_next(&b->tokens), TOKEN_SIZE, NULL, b->session) != 0)
                errx(1, "resolve: %s", websess_last_error_text());
}

static void go(Bench *b, const char *name, uint64_t *samples, size_t n) {
        uint64_t start, changes;

        for (size_t i = 0; i < n / 4; i++)
                resolve(b);
        changes = atomic_load(&b->n_changes);
        start = now_nsec();
        for (size_t i = 0; i < n; i++) {
                uint64_t before = now_nsec();

                resolve(b);
                samples[i] = now_nsec() - before;
        }
        start = now_nsec() - start;
        if (atomic_load(&b->writing))
                printf("{\"name\": \"changes\", \"per_s\": %.0f}\n", (double) (atomic_load(&b->n_changes) - changes) * 1e9 / (double) start);
        report(name, samples, n, (double) start / 1e9);
}

static void rounds(Bench *b, uint64_t n_rounds, size_t n) {
        uint64_t *samples = allocate(n, sizeof(*samples));
        pthread_t writers[WRITERS];

        for (unsigned i = 0; i < WRITERS; i++)
                if (pthread_create(&writers[i], NULL, write_on, b) != 0)
                        errx(1, "thread");
        for (uint64_t i = 0; i < n_rounds; i++) {
                go(b, "quiet", samples, n);
                atomic_store(&b->writing, true);
                wait_until_nsec(now_nsec() + NSEC_PER_SEC / 5);
                go(b, "under_writes", samples, n);
                atomic_store(&b->writing, false);
                wait_until_nsec(now_nsec() + NSEC_PER_SEC / 10);
        }
        atomic_store(&b->ending, true);
        for (unsigned i = 0; i < WRITERS; i++)
                (void) pthread_join(writers[i], NULL);
        free(samples);
}

/* ---- from the call to the first refusal ---- */

static void *end_doomed(void *userdata) {
        Bench *b = userdata;
        websess *w = open_handle(b);

        stay_on(1);
        while (!atomic_load(&b->ending)) {
                const char *token = atomic_load(&b->doomed);

                if (!token) {
                        wait_until_nsec(now_nsec() + 500000);
                        continue;
                }
                atomic_store(&b->called, now_nsec());
                if (websess_logout(w, token, TOKEN_SIZE) != 0)
                        errx(1, "logout: %s", websess_last_error_text());
                atomic_store(&b->doomed, NULL);
        }
        (void) websess_close(w);
        return NULL;
}

static void revokes(Bench *b, size_t n) {
        uint64_t *samples = allocate(n, sizeof(*samples)), start = now_nsec();
        pthread_t ender;

        atomic_store(&b->ending, false);
        if (pthread_create(&ender, NULL, end_doomed, b) != 0)
                errx(1, "thread");
        for (size_t i = 0; i < n; i++) {
                const char *token = b->tokens.lines[b->tokens.n - 1 - i];
                uint64_t refused = 0;
                int r;

                while (atomic_load(&b->doomed))
                        ;
                if (websess_resolve(b->handle, token, TOKEN_SIZE, NULL, b->session) != 0)
                        errx(1, "resolve: %s", websess_last_error_text());
                atomic_store(&b->doomed, token);
                while ((r = websess_resolve(b->handle, token, TOKEN_SIZE, NULL, b->session)) == 0)
                        ;
                refused = now_nsec();
                if (r != WEBSESS_E_NO_SESSION)
                        errx(1, "resolve: %s", websess_last_error_text());
                samples[i] = refused - atomic_load(&b->called);
        }
        atomic_store(&b->ending, true);
        (void) pthread_join(ender, NULL);
        report("revoke_to_refused", samples, n, (double) (now_nsec() - start) / 1e9);
        free(samples);
}

int main(int argc, char *argv[]) {
        Bench b = {};

        if (argc != 7)
                errx(2, "usage: writes TOKENS WEBSESS_SOCKET ROUNDS CALLS RATE REVOKES");
        b.tokens = tokens_read(argv[1]);
        b.socket = argv[2];
        b.rate = number_argument(argv[5]);
        b.handle = open_handle(&b);
        b.session = new_session();
        stay_on(0);
        resolve(&b);
        rounds(&b, number_argument(argv[3]), number_argument(argv[4]));
        revokes(&b, number_argument(argv[6]));
        if (!has_map())
                errx(1, "there is no map");
        b.session = websess_session_free(b.session);
        b.handle = websess_close(b.handle);
        free(b.tokens.lines);
        return 0;
}
