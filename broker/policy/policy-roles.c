/* SPDX-License-Identifier: MIT */
/* [Roles]: reading its lines, and who gets what at login. Matching is pure; reading asks NSS whether groups exist. */
#include "policy-keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "policy-nss.h"
#include "texts.h"
#include "validate.h"

static bool list_has(char *const *list, const char *text) {
        for (; list && *list; list++)
                if (strcmp(*list, text) == 0)
                        return true;
        return false;
}

static int list_append(char ***list, Slice text) {
        return texts_append(list, texts_count(*list), text.data, text.size);
}

static void role_forget(RoleRule *r) {
        r->users = texts_free(r->users);
        r->groups = texts_free(r->groups);
        r->everyone = false;
}

static void role_done(RoleRule *r) {
        role_forget(r);
        free(r->role);
        free(r->origin);
}

void roles_reset(void *field) {
        Service *s = field;

        for (size_t i = 0; i < s->n_roles; i++)
                role_done(&s->roles[i]);
        free(s->roles);
        s->roles = NULL;
        s->n_roles = 0;
}

/* Takes over what the rule owns, unless memory is short. */
static int append(Service *s, RoleRule *rule) {
        RoleRule *roles = reallocarray(s->roles, s->n_roles + 1, sizeof(*roles));

        if (!roles)
                return -ENOMEM;
        s->roles = roles;
        roles[s->n_roles++] = *rule;
        *rule = (RoleRule) {};
        return 0;
}

/* The last of the service's roles is the new one. */
static int role_new(Service *s, const ConfigItem *item, Fault *f) {
        _cleanup_(role_done) RoleRule rule = {};
        int k;

        k = validate_role(slice_of(item->key), f);
        if (k != 0)
                return k;
        rule.role = strdup(item->key);
        return rule.role ? append(s, &rule) : -ENOMEM;
}

static RoleRule *role_find(const Service *s, Slice role) {
        for (size_t i = 0; i < s->n_roles; i++)
                if (slice_equal(slice_of(s->roles[i].role), role))
                        return &s->roles[i];
        return NULL;
}

static int add_group(RoleRule *r, const ConfigItem *item, Slice name, Fault *f) {
        char *origin;
        gid_t gid;

        if (asprintf(&origin, "%s:%u", item->path, item->line) < 0)
                return -ENOMEM;
        free(r->origin);
        r->origin = origin;
        if (list_append(&r->groups, name) < 0)
                return -ENOMEM;
        return nss_group(r->groups[texts_count(r->groups) - 1], &gid, f);
}

static int add_holder(RoleRule *r, const ConfigItem *item, Slice word, Fault *f) {
        int k;

        if (slice_equal(word, slice_of("*"))) {
                r->everyone = true;
                return 0;
        }
        if (word.data[0] == '@')
                return add_group(r, item, slice(word.data + 1, word.size - 1), f);
        k = validate_user(word, f);
        return k != 0 ? k : list_append(&r->users, word);
}

int parse_role(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        Service *s = field;
        RoleRule *r = role_find(s, slice_of(item->key));
        const char *cursor = item->value;
        Slice word;
        int k;

        if (!r) {
                k = role_new(s, item, f);
                if (k != 0)
                        return k;
                r = &s->roles[s->n_roles - 1];
        }
        if (!*item->value)
                role_forget(r);
        while (next_word(&cursor, &word)) {
                k = add_holder(r, item, word, f);
                if (k != 0)
                        return k;
        }
        return 0;
}

bool service_has_role(const Service *s, Slice role) {
        return role.size > 0 && (role_find(s, role) || slice_equal(slice_of(s->admin_role), role));
}

static bool role_is_given(const RoleRule *r, const char *user, char *const *groups) {
        if (r->everyone || list_has(r->users, user))
                return true;
        for (; groups && *groups; groups++)
                if (list_has(r->groups, *groups))
                        return true;
        return false;
}

size_t service_roles_for(const Service *s, const char *user, char *const *groups, Slice out[static ROLES_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_roles && n < ROLES_MAX; i++)
                if (role_is_given(&s->roles[i], user, groups))
                        out[n++] = slice_of(s->roles[i].role);
        return n;
}
