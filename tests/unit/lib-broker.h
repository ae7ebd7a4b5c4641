/* SPDX-License-Identifier: MIT */
/*
 * A broker for tests of the library: one session, no rules, on a private socket, in threads of its own; and it can
 * fail in
 * the ways a real one does while it is restarted. What it says about sessions proves nothing about the real broker.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FakeBroker FakeBroker;

FakeBroker *fake_new(void);
FakeBroker *fake_free(FakeBroker *t);

const char *fake_path(const FakeBroker *t);

/* Take the socket and all connections away, and bring the socket back. What the fake knows stays. */
void fake_stop(FakeBroker *t);
void fake_start(FakeBroker *t);

/* The next n calls lose their connection before they are looked at / after they took effect. */
void fake_drop_before(FakeBroker *t, int n);
void fake_drop_after(FakeBroker *t, int n);
void fake_hang(FakeBroker *t, bool hang);         /* calls are read and never answered */

/* How often a method was called, lost calls included; how often it took effect. */
int fake_calls(FakeBroker *t, const char *member);
int fake_effects(FakeBroker *t, const char *member);
int fake_connections(FakeBroker *t);              /* accepted so far */

/* The last call's RequestId ("" for none) and need or options as "Key=value;" in the order they came. */
void fake_last(FakeBroker *t, char *request_id, char *options);

/* What the session says. Roles are words with blanks between them. */
void fake_set_user(FakeBroker *t, const char *user);
void fake_set_roles(FakeBroker *t, const char *roles, const char *admin);
void fake_set_level(FakeBroker *t, uint32_t level, uint64_t auth_time);
uint64_t fake_version(FakeBroker *t);

/* Send SessionNew or SessionRemoved to every subscriber. */
void fake_signal(FakeBroker *t, const char *member, const char *id);
