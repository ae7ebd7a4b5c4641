/* SPDX-License-Identifier: MIT */
/* The policy as a value: its life, and finding things in it. Pure; reading it from files is policy-load.c. */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "policy-keys.h"

const char *right_name(Right r) {
        static const char *const names[_RIGHT_MAX] = {
                [RIGHT_LOGIN] = "Login",
                [RIGHT_RESOLVE] = "Resolve",
                [RIGHT_MAP] = "Map",
                [RIGHT_CREATE] = "Create",
                [RIGHT_MANAGE] = "Manage",
        };

        return r >= 0 && r < _RIGHT_MAX ? names[r] : "?";
}

Service *service_free(Service *s) {
        if (!s)
                return NULL;
        for (Right r = 0; r < _RIGHT_MAX; r++)
                access_list_reset(&s->access[r]);
        roles_reset(s);
        cookie_rules_done(&s->cookie);
        free(s->name);
        free(s->path);
        free(s->pam_service);
        methods_reset(&s->languages);
        methods_reset(&s->methods);
        free(s->step_up_pam_service);
        methods_reset(&s->step_up_methods);
        free(s->token_prefix);
        free(s->admin_role);
        free(s);
        return NULL;
}

Policy *policy_ref(Policy *p) {
        p->n_refs++;
        return p;
}

Policy *policy_unref(Policy *p) {
        if (!p || --p->n_refs > 0)
                return NULL;
        for (size_t i = 0; i < p->n_services; i++)
                service_free(p->services[i]);
        free(p->services);
        free(p->settings.metrics_file);
        free(p);
        return NULL;
}

static int compare_name(const void *key, const void *member) {
        const Slice *name = key;
        const Service *s = *(Service *const *) member;
        size_t size = strlen(s->name);
        int k = memcmp(name->data, s->name, name->size < size ? name->size : size);

        return k != 0 ? k : (name->size > size) - (name->size < size);
}

const Service *policy_find(const Policy *p, Slice name) {
        Service *const *found;

        if (name.size == 0)
                return NULL;
        found = bsearch(&name, p->services, p->n_services, sizeof(*p->services), compare_name);
        return found ? *found : NULL;
}

VerdictPolicy service_verdict_policy(const Service *s) {
        return (VerdictPolicy) { .service = slice_of(s->name), .admin_role = slice_of(s->admin_role) };
}
