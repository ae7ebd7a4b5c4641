/* SPDX-License-Identifier: MIT */
/* The entries of [Access] as values: users and groups are looked up here, once, so that matching a caller is comparing
 * numbers. */
#include "policy-keys.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "policy-nss.h"

#define UNIT_SUFFIX ".service"

/* Numbers that stand for "nobody in particular": no id at all, and what the kernel shows for one of another user
 * namespace. */
static bool matchable(uint64_t id) {
        return id < UINT32_MAX && id != 65534;
}

static int parse_unit(const char *name, char **ret, Fault *f) {
        size_t size = strlen(name), suffix = strlen(UNIT_SUFFIX);

        if (size <= suffix || size > UNIT_MAX || strcmp(name + size - suffix, UNIT_SUFFIX) != 0)
                return fault(
                        f, FAULT_INVALID_ARGUMENT, "\"unit:%s\" does not name a unit such as unit:shop.service", name);
        if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")])
                return fault(f, FAULT_INVALID_ARGUMENT, "\"unit:%s\" holds a character that no unit's name has", name);
        if (name[size - suffix - 1] == '@')
                return fault(f, FAULT_INVALID_ARGUMENT, "\"unit:%s\" is a template: name its instances", name);
        *ret = strdup(name);
        return *ret ? 0 : -ENOMEM;
}

static int parse_user(const char *name, uid_t *ret, Fault *f) {
        uint64_t uid = 0;
        size_t digits = strspn(name, "0123456789");
        int k;

        if (name[digits] == '\0') {
                uid = digits > 10 ? UINT64_MAX : strtoull(name, NULL, 10);
        } else {
                k = nss_user(name, ret, f);
                if (k != 0)
                        return k;
                uid = *ret;
        }
        if (!matchable(uid))
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "\"%s\" can match nobody: 65534 and 4294967295 stand for users that are not known", name);
        *ret = (uid_t) uid;
        return 0;
}

static int parse_group(const char *name, gid_t *ret, Fault *f) {
        int k = nss_group(name, ret, f);

        if (k != 0)
                return k;
        if (!matchable(*ret))
                return fault(f, FAULT_INVALID_ARGUMENT,
                        "\"@%s\" can match nobody: gid 65534 stands for groups that are not known", name);
        return 0;
}

static int parse_rule(const char *text, AccessRule *out, Fault *f) {
        if (strcmp(text, "*") == 0) {
                out->type = ACCESS_ANYONE;
                return 0;
        }
        if (text[0] == '@') {
                out->type = ACCESS_GID;
                return parse_group(text + 1, &out->gid, f);
        }
        if (strncmp(text, "unit:", 5) == 0) {
                out->type = ACCESS_UNIT;
                return parse_unit(text + 5, &out->unit, f);
        }
        out->type = ACCESS_UID;
        return parse_user(text, &out->uid, f);
}

static void rule_done(AccessRule *r) {
        if (r->type == ACCESS_UNIT)
                free(r->unit);
        free(r->text);
}

/* Takes over what the rule owns, unless memory is short. */
static int append(AccessList *list, AccessRule *rule) {
        AccessRule *rules = reallocarray(list->rules, list->n_rules + 1, sizeof(*rules));

        if (!rules)
                return -ENOMEM;
        list->rules = rules;
        rules[list->n_rules++] = *rule;
        *rule = (AccessRule) {};
        return 0;
}

static int append_word(AccessList *list, Slice word, Fault *f) {
        _cleanup_free_ char *text = strndup(word.data, word.size);
        _cleanup_(rule_done) AccessRule rule = {};
        int k;

        if (!text)
                return -ENOMEM;
        k = parse_rule(text, &rule, f);
        if (k != 0)
                return k;
        rule.text = TAKE_PTR(text);
        return append(list, &rule);
}

int parse_access(const Key *key, const ConfigItem *item, void *field, Fault *f) {
        const char *cursor = item->value;
        Slice word;
        int k;

        while (next_word(&cursor, &word)) {
                k = append_word(field, word, f);
                if (k != 0)
                        return k;
        }
        return 0;
}

void access_list_reset(void *field) {
        AccessList *list = field;

        for (size_t i = 0; i < list->n_rules; i++)
                rule_done(&list->rules[i]);
        free(list->rules);
        *list = (AccessList) {};
}

static int append_copy(AccessList *list, const AccessRule *from) {
        _cleanup_(rule_done) AccessRule rule = *from;

        rule.text = strdup(from->text);
        if (rule.type == ACCESS_UNIT)
                rule.unit = strdup(from->unit);
        if (!rule.text || (rule.type == ACCESS_UNIT && !rule.unit))
                return -ENOMEM;
        return append(list, &rule);
}

int access_list_copy(AccessList *to, const AccessList *from) {
        for (size_t i = 0; i < from->n_rules; i++)
                if (append_copy(to, &from->rules[i]) < 0)
                        return -ENOMEM;
        return 0;
}
