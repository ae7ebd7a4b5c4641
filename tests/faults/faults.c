/* SPDX-License-Identifier: MIT */
/* Which site is this, and what is to happen at it. Owns the mapping of the shared file. */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <pwd.h>
#include <shadow.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH 32

static Region *region;
static const struct link_map *self;
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

/* ---- the site ---- */

static uint64_t mix(uint64_t hash, uint64_t value) {
        hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
        return hash ^ hash >> 29;
}

static uint64_t hash_text(const char *text) {
        uint64_t hash = 1;

        for (; *text; text++)
                hash = mix(hash, (unsigned char) *text);
        return hash;
}

/* 1 + the module's index; the same name is the same module in every process. */
static uint32_t module_index(const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        for (uint32_t i = 0; i < N_MODULES; i++) {
                if (region->modules[i][0] == '\0')
                        strncpy(region->modules[i], name, NAME_SIZE - 1);
                if (strncmp(region->modules[i], name, NAME_SIZE - 1) == 0)
                        return i + 1;
        }
        return N_MODULES;
}

typedef struct Place {
        uint32_t module, offset;
        bool ours, own;                 /* of faults.so; of websess */
} Place;

static Place place_of(void *address) {
        struct dl_find_object found;
        const char *name;
        uint32_t module;

        if (_dl_find_object(address, &found) != 0)
                return (Place) {};
        name = found.dlfo_link_map->l_name;
        module = module_index(*name ? name : program_invocation_short_name);
        return (Place) {
                .module = module,
                .offset = (uint32_t) ((uintptr_t) address - found.dlfo_link_map->l_addr),
                .ours = found.dlfo_link_map == self,
                .own = strstr(region->modules[module - 1], "websess") != NULL,
        };
}

static Site *slot_of(uint64_t key) {
        for (uint64_t i = key, n = 0; n < N_SITES; i++, n++) {
                Site *s = &region->sites[i % N_SITES];
                uint64_t there = 0;

                if (atomic_compare_exchange_strong(&s->key, &there, key) || there == key)
                        return s;
        }
        return NULL;
}

/* Whoever called the function, and the inmost places of websess that led there: the rest of the way in libraries makes no other site. */
static Site *find_site(const char *name) {
        void *addresses[DEPTH];
        Place places[N_FRAMES];
        uint64_t key = hash_text(name);
        unsigned n = 0;
        int depth = backtrace(addresses, DEPTH);
        Site *s;

        for (int i = 0; i < depth && n < N_FRAMES; i++) {
                Place p = place_of(addresses[i]);

                if (p.module == 0 || p.ours || (n > 0 && !p.own))
                        continue;
                places[n++] = p;
                key = mix(mix(key, hash_text(region->modules[p.module - 1])), p.offset);
        }
        s = slot_of(key ? key : 1);
        if (!s || s->name[0] != '\0')
                return s;
        for (unsigned i = 0; i < n; i++) {
                s->frames[i].offset = places[i].offset;
                s->frames[i].module = places[i].module;
        }
        strncpy(s->name, name, NAME_SIZE - 1);
        return s;
}

/* ---- what happens ---- */

static bool is_meant(const Region *r, const char *name, const Site *s) {
        return r->key ? s && s->key == r->key : strcmp(r->name, name) == 0;
}

static bool is_due(Region *r) {
        uint32_t left = r->countdown;

        while (left > 0)
                if (atomic_compare_exchange_weak(&r->countdown, &left, left - 1))
                        return left == 1;
        return false;
}

static void halt(uint32_t action) {
        kill(getpid(), action == ACTION_KILL || action == ACTION_KILL_AFTER ? SIGKILL : SIGSTOP);
}

static Call look(const char *name, int error) {
        Region *r = region;
        uint32_t action = r->action;
        bool same = action != ACTION_NONE && strcmp(r->name, name) == 0;
        Call call = {};

        if (action == ACTION_NONE || r->track || (same && r->key))
                call.site = find_site(name);
        if (call.site)
                call.site->count++;
        if (!same || !is_meant(r, name, call.site))
                return call;
        if (action != ACTION_LIE && action != ACTION_FAIL_ALWAYS && !is_due(r))
                return call;
        r->fired = 1;
        if (action == ACTION_LIE)
                call.lie = true;
        else if (action == ACTION_FAIL || action == ACTION_FAIL_ALWAYS)
                call.error = r->error ? (int) r->error : error;
        else if (action == ACTION_KILL_AFTER || action == ACTION_STOP_AFTER)
                call.after = action;
        else
                halt(action);
        return call;
}

Call faults_before(const char *name, int error) {
        Call call = {};
        int saved = errno;

        if (!region || inside || !region->on)
                return call;
        inside = true;
        call = look(name, error);
        inside = false;
        errno = saved;
        return call;
}

void faults_after(const Call *call) {
        if (call->after)
                halt(call->after);
}

bool faults_tracking(void) {
        return region && region->track && !inside;
}

int64_t faults_wall(void) {
        return region ? region->wall : 0;
}

/* ---- life ---- */

__attribute__((constructor)) static void begin(void) {
        const char *path = getenv("WEBSESS_FAULTS");
        void *p = MAP_FAILED, *addresses[2];
        struct dl_find_object found;
        int fd, n_groups = 1;
        gid_t group;

        inside = true;
        /* glibc does not survive memory that runs out while it reads nsswitch.conf */
        (void) getpwnam("root");
        (void) getgrnam("root");
        (void) getspnam("root");
        (void) getgrouplist("root", 0, &group, &n_groups);
        if (_dl_find_object(&region, &found) == 0)
                self = found.dlfo_link_map;
        (void) backtrace(addresses, 2);         /* the first one loads a library */
        fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        if (fd >= 0) {
                p = mmap(NULL, sizeof(Region), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                close(fd);
        }
        region = p == MAP_FAILED ? NULL : p;
        inside = false;
}

__attribute__((destructor)) static void end(void) {
        if (!region || !region->track)
                return;
        inside = true;
        faults_count_live();
        inside = false;
}
