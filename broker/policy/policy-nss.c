/* SPDX-License-Identifier: MIT */
/* The reentrant NSS calls with a buffer that grows: a group may have thousands of members. Touches nothing but NSS. */
#include "policy-nss.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"

#define BUFFER_FIRST 4096u
#define BUFFER_LAST (16u * 1024u * 1024u)

typedef union Entry {
        struct passwd user;
        struct group group;
} Entry;

/* Asks with larger and larger buffers. 0 with *found, or the error number of NSS. */
static int ask(bool group, const char *name, Entry *entry, bool *found, char **buffer) {
        int error = ERANGE;

        for (size_t size = BUFFER_FIRST; error == ERANGE && size <= BUFFER_LAST; size *= 4) {
                struct passwd *user_found = NULL;
                struct group *group_found = NULL;
                char *larger = realloc(*buffer, size);

                if (!larger)
                        return ENOMEM;
                *buffer = larger;
                if (group)
                        error = getgrnam_r(name, &entry->group, *buffer, size, &group_found);
                else
                        error = getpwnam_r(name, &entry->user, *buffer, size, &user_found);
                *found = user_found || group_found;
        }
        return error;
}

static int look_up(bool group, const char *name, uint32_t *ret, Fault *f) {
        _cleanup_free_ char *buffer = NULL;
        const char *kind = group ? "group" : "user";
        bool found = false;
        Entry entry;
        int error = ask(group, name, &entry, &found, &buffer);

        if (error == ENOMEM)
                return -ENOMEM;
        /* getpwnam(3) lists these as "not found" of one NSS module or another. */
        if (!found && (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM))
                return fault(f, FAULT_INVALID_ARGUMENT, "%s \"%s\" does not exist", kind, name);
        if (!found)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s \"%s\" cannot be looked up: %s", kind, name,
                        strerrordesc_np(error));
        *ret = group ? entry.group.gr_gid : entry.user.pw_uid;
        return 0;
}

int nss_user(const char *name, uid_t *ret, Fault *f) {
        return look_up(false, name, ret, f);
}

int nss_group(const char *name, gid_t *ret, Fault *f) {
        return look_up(true, name, ret, f);
}
