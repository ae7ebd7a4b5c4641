/* SPDX-License-Identifier: MIT */
/*
 * The buckets. Of each only one number is kept: when it will be empty again. What is in it is the time until then, so draining costs
 * nothing and an entry whose time has come is as good as none.
 */
#include "throttle.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "digest.h"
#include "span.h"

#define FULL_MAX USEC_PER_DAY           /* no bucket takes longer to drain, whatever file it came from */
#define KNOWN_MAX (366u * USEC_PER_DAY)

typedef struct Entry {
        RB_ENTRY(Entry) by_key, by_time;
        ThrottleKey key;
        uint64_t empty_at;              /* steady clock */
        uint64_t known_until;           /* THROTTLE_USER_HOST: the user has logged in from there; 0: not known */
} Entry;

typedef RB_HEAD(KeyTree, Entry) KeyTree;
typedef RB_HEAD(TimeTree, Entry) TimeTree;

struct Throttle {
        KeyTree keys;
        TimeTree times;                 /* nearest to empty first */
        size_t n;
        uint64_t generation;
};

static int compare_keys(const Entry *a, const Entry *b) {
        return memcmp(&a->key, &b->key, sizeof(ThrottleKey));
}
_Static_assert(sizeof(ThrottleKey) == 1 + THROTTLE_SERVICE_SIZE + 2 * THROTTLE_NAME_SIZE, "no padding to compare");

static int compare_times(const Entry *a, const Entry *b) {
        if (a->empty_at != b->empty_at)
                return a->empty_at < b->empty_at ? -1 : 1;
        return compare_keys(a, b);
}

RB_GENERATE_INTERNAL(KeyTree, Entry, by_key, compare_keys, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(TimeTree, Entry, by_time, compare_times, __attribute__((unused)) static)

/* ---- entries ---- */

static Entry *find(const Throttle *t, const ThrottleKey *key) {
        Entry wanted = { .key = *key };

        return RB_FIND(KeyTree, (KeyTree *) (uintptr_t) &t->keys, &wanted);
}

static void forget(Throttle *t, Entry *e) {
        RB_REMOVE(KeyTree, &t->keys, e);
        RB_REMOVE(TimeTree, &t->times, e);
        t->n--;
        t->generation++;
        free(e);
}

static void set_empty_at(Throttle *t, Entry *e, uint64_t empty_at) {
        RB_REMOVE(TimeTree, &t->times, e);
        e->empty_at = empty_at;
        RB_INSERT(TimeTree, &t->times, e);
        t->generation++;
}

static bool is_worthless(const Entry *e, uint64_t now) {
        return e->empty_at <= now && e->known_until <= now;
}

/* Two at a time, so that what nobody asks for any more goes sooner than new keys come. */
static void make_room(Throttle *t, uint64_t now) {
        for (unsigned i = 0; i < 2; i++) {
                Entry *first = RB_MIN(TimeTree, &t->times);

                if (!first || (!is_worthless(first, now) && t->n < THROTTLE_KEYS_MAX))
                        return;
                forget(t, first);
        }
}

static Entry *get(Throttle *t, const ThrottleKey *key, uint64_t now) {
        Entry *e = find(t, key);

        if (e)
                return e;
        make_room(t, now);
        e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        e->key = *key;
        e->empty_at = now;
        RB_INSERT(KeyTree, &t->keys, e);
        RB_INSERT(TimeTree, &t->times, e);
        t->n++;
        return e;
}

int throttle_new(Throttle **ret) {
        Throttle *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        RB_INIT(&t->keys);
        RB_INIT(&t->times);
        *ret = t;
        return 0;
}

Throttle *throttle_free(Throttle *t) {
        Entry *e;

        if (!t)
                return NULL;
        while ((e = RB_ROOT(&t->keys)))
                forget(t, e);
        free(t);
        return NULL;
}

/* ---- judging ---- */

static const ThrottleRule *rule_of(const ThrottleRules *rules, uint8_t kind) {
        return &rules->rules[kind == THROTTLE_USER_CALLER ? THROTTLE_USER : kind];
}

static bool is_wide(uint8_t kind) {
        return kind == THROTTLE_USER || kind == THROTTLE_CALLER;
}

/* How long until there is room for one drop more; 0 when there is. */
static uint64_t wait_for(const Throttle *t, const ThrottleKey *key, const ThrottleRule *rule, unsigned holds, uint64_t now) {
        const Entry *e = find(t, key);
        uint64_t content = e && e->empty_at > now ? e->empty_at - now : 0, room = (holds - 1) * rule->recover_usec;

        return content > room ? content - room : 0;
}

static bool is_known(const Throttle *t, const ThrottleKey *key, uint64_t now) {
        const Entry *e = key->kind == THROTTLE_USER_HOST ? find(t, key) : NULL;

        return e && e->known_until > now;
}

/* Is a wide bucket full that counts against this login? Without a host the user's own is not asked: the narrow one is as large. */
static bool is_pressed(const Throttle *t, const ThrottleRules *rules, const ThrottleKey *keys, int n, uint64_t now) {
        bool has_host = keys[0].kind == THROTTLE_USER_HOST;

        for (int i = 0; i < n; i++) {
                const ThrottleRule *rule = rule_of(rules, keys[i].kind);

                if (!is_wide(keys[i].kind) || rule->failures == 0 || (keys[i].kind == THROTTLE_USER && !has_host))
                        continue;
                if (wait_for(t, &keys[i], rule, rule->failures, now) > 0)
                        return true;
        }
        return false;
}

static uint64_t judge(const Throttle *t, const ThrottleRules *rules, const ThrottleKey *keys, int n, uint64_t now, unsigned *ret_kind) {
        bool known = is_known(t, &keys[0], now), pressed = !known && is_pressed(t, rules, keys, n, now);
        uint64_t longest = 0;

        for (int i = 0; i < n; i++) {
                const ThrottleRule *rule = rule_of(rules, keys[i].kind);
                unsigned holds = pressed ? rule->failures / 10 : rule->failures;
                uint64_t wait;

                if (is_wide(keys[i].kind) || rule->failures == 0 || (known && keys[i].kind == THROTTLE_HOST))
                        continue;
                wait = wait_for(t, &keys[i], rule, holds > 0 ? holds : 1, now);
                if (wait > longest) {
                        longest = wait;
                        *ret_kind = keys[i].kind;
                }
        }
        return longest;
}

static int refuse(unsigned kind, uint64_t wait, Fault *f) {
        static const char *const whose[_THROTTLE_KINDS] = {
                [THROTTLE_USER_HOST] = "of this user from this host", [THROTTLE_HOST] = "from this host",
                [THROTTLE_USER_CALLER] = "of this user",
        };
        char text[32];

        /* Whole seconds, upwards: who comes back then is let in. */
        span_format((wait + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC, text);
        return fault(f, FAULT_TOO_MANY, "too many failed logins %s: try again in %s (see [Throttle] in websess.conf)", whose[kind], text);
}

static void take_back(Throttle *t, const ThrottleTicket *ticket, uint64_t now) {
        for (size_t i = 0; i < ticket->n; i++) {
                Entry *e = find(t, &ticket->keys[i]);

                if (e)
                        set_empty_at(t, e, e->empty_at > now + ticket->drops[i] ? e->empty_at - ticket->drops[i] : now);
        }
}

int throttle_begin(Throttle *t, const ThrottleRules *rules, const ThrottleAttempt *a, uint64_t now, ThrottleTicket *ret, Fault *f) {
        unsigned kind = THROTTLE_HOST;
        ThrottleKey keys[_THROTTLE_KINDS];
        ThrottleTicket ticket = {};
        uint64_t wait;
        int n;

        n = throttle_keys(a, keys);
        if (n < 0)
                return n;
        wait = judge(t, rules, keys, n, now, &kind);
        if (wait > 0)
                return refuse(kind, wait, f);

        for (int i = 0; i < n; i++) {
                const ThrottleRule *rule = rule_of(rules, keys[i].kind);
                uint64_t drop = rule->recover_usec, from, most = rule->failures * drop;
                Entry *e;

                if (rule->failures == 0)
                        continue;
                e = get(t, &keys[i], now);
                if (!e) {
                        take_back(t, &ticket, now);
                        return -ENOMEM;
                }
                from = e->empty_at > now ? e->empty_at : now;
                /* a wide bucket overflows: it is not to stay full for ever after a flood */
                if (from + drop > now + most)
                        drop = now + most > from ? now + most - from : 0;
                set_empty_at(t, e, from + drop);
                ticket.keys[ticket.n] = keys[i];
                ticket.drops[ticket.n++] = drop;
        }
        *ret = ticket;
        return 0;
}

/* His own failures at this host were typing errors; those of others, at the same host or elsewhere, stay counted. */
static void welcome(Throttle *t, const ThrottleRules *rules, const ThrottleKey *key, uint64_t now) {
        Entry *e;

        if (key->kind != THROTTLE_USER_HOST && key->kind != THROTTLE_USER_CALLER)
                return;
        e = find(t, key);
        if (!e)
                return;
        if (key->kind == THROTTLE_USER_HOST)
                e->known_until = now + rules->known_host_usec;
        set_empty_at(t, e, now);
}

void throttle_end(Throttle *t, const ThrottleRules *rules, ThrottleTicket *ticket, ThrottleEnd end, uint64_t now) {
        if (end != THROTTLE_FAILED)
                take_back(t, ticket, now);
        for (size_t i = 0; end == THROTTLE_SUCCEEDED && i < ticket->n; i++)
                welcome(t, rules, &ticket->keys[i], now);
        ticket->n = 0;
}

/* ---- administration ---- */

/* The wanted part of a key: true when nothing is wanted, or this. */
static bool matches(const uint8_t *part, const uint8_t *wanted, size_t size, bool is_wanted) {
        return !is_wanted || memcmp(part, wanted, size) == 0;
}

unsigned throttle_reset(Throttle *t, const char *service, const char *user, const char *host) {
        bool has_service = service && *service, has_user = user && *user, has_host = host && *host;
        ThrottleKey wanted = {};
        unsigned n = 0;
        Entry *e, *next;

        if ((has_service && throttle_service_digest(service, wanted.service) != 0) ||
            (has_user && throttle_user_digest(user, wanted.who) != 0) ||
            (has_host && throttle_host_digest(host, wanted.where) != 0))
                return 0;

        RB_FOREACH_SAFE(e, KeyTree, &t->keys, next)
                if (matches(e->key.service, wanted.service, sizeof(wanted.service), has_service) &&
                    matches(e->key.who, wanted.who, sizeof(wanted.who), has_user) &&
                    matches(e->key.where, wanted.where, sizeof(wanted.where), has_host)) {
                        forget(t, e);
                        n++;
                }
        return n;
}

unsigned throttle_reset_host(Throttle *t, const char *host) {
        ThrottleKey key = { .kind = THROTTLE_HOST };
        Entry *e = throttle_host_digest(host, key.where) == 0 ? find(t, &key) : NULL;

        if (e)
                forget(t, e);
        return e ? 1 : 0;
}

unsigned throttle_count_full(const Throttle *t, const ThrottleRules *rules, uint64_t now) {
        unsigned n = 0;
        Entry *e;

        RB_FOREACH(e, KeyTree, (KeyTree *) (uintptr_t) &t->keys) {
                const ThrottleRule *rule = rule_of(rules, e->key.kind);

                n += rule->failures > 0 && wait_for(t, &e->key, rule, rule->failures, now) > 0;
        }
        return n;
}

size_t throttle_size(const Throttle *t) {
        return t->n;
}

uint64_t throttle_generation(const Throttle *t) {
        return t->generation;
}

/* ---- as bytes: magic, mark, number, entries, the first bytes of a SHA-256 over all that ---- */

#define MAGIC "websess throttle 2\n"
#define MAGIC_1 "websess throttle 1\n"          /* the same without a mark */
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define HEAD_SIZE (MAGIC_SIZE + STEADY_MARK_SIZE + 4)
#define ENTRY_SIZE (sizeof(ThrottleKey) + 16)
#define SUM_SIZE 8u

int throttle_encode(const Throttle *t, const SteadyMark *now, uint8_t **ret, size_t *ret_size) {
        uint8_t *data = malloc(HEAD_SIZE + t->n * ENTRY_SIZE + SUM_SIZE), *at = data, sum[DIGEST_SIZE];
        uint32_t n = 0;
        Entry *e;
        int r;

        if (!data)
                return -ENOMEM;
        memcpy(at, MAGIC, MAGIC_SIZE);
        steady_mark_write(now, at + MAGIC_SIZE);
        at += HEAD_SIZE;
        RB_FOREACH(e, KeyTree, (KeyTree *) (uintptr_t) &t->keys) {
                if (is_worthless(e, now->steady))
                        continue;
                memcpy(at, &e->key, sizeof(e->key));
                store_le64(at + sizeof(e->key), e->empty_at);
                store_le64(at + sizeof(e->key) + 8, e->known_until);
                at += ENTRY_SIZE;
                n++;
        }
        store_le32(data + HEAD_SIZE - 4, n);
        r = digest_sha256(data, (size_t) (at - data), sum);
        if (r < 0) {
                free(data);
                return r;
        }
        memcpy(at, sum, SUM_SIZE);
        *ret = data;
        *ret_size = (size_t) (at - data) + SUM_SIZE;
        return 0;
}

/* The head's size; 0 when it is none. *theirs becomes what the time is by the clock of who wrote it. */
static size_t read_head(const uint8_t *data, size_t size, const Steady *steady, const Now *now, uint64_t *theirs) {
        SteadyMark mark;

        if (size < HEAD_SIZE + SUM_SIZE - STEADY_MARK_SIZE)
                return 0;
        if (memcmp(data, MAGIC_1, MAGIC_SIZE) == 0)
                return HEAD_SIZE - STEADY_MARK_SIZE;
        if (size < HEAD_SIZE + SUM_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
                return 0;
        mark = steady_mark_read(data + MAGIC_SIZE);
        *theirs = now->boottime + steady_from_mark(&mark, steady->boot_id, now->realtime, now->boottime).offset;
        return HEAD_SIZE;
}

static int check_bytes(const uint8_t *data, size_t size, size_t head, uint32_t n) {
        uint8_t sum[DIGEST_SIZE];
        int r;

        if (n > THROTTLE_KEYS_MAX || size != head + n * ENTRY_SIZE + SUM_SIZE)
                return -EBADMSG;
        r = digest_sha256(data, size - SUM_SIZE, sum);
        if (r < 0)
                return r;
        return memcmp(data + size - SUM_SIZE, sum, SUM_SIZE) == 0 ? 0 : -EBADMSG;
}

/* A point of their clock as one of ours, at most so far away. */
static uint64_t carry_over(uint64_t point, uint64_t theirs, uint64_t ours, uint64_t most) {
        uint64_t left = point > theirs ? point - theirs : 0;

        return ours + (left < most ? left : most);
}

int throttle_decode(Throttle *t, const void *bytes, size_t size, const Steady *steady, const Now *now) {
        const uint8_t *data = bytes, *at;
        uint64_t theirs = now->steady;
        size_t head = read_head(data, size, steady, now, &theirs);
        uint32_t n;
        int r;

        if (head == 0)
                return -EBADMSG;
        n = load_le32(data + head - 4);
        r = check_bytes(data, size, head, n);
        if (r < 0)
                return r;

        for (at = data + head; n > 0; n--, at += ENTRY_SIZE) {
                ThrottleKey key;
                Entry *e;

                memcpy(&key, at, sizeof(key));
                if (key.kind >= _THROTTLE_KINDS)
                        return -EBADMSG;
                e = get(t, &key, now->steady);
                if (!e)
                        return -ENOMEM;
                set_empty_at(t, e, carry_over(load_le64(at + sizeof(key)), theirs, now->steady, FULL_MAX));
                e->known_until = carry_over(load_le64(at + sizeof(key) + 8), theirs, now->steady, KNOWN_MAX);
        }
        return 0;
}
