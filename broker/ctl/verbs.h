/* SPDX-License-Identifier: MIT */
/* The verbs, one function each, and what several need. They return an exit status and have said what is wrong. */
#pragma once

#include "ctl.h"
#include "secret.h"

/* verb-begin.c: sessions that begin */
int verb_login(Ctl *c);
int verb_create(Ctl *c);
int verb_rotate(Ctl *c);

/* verb-resolve.c */
int verb_resolve(Ctl *c);

/* verb-explain.c */
int verb_explain(Ctl *c);

/* verb-look.c */
int verb_list(Ctl *c);
int verb_show(Ctl *c);

/* verb-change.c */
int verb_set_roles(Ctl *c);
int verb_set_attr(Ctl *c);
int verb_touch(Ctl *c);

/* verb-end.c */
int verb_logout(Ctl *c);
int verb_revoke(Ctl *c);
int verb_revoke_user(Ctl *c);
int verb_revoke_all(Ctl *c);

/* verb-watch.c */
int verb_watch(Ctl *c);

/* verb-doctor.c */
int verb_doctor(Ctl *c);

/* verb-broker.c */
int verb_status(Ctl *c);
int verb_services(Ctl *c);
int verb_reload(Ctl *c);
int verb_reset_throttle(Ctl *c);
int verb_backup(Ctl *c);

DEFINE_CLEANUP(websess *, websess_close)
DEFINE_CLEANUP(websess_session *, websess_session_free)
DEFINE_CLEANUP(websess_need *, websess_need_free)
DEFINE_CLEANUP(websess_options *, websess_options_free)
DEFINE_CLEANUP(websess_values *, websess_values_free)
DEFINE_CLEANUP(websess_list *, websess_list_free)

/* A handle for the service (NULL: none), which waits usually_usec unless --timeout says otherwise; 0 is the library's
 * own time-out. An exit status. */
int verb_open(const Ctl *c, const char *service, uint64_t usually_usec, websess **ret);

/* Both at once, for verbs that fill a session. */
int verb_open_session(const Ctl *c, const char *service, uint64_t usually_usec, websess **ret,
                      websess_session **ret_session);

/* A token or password from standard input or the terminal; what names it in the question. The caller wipes it. An exit
 * status. */
int verb_secret(Secret *ret, const char *what);

/* What --attr says. An exit status. */
int verb_attributes(const Ctl *c, const CtlWords *words, websess_values *v);

/* What --role, --level, --max-age, --no-touch and --allow-anonymous say (verb-resolve.c). An exit status. */
int verb_need(const Ctl *c, websess_need **ret);

/* --level as the library takes it. An exit status. */
int verb_level(const Ctl *c, uint32_t *ret);
