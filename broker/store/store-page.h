/* SPDX-License-Identifier: MIT */
/*
 * Reads an LMDB 0.9 file as bytes and believes nothing in it: every offset is checked before it is followed, every page is visited
 * once at most. LMDB's own walker trusts the tree it walks; a damaged page makes it crash, or find a session in one place
 * and not in another. Pure: bytes in, entries and a verdict out.
 *
 * The layout, little-endian, 64-bit (see "The file" in store-page.c for the offsets):
 * two meta pages, written in turn, the greater transaction number wins; each describes two trees, the free pages
 * and the main table, whose entries describe the named tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct PageTree {
        uint16_t flags, depth;
        uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
} PageTree;

typedef struct PageFile {
        const uint8_t *data;
        uint64_t size;
        uint64_t page_size;

        uint64_t generation;            /* transaction that wrote the meta page in use */
        uint64_t n_pages;               /* pages in use, the two meta pages and free ones included */
        PageTree free_tree, main_tree;

        uint8_t *seen;                  /* one bit a page: in a tree, or free */
        uint64_t n_seen;
        char why[160];                  /* what is wrong; empty while nothing is */
} PageFile;

enum {
        PAGE_FOREIGN = 1,               /* not an LMDB file */
        PAGE_NEWER,                     /* LMDB of a later layout */
};

/* Look at size and meta pages. 0, PAGE_FOREIGN, PAGE_NEWER, -EBADMSG with ->why, -ENOMEM. data stays the caller's. */
int page_file_open(PageFile *p, const void *data, uint64_t size);
void page_file_done(PageFile *p);

typedef struct PageEntry {
        const void *key, *value;
        size_t key_size, value_size;
        bool is_tree;                   /* the value describes a tree: page_tree_read() */
} PageEntry;

/* Every entry in order. 0; -EBADMSG with ->why; or what each() returned when it was negative. */
typedef int (*PageEach)(void *userdata, const PageEntry *entry);
int page_walk(PageFile *p, const PageTree *tree, PageEach each, void *userdata);
int page_tree_read(PageFile *p, const PageEntry *entry, PageTree *ret);

/* Walk the tree of free pages: none may be in use. */
int page_walk_free(PageFile *p);

/* Say what is wrong and return -EBADMSG. */
int page_damaged(PageFile *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
