/* SPDX-License-Identifier: MIT */
/*
 * Owns the accounts: one per uid that holds anything, in a tree by uid, freed when its last charge goes. Touches
 * nothing else.
 */
#include <bsd/sys/tree.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cleanup.h"
#include "fault.h"
#include "quota.h"

struct QuotaAccount {
        RB_ENTRY(QuotaAccount) node;
        Quota *quota;
        uid_t uid;
        unsigned n_charges;
        uint64_t used[_QUOTA_MAX];
};

RB_HEAD(AccountTree, QuotaAccount);

struct Quota {
        struct AccountTree accounts;
        unsigned n_accounts;
        bool abandoned;         /* freed by its owner while charges are held: goes with the last of them */
        uid_t own_uid;
        uint64_t limits[_QUOTA_MAX], refused[_QUOTA_MAX];
};

static int account_compare(const QuotaAccount *a, const QuotaAccount *b) {
        return a->uid < b->uid ? -1 : a->uid > b->uid;
}

RB_PROTOTYPE_INTERNAL(AccountTree, QuotaAccount, node, account_compare, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(AccountTree, QuotaAccount, node, account_compare, __attribute__((unused)) static)

int quota_new(Quota **ret, uid_t own_uid) {
        Quota *q = calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        RB_INIT(&q->accounts);
        q->own_uid = own_uid;
        for (size_t i = 0; i < _QUOTA_MAX; i++)
                q->limits[i] = UINT64_MAX;
        *ret = q;
        return 0;
}

Quota *quota_free(Quota *q) {
        if (!q)
                return NULL;
        q->abandoned = true;
        if (q->n_accounts == 0)
                free(q);
        return NULL;
}

void quota_set_limit(Quota *q, QuotaKind kind, uint64_t limit) {
        q->limits[kind] = limit;
}

static QuotaAccount *account_find(const Quota *q, uid_t uid) {
        QuotaAccount key = { .uid = uid };

        return RB_FIND(AccountTree, (struct AccountTree *) &q->accounts, &key);
}

static QuotaAccount *account_new(Quota *q, uid_t uid) {
        QuotaAccount *a = calloc(1, sizeof(*a));

        if (!a)
                return NULL;
        a->quota = q;
        a->uid = uid;
        RB_INSERT(AccountTree, &q->accounts, a);
        q->n_accounts++;
        return a;
}

static void account_free(QuotaAccount *a) {
        Quota *q = a->quota;

        RB_REMOVE(AccountTree, &q->accounts, a);
        q->n_accounts--;
        free(a);
        if (q->abandoned && q->n_accounts == 0)
                free(q);
}

static bool quota_fits(const Quota *q, const QuotaAccount *a, uid_t uid, QuotaKind kind, uint64_t amount) {
        uint64_t used = a ? a->used[kind] : 0;

        if (uid == 0 || uid == q->own_uid)
                return amount <= UINT64_MAX - used;
        return used <= q->limits[kind] && amount <= q->limits[kind] - used;
}

int quota_charge(Quota *q, QuotaCharge *c, uid_t uid, QuotaKind kind, uint64_t amount) {
        QuotaAccount *a = account_find(q, uid);

        *c = (QuotaCharge) {};
        if (!quota_fits(q, a, uid, kind, amount)) {
                q->refused[kind]++;
                return FAULT_TOO_MANY;
        }
        if (!a)
                a = account_new(q, uid);
        if (!a)
                return -ENOMEM;
        a->used[kind] += amount;
        a->n_charges++;
        *c = (QuotaCharge) { .account = a, .kind = kind, .amount = amount };
        return 0;
}

void quota_refund(QuotaCharge *c) {
        QuotaAccount *a = TAKE_PTR(c->account);

        if (!a)
                return;
        a->used[c->kind] -= c->amount;
        if (--a->n_charges == 0)
                account_free(a);
}

uint64_t quota_refused(const Quota *q, QuotaKind kind) {
        return q->refused[kind];
}

uint64_t quota_used(const Quota *q, uid_t uid, QuotaKind kind) {
        const QuotaAccount *a = account_find(q, uid);

        return a ? a->used[kind] : 0;
}

unsigned quota_n_accounts(const Quota *q) {
        return q->n_accounts;
}
