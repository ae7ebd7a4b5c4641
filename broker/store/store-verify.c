/* SPDX-License-Identifier: MIT */
/*
 * websessd --check-store: looks at the whole database before anything believes it. Reads the file as bytes (store-page.h), in a
 * process of its own: a disk that cannot be read ends it with a signal, and nothing else. Runs under the directory's lock,
 * so nobody writes meanwhile. The last line it prints says what is wrong, in words that fit behind the file's name.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "record.h"
#include "store-internal.h"
#include "store-page.h"

enum { CHECK_GOOD, CHECK_DAMAGED, CHECK_NEWER, CHECK_FOREIGN, CHECK_UNREADABLE };

#define NOTES_MAX 20u
/* No tree makes the checker run that long; a runaway must not keep the broker waiting for ever. */
#define CPU_SECONDS_MAX 900u

typedef struct Tables {
        PageFile *file;
        PageTree meta, sessions;
        bool has_meta, has_sessions, has_other;
} Tables;

typedef struct Meta {
        bool has_format, has_generation, has_digests, bad_size;
        uint32_t format;
        uint64_t generation;
} Meta;

typedef struct Sessions {
        uint64_t n, n_damaged, n_newer;
        unsigned newer;                 /* their format */
} Sessions;

static bool key_is(const PageEntry *e, const char *name) {
        return e->key_size == strlen(name) && memcmp(e->key, name, e->key_size) == 0;
}

static int find_table(void *userdata, const PageEntry *e) {
        Tables *t = userdata;

        if (key_is(e, "meta")) {
                t->has_meta = true;
                return page_tree_read(t->file, e, &t->meta);
        }
        if (key_is(e, "sessions")) {
                t->has_sessions = true;
                return page_tree_read(t->file, e, &t->sessions);
        }
        t->has_other = true;
        return 0;
}

static int read_meta(void *userdata, const PageEntry *e) {
        Meta *m = userdata;

        if (key_is(e, STORE_KEY_FORMAT)) {
                m->bad_size |= e->value_size != sizeof(m->format);
                if (e->value_size == sizeof(m->format))
                        memcpy(&m->format, e->value, sizeof(m->format));
                m->format = le32toh(m->format);
                m->has_format = true;
        } else if (key_is(e, STORE_KEY_GENERATION)) {
                m->bad_size |= e->value_size != sizeof(m->generation);
                if (e->value_size == sizeof(m->generation))
                        memcpy(&m->generation, e->value, sizeof(m->generation));
                m->generation = le64toh(m->generation);
                m->has_generation = true;
        }
        m->has_digests |= key_is(e, STORE_KEY_DIGESTS);
        m->bad_size |= !store_meta_valid(e->key, e->key_size, e->value, e->value_size);
        return 0;
}

/* A damaged record in a sound tree is told and no more: its session is gone, and gone means denied. */
static int check_session(void *userdata, const PageEntry *e) {
        Sessions *s = userdata;
        Record record;
        int r;

        s->n++;
        r = record_decode(e->value, e->value_size, &record);
        if (r == 0 && e->key_size == IDENT_SIZE && memcmp(record.id.bytes, e->key, IDENT_SIZE) == 0)
                return 0;
        if (r == -EPROTONOSUPPORT) {
                s->n_newer++;
                s->newer = record_format(e->value, e->value_size);
                return 0;
        }
        if (s->n_damaged++ < NOTES_MAX) {
                char id[IDENT_HEX_SIZE + 1] = "with a key of another size";

                if (e->key_size == IDENT_SIZE)
                        ident_format((const Ident *) e->key, id);
                fprintf(stderr, "session %s: its record is damaged; it is left out\n", id);
        }
        return 0;
}

static int damaged(const PageFile *p) {
        fprintf(stderr, "damaged: %s\n", p->why);
        return CHECK_DAMAGED;
}

/* The newest state must have been written by the transaction that the meta page names: else an old page is shown as new, and what was
 * revoked since would be alive again. A backup is numbered anew, from 1. */
static int check_meta(PageFile *p, const Meta *m, uint64_t n_sessions) {
        if (m->has_format && m->format > STORE_FORMAT) {
                fprintf(stderr, "format %u, this websessd knows %u\n", m->format, STORE_FORMAT);
                return CHECK_NEWER;
        }
        if (!m->has_format && !m->has_generation && n_sessions == 0)
                return CHECK_GOOD;
        if (!m->has_format || !m->has_generation || m->bad_size || m->format < STORE_FORMAT_OLDEST || (m->format > 1 && !m->has_digests))
                page_damaged(p, "its table of marks is damaged");
        else if (p->generation > 1 && m->generation != p->generation)
                page_damaged(p, "an old state is shown as the newest");
        else
                return CHECK_GOOD;
        return damaged(p);
}

static int check_trees(PageFile *p, const Tables *tables) {
        Sessions sessions = { 0 };
        Meta meta = { 0 };
        int r = 0;

        if (tables->has_meta && page_walk(p, &tables->meta, read_meta, &meta) < 0)
                return damaged(p);
        r = check_meta(p, &meta, tables->sessions.entries);
        if (r != CHECK_GOOD)
                return r;
        if (tables->meta.flags != 0 || tables->sessions.flags != 0) {
                page_damaged(p, "a table is described wrongly");
                return damaged(p);
        }
        if (tables->has_sessions && page_walk(p, &tables->sessions, check_session, &sessions) < 0)
                return damaged(p);
        if (page_walk_free(p) < 0)
                return damaged(p);
        if (p->n_seen + 2 != p->n_pages)
                fprintf(stderr, "%llu pages are neither used nor free; they are lost until a backup is restored\n",
                        (unsigned long long) (p->n_pages - 2 - p->n_seen));
        if (sessions.n_newer > 0) {
                fprintf(stderr, "%llu records of format %u, this websessd knows %u\n", (unsigned long long) sessions.n_newer, sessions.newer, RECORD_FORMAT);
                return CHECK_NEWER;
        }
        if (sessions.n_damaged > 0)
                fprintf(stderr, "%llu of %llu sessions have damaged records and are left out\n",
                        (unsigned long long) sessions.n_damaged, (unsigned long long) sessions.n);
        return CHECK_GOOD;
}

static int check_bytes(PageFile *p, const void *data, uint64_t size) {
        Tables tables = { .file = p };
        int r;

        r = page_file_open(p, data, size);
        if (r == PAGE_FOREIGN) {
                fprintf(stderr, "not a database of websess\n");
                return CHECK_FOREIGN;
        }
        if (r == PAGE_NEWER) {
                fprintf(stderr, "the layout of a later LMDB\n");
                return CHECK_NEWER;
        }
        if (r == -ENOMEM) {
                fprintf(stderr, "out of memory\n");
                return CHECK_UNREADABLE;
        }
        if (r < 0 || page_walk(p, &p->main_tree, find_table, &tables) < 0)
                return damaged(p);
        if (tables.has_other) {
                fprintf(stderr, "not a database of websess, but of another program\n");
                return CHECK_FOREIGN;
        }
        return check_trees(p, &tables);
}

static int check_descriptor(int fd) {
        struct stat st;
        PageFile file;
        void *data;
        int r;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                fprintf(stderr, "not a database of websess, not even a regular file\n");
                return CHECK_FOREIGN;
        }
        if (st.st_size == 0)
                return CHECK_GOOD;      /* made, and not written yet */
        data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
                fprintf(stderr, "cannot be mapped: %s\n", strerror(errno));
                return CHECK_UNREADABLE;
        }
        madvise(data, (size_t) st.st_size, MADV_WILLNEED);
        r = check_bytes(&file, data, (uint64_t) st.st_size);
        page_file_done(&file);
        munmap(data, (size_t) st.st_size);
        return r;
}

int store_check_main(const char *path) {
        const struct rlimit cpu = { CPU_SECONDS_MAX, CPU_SECONDS_MAX }, no_core = { 0, 0 };
        _cleanup_close_ int fd = -EBADF;

        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_CORE, &no_core);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0) {
                if (errno == ENOENT)
                        return CHECK_GOOD;
                fprintf(stderr, "cannot be opened: %s\n", strerror(errno));
                return CHECK_UNREADABLE;
        }
        return check_descriptor(fd);
}
