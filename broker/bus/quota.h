/* SPDX-License-Identifier: MIT */
/*
 * What each uid holds of the broker's resources. A charge is a value embedded in what is charged; letting it go refunds
 * it, so freeing an object can't forget to. root and the broker's own user are counted like everybody but never
 * refused.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

typedef struct Quota Quota;
typedef struct QuotaAccount QuotaAccount;

typedef enum QuotaKind {
        QUOTA_CONNECTIONS,      /* on the private socket */
        QUOTA_CALLS,            /* not yet answered */
        QUOTA_BYTES,            /* read but not yet handled, and written but not yet taken */
        _QUOTA_MAX,
} QuotaKind;

typedef struct QuotaCharge {
        QuotaAccount *account;  /* NULL: nothing is charged */
        QuotaKind kind;
        uint64_t amount;
} QuotaCharge;

int quota_new(Quota **ret, uid_t own_uid);
Quota *quota_free(Quota *q);            /* charges that are still held stay valid and may be let go later */
void quota_set_limit(Quota *q, QuotaKind kind, uint64_t limit);

/* 0, FAULT_TOO_MANY, or -ENOMEM. c must hold nothing before; on failure it holds nothing after. */
int quota_charge(Quota *q, QuotaCharge *c, uid_t uid, QuotaKind kind, uint64_t amount);
void quota_refund(QuotaCharge *c);      /* holding nothing is fine */

uint64_t quota_refused(const Quota *q, QuotaKind kind);         /* how often a limit has said no */
uint64_t quota_used(const Quota *q, uid_t uid, QuotaKind kind);
unsigned quota_n_accounts(const Quota *q);
