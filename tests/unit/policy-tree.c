/* SPDX-License-Identifier: MIT */
/* Makes and removes folders below $TMPDIR. */
#include "policy-tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ftw.h>
#include <unistd.h>

#include <cmocka.h>

void tree_make(Tree *t) {
        snprintf(t->root, sizeof(t->root), "/tmp/websess-policy-XXXXXX");
        assert_non_null(mkdtemp(t->root));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        return remove(path);
}

void tree_remove(Tree *t) {
        assert_int_equal(nftw(t->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void tree_write(const Tree *t, const char *name, const char *text) {
        char path[512];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", t->root, name);
        for (char *c = strchr(path + strlen(t->root) + 1, '/'); c; c = strchr(c + 1, '/')) {
                *c = '\0';
                (void) mkdir(path, 0755);
                *c = '/';
        }
        if (path[strlen(path) - 1] == '/')
                return;
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0644), 0);
}

void tree_chmod(const Tree *t, const char *name, unsigned mode) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", t->root, name);
        assert_int_equal(chmod(path, mode), 0);
}

void tree_expand(const Tree *t, const char *text, char *out, size_t size) {
        snprintf(out, size, "%s%s", *text == '%' ? t->root : "", *text == '%' ? text + 1 : text);
}

Policy *tree_load(const Tree *t) {
        Policy *p = NULL;
        Fault f = {};
        int k = policy_load(&p, t->root, &f);

        if (k != 0)
                fail_msg("policy_load: %d: %s", k, f.text);
        assert_non_null(p);
        return p;
}

void tree_refused(const Tree *t, const char *text) {
        char expected[1024];
        Policy *p = NULL;
        Fault f = {};
        int k = policy_load(&p, t->root, &f);

        tree_expand(t, text, expected, sizeof(expected));
        assert_null(p);
        assert_int_equal(f.code, k);
        assert_string_equal(f.text, expected);
        assert_int_equal(k, FAULT_INVALID_ARGUMENT);
}

Policy *text_load(const char *text, const Service **ret) {
        Policy *p;
        Tree t;

        tree_make(&t);
        tree_write(&t, "services.d/x.conf", text);
        p = tree_load(&t);
        tree_remove(&t);
        *ret = policy_find(p, slice_of("x"));
        assert_non_null(*ret);
        return p;
}

void text_refused(const char *text, const char *reason) {
        char full[1024];
        Tree t;

        tree_make(&t);
        tree_write(&t, "services.d/x.conf", text);
        snprintf(full, sizeof(full), "%%/services.d/x.conf:%s", reason);
        tree_refused(&t, full);
        tree_remove(&t);
}
