/* SPDX-License-Identifier: MIT */
/* The manager's part in the maps. Reads the policy and the spaces of the table. */
#include "manager-maps.h"

#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"

static void add_role(MapFacts *f, const char *role) {
        size_t size = strlen(role);

        if (size == 0 || size > ROLE_MAX || 1 + size > MAP_ROLES_SIZE - f->roles_size)
                return;
        f->roles[f->roles_size] = (char) size;
        memcpy(f->roles + f->roles_size + 1, role, size);
        f->roles_size += (uint32_t) (1 + size);
}

MapFacts maps_facts(void *userdata, Slice service) {
        const Manager *m = userdata;
        const Service *s = policy_find(m->policy, service);
        MapFacts f = { .service = service, .clock_offset = m->steady.offset, .time_namespace = m->time_namespace };

        if (s) {
                f.touch_usec = s->touch_usec;
                f.token_prefix = slice_of(s->token_prefix);
                f.admin_role = slice_of(s->admin_role);
                add_role(&f, s->admin_role);
                for (size_t i = 0; i < s->n_roles; i++)
                        add_role(&f, s->roles[i].role);
        }
        return f;
}

/* Without maps every look-up is a call: slower, and right. */
void maps_start(Manager *m) {
        struct stat st;
        int r;

        if (stat("/proc/self/ns/time", &st) == 0)
                m->time_namespace = st.st_ino;
        r = lifeline_new(&m->lifeline, offsetof(MapHeader, owner));
        if (r < 0)
                log_error(r, "Readers could not notice a dead broker, so there are no maps");
}

/* A policy that is new may have taken a right away, or changed what a reader goes by: every reader asks again. */
void maps_supersede(Manager *m) {
        TableSpace *e;

        LIST_FOREACH(e, &m->table->spaces, link) {
                MapFacts f = maps_facts(m, space_service(e->space));

                space_supersede(e->space, &f, manager_now(m).boottime);
        }
}
