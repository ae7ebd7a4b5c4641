/* SPDX-License-Identifier: MIT */
/* A throw-away /etc/websess for the tests of the policy. */
#pragma once

#include "policy.h"

typedef struct Tree {
        char root[64];
} Tree;

void tree_make(Tree *t);
void tree_remove(Tree *t);
/* Write a file below the tree, making its folders. */
void tree_write(const Tree *t, const char *name, const char *text);
void tree_chmod(const Tree *t, const char *name, unsigned mode);
/* The text with a "%" at its beginning replaced by the tree's root. */
void tree_expand(const Tree *t, const char *text, char *out, size_t size);

/* Load it; fails the test when that does not work. */
Policy *tree_load(const Tree *t);
/* Load it; fails the test unless it is refused with this text ("%" is the root). */
void tree_refused(const Tree *t, const char *text);

/* One services.d/x.conf of this text: */
Policy *text_load(const char *text, const Service **ret);
void text_refused(const char *text, const char *reason);        /* reason from the line number on: "2: Key: why" */
