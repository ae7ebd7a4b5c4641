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
