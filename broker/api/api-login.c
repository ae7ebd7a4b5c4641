/* SPDX-License-Identifier: MIT */
/*
 * Sessions begin: Login asks PAM, CreateSession takes the caller's word for who it is. Both wait (for a helper, for NSS, for the disk), so
 * what they need lives in a Login object: it holds the call and the message that its strings point into.
 */
#include "api-login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "manager-maps.h"
#include "log.h"
#include "validate.h"

Login *login_free(Login *l) {
        if (!l)
                return NULL;

        TAILQ_REMOVE(&l->manager->logins, l, link);
        authentication_cancel(l->authentication);
        strings_done(&l->roles);
        attributes_done(&l->attributes);
        options_done(&l->options);
        free(l->user);
        free(l->host);
        sd_event_source_disable_unref(l->timer);
        bus_call_unref(l->round);
        sd_bus_message_unref(l->message);
        bus_call_unref(l->call);
        policy_unref(l->policy);
        free(l);
        return NULL;
}

int login_new(Login **ret, Manager *m, BusCall *call, sd_bus_message *message, const char *method) {
        Login *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;

        l->manager = m;
        l->call = bus_call_ref(call);
        l->message = sd_bus_message_ref(message);
        l->policy = policy_ref(m->policy);
        l->method = method;
        l->reply = pending_reply_token;
        TAILQ_INSERT_TAIL(&m->logins, l, link);
        *ret = l;
        return 0;
}

static int keep_user(Login *l, Slice user) {
        l->user = strndup(user.data ? user.data : "", user.size);
        return l->user ? 0 : -ENOMEM;
}

/* ---- who it is, is known: the session begins ---- */

static int begin(Login *l, NewSession *n, Fault *f) {
        const Caller *caller = bus_client_caller(bus_call_client(l->call));
        _cleanup_(pending_freep) Pending *p = NULL;
        Now now = manager_now(l->manager);
        int r;

        n->service = l->service;
        n->creator_uid = caller->uid;
        n->creator_unit = slice_of(caller->unit);
        n->options = &l->options;
        n->attributes = &l->attributes;
        n->method = l->method;
        n->max_sessions_per_creator = l->policy->settings.max_sessions_per_creator;

        r = pending_new(&p, l->manager, l->call, l->reply);
        if (r < 0)
                return r;
        policy_unref(p->policy);
        p->policy = policy_ref(l->policy);
        p->service = l->service;
        if (l->options.host.size < sizeof(p->host))
                snprintf(p->host, sizeof(p->host), "%.*s", (int) l->options.host.size, l->options.host.data);

        r = create_session(p->change, l->manager->table, n, &now, &p->session, &p->token, f);
        if (r != 0)
                return r;
        pending_submit(TAKE_PTR(p));
        return 0;
}

static void begin_or_fail(Login *l, NewSession *n) {
        Fault f = {};
        int r;

        r = begin(l, n, &f);
        if (r != 0)
                bus_call_fail(l->call, r, &f);
        login_free(l);
}

/* ---- Login ---- */

static size_t count(const char *const *list) {
        size_t n = 0;

        while (list && list[n] && n < METHODS_MAX)
                n++;
        return n;
}

/* reason is PAM's own and tells a locked account from a wrong password: for the journal, never for the client. */
void login_log_failed(const Login *l, const Fault *f, const char *reason) {
        const Caller *caller = bus_client_caller(bus_call_client(l->call));
        char host[REMOTE_HOST_MAX + 1];

        snprintf(host, sizeof(host), "%.*s", (int) l->options.remote_host.size, l->options.remote_host.data);
        log_event(LOG_EVENT_LOGIN_FAILED, f->code == FAULT_AUTHENTICATION_FAILED ? LOG_NOTICE : LOG_WARNING,
                  &(LogFields) { .service = l->service->name, .user = l->user, .remote_host = host, .reason = fault_name(f->code),
                                 .unit = caller->unit, .uid = caller->uid },
                  "Login of %s on %s failed: %s", l->user, l->service->name, *reason ? reason : f->text);
}

void login_succeeded(Login *l, const AuthIdentity *identity) {
        Slice roles[ROLES_MAX], methods[METHODS_MAX];
        NewSession n = { .uid = RECORD_NO_UID };

        n.user = slice_of(identity->user);
        n.uid = identity->uid;
        memcpy(n.account_digest, identity->account_digest, sizeof(n.account_digest));
        n.n_roles = service_roles_for(l->service, identity->user, identity->groups, roles);
        n.roles = roles;
        n.roles_from_policy = !options_have(&l->options, OPTION_ROLES);
        if (options_have(&l->options, OPTION_ROLES)) {
                n.roles = l->options.roles.items;
                n.n_roles = l->options.roles.n;
        }
        for (size_t i = 0; i < count(identity->methods); i++)
                methods[n.n_methods++] = slice_of(identity->methods[i]);
        n.methods = methods;
        if (options_have(&l->options, OPTION_AUTH_METHODS)) {
                n.methods = l->options.methods.items;
                n.n_methods = l->options.methods.n;
        }
        n.level = options_have(&l->options, OPTION_LEVEL) ? l->options.level : identity->level;
        begin_or_fail(l, &n);
}

static void authenticated(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata) {
        Login *l = userdata;

        l->authentication = NULL;
        api_throttle_end(l->manager, &l->ticket, result);
        histogram_add(&l->manager->counters.login_usec, &histogram_login, manager_now(l->manager).boottime - bus_call_started(l->call));
        if (result != 0) {
                if (result > 0)
                        login_log_failed(l, f, authentication_reason(a));
                bus_call_fail(l->call, result, f);
                login_free(l);
                return;
        }
        login_succeeded(l, identity);
}

int login_read_service(Login *l, Slice *ret_user, Fault *f) {
        int r;

        r = api_service(l->manager, l->call, l->message, RIGHT_LOGIN, &l->service, f);
        if (r != 0)
                return r;
        if (l->service->users == USERS_APP)
                return fault(f, FAULT_INVALID_ARGUMENT, "service \"%s\" has Users=app: the application authenticates its users itself and calls CreateSession",
                             l->service->name);
        return args_string(l->message, ret_user);
}

int login_set_user(Login *l, Slice user, Fault *f) {
        int r;

        r = validate_user(user, f);
        return r != 0 ? r : keep_user(l, user);
}

int login_read_options(Login *l, uint64_t allowed, Fault *f) {
        int r;

        r = args_options(l->message, allowed, &l->options, f);
        if (r != 0)
                return r;
        r = require_known_roles(l->service, l->options.roles.items, l->options.roles.n, f);
        if (r != 0)
                return r;
        if (l->options.has & (OPTIONS_CREATE_RIGHT | OPTION_BIT(OPTION_ROLES))) {
                r = api_require(l->call, l->service, RIGHT_CREATE, f);
                if (r != 0)
                        return r;
        }
        /* what was given with the call is the session's: Login has it among its options, CreateSession as an argument */
        l->attributes = l->options.attributes;
        l->options.attributes = (Attributes) {};
        l->host = strndup(l->options.remote_host.size ? l->options.remote_host.data : "", l->options.remote_host.size);
        return l->host ? 0 : -ENOMEM;
}

static int read_login(Login *l, Slice *ret_secret, Fault *f) {
        Slice user;
        int r;

        r = login_read_service(l, &user, f);
        if (r != 0)
                return r;
        r = login_set_user(l, user, f);
        if (r != 0)
                return r;
        r = args_string(l->message, ret_secret);
        if (r < 0)
                return r;
        r = validate_password(*ret_secret, f);
        return r != 0 ? r : login_read_options(l, OPTIONS_LOGIN, f);
}

/* How many PAM exchanges one caller may have at once. */
int login_check_number(const Login *l, Fault *f) {
        uid_t uid = bus_client_caller(bus_call_client(l->call))->uid;
        unsigned n = 0, max = l->policy->settings.max_logins_per_user;
        Login *other;

        TAILQ_FOREACH(other, &l->manager->logins, link)
                n += (other->authentication || other->number) && other != l && bus_client_caller(bus_call_client(other->call))->uid == uid;
        if (n >= max && uid != 0)
                return fault(f, FAULT_TOO_MANY, "uid %u has %u logins in progress: see MaxLoginsPerUser= in websess.conf", (unsigned) uid, n);
        return 0;
}

HANDLER(api_login) {
        _cleanup_(login_freep) Login *l = NULL;
        Manager *manager = userdata;
        Slice secret;
        int r;

        r = login_new(&l, manager, call, m, "Login");
        if (r < 0)
                return r;
        r = read_login(l, &secret, f);
        if (r != 0)
                return r;
        r = login_check_number(l, f);
        if (r != 0)
                return r;
        r = api_throttle_begin(manager, call, &l->ticket, l->service, l->user, l->options.remote_host, f);
        if (r != 0)
                return r;
        r = authenticator_begin(manager->authenticator, &l->authentication, &(AuthRequest) {
                .service = l->service->name, .user = l->user, .secret = secret.data, .remote_host = l->host,
                .started = bus_call_started(call),
        }, authenticated, l, f);
        if (r != 0) {
                api_throttle_end(manager, &l->ticket, r);
                return r;
        }

        TAKE_PTR(l);
        return 0;
}

/* ---- CreateSession ---- */

static void create(Login *l, const char *user, uint32_t uid) {
        NewSession n = {
                .user = slice_of(user), .uid = uid,
                .roles = l->roles.items, .n_roles = l->roles.n,
                .methods = l->options.methods.items, .n_methods = l->options.methods.n,
                .level = l->options.level,
        };

        begin_or_fail(l, &n);
}

static void looked_up(int result, const Account *account, void *userdata) {
        Login *l = userdata;
        Fault f = {};

        /* Nobody is left to have the token. */
        if (bus_call_is_gone(l->call)) {
                login_free(l);
                return;
        }
        if (result == 0) {
                create(l, account->name, account->uid);
                return;
        }

        fault(&f, FAULT_UNAVAILABLE, "NSS cannot say who \"%s\" is: %s", l->user, strerror(-result));
        bus_call_fail(l->call, f.code, &f);
        login_free(l);
}

static int check_visitor(const Login *l, Fault *f) {
        const Service *s = l->service;

        if (!s->anonymous)
                return fault(f, FAULT_INVALID_ARGUMENT, "user is empty, and service \"%s\" takes no visitors: see Anonymous= in %s", s->name,
                             s->path);
        if (l->roles.n > 0 || l->options.level > 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "a visitor's session has no roles and level 0");
        return 0;
}

static int read_create(Login *l, sd_bus_message *m, Fault *f) {
        Slice user;
        int r;

        r = args_string(m, &user);
        if (r < 0)
                return r;
        if (user.size > 0) {
                r = validate_user(user, f);
                if (r != 0)
                        return r;
        }
        r = keep_user(l, user);
        if (r < 0)
                return r;
        r = args_roles(m, &l->roles, f);
        if (r != 0)
                return r;
        r = args_attributes(m, &l->attributes, f);
        if (r != 0)
                return r;
        r = args_options(m, OPTIONS_CREATE, &l->options, f);
        if (r != 0)
                return r;
        if (user.size == 0)
                return check_visitor(l, f);
        return require_known_roles(l->service, l->roles.items, l->roles.n, f);
}

HANDLER(api_create_session) {
        _cleanup_(login_freep) Login *l = NULL;
        Manager *manager = userdata;
        Login *kept;
        int r;

        r = login_new(&l, manager, call, m, "CreateSession");
        if (r < 0)
                return r;
        r = api_service(manager, call, m, RIGHT_CREATE, &l->service, f);
        if (r != 0)
                return r;
        r = read_create(l, m, f);
        if (r != 0)
                return r;

        kept = TAKE_PTR(l);
        if (!kept->user[0] || kept->service->users == USERS_APP) {
                create(kept, kept->user, RECORD_NO_UID);
                return 0;
        }

        r = accounts_look_up(manager->accounts, kept->user, looked_up, kept);
        if (r < 0)
                login_free(kept);
        return r;
}

/* ---- the client or the broker goes away ---- */

void api_client_gone(void *userdata, BusClient *client) {
        Manager *m = userdata;
        Login *l, *next;

        maps_remove_reader(m, client);
        for (l = TAILQ_FIRST(&m->logins); l; l = next) {
                next = TAILQ_NEXT(l, link);
                /* without an authentication it waits for NSS, which calls back */
                if ((l->authentication || l->number) && bus_call_client(l->call) == client)
                        login_free(l);
        }
}

void api_cancel_logins(Manager *m) {
        Login *l, *next;

        for (l = TAILQ_FIRST(&m->logins); l; l = next) {
                next = TAILQ_NEXT(l, link);
                if (l->authentication || l->number)
                        login_free(l);
        }
}
