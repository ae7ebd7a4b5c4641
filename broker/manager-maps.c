/* SPDX-License-Identifier: MIT */
/* The manager's part in the maps. Reads the policy and the spaces of the table. */
#include "manager-maps.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"

struct MapReader {
        LIST_ENTRY(MapReader) link;
        const BusClient *client;        /* compared, never looked into */
        const Space *space;
        uint64_t generation;
};

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
        else if (huge_pages_new(&m->huge_pages) < 0)
                m->huge_pages = NULL;
}

/* A policy that is new may have taken a right away, or changed what a reader goes by: every reader asks again. */
void maps_supersede(Manager *m) {
        TableSpace *e;

        LIST_FOREACH(e, &m->table->spaces, link) {
                MapFacts f = maps_facts(m, space_service(e->space));

                space_supersede(e->space, &f);
        }
}

/* ---- readers ---- */

static MapReader *find_reader(const Manager *m, const BusClient *client, const Space *space) {
        MapReader *r;

        LIST_FOREACH(r, &m->map_readers, link)
                if ((!client || r->client == client) && (!space || r->space == space))
                        return r;
        return NULL;
}

static uint64_t generation(const Space *space) {
        SpaceStatus s;

        space_status(space, &s);
        return s.generation;
}

/* Without memory he is not counted. */
void maps_add_reader(Manager *m, const BusClient *client, const Space *space) {
        MapReader *r = find_reader(m, client, space);

        if (!r) {
                r = calloc(1, sizeof(*r));
                if (!r)
                        return;
                r->client = client;
                r->space = space;
                LIST_INSERT_HEAD(&m->map_readers, r, link);
        }
        r->generation = generation(space);
}

void maps_remove_reader(Manager *m, const BusClient *client) {
        MapReader *r;

        while ((r = find_reader(m, client, NULL))) {
                LIST_REMOVE(r, link);
                free(r);
        }
}

unsigned maps_count_readers(const Manager *m, const Space *space) {
        uint64_t now = generation(space);
        const MapReader *r;
        unsigned n = 0;

        LIST_FOREACH(r, &m->map_readers, link)
                n += r->space == space && r->generation == now;
        return n;
}
