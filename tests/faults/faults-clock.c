/* SPDX-License-Identifier: MIT */
/* The wall clock, set by whoever tests: the machine's own is everybody's, and has no namespaces. It cannot fail. */
#include <dlfcn.h>
#include <time.h>

#include "faults.h"

int clock_gettime(clockid_t clock, struct timespec *ret) {
        static int (*real)(clockid_t, struct timespec *);
        int r;

        if (!real)
                *(void **) &real = dlsym(RTLD_NEXT, "clock_gettime");
        r = real(clock, ret);
        if (r == 0 && clock == CLOCK_REALTIME)
                ret->tv_sec += faults_wall();
        return r;
}
