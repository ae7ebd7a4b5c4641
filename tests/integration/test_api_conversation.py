# SPDX-License-Identifier: MIT
"""Logins in rounds, over the bus and the private socket: whatever a stack asks, whoever asks about it."""
import os
import time

import pytest

from client import raises
from conversation import Conversation, begin, gone, stack
from world import BUILD, wait_until

SECRET, QUESTION, ERROR, INFO = 1, 2, 3, 4
OPEN = "[Service]\nPAMService={0}\n[Roles]\nUSER=*\n[Access]\nLogin=*\nResolve=*\n"
SERVICES = ("styles", "batch", "rounds", "odd", "slow", "crash", "mapping", "bare", "expired", "mute", "deny", "app")
POLICY = {name: OPEN.format(name) for name in SERVICES} | {
    "app": "[Service]\nUsers=app\n[Access]\nLogin=*\n",
    "closed": "[Access]\nResolve=*\n",
    "queue": OPEN.format("queue"),
}
SETTINGS = "[PAM]\nFailureDelaySec=200ms\n"


def test_password_is_asked_for_and_gives_a_session(world, shared):
    world.place.user("bob", "geheim")
    talk = begin(shared, "default", "bob", {"RemoteHost": "192.0.2.7"})
    assert talk.path.startswith("/org/websess1/conversation/")
    assert talk.go() == ("prompt", [(SECRET, "Password: ")])
    assert talk.go("geheim")[0] == "done"
    assert (talk.session["User"], talk.session["AuthMethods"], talk.session["RemoteHost"]) == ("bob", ["pwd"], "192.0.2.7")
    assert "SetCookie" in talk.session
    assert shared.Resolve("default", talk.token, {})["Id"] == talk.session["Id"]
    assert gone(talk)


def test_wrong_password_is_denied_and_ends_it(shared):
    talk = begin(shared, "default", "alice")
    talk.go()
    assert talk.go("wrong") == ("denied", [])
    assert (talk.token, talk.session) == ("", {})
    assert gone(talk)


def test_every_style_comes_as_it_is_with_its_text(world, shared):
    stack(world.place, "styles", "[secret:Passwort für müller: =x y]", "[ask:Color? =]", "[info:Touch your key]", "[error:Almost]")
    talk = begin(shared, "styles", "styles")
    assert talk.go() == ("prompt", [(SECRET, "Passwort für müller: ")])
    assert talk.go("x y") == ("prompt", [(QUESTION, "Color? ")])
    assert talk.go("") == ("prompt", [(INFO, "Touch your key")])
    assert talk.go() == ("prompt", [(ERROR, "Almost")])
    assert talk.go()[0] == "done"


def test_messages_of_one_round_stay_together_and_answers_in_order(world, shared):
    stack(world.place, "batch", "together", "[info:Both, please]", "secret:PIN=1", "ask:Name=2")
    talk = begin(shared, "batch", "batch")
    assert talk.go() == ("prompt", [(INFO, "Both, please"), (SECRET, "PIN"), (QUESTION, "Name")])
    for wrong in ([], ["1"], ["1", "2", "3"]):
        with raises("InvalidArgument") as caught:
            talk.go(*wrong)
        assert f"{len(wrong)} given, 2 asked for" in caught.value.text
    with raises("InvalidArgument"):
        talk.go("1", "x" * 513)
    assert talk.go("1", "2")[0] == "done"


def test_any_number_of_rounds(world, shared):
    stack(world.place, "rounds", *(f"secret:{i}={i}" for i in range(40)))
    talk = begin(shared, "rounds", "rounds")
    answers = []
    for i in range(40):
        assert talk.go(*answers) == ("prompt", [(SECRET, str(i))])
        answers = [str(i)]
    assert talk.go(*answers)[0] == "done"


def test_answers_before_anything_was_asked_are_refused(shared):
    talk = begin(shared, "default", "alice")
    with raises("InvalidArgument"):
        talk.go("correct horse")
    talk.go()
    assert talk.go("correct horse")[0] == "done"


def test_style_that_no_text_can_carry_is_no_success(world, shared):
    stack(world.place, "odd", "style:7")
    with raises("Unavailable"):
        begin(shared, "odd", "odd").go()


def test_stack_that_asks_nothing_is_done_at_once(world, shared):
    world.place.pam_service("mute", "auth required pam_permit.so\naccount required pam_permit.so\n")
    assert begin(shared, "mute", "mute").go()[0] == "done"


def test_pam_deny_is_denied(world, shared):
    world.place.pam_service("deny", "auth required pam_deny.so\naccount required pam_permit.so\n")
    assert begin(shared, "deny", "deny").go() == ("denied", [])


def test_S12_expired_password_is_changed_in_the_conversation(world, shared):
    world.place.pam_service("expired", f"""
        auth required {BUILD}/tests/pam_told.so secret:Old=a
        account required {BUILD}/tests/pam_told.so return:12
        password required {BUILD}/tests/pam_told.so secret:New=b
        """)
    talk = begin(shared, "expired", "expired")
    assert [talk.go()[1], talk.go("a")[1]] == [[(SECRET, "Old")], [(SECRET, "New")]]
    assert talk.go("b")[0] == "done"
    talk = begin(shared, "expired", "expired")
    talk.go(), talk.go("a")
    assert talk.go("not b")[0] == "denied"


def test_S12_account_management_is_never_left_out(world, shared):
    world.place.pam_service("mapping", "auth required pam_permit.so\naccount required pam_deny.so\n")
    assert begin(shared, "mapping", "mapping").go()[0] == "denied"


@pytest.mark.parametrize("service, user, error", [("default", "", "InvalidArgument"), ("default", "a\nb", "InvalidArgument"),
                                                  ("nosuch", "alice", "NoService"), ("app", "alice", "InvalidArgument")])
def test_bad_begin_is_refused_at_once(shared, service, user, error):
    with raises(error):
        begin(shared, service, user)


@pytest.mark.parametrize("options", [{"Nonsense": "x"}, {"MaxAuthAgeUSec": 1}, {"RemoteHost": "x" * 256},
                                     {"Language": "../de"}, {"Language": "d" * 65}, {"Language": 7}])
def test_bad_options_are_refused_at_once(shared, options):
    with raises("InvalidArgument"):
        begin(shared, "default", "alice", options)


@pytest.mark.needs_root
def test_rights_are_those_of_login(world):
    with raises("AccessDenied"):
        begin(world.caller("games"), "closed", "alice")
    with raises("AccessDenied"):
        begin(world.caller("games"), "default", "alice", {"Level": 3})


def test_cancel_ends_it_and_the_helper(world, shared):
    helpers = world.helper.children()
    talk = begin(shared, "default", "alice")
    talk.go()
    talk.cancel()
    assert gone(talk)
    wait_until(lambda: len(world.helper.children()) <= max(len(helpers), 2))


# ---- S13: whose conversation it is ----

@pytest.mark.parametrize("on_bus", [False, True], ids=["private", "bus"])
def test_S13_another_connection_does_not_see_the_conversation(broker, helper, caller, on_bus):
    mine, yours = caller(bus=on_bus), caller(bus=on_bus)
    talk = begin(mine, "default", "alice")
    talk.go()
    with raises("org.freedesktop.DBus.Error.UnknownObject") as seen:
        Conversation(yours, talk.path).go("correct horse")
    with raises("org.freedesktop.DBus.Error.UnknownObject") as unseen:
        Conversation(yours, talk.path + "9").go("correct horse")
    assert seen.value.text == unseen.value.text.replace(talk.path + "9", talk.path)
    node = f'node name="{talk.path.rsplit("/")[-1]}"'
    assert node not in yours.introspect("/org/websess1/conversation")
    assert node in mine.introspect("/org/websess1/conversation")
    assert talk.go("correct horse")[0] == "done"


def test_S13_conversation_ends_with_its_connection(broker, helper, caller):
    one = caller()
    for _ in range(3):
        begin(one, "default", "alice").go()
    wait_until(lambda: len(helper.children()) >= 3)
    one.kill()
    wait_until(lambda: len(helper.children()) <= 2)     # those that are kept ready


def test_S13_who_PAM_names_last_is_whose_session_it_is(world, shared):
    stack(world.place, "mapping", "secret:P=x", "user:mapped")
    talk = begin(shared, "mapping", "mapping")
    talk.go()
    assert talk.go("x") == ("done", [])
    assert talk.session["User"] == "mapped"


# ---- S14 ----

def test_S14_nothing_of_the_callers_environment_reaches_a_conversation(world, shared):
    stack(world.place, "bare", "environment", "secret:P=x")
    talk = begin(shared, "bare", "bare")
    talk.go()
    assert talk.go("x")[0] == "done"


# ---- faults ----

def test_module_that_crashes_is_unavailable(world, shared):
    stack(world.place, "crash", "secret:P=x", "crash")
    talk = begin(shared, "crash", "crash")
    talk.go()
    with raises("Unavailable") as caught:
        talk.go("x")
    assert "websess-pam@" in caught.value.text
    assert gone(talk)


def test_helper_that_dies_while_a_person_thinks_is_told_with_the_answers(world, shared):
    talk = begin(shared, "default", "alice")
    talk.go()
    for pid in world.helper.children():
        os.kill(pid, 9)
    with raises("Unavailable"):
        talk.go("correct horse")
    assert gone(talk)


def test_L08_a_module_that_takes_its_time_holds_up_nobody(world, shared):
    """The module sleeps until it is told: it has slept all the while, whatever the clock said."""
    fifo = world.place.path / f"slow-{time.monotonic_ns()}"
    os.mkfifo(fifo)
    stack(world.place, "slow", "secret:P=x", f"wait:{fifo}")
    talk, other = begin(shared, "slow", "slow"), world.caller()
    talk.go()
    pending = talk.start("x")
    begun = time.monotonic()
    quick = begin(other, "default", "alice")
    quick.go()
    assert quick.go("correct horse")[0] == "done"
    for _ in range(100):
        other.Resolve("default", quick.token, {})
    assert time.monotonic() - begun < 5
    with raises("InvalidArgument") as caught:
        talk.go("x")
    assert "unanswered" in caught.value.text
    assert not pending.done()
    open(fifo, "wb").close()
    assert pending.result(30)[0] == "done"


def test_S09_denial_waits_for_its_time_since_the_last_answers(world, shared):
    talk = begin(shared, "default", "alice")
    talk.go()
    start = time.monotonic()
    assert talk.go("wrong")[0] == "denied"
    assert time.monotonic() - start >= 0.19


@pytest.fixture
def short(place):
    place.settings("[PAM]\nMaxHelpers=2\nIdleHelpers=1\nQueueTimeoutSec=300ms\nConversationSec=3s\nFailureDelaySec=100ms\n")


@pytest.fixture
def few(place):
    place.settings("[PAM]\nMaxHelpers=2\nIdleHelpers=1\nQueueTimeoutSec=2s\n")


def test_too_many_wait_and_are_told_so(few, helper, broker, private):
    talks = [begin(private, "default", "alice") for _ in range(3)]
    talks[0].go(), talks[1].go()
    with raises("TooMany") as caught:
        talks[2].go()
    assert "MaxHelpers=" in caught.value.text
    waiting = begin(private, "default", "alice").start()
    talks[0].cancel()
    assert waiting.result(10)[0] == "prompt"


def test_sixty_four_at_once_each_with_a_helper_of_its_own(place, helper, broker, private, caller):
    """As the policy has it without a word: whoever comes next waits for one of them to end."""
    place.settings("[PAM]\nQueueTimeoutSec=30s\n[Limits]\nMaxLoginsPerUser=1000\n")
    broker.reload()
    talks = [begin(private, "default", "alice") for _ in range(65)]
    pending = [talk.start() for talk in talks[:64]]
    assert {future.result(60)[0] for future in pending} == {"prompt"}
    assert len(helper.children()) >= 64
    last = talks[64].start()
    assert caller().get("LoginsInProgress") == 65
    assert not last.done()
    assert talks[0].go("correct horse")[0] == "done"
    assert last.result(60)[0] == "prompt"
    assert talks[64].go("correct horse")[0] == "done"


def test_conversation_ends_when_its_time_is_over(short, place, helper, broker, private):
    os.mkfifo(place.path / "fifo")
    stack(place, "websess", f"wait:{place.path}/fifo")
    asked, idle = begin(private, "default", "alice"), begin(private, "default", "alice")
    with raises("Unavailable") as caught:
        asked.go()
    assert "ConversationSec=" in caught.value.text
    wait_until(lambda: gone(idle))


def has_reader(fifo):
    try:
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)      # stays open: the reader waits on
        return True
    except OSError:
        return False


def test_stopping_broker_answers_what_is_under_way(place, helper, broker, private):
    os.mkfifo(place.path / "fifo")
    stack(place, "websess", f"wait:{place.path}/fifo")
    pending = begin(private, "default", "alice").start()
    wait_until(lambda: has_reader(place.path / "fifo"))
    assert broker.stop() == 0
    with raises("Unavailable"):
        pending.result(10)
