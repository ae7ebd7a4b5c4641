# SPDX-License-Identifier: MIT
"""A conversation as a caller sees it: begin(client, service, user), then go(answers…) until the state is not prompt."""
from client import BusError
from world import BUILD


class Conversation:
    def __init__(self, client, path):
        self.client, self.path = client, path
        self.token, self.session = "", {}

    def go(self, *answers):
        """(state, [(style, text), …]); token and session are kept."""
        state, messages, self.token, self.session = self.client.call("Continue", list(answers), path=self.path)
        return state, [tuple(message) for message in messages]

    def start(self, *answers):
        """The same without waiting: a future."""
        return self.client.begin("Continue", list(answers), path=self.path)

    def cancel(self):
        self.client.call("Cancel", path=self.path)


def begin(client, service, user, options=None):
    return Conversation(client, client.BeginLogin(service, user, options or {}))


def gone(talk):
    """Is there no such conversation any more?"""
    try:
        talk.go("surplus", "answers")
    except BusError as error:
        return error.name == "org.freedesktop.DBus.Error.UnknownObject"
    return False


def stack(place, name, *steps):
    """A PAM service that does what the steps say: see tests/modules/pam_told.c."""
    place.pam_service(name, f"auth required {BUILD}/tests/pam_told.so {' '.join(steps)}\naccount required pam_permit.so\n")
