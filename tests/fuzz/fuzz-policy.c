/* SPDX-License-Identifier: MIT */
/*
 * Any text as policy files: services.d/x.conf, its drop-in and websess.conf, with form feeds between them. Refused with a reason, or
 * a policy that keeps its promises, whatever was written.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "fuzz.h"

#define FILES 3u

static char folder[32];
static char paths[FILES][64];

static void remove_all(void) {
        char path[64];

        for (size_t i = 0; i < FILES; i++)
                unlink(paths[i]);
        for (const char *const *name = (const char *const[]) { "/services.d/x.conf.d", "/services.d", "", NULL }; *name; name++) {
                snprintf(path, sizeof(path), "%s%s", folder, *name);
                rmdir(path);
        }
}

static void set_up(void) {
        static const char *const names[FILES] = { "services.d/x.conf", "services.d/x.conf.d/y.conf", "websess.conf" };
        char path[64];

        strcpy(folder, "/dev/shm/websess-XXXXXX");
        CHECK(mkdtemp(folder));
        for (const char *const *name = (const char *const[]) { "/services.d", "/services.d/x.conf.d", NULL }; *name; name++) {
                snprintf(path, sizeof(path), "%s%s", folder, *name);
                CHECK(mkdir(path, 0700) == 0);
        }
        for (size_t i = 0; i < FILES; i++)
                snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, names[i]);
        CHECK(atexit(remove_all) == 0);
}

static void write_files(const char *text, size_t size) {
        for (size_t i = 0; i < FILES; i++) {
                const char *end = memchr(text, '\f', size);
                size_t n = end ? (size_t) (end - text) : size;
                FILE *file = fopen(paths[i], "we");

                CHECK(file && fwrite(text, 1, n, file) == n && fclose(file) == 0);
                text += n + (end ? 1 : 0);
                size -= n + (end ? 1 : 0);
        }
}

/* Nobody that the kernel does not name for certain may do anything; root may do all. */
static void check_access(const Service *s) {
        const Caller root = {}, none = CALLER_NONE, overflow = { .uid = 65534 };

        for (Right r = 0; r < _RIGHT_MAX; r++) {
                CHECK(access_allows(s, r, &root));
                CHECK(!access_allows(s, r, &none) && !access_allows(s, r, &overflow));
        }
}

static void check_service(const Service *s) {
        static const char *const hosts[] = { NULL, "shop.example.com", "a.b.co.uk", "co.uk" };
        char cookie[COOKIE_HEADER_MAX];
        Fault f;

        CHECK(s->idle_usec > 0 && s->idle_usec <= s->lifetime_usec && s->touch_usec <= s->idle_usec / 4);
        CHECK(!s->anonymous || s->touch_usec <= s->anonymous_idle_usec / 4);
        for (size_t i = 0; i < s->n_roles; i++)
                CHECK(service_has_role(s, slice_of(s->roles[i].role)));
        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
                if (service_cookie(s, "token", hosts[i], s->lifetime_usec, cookie, sizeof(cookie), &f) == 0)
                        CHECK(!strpbrk(cookie, "\r\n") && (!hosts[i] || strcmp(hosts[i], "co.uk") != 0 || !strstr(cookie, "Domain=co.uk")));
        check_access(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Policy *p = NULL;
        Fault f = {};
        int k;

        if (!*folder)
                set_up();
        write_files((const char *) data, size);
        k = policy_load(&p, folder, &f);
        if (k != 0) {
                CHECK(!p && k == FAULT_INVALID_ARGUMENT && f.code == k && strstr(f.text, folder));
                return 0;
        }
        CHECK(policy_find(p, slice_of("default")) && policy_find(p, slice_of("x")));
        for (size_t i = 0; i < p->n_services; i++)
                check_service(p->services[i]);
        CHECK(p->settings.max_connections_per_user <= p->settings.max_connections && p->settings.idle_helpers <= p->settings.max_helpers);
        policy_unref(p);
        return 0;
}
