/* SPDX-License-Identifier: MIT */
/* Needs. Owns the names of their roles. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "need.h"
#include "validate.h"

int websess_need_new(websess_need **ret) {
        websess_need *n;

        n = calloc(1, sizeof(*n));
        if (!n)
                return error_memory();
        n->need.roles = n->roles;
        *ret = n;
        return 0;
}

websess_need *websess_need_free(websess_need *n) {
        if (!n)
                return NULL;
        for (size_t i = 0; i < n->need.n_roles; i++)
                free((char *) n->roles[i].data);
        free(n);
        return NULL;
}

int websess_need_role(websess_need *n, const char *role) {
        Fault f = {};
        char *copy;

        if (!n)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no need to add a role to");
        if (validate_role(slice_of(role), &f) != 0)
                return error_fault(&f);
        if (n->need.n_roles == ROLES_MAX)
                return error_set(FAULT_INVALID_ARGUMENT, "A need has at most %u roles", ROLES_MAX);
        copy = strdup(role);
        if (!copy)
                return error_memory();
        n->roles[n->need.n_roles++] = slice_of(copy);
        return 0;
}

int websess_need_level(websess_need *n, uint32_t level) {
        if (!n)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no need to set a level in");
        n->need.level = level;
        return 0;
}

int websess_need_max_auth_age_usec(websess_need *n, uint64_t usec) {
        if (!n)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no need to set an age in");
        n->need.max_auth_age_usec = usec;
        return 0;
}

int websess_need_flags(websess_need *n, uint32_t flags) {
        if (!n || (flags & ~(uint32_t) (NEED_NO_TOUCH | NEED_ALLOW_ANONYMOUS)))
                return error_set(FAULT_INVALID_ARGUMENT, "Unknown flags %#x for a need", flags);
        n->need.flags = flags;
        return 0;
}

int need_copy(const websess_need *n, websess_need **ret) {
        _cleanup_(websess_need_freep) websess_need *copy = NULL;

        if (!n) {
                *ret = NULL;
                return 0;
        }
        if (websess_need_new(&copy) != 0)
                return -ENOMEM;
        for (size_t i = 0; i < n->need.n_roles; i++)
                if (websess_need_role(copy, n->roles[i].data) != 0)
                        return -ENOMEM;
        copy->need.level = n->need.level;
        copy->need.max_auth_age_usec = n->need.max_auth_age_usec;
        copy->need.flags = n->need.flags;
        *ret = TAKE_PTR(copy);
        return 0;
}

static uint64_t shorter(uint64_t a, uint64_t b) {
        return a == 0 || (b != 0 && b < a) ? b : a;
}

Need need_both(const websess_need *a, const websess_need *b) {
        const uint32_t touch = NEED_NO_TOUCH, visitors = NEED_ALLOW_ANONYMOUS;
        Need n;

        if (!a)
                return b ? b->need : (Need) {};
        if (!b)
                return a->need;
        n = a->need.n_roles > 0 ? a->need : b->need;
        n.level = a->need.level > b->need.level ? a->need.level : b->need.level;
        n.max_auth_age_usec = shorter(a->need.max_auth_age_usec, b->need.max_auth_age_usec);
        n.flags = ((a->need.flags | b->need.flags) & touch) | (a->need.flags & b->need.flags & visitors);
        return n;
}

int need_append(sd_bus_message *m, const Need *need) {
        return need_append_with(m, need, NULL, NULL);
}

int need_append_with(sd_bus_message *m, const Need *need, const char *key, const char *value) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && value)
                r = sd_bus_message_append(m, "{sv}", key, "s", value);
        if (r >= 0 && need->n_roles > 0) {
                char *names[ROLES_MAX + 1] = {};

                for (size_t i = 0; i < need->n_roles; i++)
                        names[i] = (char *) need->roles[i].data;
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", "Roles");
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'v', "as");
                if (r >= 0)
                        r = sd_bus_message_append_strv(m, names);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        if (r >= 0 && need->level > 0)
                r = sd_bus_message_append(m, "{sv}", "Level", "u", need->level);
        if (r >= 0 && need->max_auth_age_usec > 0)
                r = sd_bus_message_append(m, "{sv}", "MaxAuthAgeUSec", "t", need->max_auth_age_usec);
        if (r >= 0 && (need->flags & NEED_NO_TOUCH))
                r = sd_bus_message_append(m, "{sv}", "NoTouch", "b", 1);
        if (r >= 0 && (need->flags & NEED_ALLOW_ANONYMOUS))
                r = sd_bus_message_append(m, "{sv}", "AllowAnonymous", "b", 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
