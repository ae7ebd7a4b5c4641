# SPDX-License-Identifier: MIT
"""Logging in by rounds through libwebsess: blocking with a callback, and step by step for an event loop."""
import os
import select

import pytest

from conversation import stack
from library import Conversation, Library, fails

WAITING, PROMPT, DONE, ENDED = range(4)


@pytest.fixture
def asks(place):
    stack(place, "websess", "[secret:Password: =geheim]", "[info:Now the code]", "[ask:Code: =]")


def test_blocking_with_a_callback(place, helper, broker, asks):
    seen = []
    with Library(broker, "default") as lib:
        session = lib.login_ask("bob", lambda messages: seen.append(messages) or ["geheim" if s == 1 else "" for s, _ in messages])
        assert (session.user, len(session.token)) == ("bob", 64)
        assert lib.resolve(session.token).id == session.id
    assert seen == [[(1, "Password: ")], [(4, "Now the code")], [(2, "Code: ")]]


@pytest.mark.policy(default="[Service]\nLanguage=xx_XX.UTF-8 yy_YY.UTF-8\n[Access]\nLogin=*\nResolve=*\n")
def test_language_goes_along(place, helper, broker, asks):
    """Neither locale is there; which one was looked for, the helper says."""
    with Library(broker, "default") as lib:
        lib.login_ask("bob", lambda messages: ["geheim" if s == 1 else "" for s, _ in messages], language="yy-ZZ")
    assert "no locale yy_YY.UTF-8" in helper.log


def test_callback_gives_up(place, helper, broker, asks):
    with Library(broker, "default") as lib, fails("errno -125"):
        lib.login_ask("bob", lambda messages: None)


def test_wrong_answer_is_an_outcome(place, helper, broker, asks):
    with Library(broker, "default") as lib, fails("AuthenticationFailed"):
        lib.login_ask("bob", lambda messages: ["wrong"])


def run(talk):
    """As an event loop does: wait for the descriptor, process, until it is the person's turn."""
    while talk.process() == WAITING:
        poll = select.poll()
        poll.register(talk.fd, talk.events)
        poll.poll(10_000)
    return talk.state


def test_step_by_step_in_an_event_loop(place, helper, broker, asks):
    for bus in (False, True):
        with Library(broker, "default", bus=bus) as lib:
            talk = Conversation(lib, "bob")
            assert (run(talk), talk.messages) == (PROMPT, [(1, "Password: ")])
            talk.go("geheim")
            assert (run(talk), talk.messages) == (PROMPT, [(4, "Now the code")])
            talk.go()
            assert (run(talk), talk.messages) == (PROMPT, [(2, "Code: ")])
            talk.go("")
            assert (run(talk), talk.session.user) == (DONE, "bob")
            talk.free()


def test_nothing_waits_in_a_step(place, helper, broker):
    os.mkfifo(place.path / "fifo")
    stack(place, "websess", f"wait:{place.path}/fifo")
    with Library(broker, "default") as lib:
        talks = [Conversation(lib, "bob") for _ in range(3)]
        for talk in talks:
            assert talk.process() == WAITING
            talk.free()


def test_broker_that_goes_away_ends_the_conversation(place, helper, broker, asks):
    with Library(broker, "default") as lib:
        talk = Conversation(lib, "bob")
        assert run(talk) == PROMPT
        broker.restart()
        with fails("Unavailable"):
            talk.go("geheim")
            run(talk)
        assert talk.state == ENDED
        talk.free()


def test_authenticating_again_keeps_the_session(place, helper, broker, asks):
    with Library(broker, "default") as lib:
        def ask(messages):
            return ["geheim" if s == 1 else "" for s, _ in messages]

        first = lib.login_ask("bob", ask)
        token, ident = first.token, first.id
        again = lib.login_ask("", ask, token=token)
        assert (again.id, again.user) == (ident, "bob") and again.token != token
        with fails("NoSession"):
            lib.resolve(token)


@pytest.mark.parametrize("answer", [b"x" * 513, b"\xff", b"a\0b"], ids=["long", "utf8", "nul"])
def test_S23_answers_that_cannot_be_are_refused(place, helper, broker, asks, answer):
    with Library(broker, "default") as lib:
        talk = Conversation(lib, "bob")
        run(talk)
        with fails("InvalidArgument"):
            talk.answer(0, answer)
        talk.free()


def test_a_session_value_that_is_used_again_keeps_nothing(place, helper, broker, asks):
    with Library(broker, "default") as lib:
        talk = Conversation(lib, "bob")
        talk.session = lib.create("carol", roles=["USER"], attributes={"stale": 1})
        for answers in ((), ("geheim",), (), ("",)):
            if answers or talk.state == PROMPT:
                talk.go(*answers)
            run(talk)
        assert (talk.state, talk.session.user, talk.session.attributes) == (DONE, "bob", {})
        talk.free()
