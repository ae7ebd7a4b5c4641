/* SPDX-License-Identifier: MIT */
/* store-format-1 FOLDER: turn the database of a broker that is stopped into one of format 1, with its key of account digests inside. */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/store-fixture.h"

int main(int argc, char **argv) {
        static const uint8_t key[32] = "a key of thirty-two bytes, moved";

        if (argc != 2)
                return EXIT_FAILURE;
        make_format_1(argv[1], key);
        return EXIT_SUCCESS;
}
