# SPDX-License-Identifier: MIT
"""Authenticating again: what is refused for its level or its age passes afterwards, under a new token."""
import pytest

from client import raises
from conversation import begin, stack
from world import IS_ROOT

POLICY = {
    "bank": """
        [Service]
        PAMService=bank
        StepUpPAMService=bank-again
        StepUpAuthMethods=otp mfa
        StepUpLevel=2
        [Roles]
        USER=*
        [Access]
        Login=*
        Resolve=*
        """,
    "plain": "[Service]\nPAMService=bank\n[Roles]\nUSER=*\n[Access]\nLogin=*\nResolve=*\n",
    "wallet": "[Service]\nPAMService=bank\nPreset=aal2\n[Roles]\nUSER=*\n[Access]\nLogin=*\nResolve=*\n",
}


@pytest.fixture
def session(world, shared):
    """A session of alice's by password: (token, dictionary)."""
    stack(world.place, "bank", "secret:Password=x")
    stack(world.place, "bank-again", "secret:Code=7")
    return shared.Login("bank", "alice", "x", {"RemoteHost": "192.0.2.1", "Attributes": {"cart": 3}})


def test_S07_level_and_age_are_met_after_authenticating_again(shared, session):
    token, before = session
    for need in ({"Level": 2}, {"MaxAuthAgeUSec": 1}):
        with raises("StepUpRequired"):
            shared.Resolve("bank", token, need)
    talk = begin(shared, "bank", "alice", {"Token": token})
    assert talk.go() == ("prompt", [(1, "Code")])
    assert talk.go("7")[0] == "done"
    after = shared.Resolve("bank", talk.token, {"Level": 2, "MaxAuthAgeUSec": 60_000_000})
    assert (after["Id"], after["Level"], after["AuthMethods"]) == (before["Id"], 2, ["pwd", "otp", "mfa"])
    assert after["AuthTime"] > before["AuthTime"] and after["Version"] > before["Version"]
    assert (after["Attributes"], after["RemoteHost"], after["LifetimeEnd"]) == ({"cart": 3}, "192.0.2.1", before["LifetimeEnd"])


def test_S02_the_old_token_is_dead_after_authenticating_again(shared, session):
    token, _ = session
    talk = begin(shared, "bank", "", {"Token": token})
    talk.go(), talk.go("7")
    assert talk.token != token
    with raises("NoSession"):
        shared.Resolve("bank", token, {})
    with raises("NoSession"):
        begin(shared, "bank", "", {"Token": token})


def test_denied_leaves_the_session_as_it_was(shared, session):
    token, before = session
    talk = begin(shared, "bank", "alice", {"Token": token})
    talk.go()
    assert talk.go("8")[0] == "denied"
    after = shared.Resolve("bank", token, {"NoTouch": True})
    assert {k: after[k] for k in ("Level", "AuthMethods", "AuthTime", "Version")} == {
        k: before[k] for k in ("Level", "AuthMethods", "AuthTime", "Version")}


def test_S13_whoever_else_PAM_lets_in_does_not_get_the_session(world, shared, session):
    token, _ = session
    stack(world.place, "bank-again", "secret:Code=7", "user:root")
    talk = begin(shared, "bank", "alice", {"Token": token})
    talk.go()
    assert talk.go("7")[0] == "denied"
    with raises("StepUpRequired"):
        shared.Resolve("bank", token, {"Level": 2})
    assert "not the session's user" in world.broker.log


@pytest.mark.skipif(not IS_ROOT, reason="needs root: an account that NSS knows")
def test_S13_the_name_alone_is_not_the_user(world, shared, session):
    """A session of "games" whom NSS did not know then is not the account "games"."""
    token, made = shared.CreateSession("bank", "games", [], {}, {"Level": 1})
    assert made["Uid"] != 4294967295
    stack(world.place, "bank-again", "secret:Code=7", "user:news")
    talk = begin(shared, "bank", "games", {"Token": token})
    talk.go()
    assert talk.go("7")[0] == "denied"


def test_another_user_or_service_or_rubbish_is_refused_at_once(shared, session):
    token, _ = session
    with raises("InvalidArgument"):
        begin(shared, "bank", "bob", {"Token": token})
    with raises("NoSession"):
        begin(shared, "plain", "alice", {"Token": token})
    with raises("NoSession"):
        begin(shared, "bank", "alice", {"Token": "rubbish"})
    for option in ({"IdleUSec": 1}, {"ReplaceToken": token}, {"Attributes": {}}):
        with raises("InvalidArgument"):
            begin(shared, "bank", "alice", {"Token": token} | option)


@pytest.mark.parametrize("end", ["logout", "rotate"])
def test_session_that_ended_meanwhile_is_none(shared, session, end):
    token, _ = session
    talk = begin(shared, "bank", "alice", {"Token": token})
    talk.go()
    if end == "logout":
        shared.Logout("bank", token)
    else:
        shared.Rotate("bank", token, {})
    with raises("NoSession"):
        talk.go("7")


def test_without_keys_of_its_own_it_is_the_same_stack_again(shared, session):
    token, before = shared.Login("plain", "alice", "x", {})
    talk = begin(shared, "plain", "alice", {"Token": token})
    assert talk.go() == ("prompt", [(1, "Password")])
    assert talk.go("x")[0] == "done"
    assert (talk.session["Level"], talk.session["AuthMethods"]) == (1, ["pwd"])
    assert talk.session["AuthTime"] > before["AuthTime"]


def test_level_is_never_lowered(shared, session):
    token, _ = shared.CreateSession("bank", "alice", [], {}, {"Level": 9, "AuthMethods": ["hwk"]})
    talk = begin(shared, "bank", "alice", {"Token": token})
    talk.go(), talk.go("7")
    assert (talk.session["Level"], talk.session["AuthMethods"]) == (9, ["hwk", "otp", "mfa"])


def test_preset_gives_its_times(shared, session):
    _, made = shared.Login("wallet", "alice", "x", {"Remember": True})
    assert made["LifetimeEnd"] - made["Created"] == 24 * 3600 * 1_000_000
    _, made = shared.Login("wallet", "alice", "x", {})
    assert made["IdleUSec"] == 3600 * 1_000_000
