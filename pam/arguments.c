/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "record.h"
#include "span.h"
#include "validate.h"
#include "websess-names.h"

/* A login that waits for a broker being restarted should not look dead. */
#define TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef const char *(*Check)(const char *value);                        /* NULL, or what is wrong */
typedef const char *(*Number)(const char *value, void *member);         /* the same; stores what it is */

typedef struct Argument {
        const char *name;
        size_t offset;          /* in ModuleArguments */
        Check check;            /* NULL with no number: a flag, which takes no value */
        Number number;
} Argument;

static const char *check_service(const char *value) {
        return validate_service(slice_of(value), NULL) == 0 ? NULL : "is no name of a service";
}

static const char *check_socket(const char *value) {
        if (*value != '/')
                return "is no absolute path";
        return strlen(value) < sizeof(((struct sockaddr_un *) NULL)->sun_path) ? NULL : "is too long for a socket";
}

static const char *check_roles(const char *value) {
        char role[ROLE_MAX + 1];
        int r;

        while ((r = module_next_role(&value, role, sizeof(role))) > 0)
                if (validate_role(slice_of(role), NULL) != 0)
                        return "holds something that is no role";
        return r == 0 ? NULL : "is no list of roles with commas between them";
}

static const char *read_span(const char *value, void *member) {
        uint64_t usec;

        if (!span_parse(value, &usec) || usec == 0)
                return "is no span of time";
        *(uint64_t *) member = usec;
        return NULL;
}

/* A program that hangs for longer looks dead. */
static const char *read_timeout(const char *value, void *member) {
        const char *wrong = read_span(value, member);

        return wrong ? wrong : *(uint64_t *) member > USEC_PER_MINUTE ? "is longer than a minute" : NULL;
}

static const char *read_level(const char *value, void *member) {
        size_t size = strspn(value, "0123456789");

        if (size == 0 || size > 4 || value[size] || atoi(value) < 1 || atoi(value) > 1000)
                return "is no level from 1 to 1000";
        *(uint32_t *) member = (uint32_t) atoi(value);
        return NULL;
}

#define AT(member) offsetof(ModuleArguments, member)

static const Argument arguments[] = {
        { "service", AT(service), check_service },
        { "socket", AT(socket), check_socket },
        { "roles", AT(roles), check_roles },
        { "max_age", AT(max_age_usec), .number = read_span },
        { "level", AT(level), .number = read_level },
        { "timeout", AT(timeout_usec), .number = read_timeout },
        { "debug", AT(debug) },
        { "export_token", AT(export_token) },
        { "use_first_pass", AT(use_first_pass) },
        { "try_first_pass", AT(try_first_pass) },
};

static const Argument *find(const char *text, size_t name_size) {
        for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
                if (strlen(arguments[i].name) == name_size && strncmp(arguments[i].name, text, name_size) == 0)
                        return arguments + i;
        return NULL;
}

/* NULL, or what is wrong. */
static const char *take(ModuleArguments *a, const char *text) {
        size_t name_size = strcspn(text, "=");
        const Argument *argument = find(text, name_size);
        const char *value = text[name_size] ? text + name_size + 1 : NULL, *wrong;
        void *member;

        if (!argument)
                return "is not known";
        member = (char *) a + argument->offset;
        if (!argument->check && !argument->number) {
                if (value)
                        return "takes no value";
                *(bool *) member = true;
                return NULL;
        }
        if (!value || !*value)
                return "needs a value";
        if (argument->number)
                return argument->number(value, member);
        wrong = argument->check(value);
        if (!wrong)
                *(const char **) member = value;
        return wrong;
}

bool module_arguments_parse(ModuleArguments *ret, int argc, const char **argv, char *error, size_t size) {
        *ret = (ModuleArguments) { .service = "default", .socket = WEBSESS_SOCKET_PATH, .timeout_usec = TIMEOUT_USEC };

        for (int i = 0; i < argc; i++) {
                const char *wrong = take(ret, argv[i]);

                if (wrong) {
                        snprintf(error, size, "argument \"%.100s\" %s: see pam_websess(8)", argv[i], wrong);
                        return false;
                }
        }
        return true;
}

int module_next_role(const char **list, char *out, size_t size) {
        size_t n;

        if (!*list || !**list)
                return 0;
        n = strcspn(*list, ",");
        if (n == 0 || n >= size)
                return -1;
        memcpy(out, *list, n);
        out[n] = '\0';
        *list += n;
        if (**list == ',' && !*++*list)
                return -1;      /* a comma with nothing behind it */
        return 1;
}
