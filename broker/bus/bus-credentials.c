/* SPDX-License-Identifier: MIT */
/* Reads a{sv} of credentials into a Caller. The daemon's word is the kernel's: it took them from the caller's socket.
 * Owns nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus-credentials.h"
#include "cleanup.h"
#include "creds.h"

static int read_uid(sd_bus_message *m, Caller *c) {
        uint32_t uid;
        int r = sd_bus_message_read(m, "v", "u", &uid);

        if (r >= 0)
                c->uid = uid;
        return r;
}

static int read_pid(sd_bus_message *m, Caller *c) {
        uint32_t pid;
        int r = sd_bus_message_read(m, "v", "u", &pid);

        if (r >= 0)
                c->pid = (pid_t) pid;
        return r;
}

static int read_gids(sd_bus_message *m, Caller *c) {
        const void *data = NULL;
        size_t size = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "au");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'u', &data, &size);
        if (r >= 0 && size > 0) {
                free(c->gids);
                c->gids = malloc(size);
                if (!c->gids)
                        return -ENOMEM;
                memcpy(c->gids, data, size);
                c->n_gids = size / sizeof(gid_t);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_pidfd(sd_bus_message *m, Caller *c) {
        char *unit = NULL;
        int fd, r;

        r = sd_bus_message_read(m, "v", "h", &fd);      /* the message owns it */
        if (r < 0)
                return r;
        /* Failing means that the unit is not known, which matches no rule */
        (void) creds_unit_of_pidfd(fd, &unit);
        free(c->unit);
        c->unit = unit;
        return 0;
}

static const struct {
        const char *key, *signature;
        int (*read)(sd_bus_message *m, Caller *c);
} credentials[] = {
        { "UnixUserID", "u", read_uid },
        { "ProcessID", "u", read_pid },
        { "UnixGroupIDs", "au", read_gids },
        { "ProcessFD", "h", read_pidfd },
};

static int read_entry(sd_bus_message *m, Caller *c) {
        const char *key, *contents;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(credentials); i++)
                if (strcmp(credentials[i].key, key) == 0 && strcmp(credentials[i].signature, contents) == 0)
                        return credentials[i].read(m, c);
        return sd_bus_message_skip(m, "v");
}

int credentials_read(sd_bus_message *reply, Caller *ret) {
        Caller c = CALLER_NONE;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(reply, 'e', "sv");
                if (r <= 0)
                        break;
                r = read_entry(reply, &c);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0 && c.uid == (uid_t) -1)
                r = -EACCES;
        if (r < 0) {
                caller_done(&c);
                return r;
        }
        *ret = c;
        return 0;
}
