/* SPDX-License-Identifier: MIT */
/* One session record with everything in it, for the tests. */
#pragma once

#include "record.h"

/* Two of its attributes: the strings "de", "" and "en", and a plain string. */
extern const Attribute *const sample_languages, *const sample_cart;

Record sample_record(void);

/* Fails the test when it cannot. The caller frees. */
uint8_t *sample_encode(const Record *r, size_t *ret_size);

/* Mend the checksum of a record that was changed by hand. */
void sample_reseal(uint8_t *data, size_t size);

void assert_slice(Slice got, Slice expected);
void assert_record(const Record *got, const Record *expected);
