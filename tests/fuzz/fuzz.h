/* SPDX-License-Identifier: MIT */
/* What every fuzz target has: the entry that libFuzzer or standalone.c calls, and a check that stays in every build. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                \
        do {                            \
                if (!(condition))       \
                        abort();        \
        } while (0)
