/* SPDX-License-Identifier: MIT */
/*
 * A broker for tests of the library: one session, no rules, on a private socket, in threads of its own; and it can fail in
 * the ways a real one does while it is restarted. What it says about sessions proves nothing about the real broker.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ToyBroker ToyBroker;

ToyBroker *toy_new(void);
ToyBroker *toy_free(ToyBroker *t);

const char *toy_path(const ToyBroker *t);

/* Take the socket and all connections away, and bring the socket back. What the toy knows stays. */
void toy_stop(ToyBroker *t);
void toy_start(ToyBroker *t);

/* The next n calls lose their connection before they are looked at / after they took effect. */
void toy_drop_before(ToyBroker *t, int n);
void toy_drop_after(ToyBroker *t, int n);
void toy_hang(ToyBroker *t, bool hang);         /* calls are read and never answered */

/* How often a method was called, lost calls included; how often it took effect. */
int toy_calls(ToyBroker *t, const char *member);
int toy_effects(ToyBroker *t, const char *member);
int toy_connections(ToyBroker *t);              /* accepted so far */

/* The last call's RequestId ("" for none) and need or options as "Key=value;" in the order they came. */
void toy_last(ToyBroker *t, char *request_id, char *options);

/* What the session says. Roles are words with blanks between them. */
void toy_set_user(ToyBroker *t, const char *user);
void toy_set_roles(ToyBroker *t, const char *roles, const char *admin);
void toy_set_level(ToyBroker *t, uint32_t level, uint64_t auth_time);
uint64_t toy_version(ToyBroker *t);

/* Send SessionNew or SessionRemoved to every subscriber. */
void toy_signal(ToyBroker *t, const char *member, const char *id);
