/* SPDX-License-Identifier: MIT */
/*
 * Makes a database of many live sessions, as the broker itself would have written it, in a folder where there is none.
 *
 *      fill FOLDER SESSIONS USERS MAX_BYTES
 */
#include "bench.h"
#include "digest.h"
#include "record.h"
#include "steady.h"
#include "store.h"

#define PER_CHANGE 1000u
#define IN_FLIGHT 64u
#define USEC_PER_HOUR UINT64_C(3600000000)

static size_t encode(const Ident *id, uint64_t user, const Now *now, uint8_t *out, size_t size) {
        const Slice roles[] = { slice_of(ROLE_1), slice_of(ROLE_2) };
        const Attribute attributes[] = {
                { .key = slice_of(ATTRIBUTE_1), .type = 'x', .integer = ATTRIBUTE_1_VALUE },
                { .key = slice_of(ATTRIBUTE_2), .type = 's', .bytes = slice_of(ATTRIBUTE_2_VALUE) },
                { .key = slice_of(ATTRIBUTE_3), .type = 's', .bytes = slice_of(ATTRIBUTE_3_VALUE) },
        };
        char name[USER_SIZE + 1];
        Record r = {
                .flags = RECORD_APP_USER, .id = *id, .version = 1, .created_realtime = now->realtime,
                .created = now->steady, .last_seen = now->steady, .auth_time = now->steady,
                .idle_usec = 2 * USEC_PER_HOUR, .lifetime_end = now->steady + 24 * USEC_PER_HOUR,
                .uid = RECORD_NO_UID,
                .service = slice_of(SERVICE), .user = slice(name, USER_SIZE),
                .remote_host = slice_of(REMOTE_HOST), .user_agent = slice_of(USER_AGENT),
                .roles = roles, .n_roles = 2, .attributes = attributes, .n_attributes = 3,
        };
        int k;

        (void) snprintf(name, sizeof(name), "u%07u", (unsigned) user % 10000000);
        k = random_bytes(r.secret_hash, sizeof(r.secret_hash));
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
        uint8_t data[RECORD_MAX], boot_id[16], random[10];
        Store *s = NULL;
        SteadyMark mark;
        Fault f = {};
        Now now;

        if (argc != 5)
                errx(2, "usage: fill FOLDER SESSIONS USERS MAX_BYTES");
        n = number_argument(argv[2]);
        n_users = number_argument(argv[3]);
        if (store_open(&s, &(StoreOptions) { .directory = argv[1], .max_bytes = number_argument(argv[4]), .reserve_bytes = 1 << 20 }, &f) != 0)
                errx(1, "%s: %s", argv[1], f.text);
        check(steady_boot_id(boot_id), "boot id");
        now = steady_now(&steady);
        steady = steady_from_mark(NULL, boot_id, now.realtime, now.boottime);
        now = steady_now(&steady);
        mark = steady_mark(&steady, &now);
        check(random_bytes(random, sizeof(random)), "random");
        check(store_start(s), "store");

        for (uint64_t i = 0; i < n; i++) {
                Ident id = ident_next(&ids, now.realtime / 1000 + i / 100, random);

                if (!c)
                        check(store_change_new(&c), "store");
                check(store_change_put(c, &id, data, encode(&id, i % n_users, &now, data, sizeof(data))), "store");
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
        return 0;
}
