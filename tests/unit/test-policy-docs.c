/* SPDX-License-Identifier: MIT */
/* The manual page and the shipped files say of each key what the tables do, and name no other. Runs from the source's
 * root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy-keys.h"

#define MANUAL "man/websess.conf.5"

typedef struct File {
        const Key *keys;
        const char *path;
} File;

static const File shipped[] = { { service_keys, "broker/default.conf" }, { settings_keys, "broker/websess.conf" } };

static char *slurp(const char *path) {
        char *text = calloc(1, 65536);
        FILE *file = fopen(path, "re");

        if (!file)
                fail_msg("%s is not there", path);
        assert_non_null(text);
        assert_true(fread(text, 1, 65535, file) > 0);
        fclose(file);
        return text;
}

/* The line of the manual that begins the key's entry; the whole of it in line[]. */
static const char *find_entry(const char *manual, const char *name, char line[static 256]) {
        char start[80];
        const char *found;

        snprintf(start, sizeof(start), "\n.It Cm %s= ", name);
        found = strstr(manual, start);
        if (!found)
                fail_msg("%s has no entry \"%s\"", MANUAL, start + 1);
        snprintf(line, 256, "%.*s", (int) strcspn(found + 1, "\n"), found + 1);
        return found + 1;
}

static void check_manual_entry(const Key *key, const char *manual) {
        char line[256], end[80];

        if (!key->name)
                return;
        find_entry(manual, key->name, line);
        snprintf(end, sizeof(end), "(default: %s)", *key->initial ? key->initial : "empty");
        if (strlen(line) < strlen(end) || strcmp(line + strlen(line) - strlen(end), end) != 0)
                fail_msg("%s: \"%s\" does not end in \"%s\"", MANUAL, line, end);
}

static void test_manual_has_every_key_with_its_default(void **state) {
        _cleanup_free_ char *manual = slurp(MANUAL);

        for (size_t i = 0; i < ELEMENTSOF(shipped); i++)
                for (const Key *key = shipped[i].keys; key->section; key++)
                        check_manual_entry(key, manual);
}

/* The example under each key is one that the key takes. Access names groups that this machine may not have. */
static void check_example(const Key *key, const char *manual, void *object) {
        char line[256], start[80], value[256] = "";
        const char *entry, *example, *next;
        const Key *row;
        Fault f = {};
        ConfigItem item = { .path = MANUAL, .section = key->section, .key = key->name, .value = value };

        if (!key->name)
                return;
        entry = find_entry(manual, key->name, line);
        snprintf(start, sizeof(start), "\n.Dl %s=", key->name);
        example = strstr(entry, start);
        next = strstr(entry, "\n.It ");
        if (!example || (next && example > next))
                fail_msg("%s: no example \"%s\"", MANUAL, start + 1);
        example += strlen(start);
        for (size_t n = 0; *example != '\n'; example++) {
                value[n++] = *example;
                example += strncmp(example, "\\e", 2) == 0;     /* mdoc's backslash */
        }
        if (strcmp(key->section, "Access") != 0 && keys_apply(key, &item, object, &row, &f) != 0)
                fail_msg("%s: %s=%s: %s", MANUAL, key->name, value, f.text);
}

static void test_manual_has_an_example_for_every_key(void **state) {
        _cleanup_free_ char *manual = slurp(MANUAL);
        Service *s = calloc(1, sizeof(*s));
        Settings settings = {};
        Fault f = {};

        assert_non_null(s);
        assert_int_equal(keys_reset_all(service_keys, s, &f), 0);
        for (const Key *key = service_keys; key->section; key++)
                check_example(key, manual, s);
        for (const Key *key = settings_keys; key->section; key++)
                check_example(key, manual, &settings);
        free(settings.metrics_file);
        service_free(s);
}

static bool is_key(const char *name, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(shipped); i++)
                for (const Key *key = shipped[i].keys; key->section; key++)
                        if (key->name && slice_equal(slice_of(key->name), slice(name, size)))
                                return true;
        return false;
}

static void test_manual_has_no_other_key(void **state) {
        _cleanup_free_ char *manual = slurp(MANUAL);

        for (char *c = manual; (c = strstr(c, "\n.It Cm "));) {
                size_t size;

                c += strlen("\n.It Cm ");
                size = strcspn(c, "=\n");
                if (!is_key(c, size))
                        fail_msg("%s explains %.*s=, which is no key", MANUAL, (int) size, c);
        }
}

static void test_shipped_files_show_every_key_with_its_default(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(shipped); i++) {
                _cleanup_free_ char *text = slurp(shipped[i].path);

                for (const Key *key = shipped[i].keys; key->section; key++) {
                        char line[128];

                        if (!key->name)
                                continue;
                        snprintf(line, sizeof(line), "\n#%s=%s\n", key->name, key->initial);
                        /* Two keys of default.conf are really set. */
                        if (strcmp(key->name, "Login") == 0 || strcmp(key->name, "Resolve") == 0)
                                snprintf(line, sizeof(line), "\n%s=@websess-client\n", key->name);
                        if (!strstr(text, line))
                                fail_msg("%s has no line \"%.*s\"", shipped[i].path, (int) strlen(line) - 2, line + 1);
                }
        }
}

static int apply_line(const ConfigItem *item, void *userdata, Fault *f) {
        const File *file = userdata;
        const Key *row;
        Service *s;
        Settings settings = {};
        int k;

        if (strcmp(item->section, "Access") == 0)
                return is_key(item->key, strlen(item->key)) ? 0 : fault(f, FAULT_INVALID_ARGUMENT, "no key");
        if (file->keys == settings_keys) {
                k = keys_apply(file->keys, item, &settings, &row, f);
                free(settings.metrics_file);
                return k;
        }
        s = calloc(1, sizeof(*s));
        assert_non_null(s);
        k = keys_apply(file->keys, item, s, &row, f);
        service_free(s);
        return k;
}

/* Whoever takes away a # gets the default, not an error. */
static void test_shipped_files_with_every_line_taken_in(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(shipped); i++) {
                _cleanup_free_ char *text = slurp(shipped[i].path);
                Fault f = {};

                for (char *c = text; (c = strstr(c, "\n#"));) {
                        c++;
                        if (c[1] >= 'A' && c[1] <= 'Z' &&
                                c[1 + strspn(c + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] == '=')
                                *c = ' ';
                }
                if (config_read(shipped[i].path, text, strlen(text), apply_line, (void *) &shipped[i], &f) != 0)
                        fail_msg("%s", f.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_manual_has_every_key_with_its_default),
                cmocka_unit_test(test_manual_has_an_example_for_every_key),
                cmocka_unit_test(test_manual_has_no_other_key),
                cmocka_unit_test(test_shipped_files_show_every_key_with_its_default),
                cmocka_unit_test(test_shipped_files_with_every_line_taken_in),
        };

        return cmocka_run_group_tests_name("policy-docs", tests, NULL, NULL);
}
