/* SPDX-License-Identifier: MIT */
/* Is the broker there on both ways, and does the bus let it and nobody else have its name? Connects to both; reads the bus's policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "doctor.h"
#include "judge.h"
#include "small-file.h"
#include "span.h"
#include "websess-names.h"

static const char *const policy_folders[] = { "/etc/dbus-1/system.d", "/usr/share/dbus-1/system.d" };

/* By itself sd-bus waits a minute and a half for somebody who accepts and says nothing. */
static int wait_ready(sd_bus *bus, uint64_t timeout_usec) {
        uint64_t now, end = 0;
        struct timespec ts;
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                clock_gettime(CLOCK_MONOTONIC, &ts);
                now = (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
                end = end > 0 ? end : now + timeout_usec;
                if (now >= end)
                        return -ETIMEDOUT;
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, end - now);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int connect_to(const char *address, uint64_t timeout_usec, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, timeout_usec);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = wait_ready(bus, timeout_usec);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static void ask(const Patient *p, const char *way, const char *address, bool optional, Findings *f) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        ReachFacts facts = { .way = way, .own_version = WEBSESS_VERSION, .optional = optional };
        _cleanup_free_ char *version = NULL;
        int r;

        r = connect_to(address, p->timeout_usec, &bus);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, WEBSESS_BUS_NAME, WEBSESS_MANAGER_PATH, WEBSESS_MANAGER_INTERFACE, "Version", &error, &version);
        if (r < 0)
                facts.error = error.message && *error.message ? error.message : strerror(-r);
        facts.version = version;
        judge_reach(&facts, f);
}

static const char *bus_address(void) {
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");

        return address && *address ? address : "unix:path=/run/dbus/system_bus_socket";
}

void check_reach(const Patient *p, Findings *f) {
        const char *path = secure_getenv("WEBSESS_SOCKET");
        char way[256], address[256];

        if (!path || !*path)
                path = WEBSESS_SOCKET_PATH;
        snprintf(way, sizeof(way), "the private socket %s", path);
        snprintf(address, sizeof(address), "unix:path=%s", path);
        ask(p, way, address, false, f);
        ask(p, "the system bus", bus_address(), true, f);
}

/* ---- the bus's policy ---- */

/* "" when none is there that speaks of the name. */
static void find_policy(char *out, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(policy_folders); i++) {
                char text[8192];

                snprintf(out, size, "%s/" WEBSESS_BUS_NAME ".conf", policy_folders[i]);
                if (small_file_read(out, text, sizeof(text)) > 0 && strstr(text, "own=\"" WEBSESS_BUS_NAME "\""))
                        return;
        }
        out[0] = '\0';
}

static void judge_owner(const Patient *p, uid_t uid, Findings *f) {
        if (p->uid == (uid_t) -1)
                finding(f, HEALTH_SKIPPED, "uid %u has the name " WEBSESS_BUS_NAME "; whose that is to be, only root is told", (unsigned) uid);
        else if (uid == p->uid)
                finding(f, HEALTH_OK, "the broker has the name " WEBSESS_BUS_NAME " on the bus");
        else {
                finding(f, HEALTH_PROBLEM, "uid %u has the name " WEBSESS_BUS_NAME " on the bus, and the broker is uid %u", (unsigned) uid,
                        (unsigned) p->uid);
                advise(f, "Find that process by `busctl status " WEBSESS_BUS_NAME "`, and see which file of dbus-1/system.d lets it have the name.");
        }
}

void check_bus(const Patient *p, Findings *f) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        char policy[256];
        uid_t uid;

        find_policy(policy, sizeof(policy));
        if (*policy)
                finding(f, HEALTH_OK, "the bus's policy is in %s", policy);
        else {
                finding(f, HEALTH_PROBLEM, "the bus has no policy for " WEBSESS_BUS_NAME ": the broker may not have its name");
                advise(f, "Install " WEBSESS_BUS_NAME ".conf into %s (`make install` does), then `systemctl reload dbus.service`.", policy_folders[1]);
        }
        if (connect_to(bus_address(), p->timeout_usec, &bus) >= 0 &&
            sd_bus_get_name_creds(bus, WEBSESS_BUS_NAME, SD_BUS_CREDS_EUID, &creds) >= 0 && sd_bus_creds_get_euid(creds, &uid) >= 0)
                judge_owner(p, uid, f);
}
