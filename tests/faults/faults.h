/* SPDX-License-Identifier: MIT */
/*
 * faults.so, preloaded into a program that is to meet trouble: it knows every allocation and system call by its site (where in websess
 * it comes from), and lets one of them fail, or ends or stops the process just before or after it. It also sets the program's wall clock.
 *
 * Test and program share a file, $WEBSESS_FAULTS, which both map. tests/integration/faults.py has the other description of it: the two must
 * agree. All of it is written by atomics, since a program has threads and children.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N_SITES 32768u          /* a power of two */
#define N_MODULES 64u
#define N_FRAMES 6u
#define NAME_SIZE 32u

/* What is to happen. */
enum {
        ACTION_NONE,
        ACTION_FAIL,            /* the call is not made; it returns its error */
        ACTION_KILL,            /* SIGKILL, in the place of the call */
        ACTION_KILL_AFTER,      /* the call is made, and nobody hears of it */
        ACTION_STOP,            /* SIGSTOP: whoever watches does something and lets the process go on */
        ACTION_STOP_AFTER,
        ACTION_LIE,             /* the call is not made, every time, and said to have gone well */
        ACTION_FAIL_ALWAYS,     /* as ACTION_FAIL, every time */
};

typedef struct Frame {
        _Atomic uint32_t offset;
        _Atomic uint32_t module;        /* 1 + its index; 0: no frame */
} Frame;

typedef struct Site {
        _Atomic uint64_t key;           /* 0: free */
        char name[NAME_SIZE];           /* the function that was called */
        _Atomic uint64_t count;
        _Atomic uint64_t live;          /* allocations from here that nobody had freed when the process ended */
        Frame frames[N_FRAMES];         /* whoever called it, then the frames of websess, inmost first */
} Site;

typedef struct Region {
        _Atomic uint32_t on;            /* 0: everything passes, nothing is counted */
        _Atomic uint32_t action;
        _Atomic uint64_t key;           /* of the site; 0: any site of the function called name */
        char name[NAME_SIZE];
        _Atomic uint32_t countdown;     /* the how-manieth call is meant */
        _Atomic uint32_t error;         /* an errno in the place of the usual one; 0: the usual one */
        _Atomic uint32_t fired;
        _Atomic uint32_t track;         /* keep account of what is allocated */
        _Atomic int64_t wall;           /* seconds by which CLOCK_REALTIME is ahead of the machine's */
        char modules[N_MODULES][NAME_SIZE];
        Site sites[N_SITES];
} Region;

/* faults.c. Called at the start of each function in the program's place. */
typedef struct Call {
        int error;                      /* the call must fail with it; 0: make it */
        bool lie;                       /* do not make it, and say it went well */
        uint32_t after;                 /* for faults_after() */
        Site *site;                     /* NULL when sites are not looked at */
} Call;

Call faults_before(const char *name, int error);
void faults_after(const Call *call);
bool faults_tracking(void);
int64_t faults_wall(void);

/* faults-memory.c */
void faults_count_live(void);
