/* SPDX-License-Identifier: MIT */
/*
 * What analyzers are told before they read a source, since they look at one at a time: after a call that failed errno is not 0, so `return -errno` is a failure; and
 * the functions that make an outcome return the one that they are given. Names are those of the headers; MODEL_OUTCOMES is not set where they are defined.
 */
#pragma once

#include <errno.h>

int model_any(void);

/* Values, since clang's analyzer knows nothing of the negative of what it does not know. */
static inline int *model_errno(void) {
        static int value;

        switch (model_any()) {
        case 1:
                value = EAGAIN;
                break;
        case 2:
                value = EINTR;
                break;
        case 3:
                value = ENOENT;
                break;
        default:
                value = EIO;
        }
        return &value;
}

#undef errno
#define errno (*model_errno())

#ifdef __clang_analyzer__
/* What a list or a tree holds is not followed: what stands first in one is anything. Trees' functions are known by what they say of themselves. */
#include <bsd/sys/tree.h>
#include <sys/queue.h>

void *model_first(void *head);

#undef RB_PROTOTYPE_INTERNAL
#define RB_PROTOTYPE_INTERNAL(name, type, field, cmp, attr)                     \
        struct type *name##_RB_INSERT(struct name *, struct type *);            \
        struct type *name##_RB_REMOVE(struct name *, struct type *);            \
        struct type *name##_RB_FIND(struct name *, struct type *);              \
        struct type *name##_RB_NFIND(struct name *, struct type *);             \
        struct type *name##_RB_NEXT(struct type *);                             \
        struct type *name##_RB_PREV(struct type *);                             \
        struct type *name##_RB_MINMAX(struct name *, int);
#undef RB_GENERATE_INTERNAL
#define RB_GENERATE_INTERNAL(...) RB_PROTOTYPE_INTERNAL(__VA_ARGS__)
#undef RB_ROOT
#define RB_ROOT(head) ((__typeof__((head)->rbh_root)) model_first(head))
#undef LIST_FIRST
#define LIST_FIRST(head) ((__typeof__((head)->lh_first)) model_first(head))
#undef LIST_FOREACH
#define LIST_FOREACH(var, head, field) for ((var) = LIST_FIRST(head); (var); (var) = LIST_NEXT(var, field))
#undef TAILQ_FIRST
#define TAILQ_FIRST(head) ((__typeof__((head)->tqh_first)) model_first(head))
#undef TAILQ_FOREACH
#define TAILQ_FOREACH(var, head, field) for ((var) = TAILQ_FIRST(head); (var); (var) = TAILQ_NEXT(var, field))
#endif

#ifdef MODEL_OUTCOMES
#include "config.h"
#include "error.h"
#include "fault.h"

#define model_failed(call)                              \
        __extension__ ({                                \
                int model_r = (call);                   \
                if (model_r == 0)                       \
                        __builtin_unreachable();        \
                model_r;                                \
        })

#define fault(f, code, ...) ((void) fault(f, code, __VA_ARGS__), model_failed(code))
#define fault_plain(f, code) ((void) fault_plain(f, code), model_failed(code))
#define config_refuse(...) ((void) config_refuse(__VA_ARGS__), FAULT_INVALID_ARGUMENT)
#define error_set(code, ...) ((void) error_set(code, __VA_ARGS__), model_failed(code))
#define error_fault(f) model_failed(error_fault(f))
#define error_errno(r, what) ((void) error_errno(r, what), model_failed(r))
#define error_memory() ((void) error_memory(), -ENOMEM)
#endif
