/* SPDX-License-Identifier: MIT */
/* Owned things that let go of themselves at the end of their scope. Only macros and inline functions; owns nothing. */
#pragma once

#include <stdlib.h>
#include <unistd.h>
#include <errno.h>

#ifdef __cppcheck__
#define _cleanup_(f) static     /* it does not know the attribute: so it does not look for an end of what has one */
#else
#define _cleanup_(f) __attribute__((cleanup(f)))
#endif

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* Hand a pointer on and forget it: `*ret = TAKE_PTR(foo);` */
#define TAKE_PTR(p)                                     \
        __extension__ ({                                \
                __typeof__(p) *_take_from = &(p);       \
                __typeof__(p) _taken = *_take_from;     \
                *_take_from = NULL;                     \
                _taken;                                 \
        })

/* The same for a file descriptor; -EBADF is left behind. */
#define TAKE_FD(fd)                                     \
        __extension__ ({                                \
                int *_take_from = &(fd);                \
                int _taken = *_take_from;               \
                *_take_from = -EBADF;                   \
                _taken;                                 \
        })

/* DEFINE_CLEANUP(Foo *, foo_free) defines foo_freep() for `_cleanup_(foo_freep) Foo *foo = NULL;` */
#define DEFINE_CLEANUP(type, func)                              \
        __attribute__((unused))                                 \
        static inline void func##p(type *p) {                   \
                if (*p)                                         \
                        func(*p);                               \
        }

static inline void cleanup_freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(cleanup_freep)

/* Close a descriptor, leaving errno alone; negative is no descriptor. Returns -EBADF: `fd = close_fd(fd);` */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void cleanup_closep(int *fd) {
        close_fd(*fd);
}
#define _cleanup_close_ _cleanup_(cleanup_closep)
