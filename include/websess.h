/* SPDX-License-Identifier: MIT */
/*
 * libwebsess: log users in, find their sessions again on every request, end them everywhere at once.
 *
 *      websess *w;                     one for the process
 *      websess_session *s;             one for each thread
 *
 *      websess_open(&w, "shop", 5000000);
 *      websess_session_new(&s);
 *      …
 *      r = websess_resolve_cookie(w, cookie_header, strlen(cookie_header), need, s);
 *      if (r != 0)
 *              answer with HTTP status websess_http_status(r);
 *      else
 *              the user is websess_session_user(s)
 *
 * What a call returns. 0: done. A positive number is one of WEBSESS_E_*: a named outcome that the caller handles. A
 * negative number is -errno: something is broken (-ENOMEM, -EACCES, -EBADMSG …). websess_last_error_text() says more.
 *
 * Text is UTF-8. Strings that go in are NUL-terminated unless a length stands behind them; with a length they need no
 * NUL, and a NUL inside is refused with WEBSESS_E_INVALID_ARGUMENT, as is everything that is too long or malformed.
 * Strings that come out are NUL-terminated and belong to the object they were asked of: they are good until that
 * object is used in another call, changed or freed. NULL means "there is none".
 *
 * Time. Points are µs since 1970 (CLOCK_REALTIME), as the session's own clock shows them: compare them with each
 * other freely, and with the wall clock as far as nobody sets it. Spans are µs, and their names end in _usec.
 *
 * Threads. A websess handle serves all threads at once, without a lock held over a call. Only what configures it
 * (websess_set_default_need(), _cookie_name(), _save_mode()) comes before it is shared. Every other object (session,
 * need, options, values, list) belongs to one thread at a time; a need that is no longer changed may be shared.
 * websess_watch(), websess_fd() and websess_dispatch() belong to one thread at a time too.
 *
 * Fork. Handles and all other objects may be used on both sides of fork(): the child makes connections of its own and
 * never writes into its parent's. The watch is not inherited: call websess_watch() again. A child that chroots, or
 * enters another mount namespace, must still see the socket there, else its calls answer WEBSESS_E_UNAVAILABLE. It
 * reads on in a map that its parent had; a new one it gets only where it also sees /proc.
 *
 * The map. Where the service's policy lets this process have its map (right Map, by default whoever may resolve),
 * websess_resolve() finds sessions in memory that the broker shares read-only, without a call, a lock or a system
 * call; else, and when the map cannot tell, it asks the broker. Nothing is different but the time it takes: what was
 * revoked or changed is seen by the very next resolve. The map is fetched by the first resolve of a handle. A process
 * that enters another time namespace (setns(2)) must make a new handle; a child made in one notices by itself, and
 * asks the broker.
 *
 * A session found there was seen, and the broker must come to know (its idle end moves): at most once in the policy's
 * TouchSec, and a quarter of its idle time, the resolve that finds it tells him so, in a message that nobody waits
 * for; a busy process, which does so more than once in 10 ms, lets them gather for the next resolve, call or
 * websess_dispatch() to send. websess_close() sends what is left.
 *
 * Restarts. A call waits for a broker that is being restarted, up to the handle's time-out, and is sent again where its
 * reply was lost. Calls that make something carry a RequestId, so that they happen once. WEBSESS_E_UNAVAILABLE comes
 * after the time-out, when there has never been a broker, or when the broker itself says that it cannot tell.
 *
 * For other languages: all objects are opaque pointers, numbers have fixed sizes, no macro is needed to call
 * anything, no structure passes by value, booleans are int. The constants below are part of the ABI.
 */
#ifndef WEBSESS_H
#define WEBSESS_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- outcomes ---- */

enum {
        WEBSESS_OK = 0,
        WEBSESS_E_NO_SESSION = 1,               /* 401: unknown, malformed, ended, another service's: all alike */
        WEBSESS_E_FORBIDDEN = 2,                /* 403: the session is fine, the role is missing */
        WEBSESS_E_STEP_UP_REQUIRED = 3,         /* 401: the login is too old or too weak for this */
        WEBSESS_E_AUTHENTICATION_FAILED = 4,    /* 401: unknown user and wrong password alike */
        WEBSESS_E_CONVERSATION_REQUIRED = 5,    /* 401: this user's login asks for more than a password */
        WEBSESS_E_LIMIT_REACHED = 6,            /* 429: as many sessions as the policy lets one user have */
        WEBSESS_E_ACCESS_DENIED = 7,            /* 500: this process may not; see [Access] of the service */
        WEBSESS_E_NO_SERVICE = 8,               /* 500 */
        WEBSESS_E_INVALID_ARGUMENT = 9,         /* 400 */
        WEBSESS_E_CONFLICT = 10,                /* 409: the session has changed since that version */
        WEBSESS_E_TOO_MANY = 11,                /* 429: quota or throttle */
        WEBSESS_E_UNAVAILABLE = 12              /* 503: nobody can say; never to be taken for "no session" */
};

/* What code (anything a call returned) means, in one English sentence. Never NULL. */
const char *websess_strerror(int code);

/* "NoSession", "Forbidden" …, "OK" for 0; NULL for anything else. */
const char *websess_code_name(int code);

/* The HTTP status to answer with: 200 for 0, 500 for negative and unknown codes, else as in the list above. */
int websess_http_status(int code);

/*
 * Why the last call of this thread that did not return 0 did not: the broker's own text where it gave one (`uid 998
 * (shop.service) lacks Resolve on "shop": see …`). For logs and administrators, not for a web page. Holds no token and
 * no password. Like errno: calls that succeed leave it as it is, and it is good until the thread's next call. Never
 * NULL.
 */
const char *websess_last_error_text(void);

/* ---- objects ---- */

typedef struct websess websess;                         /* a way to the broker, for one service */
typedef struct websess_session websess_session;         /* a session as it was when it was last read */
typedef struct websess_need websess_need;               /* what a request asks of a session */
typedef struct websess_options websess_options;         /* how to log in, create or rotate */
typedef struct websess_values websess_values;           /* names with typed values: attributes, properties */
typedef struct websess_list websess_list;               /* a walk over sessions */

/* Every …_free() and websess_close() takes NULL and returns NULL. */
/* ---- the handle ---- */

/*
 * Make a handle for a service ("shop"). service may be NULL or "" for an administrator's tool: then only calls that
 * name a service themselves, or work on ids, can be made.
 *
 * timeout_usec bounds each call from beginning to end, waiting for a restarting broker included; 0 is 10 s. A
 * login takes as long as the machine's PAM stack wants, often 3 s when it fails: see websess_options_timeout_usec().
 *
 * Does not connect yet, so a daemon may start before the broker. Where the broker is: the socket that $WEBSESS_SOCKET
 * names; else the bus at $DBUS_SYSTEM_BUS_ADDRESS; else /run/websess/websess.sock, and where there is no such file, the
 * system bus. The environment is read here, and not at all in a set-uid process.
 *
 * WEBSESS_E_INVALID_ARGUMENT (a service name that cannot be), -ENAMETOOLONG (the socket's path), -ENOMEM.
 */
int websess_open(websess **ret, const char *service, uint64_t timeout_usec);

/* The same for the socket at path (absolute), whatever the environment says. */
int websess_open_socket(websess **ret, const char *service, const char *path, uint64_t timeout_usec);

/* No call may be in progress on the handle. */
websess *websess_close(websess *w);

const char *websess_service(const websess *w);

/* A need for the whole daemon. It applies to every resolve in addition to the need of the single call: both must be
 * met. Copied; NULL takes it away. Visitors pass only where both allow them. 0 or -ENOMEM. */
int websess_set_default_need(websess *w, const websess_need *need);

/* The name of the service's cookie, [Cookie] Name= of its policy. Copied; "SESSION" until then. 0,
 * WEBSESS_E_INVALID_ARGUMENT, -ENOMEM. */
int websess_set_cookie_name(websess *w, const char *name);

/* When attributes set on a session value are written, and which of them. */
enum {
        WEBSESS_SAVE_IMMEDIATE = 0,     /* by the very call that sets them (default) */
        WEBSESS_SAVE_ON_SAVE = 1,       /* collected, and written at once by websess_session_save() */

        WEBSESS_WRITE_ON_SET = 0,       /* those set or unset since the last write (default) */
        WEBSESS_WRITE_ON_GET = 1,       /* also those read since then: for values changed in place */
        WEBSESS_WRITE_ALWAYS = 2        /* all of the session's */
};

/* 0 or WEBSESS_E_INVALID_ARGUMENT. */
int websess_set_save_mode(websess *w, int save, int write);

/* ---- needs ---- */

enum {
        WEBSESS_NEED_NO_TOUCH = 1,              /* looking is no sign of life: the idle end stays where it is */
        WEBSESS_NEED_ALLOW_ANONYMOUS = 2        /* a visitor's session will do */
};

/* An empty need asks for a login and no more. */
int websess_need_new(websess_need **ret);
websess_need *websess_need_free(websess_need *n);
/* Add a role; any one of those added suffices. The role must be one that the policy names, else resolve answers
 * WEBSESS_E_INVALID_ARGUMENT: a typing error is not a silent 403. */
int websess_need_role(websess_need *n, const char *role);

/* At least this level of authentication; 0: any. */
int websess_need_level(websess_need *n, uint32_t level);

/* The user authenticated no longer ago than this; 0: any time ago. */
int websess_need_max_auth_age_usec(websess_need *n, uint64_t usec);

/* WEBSESS_NEED_*, replacing what was set. */
int websess_need_flags(websess_need *n, uint32_t flags);

/* ---- finding a session ---- */

/* One for each thread, to be used again and again: it owns its buffers, and filling it again allocates nothing once
 * they are large enough. It is empty at first, and after every call that fills it and does not return 0. */
int websess_session_new(websess_session **ret);
websess_session *websess_session_free(websess_session *s);
/* Forget what is in it; secrets are wiped. */
void websess_session_clear(websess_session *s);

/*
 * Find the live session behind a token and see whether it meets need (NULL: a login suffices). Moves the session's idle
 * end, unless told not to. Never creates anything.
 *
 * 0: s holds the session. WEBSESS_E_NO_SESSION, also for an empty token and for rubbish; WEBSESS_E_FORBIDDEN;
 * WEBSESS_E_STEP_UP_REQUIRED; WEBSESS_E_INVALID_ARGUMENT (a role the policy does not know, a token of more than 256
 * bytes); WEBSESS_E_ACCESS_DENIED; WEBSESS_E_NO_SERVICE; WEBSESS_E_TOO_MANY; WEBSESS_E_UNAVAILABLE.
 */
int websess_resolve(websess *w, const char *token, size_t len, const websess_need *need, websess_session *s);

/* The same for the value of a Cookie request header (NULL with 0: there was none), by the handle's cookie name. */
int websess_resolve_cookie(websess *w, const char *cookie_header, size_t len, const websess_need *need,
                           websess_session *s);

/*
 * Does a session value that was resolved before meet a further need? Pure: no look-up, and so no news about the
 * session. 0, WEBSESS_E_NO_SESSION (an empty or NULL value, or a visitor whom need does not allow),
 * WEBSESS_E_STEP_UP_REQUIRED, WEBSESS_E_FORBIDDEN.
 *
 * The policy's AdminRole passes here once a resolve of this value has shown that the session carries it, that is when
 * the value was resolved with roles none of which it has. Otherwise the session's own roles decide: in doubt this
 * function denies where websess_resolve() would have passed, never the other way round. Roles are not held against the
 * policy's list here.
 */
int websess_require(const websess_session *s, const websess_need *need);

/* ---- what a session says ---- */

/* All take NULL and empty values: NULL, 0 or WEBSESS_E_NO_SESSION. */
const char *websess_session_id(const websess_session *s);               /* 32 hex digits; public */
const char *websess_session_service(const websess_session *s);

/* The name of the user; NULL for a visitor, as where there is no session. */
const char *websess_session_user(const websess_session *s);

/* The user as a number. 0, or WEBSESS_E_NO_SESSION when there is no session or user, or when the name is not a decimal
 * number of 64 bits written the one plain way (no sign but '-', no leading zeros). *ret stays as it is then. */
int websess_session_user_id(const websess_session *s, int64_t *ret);

/* The user's uid on this machine; 4294967295 for users it does not know, visitors and empty values. */
uint32_t websess_session_uid(const websess_session *s);

/* The user's role: the first. NULL when there is none. */
const char *websess_session_role(const websess_session *s);
size_t websess_session_role_count(const websess_session *s);
const char *websess_session_role_at(const websess_session *s, size_t index);
int websess_session_has_role(const websess_session *s, const char *role);      /* 1 or 0; knows no AdminRole */
uint64_t websess_session_created(const websess_session *s);
uint64_t websess_session_last_seen(const websess_session *s);
uint64_t websess_session_expires(const websess_session *s);             /* the nearer of idle end and lifetime end */
uint64_t websess_session_idle_usec(const websess_session *s);           /* how long it may idle */
uint64_t websess_session_lifetime_end(const websess_session *s);
uint64_t websess_session_auth_time(const websess_session *s);           /* the last authentication */
size_t websess_session_auth_method_count(const websess_session *s);
const char *websess_session_auth_method_at(const websess_session *s, size_t index);
uint32_t websess_session_level(const websess_session *s);
const char *websess_session_remote_host(const websess_session *s);      /* "" where none was told; so the next two */
const char *websess_session_user_agent(const websess_session *s);
const char *websess_session_creator_unit(const websess_session *s);
uint32_t websess_session_creator_uid(const websess_session *s);
uint64_t websess_session_version(const websess_session *s);             /* counts changes; a touch is none */

/* The token, only where the last call made one (login, create, rotate); NULL otherwise. A secret: hand it to the
 * client, do not log it. */
const char *websess_session_token(const websess_session *s);

/* The ready value of a Set-Cookie header, only where the last call made a token. A secret too. */
const char *websess_session_set_cookie(const websess_session *s);

/* ---- values ---- */

/*
 * A dictionary of typed values, in no particular order: the attributes of a session, those to create one with, and the
 * properties of the broker. The type of a value is a letter: 'b' boolean, 'x' integer (64 bits, signed), 'd' double,
 * 's' string, 'y' bytes, 'a' list of strings. Structured values are JSON in a string. Keys are 1–128 bytes; all
 * attributes of a session together at most 16 KiB.
 *
 * Getters return 0, or WEBSESS_E_NO_SESSION when there is no such key or it is of another type: to a program that asks
 * who is logged in, both mean "nobody". Then *ret stays as it is. Any ret may be NULL. Setters copy; they return 0,
 * WEBSESS_E_INVALID_ARGUMENT or -ENOMEM.
 */
int websess_values_new(websess_values **ret);
websess_values *websess_values_free(websess_values *v);
void websess_values_clear(websess_values *v);
size_t websess_values_count(const websess_values *v);
const char *websess_values_key_at(const websess_values *v, size_t index);      /* NULL beyond the end */
int websess_values_type(const websess_values *v, const char *key);             /* the letter; 0: no such key */
int websess_values_get_bool(const websess_values *v, const char *key, int *ret);
int websess_values_get_int64(const websess_values *v, const char *key, int64_t *ret);
int websess_values_get_double(const websess_values *v, const char *key, double *ret);
int websess_values_get_string(const websess_values *v, const char *key, const char **ret, size_t *ret_len);
int websess_values_get_bytes(const websess_values *v, const char *key, const void **ret, size_t *ret_len);
int websess_values_get_strings(const websess_values *v, const char *key, const char *const **ret, size_t *ret_count);
int websess_values_set_bool(websess_values *v, const char *key, int value);
int websess_values_set_int64(websess_values *v, const char *key, int64_t value);
int websess_values_set_double(websess_values *v, const char *key, double value);
int websess_values_set_string(websess_values *v, const char *key, const char *value, size_t len);
int websess_values_set_bytes(websess_values *v, const char *key, const void *value, size_t len);
int websess_values_set_strings(websess_values *v, const char *key, const char *const *values, size_t count);
int websess_values_remove(websess_values *v, const char *key);                 /* 0 also when it was not there */

/* ---- attributes of a session ---- */

/* All of them, to be walked by key. The session's: do not free. NULL for an empty session value. */
const websess_values *websess_session_attributes(const websess_session *s);

/* As websess_values_get_…; with WEBSESS_WRITE_ON_GET the handle's next write takes those that were read here. */
int websess_session_get_bool(websess_session *s, const char *key, int *ret);
int websess_session_get_int64(websess_session *s, const char *key, int64_t *ret);
int websess_session_get_double(websess_session *s, const char *key, double *ret);
int websess_session_get_string(websess_session *s, const char *key, const char **ret, size_t *ret_len);
int websess_session_get_bytes(websess_session *s, const char *key, const void **ret, size_t *ret_len);
int websess_session_get_strings(websess_session *s, const char *key, const char *const **ret, size_t *ret_count);

/*
 * Set one attribute of a session that this process holds the token of (after resolve, login, create, rotate; not after
 * get or list: WEBSESS_E_INVALID_ARGUMENT). Attributes are written one by one: a change that another process makes to
 * another attribute at the same time is not lost. With WEBSESS_SAVE_IMMEDIATE it is durable when the call returns 0,
 * and where it fails the session value keeps the old value; with WEBSESS_SAVE_ON_SAVE nothing leaves the process yet.
 */
int websess_session_set_bool(websess *w, websess_session *s, const char *key, int value);
int websess_session_set_int64(websess *w, websess_session *s, const char *key, int64_t value);
int websess_session_set_double(websess *w, websess_session *s, const char *key, double value);
int websess_session_set_string(websess *w, websess_session *s, const char *key, const char *value, size_t len);
int websess_session_set_bytes(websess *w, websess_session *s, const char *key, const void *value, size_t len);
int websess_session_set_strings(websess *w, websess_session *s, const char *key, const char *const *values,
                                size_t count);
int websess_session_unset(websess *w, websess_session *s, const char *key);

/* Write what was collected, all or nothing. Without anything to write it does nothing and returns 0. After a failure
 * what was collected is still there, to be saved again. */
int websess_session_save(websess *w, websess_session *s);

/*
 * The same by token, without a session value: set everything in set (may be NULL), take away the n_unset keys in
 * unset. if_version: only if the session is still at that version, else WEBSESS_E_CONFLICT; 0: in any case.
 * *ret_version (may be NULL) is the session's version afterwards.
 *
 * Where the broker is restarted in the middle, the call is sent again. With if_version the second attempt may meet
 * its own first one: a session at if_version + 1 that carries exactly what was asked for is success, not a conflict.
 */
int websess_set_attributes(websess *w, const char *token, size_t len, const websess_values *set,
                           const char *const *unset, size_t n_unset, uint64_t if_version, uint64_t *ret_version);

/* ---- beginning and ending a session ---- */

/* For login, create and rotate. Everything is optional and copied. Setters return 0, WEBSESS_E_INVALID_ARGUMENT or
 * -ENOMEM. */
int websess_options_new(websess_options **ret);
websess_options *websess_options_free(websess_options *o);
void websess_options_clear(websess_options *o);         /* for the next request */

/* Where the client is: for listings and throttling. */
int websess_options_remote_host(websess_options *o, const char *host);
int websess_options_user_agent(websess_options *o, const char *agent);

/* The host name that the request was for: the cookie's DomainPattern is held against it. */
int websess_options_host(websess_options *o, const char *host);

/* The token that the client came with: that session ends in the same step as the new one begins. Rubbish is ignored.
 * keep_attribute adds one to be copied from it. */
int websess_options_replace_token(websess_options *o, const char *token, size_t len);
int websess_options_keep_attribute(websess_options *o, const char *key);

/* For a conversation: authenticate the user of this token's session again. It keeps its id, gets a fresh token, and is
 * worth more afterwards. Of the other options only remote_host, user_agent, host and language go with it. */
int websess_options_token(websess_options *o, const char *token, size_t len);

/* For a conversation: what the user speaks, such as "de" or "de-AT". What PAM says comes in the first of the service's languages that fits, else in
 * the first of all. */
int websess_options_language(websess_options *o, const char *language);

/* Shorter times than the policy's; they are never made longer. remember ("stay signed in") asks for its RememberSec. */
int websess_options_idle_usec(websess_options *o, uint64_t usec);
int websess_options_lifetime_usec(websess_options *o, uint64_t usec);
int websess_options_remember(websess_options *o, int remember);

/* 1–128 bytes. The same caller's repeat within 60 s gives the same session. One is made up where none is given. */
int websess_options_request_id(websess_options *o, const char *id);

/* For this call, instead of the handle's; 0: the handle's. */
int websess_options_timeout_usec(websess_options *o, uint64_t usec);

/* Attributes of the new session. The options' own: fill it, do not free it. NULL for NULL. */
websess_values *websess_options_attributes(websess_options *o);

/* These need the Create right. role adds one, with login instead of the policy's; auth_method adds one ("pwd",
 * "otp"). */
int websess_options_role(websess_options *o, const char *role);
int websess_options_level(websess_options *o, uint32_t level);
int websess_options_auth_method(websess_options *o, const char *method);
int websess_options_auth_time(websess_options *o, uint64_t realtime_usec);

/*
 * Check a password of 1–512 bytes, taken exactly as it is, and begin a session. o may be NULL. 0: s holds the session,
 * its token and its Set-Cookie value. WEBSESS_E_AUTHENTICATION_FAILED, WEBSESS_E_CONVERSATION_REQUIRED,
 * WEBSESS_E_LIMIT_REACHED, WEBSESS_E_TOO_MANY, and those of websess_resolve().
 */
int websess_login(websess *w, const char *user, const char *secret, size_t secret_len, const websess_options *o,
                  websess_session *s);

/*
 * Logging in by rounds: whatever PAM says and asks, in any number of rounds, is shown to the person and answered. That
 * is how one-time codes, expired passwords and authenticating again work. The simple way blocks:
 *
 *      static int ask(void *userdata, websess_conversation *c) {
 *              for (size_t i = 0; i < websess_conversation_message_count(c); i++) {
 *                      text = websess_conversation_message(c, i, &style);
 *                      show it; where style is WEBSESS_ASK or WEBSESS_ASK_SECRET:
 *                      websess_conversation_answer(c, i, answer, strlen(answer));
 *              }
 *              return 0;
 *      }
 *      r = websess_login_ask(w, user, NULL, ask, NULL, s);
 *
 * An event loop, or a web daemon whose answers come with other requests, keeps the conversation and goes step by step:
 * begin; then poll _fd() for _events() and call _process() until the state is no longer WAITING; at PROMPT show and
 * answer, then _continue(); at DONE the session value of that _process() holds the session, its token and its
 * Set-Cookie value. A conversation lives as long as its connection, and two minutes at most unless the policy says
 * otherwise.
 */
typedef struct websess_conversation websess_conversation;

enum {
        WEBSESS_CONVERSATION_WAITING = 0,       /* for the broker */
        WEBSESS_CONVERSATION_PROMPT = 1,        /* for the person */
        WEBSESS_CONVERSATION_DONE = 2,
        WEBSESS_CONVERSATION_ENDED = 3          /* without a session */
};

enum {
        WEBSESS_ASK_SECRET = 1,                 /* the answer is not to be shown */
        WEBSESS_ASK = 2,
        WEBSESS_SAY_ERROR = 3,
        WEBSESS_SAY = 4
};

/* Begin; does not wait. user may be "" with websess_options_token(). o may be NULL, and need not outlive the call. */
int websess_conversation_begin(websess_conversation **ret, websess *w, const char *user, const websess_options *o);

/* Takes NULL, returns NULL. A conversation that is not done is ended; answers are wiped. */
websess_conversation *websess_conversation_free(websess_conversation *c);

int websess_conversation_state(const websess_conversation *c);

/* At PROMPT: what is said and asked. Text may hold control characters; message() is NULL behind the last. ret_style may
 * be NULL. */
size_t websess_conversation_message_count(const websess_conversation *c);
const char *websess_conversation_message(const websess_conversation *c, size_t i, uint32_t *ret_style);

/* Answer message i, which asks; 0–512 bytes, copied, and wiped when they are sent. What is not answered is "". */
int websess_conversation_answer(websess_conversation *c, size_t i, const char *text, size_t len);

/* Send the answers; does not wait. */
int websess_conversation_continue(websess_conversation *c);

/* For poll(): the descriptor, and POLLIN and POLLOUT as they are wanted now. Or a negative errno. */
int websess_conversation_fd(const websess_conversation *c);
int websess_conversation_events(const websess_conversation *c);

/* Do what can be done without waiting, or wait until the state is no longer WAITING. 0: look at the state. Else it has
 * ended as websess_login() would: WEBSESS_E_AUTHENTICATION_FAILED when PAM said no. */
int websess_conversation_process(websess_conversation *c, websess_session *s);
int websess_conversation_wait(websess_conversation *c, websess_session *s);

/* The whole of it, with a callback for each round; what it returns other than 0 gives up, and is returned. */
typedef int (*websess_ask_fn)(void *userdata, websess_conversation *c);
int websess_login_ask(websess *w, const char *user, const websess_options *o, websess_ask_fn ask, void *userdata,
                      websess_session *s);

/* Begin a session for a user who was authenticated elsewhere; roles and attributes as the options say. Needs the Create
 * right. user "" (or NULL) makes a visitor's session where the service allows them. */
int websess_create(websess *w, const char *user, const websess_options *o, websess_session *s);

/* A fresh token for the same session; the old one is dead when this returns 0. */
int websess_rotate(websess *w, const char *token, size_t len, const websess_options *o, websess_session *s);

/* End the session behind a token. 0 also when there is none (any more). When it returns 0, no resolve that starts
 * afterwards, in any process, succeeds. */
int websess_logout(websess *w, const char *token, size_t len);

/* ---- cookies ---- */

/* Find the cookie called name in the value of a Cookie header. 0 and the value, which points into header and is not
 * NUL-terminated; WEBSESS_E_NO_SESSION when it is not there. */
int websess_cookie_find(const char *header, size_t len, const char *name, const char **ret, size_t *ret_len);

/* The same by the handle's cookie name: the token that came with a request. */
int websess_cookie_token(const websess *w, const char *header, size_t len, const char **ret, size_t *ret_len);

enum {
        WEBSESS_COOKIE_SECURE = 1,
        WEBSESS_COOKIE_HTTP_ONLY = 2,
        WEBSESS_COOKIE_SAME_SITE_LAX = 4,       /* at most one of the three */
        WEBSESS_COOKIE_SAME_SITE_STRICT = 8,
        WEBSESS_COOKIE_SAME_SITE_NONE = 16      /* needs SECURE */
};

/*
 * Build the value of a Set-Cookie header into out (size bytes; 2048 always suffice). max_age_sec: -1 for a cookie that
 * ends with the browser, 0 for one that removes the cookie (after a logout; name, path and domain as they were when it
 * was set). path NULL: "/". domain NULL or "": this host only. The rules of the __Host- and __Secure- prefixes are
 * enforced.
 * 0, WEBSESS_E_INVALID_ARGUMENT, -ENOBUFS.
 *
 * A new session's header is ready made in websess_session_set_cookie(), by the service's policy.
 */
int websess_cookie_build(char *out, size_t size, const char *name, const char *value, size_t len, const char *path,
                         const char *domain, int64_t max_age_sec, uint32_t flags);

/* ---- looking after sessions ---- */

/* These need the Manage right, or concern sessions that carry the caller's own uid. service: NULL for the
 * handle's, "" for all services where that makes sense. */

/* Read a session by its id. It has no token then, and is not touched. */
int websess_get(websess *w, const char *id, websess_session *s);

/*
 * Why the session of an id or a token (size bytes) is valid or not. Fills v with what the broker tells this caller, see Explain
 * in org.websess1(5): State s, Outcome s ("" where a resolve for this need would succeed), Why s and more; and s, which is
 * left empty where there is no such session: websess_session_id() is NULL then. service NULL or "": that of the session. Who has Manage on the
 * session's service is told everything, others what websess_get() and websess_resolve() would tell them. Touches nothing.
 */
int websess_explain(websess *w, const char *service, const char *id_or_token, size_t size, const websess_need *need,
                    websess_values *v, websess_session *s);

/*
 * A walk over sessions, oldest first. Set the filter, then call next until it returns WEBSESS_E_NO_SESSION: that is the
 * end. Pages are fetched as needed. A filter that is not set lets all pass.
 */
int websess_list_new(websess_list **ret);
websess_list *websess_list_free(websess_list *l);
int websess_list_service(websess_list *l, const char *service);
int websess_list_user(websess_list *l, const char *user);
int websess_list_user_prefix(websess_list *l, const char *prefix);
int websess_list_role(websess_list *l, const char *role);
int websess_list_limit(websess_list *l, uint64_t limit);        /* how many at most; 0: all */
int websess_list_after(websess_list *l, const char *cursor);    /* go on where another walk ended */
/* 0: s holds the next session. After an error the walk can be gone on with by calling again. */
int websess_list_next(websess *w, websess_list *l, websess_session *s);

/* At the end: "" when everything has been seen, else what websess_list_after() takes to see the rest. */
const char *websess_list_cursor(const websess_list *l);

/* End sessions: one, a user's, a service's. *ret_revoked (may be NULL): how many; after a restart of the broker in the
 * middle, how many the second attempt still found. As with logout, no later resolve succeeds. */
enum {
        WEBSESS_REVOKE_PREFIX = 1,      /* user is the beginning of a name: "acme:" */
        WEBSESS_REVOKE_PASSWORD = 2     /* the password on this machine has changed: watchers are told this reason, and app
                                         * users of that name are left alone */
};
int websess_revoke(websess *w, const char *id);
int websess_revoke_user(websess *w, const char *service, const char *user, const char *except_id, uint32_t flags,
                        uint32_t *ret_revoked);
int websess_revoke_all(websess *w, const char *service, uint32_t *ret_revoked);

/* Change the roles of one session, or of all of a user's (then the policy's OnRoleChange decides whether those end or
 * are changed). Seen by the very next resolve. The ret pointers may be NULL. */
int websess_set_roles(websess *w, const char *id, const char *const *roles, size_t n_roles, uint64_t *ret_version);
int websess_set_user_roles(websess *w, const char *service, const char *user, const char *const *roles, size_t n_roles,
                           uint32_t *ret_changed);

/* Sessions were seen: move their idle ends. Ids that are no live session are passed over. Needs the Resolve right. */
int websess_touch(websess *w, const char *const *ids, size_t n_ids);

/* ---- the broker ---- */

/* Fill v with the broker's properties: Version s, Services a (those this caller may use), SessionCount x, Store s,
 * Healthy b and whatever else it tells. */
int websess_status(websess *w, websess_values *v);

/* Fill v with what a check-up of the machine needs besides, see Inspect in org.websess1(5). Root only. */
int websess_inspect(websess *w, websess_values *v);

/* Read the policy again. Root only. WEBSESS_E_INVALID_ARGUMENT with file, line, key and reason when it is bad: then
 * the old one stays in force. */
int websess_reload(websess *w);

/* Let logins be tried again that were refused as too many: forget the failures that were counted for a service, user and
 * remote host; NULL or "" is any. *ret_buckets (may be NULL): how many counts there were. Needs the Manage right; without a
 * service, and for the count of a host alone, root. */
int websess_reset_throttle(websess *w, const char *service, const char *user, const char *remote_host,
                           uint32_t *ret_buckets);

/* Write a backup of the store into fd, a regular file open for writing; fd stays the caller's. Root only. Bounded by
 * the time-out like every call. */
int websess_backup(websess *w, int fd);

/* ---- watching ---- */

enum {
        WEBSESS_EVENT_NEW = 1,          /* a session began */
        /* One ended; reason: logout, revoked, idle, expired, evicted, replaced, roles, account, password. */
        WEBSESS_EVENT_REMOVED = 2,
        WEBSESS_EVENT_LOST = 3,         /* the broker is away: what happens from here on may be missed */
        WEBSESS_EVENT_BACK = 4          /* watching (again) */
};

/* The strings are good during the call; NULL where they have no meaning. The callback must not call websess_watch(),
 * websess_dispatch() or websess_close(); everything else is fine. */
typedef void (*websess_watch_fn)(void *userdata, int event, const char *id, const char *service, const char *user,
                                 const char *reason);

/*
 * Be told of sessions that begin and end, of all services that this caller may see. Subscribes before it returns 0, and
 * keeps itself subscribed over restarts of the broker. fn NULL ends the watch. fn is called by websess_dispatch() only.
 */
int websess_watch(websess *w, websess_watch_fn fn, void *userdata);

/* A descriptor for the caller's poll loop: when it is readable, call websess_dispatch(). It stays the same for the
 * life of the handle (a forked child's handle has another one), and stays the handle's. Or a negative errno. */
int websess_fd(websess *w);

/* Do what there is to do without waiting. 0 or a negative errno. */
int websess_dispatch(websess *w);

#ifdef __cplusplus
}
#endif
#endif
