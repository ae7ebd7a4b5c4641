/* SPDX-License-Identifier: MIT */
/* Authenticating again: a conversation with the user of a session that is there, which is worth more afterwards. */
#pragma once

#include "api-login.h"

/* The session behind option Token says who is asked; user is "" or that very name. */
int step_up_begin(Login *l, Slice user, Fault *f);

/* PAM has said who it is: the session gets its level, its time and a fresh token, or the call fails. The Login is gone
 * afterwards. */
void step_up_finish(Login *l, const AuthIdentity *identity);
