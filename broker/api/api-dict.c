/* SPDX-License-Identifier: MIT */
/* The session dictionary: one table, used for replies and for the properties of a session object. Pure but for the message it fills. */
#include "api.h"

#include <errno.h>
#include <string.h>

#include "api-dict.h"

static int append_slice(sd_bus_message *m, Slice s) {
        char *target;
        int k;

        k = sd_bus_message_append_string_space(m, s.size, &target);
        if (k < 0)
                return k;
        if (s.size > 0)
                memcpy(target, s.data, s.size);
        return 0;
}

int api_append_lines(sd_bus_message *m, const char *key, const Lines *l) {
        int k;

        if (l->failed)
                return -ENOMEM;
        k = sd_bus_message_open_container(m, 'e', "sv");
        if (k >= 0)
                k = sd_bus_message_append_basic(m, 's', key);
        if (k >= 0)
                k = sd_bus_message_open_container(m, 'v', "as");
        if (k >= 0)
                k = sd_bus_message_append_strv(m, l->items);
        if (k >= 0)
                k = sd_bus_message_close_container(m);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static int append_list(sd_bus_message *m, const Record *r, bool (*next)(const Record *r, size_t *at, Slice *out)) {
        Slice s;
        int k;

        k = sd_bus_message_open_container(m, 'a', "s");
        for (size_t at = 0; k >= 0 && next(r, &at, &s); )
                k = append_slice(m, s);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static int append_strings_value(sd_bus_message *m, const Attribute *a) {
        Slice s;
        int k;

        k = sd_bus_message_open_container(m, 'a', "s");
        for (size_t at = 0; k >= 0 && attribute_next_string(a, &at, &s); )
                k = append_slice(m, s);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

const char *attribute_signature(const Attribute *a) {
        switch (a->type) {
        case 'y':
                return "ay";
        case 'a':
                return "as";
        case 'b':
                return "b";
        case 'd':
                return "d";
        case 's':
                return "s";
        default:
                return "x";
        }
}

static int append_attribute_value(sd_bus_message *m, const Attribute *a) {
        int flag = a->type == 'b' && a->boolean;     /* the value is a union: only the type's own member may be read */

        switch (a->type) {
        case 'b':
                return sd_bus_message_append_basic(m, 'b', &flag);
        case 'd':
                return sd_bus_message_append_basic(m, 'd', &a->real);
        case 's':
                return append_slice(m, a->bytes);
        case 'y':
                return sd_bus_message_append_array(m, 'y', a->bytes.data, a->bytes.size);
        case 'a':
                return append_strings_value(m, a);
        default:
                return sd_bus_message_append_basic(m, 'x', &a->integer);
        }
}

static int append_attribute(sd_bus_message *m, const Attribute *a) {
        int k;

        k = sd_bus_message_open_container(m, 'e', "sv");
        if (k < 0)
                return k;
        k = append_slice(m, a->key);
        if (k < 0)
                return k;
        k = sd_bus_message_open_container(m, 'v', attribute_signature(a));
        if (k < 0)
                return k;
        k = append_attribute_value(m, a);
        if (k < 0)
                return k;
        k = sd_bus_message_close_container(m);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static int append_attributes(sd_bus_message *m, const Record *r) {
        Attribute a;
        int k;

        k = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t at = 0; k >= 0 && record_next_attribute(r, &at, &a); )
                k = append_attribute(m, &a);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

/* ---- the rows ---- */

static void get_id(const Record *r, DictionaryValue *v) {
        ident_format(&r->id, v->id);
        v->text = slice(v->id, IDENT_HEX_SIZE);
}

static void get_service(const Record *r, DictionaryValue *v) {
        v->text = r->service;
}

static void get_user(const Record *r, DictionaryValue *v) {
        v->text = r->user;
}

static void get_uid(const Record *r, DictionaryValue *v) {
        v->number = r->uid;
}

static void get_roles(const Record *r, DictionaryValue *v) {
        v->next = record_next_role;
}

static void get_created(const Record *r, DictionaryValue *v) {
        v->number = r->created_realtime;
}

static void get_last_seen(const Record *r, DictionaryValue *v) {
        v->number = record_realtime(r, r->last_seen);
}

static void get_expires(const Record *r, DictionaryValue *v) {
        v->number = record_realtime(r, record_end(r));
}

static void get_idle(const Record *r, DictionaryValue *v) {
        v->number = r->idle_usec;
}

static void get_lifetime_end(const Record *r, DictionaryValue *v) {
        v->number = record_realtime(r, r->lifetime_end);
}

static void get_auth_time(const Record *r, DictionaryValue *v) {
        v->number = record_realtime(r, r->auth_time);
}

static void get_methods(const Record *r, DictionaryValue *v) {
        v->next = record_next_method;
}

static void get_level(const Record *r, DictionaryValue *v) {
        v->number = r->level;
}

static void get_remote_host(const Record *r, DictionaryValue *v) {
        v->text = r->remote_host;
}

static void get_user_agent(const Record *r, DictionaryValue *v) {
        v->text = r->user_agent;
}

static void get_creator_uid(const Record *r, DictionaryValue *v) {
        v->number = r->creator_uid;
}

static void get_creator_unit(const Record *r, DictionaryValue *v) {
        v->text = r->creator_unit;
}

static void get_version(const Record *r, DictionaryValue *v) {
        v->number = r->version;
}

#define DICTIONARY(X)                                           \
        X("Id", "s", id, get_id)                                \
        X("Service", "s", service, get_service)                 \
        X("User", "s", user, get_user)                          \
        X("Uid", "u", uid, get_uid)                             \
        X("Roles", "as", roles, get_roles)                      \
        X("Attributes", "a{sv}", attributes, NULL)              \
        X("Created", "t", created, get_created)                 \
        X("LastSeen", "t", last_seen, get_last_seen)            \
        X("Expires", "t", expires, get_expires)                 \
        X("IdleUSec", "t", idle, get_idle)                      \
        X("LifetimeEnd", "t", lifetime_end, get_lifetime_end)   \
        X("AuthTime", "t", auth_time, get_auth_time)            \
        X("AuthMethods", "as", methods, get_methods)            \
        X("Level", "u", level, get_level)                       \
        X("RemoteHost", "s", remote_host, get_remote_host)      \
        X("UserAgent", "s", user_agent, get_user_agent)         \
        X("CreatorUid", "u", creator_uid, get_creator_uid)      \
        X("CreatorUnit", "s", creator_unit, get_creator_unit)   \
        X("Version", "t", version, get_version)

const DictionaryRow dictionary[] = {
#define ROW(key, type, name, get) { key, type, get },
        DICTIONARY(ROW)
#undef ROW
        {}
};

static int append_row(sd_bus_message *m, const DictionaryRow *row, const Record *r) {
        DictionaryValue v;
        uint32_t small;

        if (!row->get)
                return append_attributes(m, r);
        row->get(r, &v);
        switch (row->type[0]) {
        case 's':
                return append_slice(m, v.text);
        case 'u':
                small = (uint32_t) v.number;
                return sd_bus_message_append_basic(m, 'u', &small);
        case 't':
                return sd_bus_message_append_basic(m, 't', &v.number);
        default:
                return append_list(m, r, v.next);
        }
}

static int append_entry(sd_bus_message *m, const DictionaryRow *row, const Record *r) {
        int k;

        k = sd_bus_message_open_container(m, 'e', "sv");
        if (k < 0)
                return k;
        k = sd_bus_message_append_basic(m, 's', row->key);
        if (k < 0)
                return k;
        k = sd_bus_message_open_container(m, 'v', row->type);
        if (k < 0)
                return k;
        k = append_row(m, row, r);
        if (k < 0)
                return k;
        k = sd_bus_message_close_container(m);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

int api_append_session(sd_bus_message *m, const Record *r, const char *set_cookie) {
        int k;

        k = sd_bus_message_open_container(m, 'a', "{sv}");
        for (const DictionaryRow *row = dictionary; k >= 0 && row->key; row++)
                k = append_entry(m, row, r);
        if (k >= 0 && set_cookie)
                k = sd_bus_message_append(m, "{sv}", "SetCookie", "s", set_cookie);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

/* As properties: the same rows, over the session that find() gave. */
#define PROPERTY(key, type, name, get)                                                                          \
        static int property_##name(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) { \
                static const DictionaryRow row = { key, type, get };                                            \
                Record r;                                                                                       \
                session_view(object, &r);                                                                       \
                return append_row(reply, &row, &r);                                                             \
        }
DICTIONARY(PROPERTY)
#undef PROPERTY

const BusProperty api_session_properties[] = {
#define ROW(key, type, name, get) { key, type, property_##name },
        DICTIONARY(ROW)
#undef ROW
        {}
};
