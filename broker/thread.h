/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

/* Signals are the loop's: a thread beside it is born with all of them blocked. 0 or a negative errno. */
int thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *userdata);
