/* SPDX-License-Identifier: MIT */
/*
 * What all entry points of pam_websess.so share: arguments, the user, a way to the broker, and the checks that any
 * session must pass before it counts for a login on this machine. One Module lives as long as one call of an entry
 * point; what outlives it (a token) is kept in the PAM handle and wiped with it.
 */
#pragma once

#include <security/pam_modules.h>
#include <stddef.h>
#include <sys/types.h>

#include "arguments.h"
#include "websess.h"

/* Which column of the table of outcomes counts. */
typedef enum ModuleKind {
        MODULE_AUTH,
        MODULE_ACCOUNT,
        MODULE_SESSION,
        MODULE_PASSWORD,
        _MODULE_KIND_MAX,
} ModuleKind;

/* The two tokens that may be kept in a PAM handle. */
typedef enum ModuleToken {
        MODULE_TOKEN_OFFERED,           /* the one that authenticated the user */
        MODULE_TOKEN_SESSION,           /* the one of the session that was opened */
        _MODULE_TOKEN_MAX,
} ModuleToken;

typedef struct Module {
        pam_handle_t *handle;
        ModuleKind kind;
        ModuleArguments arguments;
        const char *user;
        uid_t uid;
        websess *broker;
        websess_session *session;
} Module;

/* PAM_SUCCESS, or the PAM code to return at once; what is wrong has been logged then. module_end() in either case. */
int module_begin(Module *m, pam_handle_t *handle, ModuleKind kind, int argc, const char **argv);
void module_end(Module *m);

/* The PAM code of a result of libwebsess, logged with what was being done unless it is 0. */
int module_result(const Module *m, int result, const char *doing);

/* The same without the logging: the table. Never PAM_SUCCESS or PAM_IGNORE for anything but 0. */
int module_pam_code(ModuleKind kind, int result);

/* Is the session just read one of this user of this machine? PAM_SUCCESS or the PAM code to return; logged. */
int module_check_session(const Module *m);

/* Resolve a token and check roles= and the user. touch: this is the user's own sign of life. */
int module_check_token(Module *m, const char *token, bool touch);

/* The same for a session of which only the id is known. */
int module_check_id(Module *m, const char *id);

/* Keep a copy of a token in the PAM handle; the one kept before is wiped. */
int module_keep_token(const Module *m, ModuleToken which, const char *token);
const char *module_kept_token(const Module *m, ModuleToken which);      /* NULL for none */

void module_log(const Module *m, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
