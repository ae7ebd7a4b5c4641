/* SPDX-License-Identifier: MIT */
/* A store in a folder of its own, and sessions by number. Everything asserts. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cleanup.h"
#include "store.h"

#define MIB (UINT64_C(1024) * 1024)

char *folder_new(void);
char *folder_free(char *folder);        /* with all that is in it */
char *database_path(const char *folder);        /* malloc'ed */

/* 0, a FAULT_* or a negative errno; the checker runs in a fork. Not started. */
int open_store(Store **ret, const char *folder, uint64_t max_bytes, uint64_t reserve_bytes, Fault *f);
Store *must_open(const char *folder);   /* 64 MiB, 1 MiB in reserve; loaded and started */

Ident id_of(uint64_t n);
uint64_t number_of(const Ident *id);
size_t make_record(uint64_t n, uint64_t version, uint8_t *out, size_t size);    /* about 250 bytes; returns the size */

/* The same with a digest of its account: 16 times this byte. */
StoreChange *digest_change(uint64_t n, uint8_t digest);

/* Turn the database of a folder whose store is closed into one of format 1, as the first programs wrote it: with the key inside, or from before there
 * was a key (NULL). The key's file is removed. */
void make_format_1(const char *folder, const uint8_t *key);

/* What became of the changes submitted with it. */
typedef struct Outcome {
        unsigned n_done, n_ok;
        int first_error;
        unsigned n_canceled;
} Outcome;

StoreChange *put_change(uint64_t n, uint64_t version);
StoreChange *delete_change(uint64_t n);
void submit(Store *s, StoreChange *c, Outcome *o);
int put_and_wait(Store *s, uint64_t n, uint64_t version);
int delete_and_wait(Store *s, uint64_t n);

/* What the store holds, read by store_load(): bit n set for session n (below 4096). Damaged records are counted, not set. */
typedef struct Contents {
        uint8_t there[4096];            /* the version, cut to a byte; 0: not there */
        uint8_t digest[4096];           /* the first byte of the account's */
        unsigned n, n_damaged;
} Contents;
void read_contents(Store *s, Contents *out);
/* Of a folder whose store is closed. */
void contents_of(const char *folder, Contents *out);
