/* SPDX-License-Identifier: MIT */
/* A session dictionary into a session value. Touches only the value; believes nothing about the message's shape. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "session.h"

typedef struct Field {
        const char *key, *signature;
        size_t offset;                  /* in websess_session; for "as" the array */
        size_t count;                   /* for "as": where its length is */
        size_t max;
} Field;

#define FIELD(k, s, member) { .key = k, .signature = s, .offset = offsetof(websess_session, member) }
#define LIST(k, member) { .key = k, .signature = "as", .offset = offsetof(websess_session, member), \
                          .count = offsetof(websess_session, n_##member), \
                          .max = ELEMENTSOF(((websess_session *) NULL)->member) }

/* In the order in which the broker writes them: then each is found at the first look. */
static const Field fields[] = {
        FIELD("Id", "s", id),
        FIELD("Service", "s", service),
        FIELD("User", "s", user),
        FIELD("Uid", "u", uid),
        LIST("Roles", roles),
        FIELD("Attributes", "a{sv}", attributes),
        FIELD("Created", "t", created),
        FIELD("LastSeen", "t", last_seen),
        FIELD("Expires", "t", expires),
        FIELD("IdleUSec", "t", idle_usec),
        FIELD("LifetimeEnd", "t", lifetime_end),
        FIELD("AuthTime", "t", auth_time),
        LIST("AuthMethods", methods),
        FIELD("Level", "u", level),
        FIELD("RemoteHost", "s", remote_host),
        FIELD("UserAgent", "s", user_agent),
        FIELD("CreatorUid", "u", creator_uid),
        FIELD("CreatorUnit", "s", creator_unit),
        FIELD("Version", "t", version),
        FIELD("SetCookie", "s", set_cookie),
};

static const Field *find_field(const char *key, size_t *hint) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                size_t at = (*hint + i) % ELEMENTSOF(fields);

                if (strcmp(fields[at].key, key) == 0) {
                        *hint = at + 1;
                        return &fields[at];
                }
        }
        return NULL;
}

static int read_text(websess_session *s, sd_bus_message *m, size_t *offset) {
        const char *value;
        int r;

        r = sd_bus_message_read_basic(m, 's', &value);
        return r <= 0 ? r : arena_add(&s->text, value, strlen(value), offset) < 0 ? -ENOMEM : 1;
}

static int read_list(websess_session *s, sd_bus_message *m, const Field *field) {
        size_t *items = (size_t *) (void *) ((char *) s + field->offset);
        size_t *n = (size_t *) (void *) ((char *) s + field->count);
        int r;

        *n = 0;
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                if (*n == field->max)
                        return -EBADMSG;
                r = read_text(s, m, &items[*n]);
                if (r < 0)
                        return r;
                ++*n;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_field(websess_session *s, sd_bus_message *m, const Field *field) {
        void *member = (char *) s + field->offset;

        switch (field->signature[0]) {
        case 's':
                return read_text(s, m, member);
        case 'u':
        case 't':
                return sd_bus_message_read_basic(m, field->signature[0], member);
        default:
                return field->count ? read_list(s, m, field) : values_read(member, m);
        }
}

static int read_entry(websess_session *s, sd_bus_message *m, size_t *hint) {
        const Field *field;
        const char *key;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;
        field = find_field(key, hint);
        if (!field)             /* a newer broker says more */
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, 'v', field->signature);
        if (r < 0)
                return r;
        r = read_field(s, m, field);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_entries(websess_session *s, sd_bus_message *m) {
        size_t hint = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(s, m, &hint);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static uint64_t now_usec(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static int read_text_bytes(websess_session *s, Unmarshal *u, size_t *offset) {
        Slice value = unmarshal_string(u);

        return u->bad ? -EBADMSG : arena_add(&s->text, value.data, value.size, offset);
}

static int read_list_bytes(websess_session *s, Unmarshal *u, const Field *field) {
        size_t *items = (size_t *) (void *) ((char *) s + field->offset);
        size_t *n = (size_t *) (void *) ((char *) s + field->count);
        size_t end = unmarshal_open(u, 4);
        int r = 0;

        for (*n = 0; r >= 0 && !u->bad && u->at < end; ++*n)
                r = *n == field->max ? -EBADMSG : read_text_bytes(s, u, &items[*n]);
        return r < 0 ? r : u->at == end ? 0 : -EBADMSG;
}

static int read_field_bytes(websess_session *s, Unmarshal *u, const Field *field) {
        void *member = (char *) s + field->offset;

        switch (field->signature[0]) {
        case 's':
                return read_text_bytes(s, u, member);
        case 'u':
                *(uint32_t *) member = unmarshal_u32(u);
                return 0;
        case 't':
                *(uint64_t *) member = unmarshal_u64(u);
                return 0;
        default:
                return field->count ? read_list_bytes(s, u, field) : values_read_bytes(member, u);
        }
}

static int read_entries_bytes(websess_session *s, Unmarshal *u) {
        size_t end = unmarshal_open(u, 8), hint = 0;

        while (!u->bad && u->at < end) {
                const Field *field;
                Slice key, type;
                int r;

                unmarshal_align(u, 8);
                key = unmarshal_string(u);
                type = unmarshal_signature(u);
                field = find_field(key.data, &hint);
                if (!field) {           /* a newer broker says more */
                        unmarshal_skip(u, type);
                        continue;
                }
                if (!slice_equal(type, slice_of(field->signature)))
                        return -EBADMSG;
                r = read_field_bytes(s, u, field);
                if (r < 0)
                        return r;
        }
        return !u->bad && u->at == end && u->at == u->size ? 0 : -EBADMSG;
}

/* What both readers end with; r is how far they came. */
static int finish(websess_session *s, int r) {
        if (r >= 0 && (s->id == ARENA_NONE || s->service == ARENA_NONE || s->user == ARENA_NONE ||
                       strlen(arena_at(&s->text, s->id)) != IDENT_HEX_SIZE))
                r = -EBADMSG;
        if (r < 0) {
                websess_session_clear(s);
                return r == -ENOMEM ? r : -EBADMSG;
        }
        s->loaded_realtime = now_usec(CLOCK_REALTIME);
        s->loaded_boottime = now_usec(CLOCK_BOOTTIME);
        s->loaded = true;
        return 0;
}

int session_read(websess_session *s, sd_bus_message *m) {
        int r = finish(s, read_entries(s, m));

        return r < 0 ? error_errno(r, "The broker's reply") : 0;
}

int session_read_bytes(websess_session *s, Unmarshal *u) {
        return finish(s, read_entries_bytes(s, u));
}

/*
 * Now, as the session's own clock would show it. LastSeen comes from that clock, so "now" is never before it however
 * the wall clock was set back; from there on the boot clock counts. A wall clock set forward makes a login look older:
 * that asks for a step-up too much, never for one too few.
 */
static uint64_t session_now(const websess_session *s) {
        uint64_t base = s->loaded_realtime > s->last_seen ? s->loaded_realtime : s->last_seen;

        return base + (now_usec(CLOCK_BOOTTIME) - s->loaded_boottime);
}

int session_require(const websess_session *s, const Need *need, Fault *f) {
        const char *admin = s->admin && s->n_roles > 0 ? arena_at(&s->text, s->roles[0]) : NULL;
        VerdictPolicy policy = { .service = slice_of(arena_at(&s->text, s->service)), .admin_role = slice_of(admin) };
        Slice roles[ROLES_MAX];
        Record r = {
                .flags = websess_session_user(s) ? 0 : RECORD_ANONYMOUS,
                .user = slice_of(websess_session_user(s)),
                .service = policy.service,
                .level = s->level,
                .auth_time = s->auth_time,
                .roles = roles,
                .n_roles = s->n_roles,
        };

        for (size_t i = 0; i < s->n_roles; i++)
                roles[i] = slice_of(arena_at(&s->text, s->roles[i]));
        return verdict_require(&r, need, &policy, session_now(s), f);
}
