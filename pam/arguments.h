/* SPDX-License-Identifier: MIT */
/* What stands behind pam_websess.so on its line: one table. Anything that is not in it is an error. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strings point into argv. */
typedef struct ModuleArguments {
        const char *service;            /* the websess service */
        const char *socket;             /* an absolute path */
        const char *roles;              /* "ADMIN,USER": any one suffices; NULL for none */
        uint64_t max_age_usec;          /* 0: any */
        uint32_t level;                 /* at least */
        uint64_t timeout_usec;
        bool debug;
        bool export_token;
        bool use_first_pass, try_first_pass;
} ModuleArguments;

/* True; or false, and in error (size bytes) which argument is wrong and why. */
bool module_arguments_parse(ModuleArguments *ret, int argc, const char **argv, char *error, size_t size);

/* Walk a comma-separated list: start with *list at its beginning; copies the next name into out (size bytes). 1, 0
 * at the end, -1 for an empty or too long name. */
int module_next_role(const char **list, char *out, size_t size);
