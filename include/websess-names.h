/* SPDX-License-Identifier: MIT */
/*
 * The names websess is known by on D-Bus and on disk. Shared by the broker, the library and the tools;
 * constants only.
 */
#pragma once

#define WEBSESS_BUS_NAME "org.websess1"
#define WEBSESS_MANAGER_PATH "/org/websess1"
#define WEBSESS_SESSION_PATH "/org/websess1/session"
#define WEBSESS_CONVERSATION_PATH "/org/websess1/conversation"

#define WEBSESS_MANAGER_INTERFACE "org.websess1.Manager"
#define WEBSESS_SESSION_INTERFACE "org.websess1.Session"
#define WEBSESS_CONVERSATION_INTERFACE "org.websess1.Conversation"
#define WEBSESS_ERROR_PREFIX "org.websess1.Error."

/* In the PAM environment: the session that a program has opened, or works for. */
#define WEBSESS_ID_VARIABLE "WEBSESS_ID"

#define WEBSESS_SOCKET_PATH "/run/websess/websess.sock"
#define WEBSESS_PAM_SOCKET_PATH "/run/websess/pam.sock"
#define WEBSESS_CONFIGURATION_DIRECTORY "/etc/websess"
#define WEBSESS_STATE_DIRECTORY "/var/lib/websess"
#define WEBSESS_RUNTIME_DIRECTORY "/run/websess"
