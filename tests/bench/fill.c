/* SPDX-License-Identifier: MIT */
/*
 * Makes a database of many live sessions, as the broker itself would have written it, in a folder where there is none.
 *
 *      fill FOLDER SESSIONS USERS MAX_BYTES TOKENS
 *
 * TOKENS gets the tokens of up to a million of them, spread evenly, a line each, in random order.
 */
#include "bench.h"
#include "digest.h"
#include "record.h"
#include "steady.h"
#include "store.h"
#include "token.h"

#define PER_CHANGE 1000u
#define IN_FLIGHT 64u
#define USEC_PER_HOUR UINT64_C(3600000000)
#define TOKENS_MAX 1000000u
#define PER_MSEC 20u            /* as a busy broker makes them */

typedef struct Sample {
        char (*lines)[TOKEN_SIZE + 1];
        size_t n;
        uint64_t every;
} Sample;

static void sample_add(Sample *s, const Token *token) {
        token_format(token, "", s->lines[s->n]);
        s->lines[s->n++][TOKEN_SIZE] = '\n';
}

static void sample_write(const Sample *s, const char *path) {
        FILE *f = fopen(path, "we");
        uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
        char line[TOKEN_SIZE + 1];

        for (size_t i = s->n; i > 1; i--) {
                size_t k;

                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                k = x % i;
                memcpy(line, s->lines[k], sizeof(line));
                memcpy(s->lines[k], s->lines[i - 1], sizeof(line));
                memcpy(s->lines[i - 1], line, sizeof(line));
        }
        if (!f || fwrite(s->lines, sizeof(*s->lines), s->n, f) != s->n || fclose(f) != 0)
                err(1, "%s", path);
        free(s->lines);
}

static size_t encode(const Token *token, uint64_t user, const Now *now, uint8_t *out, size_t size) {
        const Slice roles[] = { slice_of(ROLE_1), slice_of(ROLE_2) };
        const Attribute attributes[] = {
                { .key = slice_of(ATTRIBUTE_1), .type = 'x', .integer = ATTRIBUTE_1_VALUE },
                { .key = slice_of(ATTRIBUTE_2), .type = 's', .bytes = slice_of(ATTRIBUTE_2_VALUE) },
                { .key = slice_of(ATTRIBUTE_3), .type = 's', .bytes = slice_of(ATTRIBUTE_3_VALUE) },
        };
        char name[USER_SIZE + 1];
        Record r = {
                .flags = RECORD_APP_USER, .id = token->id, .version = 1, .created_realtime = now->realtime,
                .created = now->steady, .last_seen = now->steady, .auth_time = now->steady,
                .idle_usec = 2 * USEC_PER_HOUR, .lifetime_end = now->steady + 24 * USEC_PER_HOUR,
                .uid = RECORD_NO_UID,
                .service = slice_of(SERVICE), .user = slice(name, USER_SIZE),
                .remote_host = slice_of(REMOTE_HOST), .user_agent = slice_of(USER_AGENT),
                .roles = roles, .n_roles = 2, .attributes = attributes, .n_attributes = 3,
        };
        int k;

        (void) snprintf(name, sizeof(name), "u%07u", (unsigned) user % 10000000);
        k = token_secret_hash(token->secret, r.secret_hash);
        if (k >= 0)
                k = record_encode(&r, out, size);
        if (k < 0)
                errx(1, "record: %s", strerror(-k));
        return record_size(&r);
}

static void done(StoreChange *c, int result, void *userdata) {
        if (result < 0)
                errx(1, "store: %s", strerror(-result));
}

static void check(int r, const char *what) {
        if (r < 0)
                errx(1, "%s: %s", what, strerror(-r));
}

int main(int argc, char *argv[]) {
        uint64_t n, n_users;
        IdentSource ids = {};
        Steady steady = {};
        StoreChange *c = NULL;
        Sample sample = {};
        uint8_t data[RECORD_MAX], boot_id[16], random[10];
        Store *s = NULL;
        SteadyMark mark;
        Fault f = {};
        Now now;

        if (argc != 6)
                errx(2, "usage: fill FOLDER SESSIONS USERS MAX_BYTES TOKENS");
        n = number_argument(argv[2]);
        n_users = number_argument(argv[3]);
        sample.every = (n + TOKENS_MAX - 1) / TOKENS_MAX;
        sample.lines = allocate(n / sample.every + 1, sizeof(*sample.lines));
        if (store_open(&s, &(StoreOptions) { .directory = argv[1], .max_bytes = number_argument(argv[4]), .reserve_bytes = 1 << 20 }, &f) != 0)
                errx(1, "%s: %s", argv[1], f.text);
        check(steady_boot_id(boot_id), "boot id");
        now = steady_now(&steady);
        steady = steady_from_mark(NULL, boot_id, now.realtime, now.boottime);
        now = steady_now(&steady);
        mark = steady_mark(&steady, &now);
        check(store_start(s), "store");

        for (uint64_t i = 0; i < n; i++) {
                Token token = {};

                if (i % PER_MSEC == 0)
                        check(random_bytes(random, sizeof(random)), "random");
                token.id = ident_next(&ids, now.realtime / 1000 - n / PER_MSEC + i / PER_MSEC, random);
                check(random_bytes(token.secret, sizeof(token.secret)), "random");
                if (i % sample.every == 0)
                        sample_add(&sample, &token);
                if (!c)
                        check(store_change_new(&c), "store");
                check(store_change_put(c, &token.id, data, encode(&token, i % n_users, &now, data, sizeof(data))), "store");
                if ((i + 1) % PER_CHANGE == 0 || i + 1 == n) {
                        if (i + 1 == n)
                                check(store_change_mark(c, &mark), "store");
                        store_submit(s, c, done, NULL);
                        c = NULL;
                }
                if ((i + 1) % (PER_CHANGE * IN_FLIGHT) == 0)
                        check(store_drain(s), "store");
        }
        check(store_drain(s), "store");
        s = store_free(s);
        sample_write(&sample, argv[5]);
        return 0;
}
