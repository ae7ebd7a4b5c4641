# SPDX-License-Identifier: MIT
"""Logins in rounds, over the bus and the private socket: whatever a stack asks, whoever asks about it."""

import pytest

from client import raises
from conversation import Conversation, begin

SECRET, QUESTION, ERROR, INFO = 1, 2, 3, 4


def test_password_is_asked_for_and_gives_a_session(place, helper, broker, manager):
    place.user("bob", "geheim")
    talk = begin(manager, "default", "bob", {"RemoteHost": "192.0.2.7"})
    assert talk.path.startswith("/org/websess1/conversation/")
    assert talk.go() == ("prompt", [(SECRET, "Password: ")])
    assert talk.go("geheim")[0] == "done"
    assert (talk.session["User"], talk.session["AuthMethods"], talk.session["RemoteHost"]) == ("bob", ["pwd"], "192.0.2.7")
    assert manager.Resolve("default", talk.token, {})["Id"] == talk.session["Id"]
    with raises("org.freedesktop.DBus.Error.UnknownObject"):
        talk.go()


def test_wrong_password_is_denied_and_ends_it(place, helper, broker, private):
    talk = begin(private, "default", "alice")
    talk.go()
    assert talk.go("wrong") == ("denied", [])
    assert (talk.token, talk.session) == ("", {})
    with raises("org.freedesktop.DBus.Error.UnknownObject"):
        talk.go("correct horse")


def test_S13_another_connection_does_not_see_the_conversation(place, helper, broker, private, caller):
    talk = begin(private, "default", "alice")
    talk.go()
    other = Conversation(caller(), talk.path)
    with raises("org.freedesktop.DBus.Error.UnknownObject") as seen:
        other.go("correct horse")
    with raises("org.freedesktop.DBus.Error.UnknownObject") as unseen:
        Conversation(other.client, talk.path + "9").go()
    assert seen.value.text == unseen.value.text.replace(talk.path + "9", talk.path)
    assert talk.go("correct horse")[0] == "done"
