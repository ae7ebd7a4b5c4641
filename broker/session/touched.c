/* SPDX-License-Identifier: MIT */
/* A queue of ids. */
#include "touched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int touched_add(Touched *t, const Ident *id) {
        if (t->first + t->n == t->allocated && t->first > t->allocated / 2) {
                memmove(t->ids, t->ids + t->first, t->n * sizeof(t->ids[0]));
                t->first = 0;
        }
        if (t->first + t->n == t->allocated) {
                size_t n = t->allocated ? t->allocated * 2 : 64;
                Ident *ids = reallocarray(t->ids, n, sizeof(*ids));

                if (!ids)
                        return -ENOMEM;
                t->ids = ids;
                t->allocated = n;
        }
        t->ids[t->first + t->n++] = *id;
        return 0;
}

bool touched_take(Touched *t, Ident *ret) {
        if (t->n == 0)
                return false;
        *ret = t->ids[t->first++];
        if (--t->n == 0)
                touched_done(t);
        return true;
}

void touched_done(Touched *t) {
        free(t->ids);
        *t = (Touched) {};
}
