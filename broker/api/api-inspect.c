/* SPDX-License-Identifier: MIT */
/*
 * Inspect: what the broker knows of itself and its policy that a check-up of the machine needs (websessctl doctor). Facts, no judgement.
 * For root alone: it tells who may do what.
 */
#include "api.h"

#include <string.h>
#include <unistd.h>

#include "lines.h"

/* ---- of the policy ---- */

static void add_rule(Lines *l, const Service *s, Right right, const AccessRule *rule) {
        switch (rule->type) {
        case ACCESS_UID:
                lines_add(l, "%s %s %s %u", s->name, right_name(right), rule->text, (unsigned) rule->uid);
                break;
        case ACCESS_GID:
                lines_add(l, "%s %s %s %u", s->name, right_name(right), rule->text, (unsigned) rule->gid);
                break;
        default:
                lines_add(l, "%s %s %s -", s->name, right_name(right), rule->text);
        }
}

/* "SERVICE RIGHT ENTRY NUMBER": which number was found for the name when the policy was read. */
static void access_lines(const Manager *m, Lines *l) {
        for (size_t i = 0; i < m->policy->n_services; i++) {
                const Service *s = m->policy->services[i];

                for (Right right = 0; right < _RIGHT_MAX; right++)
                        for (size_t k = 0; k < s->access[right].n_rules; k++)
                                add_rule(l, s, right, &s->access[right].rules[k]);
        }
}

/* "SERVICE ROLE HOLDER", of this machine's users and groups. */
static void role_lines(const Manager *m, Lines *l) {
        for (size_t i = 0; i < m->policy->n_services; i++) {
                const Service *s = m->policy->services[i];

                for (size_t k = 0; s->users == USERS_UNIX && k < s->n_roles; k++) {
                        for (char **user = s->roles[k].users; user && *user; user++)
                                lines_add(l, "%s %s %s", s->name, s->roles[k].role, *user);
                        for (char **group = s->roles[k].groups; group && *group; group++)
                                lines_add(l, "%s %s @%s", s->name, s->roles[k].role, *group);
                }
        }
}

/* "SERVICE PAMSERVICE" */
static void stack_lines(const Manager *m, Lines *l) {
        for (size_t i = 0; i < m->policy->n_services; i++) {
                const Service *s = m->policy->services[i];
                const Stack normal = service_stack(s, false), further = service_stack(s, true);

                if (s->users != USERS_UNIX)
                        continue;
                lines_add(l, "%s %s", s->name, normal.pam_service);
                if (strcmp(normal.pam_service, further.pam_service) != 0)
                        lines_add(l, "%s %s", s->name, further.pam_service);
        }
}

/* Services whose maps have no room for all sessions. */
static void incomplete_lines(const Manager *m, Lines *l) {
        const TableSpace *e;

        LIST_FOREACH(e, &m->table->spaces, link) {
                Slice name = space_service(e->space);
                SpaceStatus s;

                space_status(e->space, &s);
                if (s.has_map && s.incomplete)
                        lines_add(l, "%.*s", (int) name.size, name.data);
        }
}

/* ---- of the broker ---- */

static int put_lines(sd_bus_message *reply, const Manager *m, const char *key, void (*fill)(const Manager *m, Lines *l)) {
        _cleanup_(lines_done) Lines l = {};

        fill(m, &l);
        return api_append_lines(reply, key, &l);
}

static int put_policy(sd_bus_message *reply, const Manager *m) {
        int k;

        k = put_lines(reply, m, "Access", access_lines);
        if (k >= 0)
                k = put_lines(reply, m, "RoleHolders", role_lines);
        if (k >= 0)
                k = put_lines(reply, m, "Stacks", stack_lines);
        return k < 0 ? k : put_lines(reply, m, "MapsIncomplete", incomplete_lines);
}

static int put_store(sd_bus_message *reply, const Manager *m) {
        StoreStatus s = {};

        store_status(m->store, &s);
        return sd_bus_message_append(reply, "{sv}{sv}{sv}", "StateDirectory", "s", m->state_directory,
                                     "ReserveBytes", "t", m->policy->settings.store_reserve_bytes, "ReserveKept", "b", (int) s.reserved);
}

static int put_helpers(sd_bus_message *reply, const Manager *m) {
        AuthStatus s = {};

        authenticator_status(m->authenticator, &s);
        return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "HelpersWanted", "u", m->policy->settings.idle_helpers,
                                     "HelpersMax", "u", m->policy->settings.max_helpers, "HelpersActive", "u", s.active, "HelpersStarting", "u", s.starting,
                                     "HelpersStarted", "t", s.started, "HelpersFailed", "t", s.failed, "LoginsWaiting", "u", s.waiting);
}

/* How far the wall clock was set forward (or, negative, back) since the start, beyond what passed. */
static int64_t clock_stepped(const Manager *m) {
        Now now = manager_now(m);

        return (int64_t) (now.realtime - m->started.realtime) - (int64_t) (now.boottime - m->started.boottime);
}

static int put_process(sd_bus_message *reply, const Manager *m) {
        return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "Pid", "u", (uint32_t) getpid(), "Uid", "u", (uint32_t) geteuid(),
                                     "RuntimeDirectory", "s", m->runtime_directory, "PolicyRefused", "b", (int) m->policy_refused,
                                     "MapsPossible", "b", m->lifeline != NULL, "ClockSteppedUSec", "x", clock_stepped(m),
                                     "ClockBehindUSec", "t", m->steady.behind);
}

static int put_everything(sd_bus_message *reply, const Manager *m) {
        int k;

        k = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (k >= 0)
                k = put_process(reply, m);
        if (k >= 0)
                k = put_store(reply, m);
        if (k >= 0)
                k = put_helpers(reply, m);
        if (k >= 0)
                k = put_policy(reply, m);
        return k < 0 ? k : sd_bus_message_close_container(reply);
}

HANDLER(api_inspect) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int k;

        k = api_require_root(call, "inspect the broker", f);
        if (k != 0)
                return k;
        k = bus_call_new_reply(call, &reply);
        if (k >= 0)
                k = put_everything(reply, userdata);
        return k < 0 ? k : bus_call_send(call, reply);
}
