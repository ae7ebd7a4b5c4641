/* SPDX-License-Identifier: MIT */
/* The index of sessions by id. Looks at nothing of a session but its id. */
#include "by-id.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#include "session.h"

#define CHUNK 127u              /* with its count, a kilobyte */

struct ByIdChunk {
        size_t n;               /* never 0 */
        Session *sessions[CHUNK];
};

/* ---- where ---- */

/* The chunk that id is in, if it is anywhere: the last one that does not begin behind it. */
static size_t chunk_of(const ById *x, const Ident *id) {
        size_t low = 0, high = x->n;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (ident_compare(&x->entries[middle].first, id) <= 0)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

/* The first place whose id is not before id; n: none. */
static size_t place_in(const ByIdChunk *c, const Ident *id) {
        size_t low = 0, high = c->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (ident_compare(&c->sessions[middle]->id, id) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

Session *by_id_find(const ById *x, const Ident *id) {
        const ByIdChunk *c;
        size_t i;

        if (x->n == 0)
                return NULL;
        c = x->entries[chunk_of(x, id)].chunk;
        i = place_in(c, id);
        return i < c->n && ident_compare(&c->sessions[i]->id, id) == 0 ? c->sessions[i] : NULL;
}

Session *by_id_next(const ById *x, const Ident *id) {
        const ByIdChunk *c;
        size_t k, i;

        if (x->n == 0)
                return NULL;
        if (!id)
                return x->entries[0].chunk->sessions[0];
        k = chunk_of(x, id);
        c = x->entries[k].chunk;
        i = place_in(c, id);
        if (i < c->n && ident_compare(&c->sessions[i]->id, id) == 0)
                i++;
        if (i < c->n)
                return c->sessions[i];
        return k + 1 < x->n ? x->entries[k + 1].chunk->sessions[0] : NULL;
}

/* ---- chunks come and go ---- */

/* An empty chunk at place k. Entries without a chunk would never be freed: so the chunk comes first. */
static int open_chunk(ById *x, size_t k) {
        _cleanup_free_ ByIdChunk *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        if (x->n == x->allocated) {
                size_t n = x->allocated ? x->allocated * 2 : 16;
                ByIdEntry *entries = reallocarray(x->entries, n, sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                x->entries = entries;
                x->allocated = n;
        }
        c->n = 0;
        memmove(&x->entries[k + 1], &x->entries[k], (x->n - k) * sizeof(x->entries[0]));
        x->entries[k] = (ByIdEntry) { .chunk = TAKE_PTR(c) };
        x->n++;
        return 0;
}

static void close_chunk(ById *x, size_t k) {
        free(x->entries[k].chunk);
        x->n--;
        memmove(&x->entries[k], &x->entries[k + 1], (x->n - k) * sizeof(x->entries[0]));
        if (x->n == 0) {
                free(x->entries);
                *x = (ById) {};
        }
}

/* The later half of a full chunk goes into one of its own. */
static int split(ById *x, size_t k) {
        ByIdChunk *from, *to;
        int r;

        r = open_chunk(x, k + 1);
        if (r < 0)
                return r;
        from = x->entries[k].chunk;
        to = x->entries[k + 1].chunk;
        to->n = from->n / 2;
        from->n -= to->n;
        memcpy(to->sessions, &from->sessions[from->n], to->n * sizeof(to->sessions[0]));
        x->entries[k + 1].first = to->sessions[0]->id;
        return 0;
}

/* Two neighbours that together are not half full become one, so that a few old sessions do not hold many chunks. */
static void join(ById *x, size_t k) {
        ByIdChunk *a, *b;

        if (k + 1 >= x->n)
                return;
        a = x->entries[k].chunk;
        b = x->entries[k + 1].chunk;
        if (a->n + b->n > CHUNK / 2)
                return;
        memcpy(&a->sessions[a->n], b->sessions, b->n * sizeof(b->sessions[0]));
        a->n += b->n;
        close_chunk(x, k + 1);
}

/* ---- sessions come and go ---- */

static void insert(ById *x, size_t k, size_t i, Session *s) {
        ByIdChunk *c = x->entries[k].chunk;

        memmove(&c->sessions[i + 1], &c->sessions[i], (c->n - i) * sizeof(c->sessions[0]));
        c->sessions[i] = s;
        c->n++;
        x->entries[k].first = c->sessions[0]->id;
}

int by_id_add(ById *x, Session *s) {
        size_t k = x->n ? chunk_of(x, &s->id) : 0, i = x->n ? place_in(x->entries[k].chunk, &s->id) : 0;
        ByIdChunk *c = x->n ? x->entries[k].chunk : NULL;
        int r = 0;

        if (c && i < c->n && ident_compare(&c->sessions[i]->id, &s->id) == 0)
                return -EEXIST;
        if (!c || i == CHUNK) {         /* behind a full chunk, or there is none: usual, and leaves full chunks behind */
                k = c ? k + 1 : 0;
                i = 0;
                r = open_chunk(x, k);
        } else if (c->n == CHUNK) {
                r = split(x, k);
                if (r == 0 && i > c->n) {
                        i -= c->n;
                        k++;
                }
        }
        if (r < 0)
                return r;
        insert(x, k, i, s);
        return 0;
}

void by_id_remove(ById *x, const Session *s) {
        size_t k = chunk_of(x, &s->id), i;
        ByIdChunk *c = x->entries[k].chunk;

        i = place_in(c, &s->id);
        assert(i < c->n && c->sessions[i] == s);
        c->n--;
        memmove(&c->sessions[i], &c->sessions[i + 1], (c->n - i) * sizeof(c->sessions[0]));
        if (c->n == 0)
                return close_chunk(x, k);
        x->entries[k].first = c->sessions[0]->id;
        join(x, k);
        if (k > 0)
                join(x, k - 1);
}
