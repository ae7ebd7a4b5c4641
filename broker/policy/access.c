/* SPDX-License-Identifier: MIT */
/* Matches a caller with the entries of [Access]. Pure: numbers with numbers, names of units with what the kernel
 * proved. */
#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel shows for an id that has no name in our user namespace: it is nobody in particular. */
#define ID_OVERFLOW 65534u
#define ID_NONE UINT32_MAX

void caller_done(Caller *c) {
        free(c->gids);
        free(c->unit);
        *c = CALLER_NONE;
}

bool caller_valid(const Caller *c) {
        return c->uid != ID_NONE && c->uid != ID_OVERFLOW;
}

/* The broker runs in the initial user namespace, so a container's root is shown under its outer uid, never as 0. */
bool caller_is_root(const Caller *c) {
        return c->uid == 0;
}

bool caller_owns(const Caller *c, const Record *r) {
        if (!caller_valid(c) || r->uid == RECORD_NO_UID || (r->flags & (RECORD_ANONYMOUS | RECORD_APP_USER)))
                return false;
        return r->uid == c->uid;
}

static bool in_group(const Caller *c, gid_t gid) {
        if (gid == ID_NONE || gid == ID_OVERFLOW)
                return false;
        for (size_t i = 0; i < c->n_gids; i++)
                if (c->gids[i] == gid)
                        return true;
        return false;
}

static bool rule_matches(const AccessRule *rule, const Caller *c) {
        switch (rule->type) {
        case ACCESS_ANYONE:
                return true;
        case ACCESS_UID:
                return rule->uid == c->uid;
        case ACCESS_GID:
                return in_group(c, rule->gid);
        case ACCESS_UNIT:
                return c->unit && strcmp(rule->unit, c->unit) == 0;
        }
        return false;
}

bool access_find(const Service *s, Right right, const Caller *c, const AccessRule **ret) {
        const AccessList *list;

        *ret = NULL;
        if ((unsigned) right >= _RIGHT_MAX || !caller_valid(c))
                return false;
        if (caller_is_root(c))
                return true;
        list = &s->access[right];
        for (size_t i = 0; i < list->n_rules; i++)
                if (rule_matches(&list->rules[i], c)) {
                        *ret = &list->rules[i];
                        return true;
                }
        return false;
}

bool access_allows(const Service *s, Right right, const Caller *c) {
        const AccessRule *rule;

        return access_find(s, right, c, &rule);
}

static void caller_format(const Caller *c, char *out, size_t size) {
        if (c->uid == ID_NONE)
                snprintf(out, size, "a caller whose credentials cannot be read");
        else if (c->uid == ID_OVERFLOW)
                snprintf(out, size, "uid %u (of another user namespace)", ID_OVERFLOW);
        else if (c->unit)
                snprintf(out, size, "uid %u (%s)", c->uid, c->unit);
        else
                snprintf(out, size, "uid %u", c->uid);
}

int access_require(const Service *s, Right right, const Caller *c, Fault *f) {
        char who[320];

        if (access_allows(s, right, c))
                return 0;
        caller_format(c, who, sizeof(who));
        return fault(f, FAULT_ACCESS_DENIED, "%s lacks %s on \"%s\": see [Access] in %s", who, right_name(right),
                s->name, s->path);
}
