# SPDX-License-Identifier: MIT
"""Both ends of a session, at the resolve and not by a sweep: spans of a second, watched from outside."""
import signal
import time

import pytest
from client import BusError, raises
from world import wait_until

POLICY = {
    "short": """
        [Service]
        Users=app
        IdleSec=1200ms
        LifetimeSec=2500ms
        TouchSec=300ms
        Anonymous=yes
        AnonymousIdleSec=1200ms
        [Roles]
        USER=
        """,
    # Longer than a start takes.
    "restart": """
        [Service]
        Users=app
        IdleSec=3s
        LifetimeSec=6s
        """,
    "look": """
        [Service]
        Users=app
        TouchSec=300ms
        """,
    # Long enough to be found in time on a machine that others keep busy.
    "slide": """
        [Service]
        Users=app
        IdleSec=4s
        TouchSec=1s
        """,
    "refuse": """
        [Service]
        Users=app
        MaxSessions=1
        OnLimit=refuse
        """,
}
SLACK = 0.1       # how long a call may take on a busy machine


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def resolve_until_gone(caller, token, need, pause, service="short"):
    """Resolve again and again. Returns when the last success began and when the first refusal ended."""
    last = None
    while True:
        begin = now()
        try:
            caller.Resolve(service, token, need)
        except BusError as error:
            assert error.name == "NoSession"
            return last, now()
        last = begin
        assert now() - begin < 10
        time.sleep(pause)


def create(caller, user="u", service="short", **options):
    begin = now()
    token, session = caller.CreateSession(service, user, ["USER"] if service == "short" and user else [], {"a": 1}, options)
    return token, session, begin, now()


def test_S03_idle_end_comes_never_late(shared):
    token, session, begin, made = create(shared, "idle")
    last, refused = resolve_until_gone(shared, token, {"NoTouch": True}, 0.01)
    assert last < made + 1.2 + SLACK, "resolved behind its idle end"
    assert refused > begin + 1.2, "ended before its idle end"


def test_S03_absolute_end_whatever_is_touched(shared):
    token, session, begin, made = create(shared, "absolute")
    last, refused = resolve_until_gone(shared, token, {}, 0.01)
    assert last < made + 2.5 + SLACK and refused > begin + 2.5


def test_R5_S03_touches_move_the_idle_end_at_most_touch_sec_early(shared):
    token, session, begin, made = create(shared, "slide", "slide")
    moved = []
    while now() < made + 2.2:
        touched = now()
        moved.append(shared.Resolve("slide", token, {})["LastSeen"])
        answered = now()
        time.sleep(0.05)
    assert moved == sorted(moved) and 2 <= len(set(moved)) <= 4, "coalesced: at most one for each TouchSec"
    last, refused = resolve_until_gone(shared, token, {"NoTouch": True}, 0.01, "slide")
    assert last < answered + 4 + SLACK, "late"
    assert refused > touched + 4 - 1, "more than TouchSec early"


def test_R5_touches_sent_at_the_last_moment_count(world):
    """As many as a library sends when it is closed: no answer is waited for, and they take the broker more than a turn."""
    root = world.caller()
    sessions = [f.result(30)[1] for f in [root.begin("CreateSession", "look", f"last{i}", [], {}, {}) for i in range(300)]]
    due = max(s["LastSeen"] for s in sessions) / 1e6 + 0.3
    wait_until(lambda: time.time() > due, what="time to be touched again")
    with world.wire() as wire:
        world.broker.process.send_signal(signal.SIGSTOP)        # it finds them and the end together
        for begin in range(0, 300, 150):
            wire.send("Touch", "sas", "look", [s["Id"] for s in sessions[begin:begin + 150]], flags=1)       # no reply is expected
    world.broker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: all(root.GetSession(s["Id"])["LastSeen"] > s["LastSeen"] for s in sessions), what="touches")


def test_S03_no_touch_does_not_move_it(shared):
    token, session, *_ = create(shared, "look", "look")
    time.sleep(0.4)
    assert shared.Resolve("look", token, {"NoTouch": True})["LastSeen"] == session["LastSeen"]
    assert shared.GetSession(session["Id"])["LastSeen"] == session["LastSeen"]
    assert shared.Resolve("look", token, {})["LastSeen"] > session["LastSeen"]


def test_S03_what_has_ended_is_nothing_to_any_call(shared):
    """In the moment between its end and the sweep."""
    token, session, begin, made = create(shared, "ended", IdleUSec=200_000)
    visitor, *_ = create(shared, "", IdleUSec=200_000)
    time.sleep(0.3)
    for call in (lambda: shared.Resolve("short", token, {}), lambda: shared.Rotate("short", token, {}), lambda: shared.GetSession(session["Id"]),
                 lambda: shared.SetAttributes("short", token, {"a": 2}, [], 0), lambda: shared.RevokeSession(session["Id"]),
                 lambda: shared.SetRoles(session["Id"], ["USER"])):
        with raises("NoSession"):
            call()
    shared.Touch("short", [session["Id"]])
    assert shared.ListSessions({"User": "ended"}) == ([], "")
    assert shared.RevokeUser("short", "ended", {}) == 0
    _, successor, *_ = create(shared, "heir", ReplaceToken=visitor, KeepAttributes=["a"])
    assert successor["Attributes"] == {"a": 1}
    _, successor = shared.CreateSession("short", "heir", [], {}, {"ReplaceToken": visitor, "KeepAttributes": ["a"]})
    assert successor["Attributes"] == {}, "an ended session leaves nothing"


def test_S03_an_ended_session_does_not_come_back_to_a_repeated_request(shared):
    request = f"again{time.monotonic_ns()}"
    _, first, *_ = create(shared, "again", RequestId=request, IdleUSec=100_000)
    time.sleep(0.2)
    token, second, *_ = create(shared, "again", RequestId=request)
    assert second["Id"] != first["Id"]
    shared.Resolve("short", token, {})


def test_F5_ended_sessions_do_not_count(shared):
    made = create(shared, "limit", "refuse", IdleUSec=1_000_000)[-1]
    with raises("LimitReached"):
        create(shared, "limit", "refuse")
    while now() <= made + 1:
        time.sleep(0.01)
    create(shared, "limit", "refuse")
    shared.RevokeUser("refuse", "limit", {})


@pytest.mark.parametrize("user, options, reason", [("sweep", {"IdleUSec": 100_000}, "idle"), ("sweep2", {"LifetimeUSec": 100_000}, "expired"),
                                                   ("", {}, "idle")])
def test_S03_the_sweep_tells_the_reason(world, user, options, reason):
    watcher = world.caller(bus=True)
    watcher.subscribe()
    _, session, *_ = create(world.caller(), user, **options)
    while (signal := watcher.next_signal(5)) is not None:
        if signal[0] == "SessionRemoved" and signal[1][0] == session["Id"]:
            break
    assert signal and signal[1] == (session["Id"], "short", user, reason)


def test_F7_S03_ends_hold_across_a_restart(world):
    """And the time that passes while nobody is there counts."""
    token, session, begin, made = create(world.caller(bus=True), "u", "restart")
    world.broker.stop()
    while now() < made + 0.6:
        time.sleep(0.01)
    world.broker.start()
    caller = world.caller(bus=True)
    again = caller.Resolve("restart", token, {"NoTouch": True})
    assert (again["LastSeen"], again["LifetimeEnd"]) == (session["LastSeen"], session["LifetimeEnd"])
    last, refused = resolve_until_gone(caller, token, {"NoTouch": True}, 0.01, "restart")
    assert last < made + 3 + SLACK and refused > begin + 3
