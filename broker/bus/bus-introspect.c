/* SPDX-License-Identifier: MIT */
/* Writes what org.freedesktop.DBus.Introspectable answers. Names in the tables need no escaping; names of children are
 * path elements. Pure. */
#include <stdio.h>
#include <string.h>

#include "bus-introspect.h"

#define DEPTH_MAX 32
#define EMITS_CHANGED "org.freedesktop.DBus.Property.EmitsChangedSignal"

static size_t type_length(const char *s, unsigned depth) {
        size_t n, item;

        if (depth > DEPTH_MAX || *s == '\0' || *s == ')' || *s == '}')
                return 0;
        if (*s == 'a') {
                item = type_length(s + 1, depth + 1);
                return item > 0 ? item + 1 : 0;
        }
        if (*s != '(' && *s != '{')
                return 1;
        for (n = 1; s[n] != ')' && s[n] != '}'; n += item) {
                item = type_length(s + n, depth + 1);
                if (item == 0)
                        return 0;
        }
        return n + 1;
}

size_t signature_first(const char *signature) {
        return type_length(signature, 0);
}

static void write_args(FILE *f, const char *types, const char *names, const char *direction) {
        for (size_t n; types && (n = signature_first(types)) > 0; types += n) {
                size_t name = names ? strcspn(names, " ") : 0;

                fprintf(f, "      <arg type=\"%.*s\"", (int) n, types);
                if (name > 0)
                        fprintf(f, " name=\"%.*s\"", (int) name, names);
                if (direction)
                        fprintf(f, " direction=\"%s\"", direction);
                fputs("/>\n", f);
                if (names)
                        names += name + (names[name] == ' ');
        }
}

static void write_interface(FILE *f, const BusInterface *i) {
        fprintf(f, "  <interface name=\"%s\">\n", i->name);
        for (const BusMethod *m = i->methods; m && m->member; m++) {
                fprintf(f, "    <method name=\"%s\">\n", m->member);
                write_args(f, m->in, m->in_names, "in");
                write_args(f, m->out, m->out_names, "out");
                fputs("    </method>\n", f);
        }
        for (const BusProperty *p = i->properties; p && p->name; p++)
                /* Values change without a signal: clients must not cache them */
                fprintf(f,
                        "    <property name=\"%s\" type=\"%s\" access=\"read\">\n"
                        "      <annotation name=\"" EMITS_CHANGED "\" value=\"false\"/>\n"
                        "    </property>\n",
                        p->name, p->signature);
        for (const BusSignal *s = i->signals; s && s->member; s++) {
                fprintf(f, "    <signal name=\"%s\">\n", s->member);
                write_args(f, s->signature, s->names, NULL);
                fputs("    </signal>\n", f);
        }
        fputs("  </interface>\n", f);
}

void introspect_begin(FILE *f, const BusInterface *const *standard, const BusInterface *const *interfaces) {
        fputs("<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
              "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n", f);
        for (; standard && *standard; standard++)
                write_interface(f, *standard);
        for (; interfaces && *interfaces; interfaces++)
                write_interface(f, *interfaces);
}

void introspect_child(FILE *f, const char *name) {
        fputs("  <node name=\"", f);
        fputs(name, f);
        fputs("\"/>\n", f);
}

void introspect_end(FILE *f) {
        fputs("</node>\n", f);
}
