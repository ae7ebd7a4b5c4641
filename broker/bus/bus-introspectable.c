/* SPDX-License-Identifier: MIT */
/*
 * org.freedesktop.DBus.Introspectable, which every object has, and every path above one: those have no interface of their own and are there to be walked
 * through. The children of a subtree may be many, so they are written a piece at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus-internal.h"
#include "bus-introspect.h"
#include "texts.h"

#define CHILDREN_MAX 1000u
#define PIECES_MAX 2000u        /* there may be a million objects of which the client may see none */

/* ---- paths below ---- */

typedef struct Names {
        char **list;
        size_t n;
} Names;

static void names_done(Names *names) {
        texts_free(names->list);
}

/* Append a name unless it is there. */
static int names_add(Names *names, const char *name, size_t size) {
        int r;

        for (size_t i = 0; i < names->n; i++)
                if (strncmp(names->list[i], name, size) == 0 && names->list[i][size] == '\0')
                        return 0;
        r = texts_append(&names->list, names->n, name, size);
        if (r == 0)
                names->n++;
        return r;
}

/* The next element below path of every object there is. */
static int add_below(Names *names, const BusObject *objects, const char *path) {
        const char *prefix = strcmp(path, "/") == 0 ? "" : path;
        size_t n = strlen(prefix);
        int r = 0;

        for (const BusObject *o = objects; r >= 0 && o && o->path; o++)
                if (strncmp(o->path, prefix, n) == 0 && o->path[n] == '/')
                        r = names_add(names, o->path + n + 1, strcspn(o->path + n + 1, "/"));
        return r;
}

/* The path that a subtree hangs below is there even while nothing does. */
static const BusObject *find_subtree(const BusObject *objects, const char *path) {
        for (const BusObject *o = objects; o && o->path; o++)
                if (o->subtree && strcmp(o->path, path) == 0)
                        return o;
        return NULL;
}

/* ---- the answer ---- */

typedef struct Introspection {
        const BusObject *subtree;       /* whose children are written; NULL: nobody's */
        char cursor[BUS_CURSOR_SIZE];
        FILE *file;
        char *text;                     /* the file's */
        size_t size;
        unsigned n, pieces;
} Introspection;

static void introspection_done(void *state) {
        Introspection *i = state;

        if (i->file)
                (void) fclose(i->file);
        free(i->text);
        free(i);
}

static void write_child(void *to, const char *name) {
        Introspection *i = to;

        if (i->n++ < CHILDREN_MAX)
                introspect_child(i->file, name);
}

/* Our own text: sd-bus need not look at every character of it. */
static int send_text(BusCall *call, const char *text, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char *p;
        int r;

        r = bus_call_new_reply(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append_string_space(reply, size, &p);
        if (r < 0)
                return r;
        memcpy(p, text, size);
        r = bus_call_send(call, reply);
        return r < 0 ? r : 0;
}

static int introspect_on(BusCall *call, void *state, bool *more, Fault *f) {
        Introspection *i = state;
        int r = 0;

        if (bus_call_is_gone(call))
                return 0;
        if (i->subtree && i->subtree->children) {
                r = i->subtree->children(bus_call_userdata(call), call->client, i->cursor, write_child, i);
                *more = r >= 0 && i->cursor[0] != '\0' && i->n < CHILDREN_MAX && ++i->pieces < PIECES_MAX;
        }
        if (r < 0 || *more)
                return r;
        introspect_end(i->file);
        r = ferror(i->file) ? -ENOMEM : 0;
        if (fclose(TAKE_PTR(i->file)) != 0)
                r = -ENOMEM;
        return r < 0 ? r : send_text(call, i->text, i->size);
}

static int on_introspect(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        static const BusInterface *const none[] = { NULL };
        const BusTarget *t = object;
        Bus *b = userdata;
        const BusObject *subtree = find_subtree(b->objects, t->path);
        _cleanup_(names_done) Names names = {};
        Introspection *i;
        int r = 0;

        if (call->client->private)
                r = add_below(&names, bus_driver_objects, t->path);
        if (r >= 0)
                r = add_below(&names, b->objects, t->path);
        if (r < 0)
                return r;
        if (!t->object && names.n == 0 && !subtree)
                return call_error(call, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", t->path);
        i = calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;
        i->subtree = subtree;
        i->file = open_memstream(&i->text, &i->size);
        if (!i->file) {
                introspection_done(i);
                return -ENOMEM;
        }
        introspect_begin(i->file, bus_standard_interfaces, t->object ? t->object->interfaces : none);
        for (size_t k = 0; k < names.n; k++)
                introspect_child(i->file, names.list[k]);
        return bus_call_work(call, introspect_on, i, introspection_done);
}

const BusInterface bus_introspectable_interface = {
        .name = "org.freedesktop.DBus.Introspectable",
        .methods = (const BusMethod[]) {
                { "Introspect", .out = "s", .out_names = "xml_data", .handler = on_introspect },
                {},
        },
};
