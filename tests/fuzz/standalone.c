/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, for compilers without libFuzzer and for replaying what was found: each file is given
 * whole, cut short at every byte, and with every byte inverted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fuzz.h"

#define INPUT_MAX 65536u

/* Each in heap memory of its exact size, where the address sanitizer sees a step beyond the end. */
static void run(const uint8_t *data, size_t size, size_t inverted) {
        uint8_t *copy = malloc(size > 0 ? size : 1);

        CHECK(copy);
        memcpy(copy, data, size);
        if (inverted < size)
                copy[inverted] ^= 0xff;
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
}

static int run_file(const char *path) {
        static uint8_t data[INPUT_MAX];
        FILE *file = fopen(path, "re");
        size_t size;

        if (!file) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                return 1;
        }
        size = fread(data, 1, sizeof(data), file);
        fclose(file);

        run(data, size, SIZE_MAX);
        for (size_t i = 0; i < size; i++) {
                run(data, i, SIZE_MAX);
                run(data, size, i);
        }
        return 0;
}

int main(int argc, char **argv) {
        int r = 0;

        for (int i = 1; i < argc; i++)
                r |= run_file(argv[i]);
        return r;
}
