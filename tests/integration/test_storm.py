# SPDX-License-Identifier: MIT
"""Callers that vanish while something is under way for them: at every point where the broker waits, thousands of times, on both transports.

The same is done to the broker as it is installed and to one built with the address and undefined-behaviour sanitizers: that one ends with an
error of its own when anything is touched that has been freed.
"""
import contextlib
import os
import random
import shutil
import threading
import time

import pytest
from client import BusError
from wire import Wire
from world import BUILD, ROOT, Broker, wait_until

pytestmark = [pytest.mark.needs_root, pytest.mark.policy(
    default="[Service]\nMaxSessions=3\n[Roles]\nADMIN=\nUSER=*\n[Access]\nLogin=*\nResolve=*\nCreate=*\n",
    guarded="[Roles]\nADMIN=\nUSER=\n[Access]\nCreate=uucp\n")]
SANITIZED = ROOT / "build-address-undefined"
SECONDS = float(os.environ.get("WEBSESS_STORM_SECONDS", 3))
GAMES, UUCP = 5, 10
PROPERTIES = {"interface": "org.freedesktop.DBus.Properties"}


@pytest.fixture(params=["plain", "sanitized"])
def broker(request, place, bus, helper):
    if request.param == "sanitized":
        if not (SANITIZED / "websessd").exists():
            pytest.skip("needs build-address-undefined/websessd: make sanitized")
        for program in ("websessd", "websess-pam"):
            shutil.copy(SANITIZED / program, place.bin / program)
    throttle = "".join(f"{whose}Failures=10000\n" for whose in ("UserHost", "Host", "User", "Caller"))       # or PAM would not be reached
    place.settings(f"[PAM]\nFailureDelaySec=30ms\n[Throttle]\n{throttle}")
    # It is not dumpable, so that its leaks cannot be looked for; the unit tests do that.
    broker = Broker(place, bus, {"ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=1",
                                 "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"})
    try:
        yield broker.start()
    finally:
        broker.close()


def begin_and_continue(wire, answers):
    path, = wire.call("BeginLogin", "ssa{sv}", "default", "alice", {})
    wire.send("Continue", "as", answers, path=path, interface="org.websess1.Conversation")


def backup(wire):
    read, write = os.pipe()
    wire.send("Backup", "h", 0, fds=[write])
    os.close(write)
    os.close(read)


def never_read(wire):
    """Until it is not read from either."""
    wire.socket.settimeout(0.05)
    for _ in range(200):
        wire.send("ListSessions", "a{sv}", {})


def half(wire):
    wire.socket.sendall(b"l\1\0\1" + bytes([200, 0, 0, 0, 1, 0, 0, 0]))


# What is asked, and what the broker then waits for. "#" is a token of the caller's.
AWAITS = {
    "credentials": lambda wire, token: wire.send("Get", "ss", "org.websess1.Manager", "Healthy", **PROPERTIES),
    "a commit": lambda wire, token: wire.send("CreateSession", "ssasa{sv}a{sv}", "default", "vanish", [], {}, {"RequestId": ("s", "again")}),
    "several commits": lambda wire, token: [wire.send("CreateSession", "ssasa{sv}a{sv}", "default", "vanish", [], {}, {}) for _ in range(8)],
    "a change": lambda wire, token: wire.send("SetAttributes", "ssa{sv}ast", "default", token, {"a": ("s", "b")}, [], 0),
    "a rotation": lambda wire, token: wire.send("Rotate", "ssa{sv}", "default", token, {}),
    "a revocation": lambda wire, token: wire.send("Logout", "ss", "default", token),
    "PAM": lambda wire, token: wire.send("Login", "sssa{sv}", "default", "alice", "correct horse", {}),
    "the delay of a failure": lambda wire, token: wire.send("Login", "sssa{sv}", "default", "alice", "wrong", {}),
    "somebody's answer": lambda wire, token: begin_and_continue(wire, []),
    "PAM in a conversation": lambda wire, token: (begin_and_continue(wire, []), wire.receive(), begin_and_continue(wire, ["wrong"])),
    "a helper to be free": lambda wire, token: [wire.send("Login", "sssa{sv}", "default", "alice", "x", {}) for _ in range(6)],
    "a copy": lambda wire, token: backup(wire),
    "a reader": lambda wire, token: never_read(wire),
    "signals": lambda wire, token: (wire.send("Subscribe"), wire.send("CreateSession", "ssasa{sv}a{sv}", "default", "vanish", [], {}, {})),
    "turns": lambda wire, token: (wire.send("Touch", "sas", "default", ["0" * 32] * 1500), wire.send("ListSessions", "a{sv}", {})),
    "a map": lambda wire, token: wire.send("OpenMap", "s", "default"),
    "the rest of a message": lambda wire, token: half(wire),
}
# What games may not, whatever becomes of him meanwhile: on the bus his credentials are asked for while he goes.
FORBIDDEN = (
    ("RevokeAll", "s", "guarded"), ("RevokeAll", "s", ""), ("RevokeUser", "ssa{sv}", "", "victim", {}), ("SetUserRoles", "ssas", "guarded", "victim", ["ADMIN"]),
    ("CreateSession", "ssasa{sv}a{sv}", "guarded", "mallory", ["ADMIN"], {}, {}), ("Reload",),
)


def vanish_once(address, await_what, chance):
    with contextlib.suppress(BusError, OSError, EOFError, AssertionError):
        wire = Wire(address)
        try:
            token, _ = wire.call("CreateSession", "ssasa{sv}a{sv}", "default", "vanish", [], {}, {})
            AWAITS[await_what](wire, token)
            time.sleep(chance.choice((0, 0, 0, 0.0003, 0.002, 0.02)))
        finally:
            wire.close()


def descriptors(broker):
    return len(os.listdir(f"/proc/{broker.pid}/fd"))


def test_S15_S16_callers_vanish_at_every_await(broker):
    with Wire(broker.address) as wire:          # helpers are there that wait for work
        wire.call("Login", "sssa{sv}", "default", "alice", "correct horse", {})
        before = descriptors(broker)
    counts, end = dict.fromkeys(AWAITS, 0), time.monotonic() + SECONDS

    def storm(address, seed):
        chance = random.Random(seed)
        while time.monotonic() < end or min(counts.values()) < 3:
            what = min(counts, key=counts.get) if chance.random() < 0.2 else chance.choice(list(AWAITS))
            vanish_once(address, what, chance)
            counts[what] += 1
            assert broker.alive, broker.log[-4000:]

    failures = []

    def guarded(*arguments):
        try:
            storm(*arguments)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(address, n)) for n, address in enumerate([broker.address, broker.bus.address] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Wire(broker.address) as wire:
        token, _ = wire.call("CreateSession", "ssasa{sv}a{sv}", "default", "present", [], {}, {})
        assert wire.call("Resolve", "ssa{sv}", "default", token, {})
        assert descriptors(broker) < before + 50, "helpers may be at work still; what thousands of callers had is gone"
        # What is left is this connection and this call
        wait_until(lambda: [wire.call("Get", "ss", "org.websess1.Manager", name, **PROPERTIES)[0] for name in ("Connections", "PendingCalls")] == [1, 1])


def test_S15_who_vanishes_is_denied(broker):
    """Never taken for root, nor for somebody else: not one of a thousand calls that he may not make has an effect."""
    with Wire(broker.address, uid=UUCP) as other:
        token, session = other.call("CreateSession", "ssasa{sv}a{sv}", "guarded", "victim", ["USER"], {}, {})
        loads = broker.log.count("loaded from")
        chance, end, n = random.Random(1), time.monotonic() + SECONDS / 2, 0
        while time.monotonic() < end or n < 200:
            for address in (broker.address, broker.bus.address):
                with Wire(address, uid=GAMES) as wire:
                    for call in chance.sample(FORBIDDEN, 3):
                        wire.send(*call)
                        n += 1
        with Wire(broker.address) as root:
            assert root.call("GetSession", "s", session["Id"])[0]["Roles"] == ["USER"]
            sessions, _ = root.call("ListSessions", "a{sv}", {"Service": ("s", "guarded")})
        assert len(sessions) == 1
        with pytest.raises(BusError) as refused:
            other.call("Resolve", "ssa{sv}", "guarded", token, {"Roles": ("as", ["ADMIN"])})
        assert refused.value.name in ("AccessDenied", "Forbidden")
    assert broker.log.count("loaded from") == loads, "the policy was read again"
