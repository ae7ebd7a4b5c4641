# SPDX-License-Identifier: MIT
"""Brute force is slowed down, over a kill of the broker too, and cannot be turned against the user."""
import signal

import pytest
from client import raises
from conversation import begin
from world import wait_until

SETTINGS = """
    [PAM]
    FailureDelaySec=1ms
    [Throttle]
    UserHostFailures=3
    UserHostRecoverSec=1h
    HostFailures=6
    HostRecoverSec=1h
    """
OWNER = "default"


@pytest.fixture
def place(place):
    place.settings(SETTINGS)
    place.user("bob", "battery staple")
    return place


def login(client, user="alice", password="correct horse", host="192.0.2.1"):
    return client.Login(OWNER, user, password, {"RemoteHost": host})


def guess(client, **options):
    with raises("AuthenticationFailed"):
        login(client, password="wrong", **options)


def test_S08_guesses_are_slowed_and_the_user_is_let_in_from_elsewhere(manager):
    for _ in range(3):
        guess(manager)
    with raises("TooMany") as refused:
        login(manager)
    assert "try again in" in refused.value.text
    assert manager.get("ThrottlesFull") == 1
    login(manager, host="192.0.2.2")
    login(manager, host="127.0.0.1")
    login(manager, host="")
    login(manager, user="bob", password="battery staple")


def test_S08_guesses_at_once_do_not_slip_through(private):
    calls = [private.begin("Login", OWNER, "alice", "wrong", {"RemoteHost": "192.0.2.1"}) for _ in range(20)]
    names = sorted(call.exception(30).name for call in calls)
    assert names == ["AuthenticationFailed"] * 3 + ["TooMany"] * 17


def test_S08_one_host_is_slowed_over_all_users_but_where_a_user_is_known(private):
    login(private)
    for i in range(6):
        guess(private, user=f"user{i}")
    with raises("TooMany"):
        login(private, user="bob", password="battery staple")
    login(private)


def test_S08_a_client_that_hangs_up_does_not_get_its_guess_back(place, broker, caller, private):
    place.pam_service("websess", "auth required pam_exec.so quiet /bin/sleep 60\naccount required pam_permit.so\n")
    for _ in range(3):
        hasty = caller()
        hasty.begin("Login", OWNER, "alice", "wrong", {"RemoteHost": "192.0.2.1"})
        wait_until(lambda: private.get("LoginsInProgress"))
        hasty.close()
        wait_until(lambda: not private.get("LoginsInProgress"))
    with raises("TooMany"):
        login(private)


def test_successes_cost_nothing(private):
    for _ in range(20):
        login(private)
    assert private.get("ThrottlesFull") == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_S08_counts_outlive_the_broker(place, broker, caller, number):
    client = caller()
    file = place.state / "throttle"
    for i in range(3):
        guess(client)
        if number == signal.SIGKILL:
            # each of them, not only the first
            before = file.stat().st_mtime_ns if i else 0
            wait_until(lambda: file.exists() and file.stat().st_mtime_ns > before)
    broker.restart(number)
    client = caller()
    with raises("TooMany"):
        login(client)
    login(client, host="192.0.2.2")
    assert b"alice" not in file.read_bytes()


def test_a_damaged_file_is_said_and_left_out(place, broker, caller):
    client = caller()
    for _ in range(3):
        guess(client)
    broker.stop()
    file = place.state / "throttle"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    broker.start()
    login(caller())
    assert "failed logins is lost" in broker.log


@pytest.mark.needs_root
def test_reset_by_administrators(place, broker, caller):
    place.policy("shop", "[Access]\nLogin=*\nManage=games\n")
    broker.reload()
    root, shop, nobody = caller(), caller("games"), caller("irc")
    for _ in range(3):
        with raises("AuthenticationFailed"):
            root.Login("shop", "alice", "wrong", {"RemoteHost": "192.0.2.1"})
        guess(root)
    with raises("AccessDenied"):
        nobody.ResetThrottle("shop", "alice", "")
    with raises("AccessDenied"):
        shop.ResetThrottle("default", "alice", "")
    with raises("AccessDenied"):
        shop.ResetThrottle("", "alice", "")
    with raises("InvalidArgument"):
        root.ResetThrottle("..", "alice", "")
    with raises("NoService"):
        root.ResetThrottle("none", "alice", "")
    # all that the shop may forget is forgotten; the host's own count is not the shop's
    assert shop.ResetThrottle("shop", "alice", "192.0.2.1") == 1
    with raises("TooMany"):
        root.Login("shop", "alice", "correct horse", {"RemoteHost": "192.0.2.1"})
    assert root.ResetThrottle("shop", "", "192.0.2.1") == 1
    root.Login("shop", "alice", "correct horse", {"RemoteHost": "192.0.2.1"})
    with raises("TooMany"):
        login(root)
    assert root.ResetThrottle("", "", "") > 1
    login(root)
    assert root.get("ThrottlesFull") == 0


def test_S08_rounds_count_when_they_are_answered(private):
    for _ in range(5):          # a page that asks is no guess
        begin(private, OWNER, "alice", {"RemoteHost": "192.0.2.1"}).go()
    for _ in range(3):
        talk = begin(private, OWNER, "alice", {"RemoteHost": "192.0.2.1"})
        talk.go()
        assert talk.go("wrong")[0] == "denied"
    talk = begin(private, OWNER, "alice", {"RemoteHost": "192.0.2.1"})
    talk.go()
    with raises("TooMany"):
        talk.go("correct horse")
    assert private.ResetThrottle(OWNER, "alice", "192.0.2.1") >= 1
    assert talk.go("correct horse")[0] == "done"
