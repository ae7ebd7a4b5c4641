/* SPDX-License-Identifier: MIT */
/*
 * One caller, one call after the other, round by round in turn: Resolve over the private socket, Redis HGETALL over its unix socket,
 * and Resolve through the bus daemon.
 *
 *      calls TOKENS WEBSESS_SOCKET BUS_ADDRESS REDIS_SOCKET ROUNDS CALLS
 *
 * TOKENS is what tests/bench/create wrote: lines of a token and, of the Redis session beside it, the id. Without a BUS_ADDRESS ("") Resolve over the
 * private socket is measured alone. The service's policy keeps its map to root, and this program does not stay root: so that every call is one.
 */
#include <pwd.h>
#include <unistd.h>

#include "bench.h"
#include "websess.h"

#define TOKENS_MAX 10000
#define TIMEOUT_USEC UINT64_C(10000000)

typedef struct Pair {
        char token[TOKEN_SIZE + 1], id[ID_SIZE + 1];
} Pair;

typedef struct Bench {
        Pair *pairs;
        size_t n_pairs, at;
        websess *socket, *bus;
        websess_session *session;
        redisContext *redis;
} Bench;

static void read_pairs(Bench *b, const char *path) {
        FILE *f = fopen(path, "re");

        if (!f)
                err(1, "%s", path);
        b->pairs = allocate(TOKENS_MAX, sizeof(*b->pairs));
        while (b->n_pairs < TOKENS_MAX && fscanf(f, "%64s %32s", b->pairs[b->n_pairs].token, b->pairs[b->n_pairs].id) == 2)
                b->n_pairs++;
        (void) fclose(f);
        if (b->n_pairs == 0)
                errx(1, "%s: no tokens", path);
}

/* To an account that is on every machine and that nobody uses. */
static void be_nobody_special(void) {
        const struct passwd *account = getpwnam("games");

        if (geteuid() == 0 && (!account || setresgid(account->pw_gid, account->pw_gid, account->pw_gid) < 0 ||
                               setresuid(account->pw_uid, account->pw_uid, account->pw_uid) < 0))
                err(1, "becoming another user");
}

static const Pair *next_pair(Bench *b) {
        b->at = (b->at + 1) % b->n_pairs;
        return &b->pairs[b->at];
}

static void resolve(Bench *b, websess *w) {
        int r = websess_resolve(w, next_pair(b)->token, TOKEN_SIZE, NULL, b->session);

        if (r != 0)
                errx(1, "resolve: %s", websess_last_error_text());
        if (strlen(websess_session_user(b->session)) != USER_SIZE)
                errx(1, "resolve: another session came");
}

static void resolve_socket(Bench *b) {
        resolve(b, b->socket);
}

static void resolve_bus(Bench *b) {
        resolve(b, b->bus);
}

static void hgetall(Bench *b) {
        redisReply *reply = redisCommand(b->redis, "HGETALL session:%b", next_pair(b)->id, (size_t) ID_SIZE);

        if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
                errx(1, "HGETALL: %s", !reply ? b->redis->errstr : reply->str ?: "no such session");
        freeReplyObject(reply);
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

int main(int argc, char *argv[]) {
        Bench b = {};
        uint64_t *samples, rounds, n;

        if (argc != 7)
                errx(2, "usage: calls TOKENS WEBSESS_SOCKET BUS_ADDRESS REDIS_SOCKET ROUNDS CALLS");
        rounds = number_argument(argv[5]);
        n = number_argument(argv[6]);
        samples = allocate(n, sizeof(*samples));
        read_pairs(&b, argv[1]);
        be_nobody_special();

        if (websess_open_socket(&b.socket, SERVICE, argv[2], TIMEOUT_USEC) != 0)
                errx(1, "%s", websess_last_error_text());
        /* The library reads the environment when a handle is opened */
        if (*argv[3] && (setenv("DBUS_SYSTEM_BUS_ADDRESS", argv[3], 1) < 0 || unsetenv("WEBSESS_SOCKET") < 0))
                err(1, "environment");
        if ((*argv[3] && websess_open(&b.bus, SERVICE, TIMEOUT_USEC) != 0) || websess_session_new(&b.session) != 0)
                errx(1, "%s", websess_last_error_text());
        if (*argv[3])
                b.redis = redis_open(argv[4]);

        for (uint64_t i = 0; i < rounds; i++) {
                go(&b, "p2p_resolve", resolve_socket, samples, n);
                if (!*argv[3])
                        continue;
                go(&b, "redis_hgetall", hgetall, samples, n);
                go(&b, "bus_resolve", resolve_bus, samples, n / 4);
        }

        if (has_map())
                errx(1, "the map answered, not the broker");
        if (b.redis)
                redisFree(b.redis);
        b.session = websess_session_free(b.session);
        b.bus = websess_close(b.bus);
        b.socket = websess_close(b.socket);
        free(b.pairs);
        free(samples);
        return 0;
}
