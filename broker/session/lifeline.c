/* SPDX-License-Identifier: MIT */
/* The thread and its robust-futex list. Owns both, and the page before each mapping. */
#include "lifeline.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "reserve.h"
#include "thread.h"

#define PAGE 4096u
#define MAPS_MAX 1024u          /* the kernel walks 2,048 entries of such a list at most */

/* A node of the list, at the start of the page before a mapping. */
typedef struct Node {
        struct robust_list list;
        struct Node *previous;          /* NULL: the head is before it */
} Node;

struct Lifeline {
        struct robust_list_head *head;  /* on a locked page of its own: the kernel reads it when we are past helping */
        pthread_t thread;
        bool has_thread;
        int stop;                       /* eventfd */
        _Atomic int32_t tid;            /* 0 until the thread is ready, negative errno when it cannot be */
        pthread_mutex_t lock;
        pthread_cond_t ready;
        unsigned n_maps;
};

DEFINE_CLEANUP(Lifeline *, lifeline_free)

static long set_list(struct robust_list_head *head) {
        return syscall(SYS_set_robust_list, head, sizeof(*head));
}

static void *run(void *userdata) {
        Lifeline *l = userdata;
        eventfd_t n;

        pthread_mutex_lock(&l->lock);
        l->tid = set_list(l->head) < 0 ? -errno : (int32_t) gettid();
        pthread_cond_signal(&l->ready);
        pthread_mutex_unlock(&l->lock);

        while (eventfd_read(l->stop, &n) < 0 && errno == EINTR)
                ;
        return NULL;
}

static void *locked_pages(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return NULL;
        memset(p, 0, size);
        (void) mlock(p, size);          /* kept out of swap where we may; the kernel can read it back otherwise */
        return p;
}

/* A child that dies with a word in its list: does the kernel mark it? Between fork and death only system calls are made. */
static int self_test(void) {
        struct { struct robust_list_head head; struct robust_list node; _Atomic uint32_t word; } *t;
        int status, r = -EOPNOTSUPP;
        pid_t pid;

        t = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (t == MAP_FAILED)
                return -errno;

        t->head.list.next = &t->node;
        t->head.futex_offset = (long) ((char *) &t->word - (char *) &t->node);
        t->node.next = &t->head.list;

        pid = fork();
        if (pid == 0) {
                t->word = (uint32_t) gettid();
                if (set_list(&t->head) == 0)
                        kill(getpid(), SIGKILL);
                _exit(1);
        }
        if (pid > 0) {
                while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
                if (t->word & FUTEX_OWNER_DIED)
                        r = 0;
        } else
                r = -errno;

        munmap(t, PAGE);
        return r;
}

static int start(Lifeline *l) {
        int r = thread_start(&l->thread, "lifeline", run, l);

        if (r < 0)
                return r;
        l->has_thread = true;

        pthread_mutex_lock(&l->lock);
        while (l->tid == 0)
                pthread_cond_wait(&l->ready, &l->lock);
        pthread_mutex_unlock(&l->lock);
        return l->tid < 0 ? l->tid : 0;
}

int lifeline_new(Lifeline **ret, size_t word_offset) {
        _cleanup_(lifeline_freep) Lifeline *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->stop = -EBADF;
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->ready, NULL);

        r = self_test();
        if (r < 0)
                return r;
        l->head = locked_pages(PAGE);
        if (!l->head)
                return -ENOMEM;
        l->head->list.next = &l->head->list;
        l->head->futex_offset = (long) (PAGE + word_offset);

        l->stop = eventfd(0, EFD_CLOEXEC);
        if (l->stop < 0)
                return -errno;
        r = start(l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Lifeline *lifeline_free(Lifeline *l) {
        if (!l)
                return NULL;

        if (l->has_thread) {
                eventfd_write(l->stop, 1);
                pthread_join(l->thread, NULL);
        }
        close_fd(l->stop);
        if (l->head)
                munmap(l->head, PAGE);
        pthread_cond_destroy(&l->ready);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return NULL;
}

static Node *node_of(void *mapping) {
        return (Node *) (void *) ((char *) mapping - PAGE);
}

int lifeline_reserve(Lifeline *l, size_t size, size_t alignment, void **ret) {
        Node *node;
        void *p;

        if (l->n_maps >= MAPS_MAX)
                return -EMFILE;
        p = reserve_addresses(PAGE, size, alignment);
        if (!p)
                return -ENOMEM;
        node = node_of(p);
        if (mprotect(node, PAGE, PROT_READ | PROT_WRITE) < 0) {
                int r = -errno;

                munmap(node, PAGE + size);
                return r;
        }
        memset(node, 0, PAGE);
        (void) mlock(node, PAGE);
        l->n_maps++;
        *ret = p;
        return 0;
}

/* The thread may die between any two of these stores, so the list is whole after each: the node first, then the way to it. */
void lifeline_hold(Lifeline *l, void *mapping) {
        _Atomic uint32_t *word = (_Atomic uint32_t *) (void *) ((char *) node_of(mapping) + l->head->futex_offset);
        Node *n = node_of(mapping), *next = NULL;

        atomic_store_explicit(word, (uint32_t) l->tid, memory_order_seq_cst);
        n->previous = NULL;
        n->list.next = l->head->list.next;
        if (n->list.next != &l->head->list)
                next = (Node *) n->list.next;
        atomic_thread_fence(memory_order_seq_cst);
        *(struct robust_list *volatile *) &l->head->list.next = &n->list;
        if (next)
                next->previous = n;
}

void lifeline_release(Lifeline *l, void *mapping, size_t size) {
        Node *n = node_of(mapping);

        if (n->list.next) {
                struct robust_list *before = n->previous ? &n->previous->list : &l->head->list;

                *(struct robust_list *volatile *) &before->next = n->list.next;
                if (n->list.next != &l->head->list)
                        ((Node *) n->list.next)->previous = n->previous;
        }
        atomic_thread_fence(memory_order_seq_cst);
        munmap((char *) mapping - PAGE, PAGE + size);
        l->n_maps--;
}
