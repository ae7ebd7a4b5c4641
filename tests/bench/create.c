/* SPDX-License-Identifier: MIT */
/*
 * Durable creates: 50 clients at once, each sending its next call when the last is answered, round by round in turn for websess and
 * Redis. Both sides are driven alike: one process, one thread, epoll, an ordinary client library on non-blocking connections (sd-bus;
 * hiredis).
 *
 *      create SCRIPT WEBSESS_SOCKET REDIS_SOCKET ROUNDS CREATES USERS OUTPUT
 *
 * Session k belongs to user k modulo USERS. OUTPUT gets a token and a Redis id per line for tests/bench/calls.
 */
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <systemd/sd-bus.h>

#include "bench.h"
#include "websess-names.h"

#define CLIENTS 50
#define SCRIPT_MAX 4096
#define OUTPUT_EVERY 7

typedef struct Round Round;

typedef struct Client {
        Round *round;
        sd_bus *bus;
        redisContext *redis;
        uint64_t started, number;
        char id[ID_SIZE + 1];           /* Redis: what was made */
} Client;

/* What differs between the two sides. */
typedef struct Side {
        const char *name;
        void (*send)(Client *c);
        void (*readable)(Client *c);    /* takes what has come; calls answered() */
        int (*fd)(Client *c);
} Side;

struct Round {
        const Side *side;
        uint64_t *samples, next, end, n_done, n_users;
        char (*kept)[TOKEN_SIZE + 1];   /* every OUTPUT_EVERYth token or id, by number */
        char script[41];
        Client clients[CLIENTS];
};

static void user_of(const Round *r, uint64_t number, char user[static USER_SIZE + 1]) {
        (void) snprintf(user, USER_SIZE + 1, "u%07u", (unsigned) (number % r->n_users) % 10000000);
}

static void answered(Client *c, const char *token, size_t size) {
        Round *r = c->round;

        r->samples[r->n_done++] = now_nsec() - c->started;
        if (c->number % OUTPUT_EVERY == 0)
                (void) snprintf(r->kept[c->number / OUTPUT_EVERY], TOKEN_SIZE + 1, "%.*s", (int) size, token);
}

static void send_next(Client *c) {
        Round *r = c->round;

        if (r->next == r->end)
                return;
        c->number = r->next++;
        c->started = now_nsec();
        r->side->send(c);
}

/* ---- websess ---- */

static void websess_send(Client *c) {
        char user[USER_SIZE + 1];
        sd_bus_message *m = NULL;
        uint64_t cookie;        /* asked for, else no reply would be */
        int r;

        user_of(c->round, c->number, user);
        r = sd_bus_message_new_method_call(c->bus, &m, WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "CreateSession");
        if (r >= 0)
                r = sd_bus_message_append(m, "ssasa{sv}a{sv}", SERVICE, user, 2, ROLE_1, ROLE_2,
                                          3, ATTRIBUTE_1, "x", ATTRIBUTE_1_VALUE, ATTRIBUTE_2, "s", ATTRIBUTE_2_VALUE,
                                          ATTRIBUTE_3, "s", ATTRIBUTE_3_VALUE,
                                          2, "RemoteHost", "s", REMOTE_HOST, "UserAgent", "s", USER_AGENT);
        if (r >= 0)
                r = sd_bus_send(c->bus, m, &cookie);
        if (r < 0)
                errx(1, "CreateSession: %s", strerror(-r));
        sd_bus_message_unref(m);
}

static void websess_readable(Client *c) {
        sd_bus_message *m = NULL;
        const char *token;
        uint8_t type;
        int r;

        while ((r = sd_bus_process(c->bus, &m)) > 0) {
                if (!m)
                        continue;
                if (sd_bus_message_get_type(m, &type) < 0)
                        errx(1, "CreateSession: no reply");
                if (type == SD_BUS_MESSAGE_METHOD_ERROR)
                        errx(1, "CreateSession: %s", sd_bus_message_get_error(m)->message);
                if (type == SD_BUS_MESSAGE_METHOD_RETURN) {
                        if (sd_bus_message_read_basic(m, 's', &token) <= 0)
                                errx(1, "CreateSession: no token");
                        answered(c, token, strlen(token));
                        send_next(c);
                }
                m = sd_bus_message_unref(m);
        }
        if (r < 0)
                errx(1, "websess: %s", strerror(-r));
}

static int websess_fd(Client *c) {
        return sd_bus_get_fd(c->bus);
}

static sd_bus *websess_open_bus(const char *path) {
        char address[256];
        sd_bus *bus = NULL;
        int r;

        (void) snprintf(address, sizeof(address), "unix:path=%s", path);
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        while (r >= 0 && sd_bus_is_ready(bus) == 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        if (r < 0)
                errx(1, "%s: %s", path, strerror(-r));
        return bus;
}

/* ---- Redis ---- */

static void flush(Client *c) {
        int done = 0;

        while (!done)
                if (redisBufferWrite(c->redis, &done) != REDIS_OK)
                        errx(1, "redis: %s", c->redis->errstr);
}

static void new_id(char id[static ID_SIZE + 1]) {
        uint8_t bytes[ID_SIZE / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                err(1, "getrandom");
        for (size_t i = 0; i < sizeof(bytes); i++)
                (void) snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static void redis_send(Client *c) {
        char user[USER_SIZE + 1], number[24];
        struct timespec ts;
        long long ms;

        user_of(c->round, c->number, user);
        new_id(c->id);
        (void) clock_gettime(CLOCK_REALTIME, &ts);
        ms = (long long) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
        (void) snprintf(number, sizeof(number), "%lld", (long long) ATTRIBUTE_1_VALUE);
        if (redisAppendCommand(c->redis, "EVALSHA %s 2 session:%s user:%s 86400 5 %lld %s"
                               " service %s user %s uid 4294967295 roles %s created %lld seen %lld auth %lld idle 7200000 end %lld"
                               " level 0 host %s agent %s creator 0 version 1 " ATTRIBUTE_1 " %s " ATTRIBUTE_2 " %s " ATTRIBUTE_3 " %s",
                               c->round->script, c->id, user, ms, c->id, SERVICE, user, ROLE_1 "," ROLE_2, ms, ms, ms, ms + 86400000,
                               REMOTE_HOST, USER_AGENT, number, ATTRIBUTE_2_VALUE, ATTRIBUTE_3_VALUE) != REDIS_OK)
                errx(1, "redis: %s", c->redis->errstr);
        flush(c);
}

static void redis_readable(Client *c) {
        void *reply = NULL;

        if (redisBufferRead(c->redis) != REDIS_OK)
                errx(1, "redis: %s", c->redis->errstr);
        while (redisGetReplyFromReader(c->redis, &reply) == REDIS_OK && reply) {
                redisReply *answer = reply;

                if (answer->type != REDIS_REPLY_INTEGER)
                        errx(1, "EVALSHA: %s", answer->str ?: "not an integer");
                freeReplyObject(answer);
                answered(c, c->id, ID_SIZE);
                send_next(c);
        }
}

static int redis_fd(Client *c) {
        return c->redis->fd;
}

static redisContext *redis_open_nonblocking(const char *path) {
        redisContext *c = redisConnectUnixNonBlock(path);

        if (!c || c->err)
                errx(1, "redis at %s: %s", path, c ? c->errstr : "out of memory");
        return c;
}

/* The formatter of hiredis takes spaces apart, so the script goes as an argument of its own. */
static void redis_load(const char *socket, const char *script, char sha[static 41]) {
        redisContext *c = redis_open(socket);
        char text[SCRIPT_MAX];
        redisReply *reply;
        FILE *f;
        size_t n;

        f = fopen(script, "re");
        if (!f)
                err(1, "%s", script);
        n = fread(text, 1, sizeof(text), f);
        (void) fclose(f);
        reply = redisCommand(c, "SCRIPT LOAD %b", text, n);
        if (!reply || reply->type != REDIS_REPLY_STRING)
                errx(1, "SCRIPT LOAD: %s", reply ? reply->str : c->errstr);
        (void) snprintf(sha, 41, "%s", reply->str);
        freeReplyObject(reply);
        redisFree(c);
}

/* ---- rounds ---- */

static const Side sides[] = {
        { "create", websess_send, websess_readable, websess_fd },
        { "redis_create", redis_send, redis_readable, redis_fd },
};

static void run(Round *r, uint64_t first, uint64_t n) {
        struct epoll_event events[CLIENTS];
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        uint64_t start;

        if (epoll < 0)
                err(1, "epoll");
        for (size_t i = 0; i < CLIENTS; i++)
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, r->side->fd(&r->clients[i]),
                              &(struct epoll_event) { .events = EPOLLIN, .data.ptr = &r->clients[i] }) < 0)
                        err(1, "epoll");
        r->next = first;
        r->end = first + n;
        r->n_done = 0;
        start = now_nsec();
        for (size_t i = 0; i < CLIENTS; i++)
                send_next(&r->clients[i]);
        while (r->n_done < n) {
                int found = epoll_wait(epoll, events, CLIENTS, -1);

                if (found < 0)
                        err(1, "epoll");
                for (int i = 0; i < found; i++)
                        r->side->readable(events[i].data.ptr);
        }
        report(r->side->name, r->samples, n, (double) (now_nsec() - start) / 1e9);
        (void) close(epoll);
}

static void write_pairs(const char *path, const Round rounds[static 2], uint64_t total) {
        FILE *f = fopen(path, "we");

        if (!f)
                err(1, "%s", path);
        for (uint64_t i = 0; i < total; i += OUTPUT_EVERY)
                (void) fprintf(f, "%s %s\n", rounds[0].kept[i / OUTPUT_EVERY], rounds[1].kept[i / OUTPUT_EVERY]);
        if (fclose(f) != 0)
                err(1, "%s", path);
}

int main(int argc, char *argv[]) {
        static Round rounds[2];
        uint64_t n_rounds, n, each;

        if (argc != 8)
                errx(2, "usage: create SCRIPT WEBSESS_SOCKET REDIS_SOCKET ROUNDS CREATES USERS OUTPUT");
        n_rounds = number_argument(argv[4]);
        n = number_argument(argv[5]);
        each = n / n_rounds;
        for (size_t side = 0; side < 2; side++) {
                Round *r = &rounds[side];

                r->side = &sides[side];
                r->n_users = number_argument(argv[6]);
                r->samples = allocate(each, sizeof(*r->samples));
                r->kept = allocate(n / OUTPUT_EVERY + 1, sizeof(*r->kept));
                for (size_t i = 0; i < CLIENTS; i++) {
                        r->clients[i].round = r;
                        if (side == 0)
                                r->clients[i].bus = websess_open_bus(argv[2]);
                        else
                                r->clients[i].redis = redis_open_nonblocking(argv[3]);
                }
        }
        redis_load(argv[3], argv[1], rounds[1].script);
        for (uint64_t i = 0; i < n_rounds; i++)
                for (size_t side = 0; side < 2; side++)
                        run(&rounds[side], i * each, each);
        write_pairs(argv[7], rounds, each * n_rounds);
        for (size_t side = 0; side < 2; side++) {
                for (size_t i = 0; i < CLIENTS; i++) {
                        sd_bus_close_unref(rounds[side].clients[i].bus);
                        if (rounds[side].clients[i].redis)
                                redisFree(rounds[side].clients[i].redis);
                }
                free(rounds[side].kept);
                free(rounds[side].samples);
        }
        return 0;
}
