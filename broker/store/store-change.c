/* SPDX-License-Identifier: MIT */
/* A change: puts and deletes that happen together or not at all. Owns copies of everything; touches no database. */
#include <string.h>

#include "store-internal.h"

int store_change_new(StoreChange **ret) {
        StoreChange *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        STAILQ_INIT(&c->ops);
        *ret = c;
        return 0;
}

StoreChange *store_change_free(StoreChange *c) {
        StoreOp *op;

        if (!c)
                return NULL;
        while ((op = STAILQ_FIRST(&c->ops))) {
                STAILQ_REMOVE_HEAD(&c->ops, entry);
                free(op);
        }
        free(c);
        return NULL;
}

static int add_op(StoreChange *c, const Ident *id, bool put, const void *data, size_t size) {
        StoreOp *op = malloc(sizeof(*op) + size);

        if (!op)
                return -ENOMEM;
        *op = (StoreOp) { .id = *id, .put = put, .size = size };
        if (size > 0)
                memcpy(op->data, data, size);
        STAILQ_INSERT_TAIL(&c->ops, op, entry);
        c->n_ops++;
        c->n_puts += put;
        return 0;
}

int store_change_put(StoreChange *c, const Ident *id, const void *data, size_t size) {
        if (size == 0)
                return -EINVAL;
        return add_op(c, id, true, data, size);
}

int store_change_delete(StoreChange *c, const Ident *id) {
        return add_op(c, id, false, NULL, 0);
}

int store_change_mark(StoreChange *c, const SteadyMark *mark) {
        c->mark = *mark;
        c->has_mark = true;
        return 0;
}

bool store_change_is_revocation(const StoreChange *c) {
        return c->n_puts == 0;
}
