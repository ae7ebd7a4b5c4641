/* SPDX-License-Identifier: MIT */
/* The session dictionary: one table, used for replies and for the properties of a session object. Pure but for the message it fills. */
#include "api.h"

#include <string.h>

typedef int (*Append)(sd_bus_message *m, const Record *r);

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

static int append_u64(sd_bus_message *m, uint64_t v) {
        return sd_bus_message_append_basic(m, 't', &v);
}

static int append_u32(sd_bus_message *m, uint32_t v) {
        return sd_bus_message_append_basic(m, 'u', &v);
}

static int append_id(sd_bus_message *m, const Record *r) {
        char text[IDENT_HEX_SIZE + 1];

        ident_format(&r->id, text);
        return sd_bus_message_append_basic(m, 's', text);
}

static int append_service(sd_bus_message *m, const Record *r) {
        return append_slice(m, r->service);
}

static int append_user(sd_bus_message *m, const Record *r) {
        return append_slice(m, r->user);
}

static int append_uid(sd_bus_message *m, const Record *r) {
        return append_u32(m, r->uid);
}

static int append_list(sd_bus_message *m, const Record *r, bool (*next)(const Record *r, size_t *at, Slice *out)) {
        Slice s;
        int k;

        k = sd_bus_message_open_container(m, 'a', "s");
        for (size_t at = 0; k >= 0 && next(r, &at, &s); )
                k = append_slice(m, s);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static int append_roles(sd_bus_message *m, const Record *r) {
        return append_list(m, r, record_next_role);
}

static int append_methods(sd_bus_message *m, const Record *r) {
        return append_list(m, r, record_next_method);
}

static int append_strings_value(sd_bus_message *m, const Attribute *a) {
        Slice s;
        int k;

        k = sd_bus_message_open_container(m, 'a', "s");
        for (size_t at = 0; k >= 0 && attribute_next_string(a, &at, &s); )
                k = append_slice(m, s);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

static const char *attribute_signature(const Attribute *a) {
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

static int append_created(sd_bus_message *m, const Record *r) {
        return append_u64(m, r->created_realtime);
}

static int append_last_seen(sd_bus_message *m, const Record *r) {
        return append_u64(m, record_realtime(r, r->last_seen));
}

static int append_expires(sd_bus_message *m, const Record *r) {
        return append_u64(m, record_realtime(r, record_end(r)));
}

static int append_idle(sd_bus_message *m, const Record *r) {
        return append_u64(m, r->idle_usec);
}

static int append_lifetime_end(sd_bus_message *m, const Record *r) {
        return append_u64(m, record_realtime(r, r->lifetime_end));
}

static int append_auth_time(sd_bus_message *m, const Record *r) {
        return append_u64(m, record_realtime(r, r->auth_time));
}

static int append_level(sd_bus_message *m, const Record *r) {
        return append_u32(m, r->level);
}

static int append_remote_host(sd_bus_message *m, const Record *r) {
        return append_slice(m, r->remote_host);
}

static int append_user_agent(sd_bus_message *m, const Record *r) {
        return append_slice(m, r->user_agent);
}

static int append_creator_uid(sd_bus_message *m, const Record *r) {
        return append_u32(m, r->creator_uid);
}

static int append_creator_unit(sd_bus_message *m, const Record *r) {
        return append_slice(m, r->creator_unit);
}

static int append_version(sd_bus_message *m, const Record *r) {
        return append_u64(m, r->version);
}

#define DICTIONARY(X)                                   \
        X("Id", "s", append_id)                         \
        X("Service", "s", append_service)               \
        X("User", "s", append_user)                     \
        X("Uid", "u", append_uid)                       \
        X("Roles", "as", append_roles)                  \
        X("Attributes", "a{sv}", append_attributes)     \
        X("Created", "t", append_created)               \
        X("LastSeen", "t", append_last_seen)            \
        X("Expires", "t", append_expires)               \
        X("IdleUSec", "t", append_idle)                 \
        X("LifetimeEnd", "t", append_lifetime_end)      \
        X("AuthTime", "t", append_auth_time)            \
        X("AuthMethods", "as", append_methods)          \
        X("Level", "u", append_level)                   \
        X("RemoteHost", "s", append_remote_host)        \
        X("UserAgent", "s", append_user_agent)          \
        X("CreatorUid", "u", append_creator_uid)        \
        X("CreatorUnit", "s", append_creator_unit)      \
        X("Version", "t", append_version)

static const struct {
        const char *key, *type;
        Append append;
} dictionary[] = {
#define ROW(key, type, append) { key, type, append },
        DICTIONARY(ROW)
#undef ROW
};

static int append_entry(sd_bus_message *m, size_t i, const Record *r) {
        int k;

        k = sd_bus_message_open_container(m, 'e', "sv");
        if (k < 0)
                return k;
        k = sd_bus_message_append_basic(m, 's', dictionary[i].key);
        if (k < 0)
                return k;
        k = sd_bus_message_open_container(m, 'v', dictionary[i].type);
        if (k < 0)
                return k;
        k = dictionary[i].append(m, r);
        if (k < 0)
                return k;
        k = sd_bus_message_close_container(m);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

int api_append_session(sd_bus_message *m, const Record *r, const char *set_cookie) {
        int k;

        k = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(dictionary); i++)
                k = append_entry(m, i, r);
        if (k >= 0 && set_cookie)
                k = sd_bus_message_append(m, "{sv}", "SetCookie", "s", set_cookie);
        return k < 0 ? k : sd_bus_message_close_container(m);
}

/* As properties: the same functions, over the session that find() gave. */
#define GETTER(key, type, append_function)                                                                      \
        static int get_##append_function(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) { \
                Record r;                                                                                       \
                session_view(object, &r);                                                                       \
                return append_function(reply, &r);                                                              \
        }
DICTIONARY(GETTER)
#undef GETTER

const BusProperty api_session_properties[] = {
#define ROW(key, type, append_function) { key, type, get_##append_function },
        DICTIONARY(ROW)
#undef ROW
        {}
};
