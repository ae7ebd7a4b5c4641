/* SPDX-License-Identifier: MIT */
/*
 * What analyzers are told before they read a source, since they look at one at a time: after a call that failed errno is not 0, so `return -errno` is a failure; and
 * the functions that make an outcome return one. Names are those of the headers; MODEL_OUTCOMES is not set where they are defined.
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

#define fault(...) model_failed(fault(__VA_ARGS__))
#define fault_plain(...) model_failed(fault_plain(__VA_ARGS__))
#define config_refuse(...) model_failed(config_refuse(__VA_ARGS__))
#define error_set(...) model_failed(error_set(__VA_ARGS__))
#define error_fault(...) model_failed(error_fault(__VA_ARGS__))
#define error_errno(...) model_failed(error_errno(__VA_ARGS__))
#define error_memory(...) model_failed(error_memory(__VA_ARGS__))
#endif
