/* SPDX-License-Identifier: MIT */
/*
 * The file. Offsets in bytes:
 *
 *   page    0 own number u64 · 8 pad u16 · 10 flags u16 · 12 lower u16 · 14 upper u16 (overflow: 12 pages u32) · 16 …
 *   meta    16 magic u32 · 20 version u32 · 24 address u64 · 32 map size u64 · 40 free tree · 88 main tree · 136 last page u64
 *           · 144 transaction u64; the free tree's pad is the page size
 *   tree    0 pad u32 · 4 flags u16 · 6 depth u16 · 8 branch, 16 leaf, 24 overflow pages, 32 entries, 40 root u64
 *   branch, leaf   16 … lower: u16 offsets of nodes, in order of keys; nodes lie from upper to the page's end
 *   node    0 low u16 · 2 high u16 · 4 flags u16 · 6 key size u16 · 8 key, value. Leaf: low and high are the value's size;
 *           branch: low, high and flags are the child's page
 */
#include "store-page.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC UINT32_C(0xBEEFC0DE)
#define VERSION 1u
#define PAGE_HEADER 16u
#define NODE_HEADER 8u
#define TREE_SIZE 48u
#define META_SIZE 152u
#define DEPTH_MAX 32u
#define NO_PAGE UINT64_MAX

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_TREE = 2 };
enum { TREE_INTEGER_KEYS = 8, TREE_NO_SUBDIR = 0x4000 };        /* the latter is the file's way to be opened, kept there by LMDB */

static uint16_t get16(const uint8_t *p) {
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return le16toh(v);
}

static uint32_t get32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return le32toh(v);
}

static uint64_t get64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return le64toh(v);
}

int page_damaged(PageFile *p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(p->why, sizeof(p->why), format, ap);
        va_end(ap);
        return -EBADMSG;
}

/* ---- meta pages ---- */

static PageTree read_tree(const uint8_t *p) {
        return (PageTree) {
                .flags = get16(p + 4), .depth = get16(p + 6),
                .branch_pages = get64(p + 8), .leaf_pages = get64(p + 16), .overflow_pages = get64(p + 24),
                .entries = get64(p + 32), .root = get64(p + 40),
        };
}

static bool has_magic(const PageFile *p, uint64_t page) {
        uint64_t offset = page * p->page_size;

        return offset + META_SIZE <= p->size && get32(p->data + offset + 16) == MAGIC;
}

static int check_meta(PageFile *p, uint64_t page) {
        const uint8_t *m = p->data + page * p->page_size;
        uint64_t transaction = get64(m + 144);

        if (get64(m) != page || get16(m + 10) != PAGE_META || get32(m + 16) != MAGIC || get32(m + 20) != VERSION)
                return page_damaged(p, "meta page %u is damaged", (unsigned) page);
        if (get64(m + 24) != 0 || get32(m + 40) != p->page_size)
                return page_damaged(p, "meta page %u is damaged", (unsigned) page);
        if ((get16(m + 44) & ~TREE_NO_SUBDIR) != TREE_INTEGER_KEYS || get16(m + 92) != 0)
                return page_damaged(p, "meta page %u is damaged", (unsigned) page);
        /* Transactions write the two in turn. */
        if (transaction > 0 && transaction % 2 != page)
                return page_damaged(p, "meta page %u carries a transaction that is not its own", (unsigned) page);
        return 0;
}

static int choose_meta(PageFile *p) {
        const uint8_t *a = p->data, *b = p->data + p->page_size, *m;
        uint64_t ta = get64(a + 144), tb = get64(b + 144);

        if ((ta > tb ? ta - tb : tb - ta) > 1)
                return page_damaged(p, "the meta pages do not follow each other");
        m = tb > ta ? b : a;
        p->generation = get64(m + 144);
        p->free_tree = read_tree(m + 40);
        p->main_tree = read_tree(m + 88);
        p->n_pages = get64(m + 136) + 1;
        if (p->n_pages < 2 || p->n_pages > UINT64_MAX / p->page_size)
                return page_damaged(p, "the meta page is damaged");
        if (p->n_pages * p->page_size > p->size)
                return page_damaged(p, "truncated: %llu bytes are there, %llu were written", (unsigned long long) p->size,
                                    (unsigned long long) (p->n_pages * p->page_size));
        return 0;
}

static bool valid_page_size(uint64_t size) {
        return size >= 512 && size <= 32768 && (size & (size - 1)) == 0;
}

int page_file_open(PageFile *p, const void *data, uint64_t size) {
        int r;

        *p = (PageFile) { .data = data, .size = size, .page_size = 4096 };
        if (size >= META_SIZE && has_magic(p, 0) && valid_page_size(get32(p->data + 40)))
                p->page_size = get32(p->data + 40);
        if (!has_magic(p, 0) && !has_magic(p, 1))
                return PAGE_FOREIGN;
        if (size < 2 * p->page_size)
                return page_damaged(p, "truncated: not even the meta pages are whole");
        if (get32(p->data + 20) > VERSION && get32(p->data + 20) == get32(p->data + p->page_size + 20))
                return PAGE_NEWER;
        r = check_meta(p, 0);
        if (r == 0)
                r = check_meta(p, 1);
        if (r == 0)
                r = choose_meta(p);
        if (r < 0)
                return r;
        p->seen = calloc(1, p->n_pages / 8 + 1);
        return p->seen ? 0 : -ENOMEM;
}

void page_file_done(PageFile *p) {
        free(p->seen);
        p->seen = NULL;
}

/* ---- trees ---- */

typedef struct Key {
        const uint8_t *data;
        size_t size;
} Key;

typedef struct Walk {
        PageFile *file;
        PageTree found;                 /* what was counted on the way */
        bool integer_keys;
        PageEach each;
        void *userdata;
        Key last;                       /* the entry before this one */
} Walk;

typedef struct Node {
        Key key;
        const uint8_t *value;           /* NULL: in overflow pages */
        uint64_t child;                 /* branch */
        uint32_t value_size;
        uint16_t flags;
} Node;

static int compare_keys(const Walk *w, Key a, Key b) {
        int order;

        if (w->integer_keys) {
                uint64_t x = get64(a.data), y = get64(b.data);

                return (x > y) - (x < y);
        }
        order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
        return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Take a page: it must exist and nobody else may have it. */
static int claim(PageFile *p, uint64_t page) {
        if (page < 2 || page >= p->n_pages)
                return page_damaged(p, "page %llu is referred to but does not exist", (unsigned long long) page);
        if (p->seen[page / 8] & (1u << page % 8))
                return page_damaged(p, "page %llu is used twice", (unsigned long long) page);
        p->seen[page / 8] |= (uint8_t) (1u << page % 8);
        p->n_seen++;
        return 0;
}

static int damaged_page(PageFile *p, uint64_t page) {
        return page_damaged(p, "page %llu is damaged", (unsigned long long) page);
}

static int read_overflow(Walk *w, uint64_t first, uint32_t size, const uint8_t **ret) {
        PageFile *p = w->file;
        uint64_t n = (PAGE_HEADER + (uint64_t) size + p->page_size - 1) / p->page_size;
        const uint8_t *page;
        int r;

        for (uint64_t i = 0; i < n; i++) {
                r = claim(p, first + i);
                if (r < 0)
                        return r;
        }
        page = p->data + first * p->page_size;
        if (get64(page) != first || get16(page + 10) != PAGE_OVERFLOW || get32(page + 12) != n)
                return damaged_page(p, first);
        w->found.overflow_pages += n;
        *ret = page + PAGE_HEADER;
        return 0;
}

/* The i-th node of a page whose header has been checked. */
static bool read_node(const Walk *w, const uint8_t *page, unsigned i, bool leaf, Node *ret) {
        size_t page_size = w->file->page_size, offset = get16(page + PAGE_HEADER + 2 * i), inside;
        const uint8_t *node = page + offset;
        Node n;

        if (offset < get16(page + 14) || offset + NODE_HEADER > page_size)
                return false;
        n = (Node) { .key = { node + NODE_HEADER, get16(node + 6) } };
        inside = offset + NODE_HEADER + n.key.size;
        if (leaf) {
                n.flags = get16(node + 4);
                n.value_size = get16(node) | (uint32_t) get16(node + 2) << 16;
                n.value = n.key.data + n.key.size;
                inside += n.flags & NODE_BIG ? sizeof(uint64_t) : n.value_size;
        } else
                n.child = get16(node) | (uint64_t) get16(node + 2) << 16 | (uint64_t) get16(node + 4) << 32;
        if (inside > page_size || (leaf && w->integer_keys && n.key.size != sizeof(uint64_t)))
                return false;
        /* The first separator of a branch is not looked at, and mostly empty. */
        if (!leaf && i > 0 && w->integer_keys && n.key.size != sizeof(uint64_t))
                return false;
        *ret = n;
        return true;
}

static int walk_leaf(Walk *w, uint64_t number, const uint8_t *page, unsigned n_keys, const Key *low, const Key *high) {
        for (unsigned i = 0; i < n_keys; i++) {
                PageEntry entry;
                Node n;
                int r;

                if (!read_node(w, page, i, true, &n) || (n.flags != 0 && n.flags != NODE_BIG && n.flags != NODE_TREE))
                        return damaged_page(w->file, number);
                if ((w->last.data && compare_keys(w, w->last, n.key) >= 0) || (low && compare_keys(w, *low, n.key) > 0) ||
                    (high && compare_keys(w, n.key, *high) >= 0))
                        return page_damaged(w->file, "page %llu is out of order", (unsigned long long) number);
                if (n.flags & NODE_BIG) {
                        r = read_overflow(w, get64(n.value), n.value_size, &n.value);
                        if (r < 0)
                                return r;
                }
                w->last = n.key;
                w->found.entries++;
                entry = (PageEntry) { n.key.data, n.value, n.key.size, n.value_size, n.flags & NODE_TREE };
                r = w->each(w->userdata, &entry);
                if (r < 0)
                        return r;
        }
        w->found.leaf_pages++;
        return 0;
}

static int walk_page(Walk *w, uint64_t number, unsigned depth, const Key *low, const Key *high);

static int walk_branch(Walk *w, uint64_t number, const uint8_t *page, unsigned n_keys, unsigned depth, const Key *low, const Key *high) {
        Node n, next;
        int r;

        if (!read_node(w, page, 0, false, &next))
                return damaged_page(w->file, number);
        for (unsigned i = 0; i < n_keys; i++) {
                n = next;
                if (i + 1 < n_keys && !read_node(w, page, i + 1, false, &next))
                        return damaged_page(w->file, number);
                r = walk_page(w, n.child, depth - 1, i == 0 ? low : &n.key, i + 1 < n_keys ? &next.key : high);
                if (r < 0)
                        return r;
        }
        w->found.branch_pages++;
        return 0;
}

/* One page and all below it. Every leaf lies at the same depth; low and high are what the branches above promise of its keys. */
static int walk_page(Walk *w, uint64_t number, unsigned depth, const Key *low, const Key *high) {
        PageFile *p = w->file;
        const uint8_t *page;
        unsigned lower, upper, n_keys;
        int r;

        r = claim(p, number);
        if (r < 0)
                return r;
        page = p->data + number * p->page_size;
        lower = get16(page + 12);
        upper = get16(page + 14);
        if (get64(page) != number || get16(page + 10) != (depth == 1 ? PAGE_LEAF : PAGE_BRANCH))
                return damaged_page(p, number);
        if (lower < PAGE_HEADER + 2 || lower % 2 != 0 || upper < lower || upper > p->page_size)
                return damaged_page(p, number);
        n_keys = (lower - PAGE_HEADER) / 2;
        return depth == 1 ? walk_leaf(w, number, page, n_keys, low, high) : walk_branch(w, number, page, n_keys, depth, low, high);
}

int page_walk(PageFile *p, const PageTree *tree, PageEach each, void *userdata) {
        Walk w = { .file = p, .integer_keys = tree->flags & TREE_INTEGER_KEYS, .each = each, .userdata = userdata };
        int r;

        w.found = (PageTree) { .flags = tree->flags, .depth = tree->depth, .root = tree->root };
        if (tree->root != NO_PAGE) {
                if (tree->depth < 1 || tree->depth > DEPTH_MAX)
                        return page_damaged(p, "a tree of impossible depth");
                r = walk_page(&w, tree->root, tree->depth, NULL, NULL);
                if (r < 0)
                        return r;
        } else if (tree->depth != 0)
                return page_damaged(p, "a tree without a root");
        if (w.found.branch_pages != tree->branch_pages || w.found.leaf_pages != tree->leaf_pages ||
            w.found.overflow_pages != tree->overflow_pages || w.found.entries != tree->entries)
                return page_damaged(p, "a tree holds %llu entries and should hold %llu", (unsigned long long) w.found.entries,
                                    (unsigned long long) tree->entries);
        return 0;
}

int page_tree_read(PageFile *p, const PageEntry *entry, PageTree *ret) {
        if (!entry->is_tree || entry->value_size != TREE_SIZE)
                return page_damaged(p, "a table is described wrongly");
        *ret = read_tree(entry->value);
        return 0;
}

/* An entry of the free tree: transaction → count, page numbers in descending order. */
static int claim_free(void *userdata, const PageEntry *entry) {
        const uint8_t *list = entry->value;
        PageFile *p = userdata;
        uint64_t count, before = UINT64_MAX;
        int r;

        if (entry->value_size < sizeof(count) || get64(entry->key) > p->generation)
                return page_damaged(p, "the list of free pages is damaged");
        count = get64(list);
        if (count > entry->value_size / sizeof(count) - 1)
                return page_damaged(p, "the list of free pages is damaged");
        for (uint64_t i = 1; i <= count; i++) {
                uint64_t page = get64(list + 8 * i);

                if (page >= before)
                        return page_damaged(p, "the list of free pages is damaged");
                r = claim(p, page);
                if (r < 0)
                        return r;
                before = page;
        }
        return 0;
}

int page_walk_free(PageFile *p) {
        return page_walk(p, &p->free_tree, claim_free, p);
}
