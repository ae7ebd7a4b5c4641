/* SPDX-License-Identifier: MIT */
/* Reads the folder of the policy into a Policy, all or nothing: the first bad line ends it, and the policy in force
 * stays. */
#include "policy-keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "policy-check.h"
#include "policy-files.h"
#include "texts.h"
#include "validate.h"

DEFINE_CLEANUP(Service *, service_free)
DEFINE_CLEANUP(Policy *, policy_unref)

static int load_line(const ConfigItem *item, void *userdata, Fault *f) {
        Loading *l = userdata;
        const Key *key;
        int k;

        k = keys_apply(l->keys, item, l->object, &key, f);
        if (k != 0)
                return k;
        return loading_remember(l, key, item);
}

static int load_file(Loading *l, const char *path, bool required, Fault *f) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int k;

        k = files_read(path, required, &text, &size, f);
        if (k != 0)
                return k;
        return config_read(path, text, size, load_line, l, f);
}

/* MAIN, then MAIN.d/ *.conf in the order of their names. */
static int load_files(Loading *l, const char *main_path, bool required, Fault *f) {
        _cleanup_(texts_freep) char **names = NULL;
        _cleanup_free_ char *folder = NULL;
        int k;

        k = load_file(l, main_path, required, f);
        if (k != 0)
                return k;
        if (asprintf(&folder, "%s.d", main_path) < 0)
                return -ENOMEM;
        k = files_list(folder, &names, f);
        for (char **name = names; k == 0 && *name; name++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", folder, *name) < 0)
                        return -ENOMEM;
                k = load_file(l, path, true, f);
        }
        return k;
}

static int load_settings(Settings *s, const char *directory, Fault *f) {
        _cleanup_(loading_done) Loading l = { .keys = settings_keys, .object = s };
        _cleanup_free_ char *path = NULL;
        int k;

        if (asprintf(&path, "%s/websess.conf", directory) < 0)
                return -ENOMEM;
        k = keys_reset_all(settings_keys, s, f);
        if (k == 0)
                k = load_files(&l, path, false, f);
        if (k == 0)
                k = settings_check(&l, s, f);
        settings_complete(s);
        return k;
}

static int load_service(Service **ret, const char *folder, const char *file, bool required, Fault *f) {
        _cleanup_(service_freep) Service *s = calloc(1, sizeof(*s));
        _cleanup_(loading_done) Loading l = { .keys = service_keys, .object = s };
        Fault reason = {};
        int k;

        if (!s)
                return -ENOMEM;
        s->name = strndup(file, strlen(file) - strlen(".conf"));
        if (!s->name || asprintf(&s->path, "%s/%s", folder, file) < 0)
                return -ENOMEM;
        if (validate_service(slice_of(s->name), &reason) != 0)
                return config_refuse(f, s->path, 0, NULL, "a service cannot have this name: %s", reason.text);
        k = keys_reset_all(service_keys, s, f);
        if (k == 0)
                k = load_files(&l, s->path, required, f);
        if (k == 0) {
                service_preset(&l, s);
                k = service_check(&l, s, f);
        }
        if (k == 0)
                k = service_complete(s);
        if (k == 0)
                *ret = TAKE_PTR(s);
        return k;
}

static int add_service(Policy *p, const char *folder, const char *file, bool required, Fault *f) {
        int k = load_service(&p->services[p->n_services], folder, file, required, f);

        p->n_services += k == 0;
        return k;
}

static int compare_services(const void *a, const void *b) {
        return strcmp((*(Service *const *) a)->name, (*(Service *const *) b)->name);
}

static int load_services(Policy *p, const char *directory, Fault *f) {
        _cleanup_(texts_freep) char **files = NULL;
        _cleanup_free_ char *folder = NULL;
        bool has_default = false;
        size_t n = 0;
        int k;

        if (asprintf(&folder, "%s/services.d", directory) < 0)
                return -ENOMEM;
        k = files_list(folder, &files, f);
        if (k != 0)
                return k;
        while (files[n])
                n++;
        p->services = calloc(n + 1, sizeof(*p->services));      /* one more: default is always there */
        if (!p->services)
                return -ENOMEM;
        for (size_t i = 0; k == 0 && i < n; i++) {
                has_default = has_default || strcmp(files[i], "default.conf") == 0;
                k = add_service(p, folder, files[i], true, f);
        }
        if (k == 0 && !has_default)
                k = add_service(p, folder, "default.conf", false, f);
        if (k == 0)     /* "a-b.conf" sorts before "a.conf", "a-b" behind "a" */
                qsort(p->services, p->n_services, sizeof(*p->services), compare_services);
        return k;
}

int policy_load(Policy **ret, const char *directory, Fault *f) {
        _cleanup_(policy_unrefp) Policy *p = calloc(1, sizeof(*p));
        int k;

        if (!p)
                return -ENOMEM;
        p->n_refs = 1;
        k = load_settings(&p->settings, directory, f);
        if (k == 0)
                k = load_services(p, directory, f);
        if (k == 0)
                *ret = TAKE_PTR(p);
        return k;
}

int policy_load_service(Service **ret, const char *directory, const char *name, Fault *f) {
        _cleanup_free_ char *folder = NULL, *file = NULL;

        if (asprintf(&folder, "%s/services.d", directory) < 0 || asprintf(&file, "%s.conf", name) < 0)
                return -ENOMEM;
        return load_service(ret, folder, file, strcmp(name, "default") != 0, f);
}
