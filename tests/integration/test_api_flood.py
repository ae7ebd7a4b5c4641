# SPDX-License-Identifier: MIT
"""One uid floods: with calls, connections, logins, sessions. Its quotas hold, and another's calls go on; how fast, test_api_fair.py says."""
import contextlib
import threading
import time

import pytest
from client import BusError
from wire import Wire, message

pytestmark = pytest.mark.needs_root

POLICY = {"default": "[Service]\nMaxSessions=0\n[Access]\nLogin=*\nResolve=*\nCreate=*\n"}
SETTINGS = """
    [Limits]
    MaxConnections=200
    MaxConnectionsPerUser=50
    MaxPendingPerUser=100
    MaxLoginsPerUser=4
    MaxSessionsPerCreator=2000
    MaxBytesPerUser=1M
    """


def test_S17_connections_by_uid(world):
    """What is beyond the quota is closed; others still come in."""
    wires = []
    try:
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(60):
                wires.append(world.wire("games"))
        assert 30 <= len(wires) <= 50
        with world.wire("uucp") as other:
            assert other.call("Get", "ss", "org.websess1.Manager", "Version", interface="org.freedesktop.DBus.Properties")
    finally:
        for wire in wires:
            wire.close()


def test_S17_calls_under_way_by_uid(world):
    """Creates wait for the disk: a hundred may, what is above is told so, and nothing hangs."""
    with world.wire("games") as wire:
        data = b"".join(message(n, "CreateSession", "ssasa{sv}a{sv}", ("default", "flood", [], {}, {})) for n in range(2, 402))
        sender = threading.Thread(target=lambda: wire.socket.sendall(data))
        sender.start()
        outcomes = []
        for n in range(2, 402):
            try:
                wire.take(n)
                outcomes.append("done")
            except BusError as error:
                outcomes.append(error.name)
        sender.join(10)
    assert set(outcomes) <= {"done", "TooMany"} and outcomes.count("done") >= 100
    with world.wire("uucp") as other:
        other.call("CreateSession", "ssasa{sv}a{sv}", "default", "quiet", [], {}, {})


def test_S17_logins_by_caller(world):
    """Four exchanges with PAM at once; the fifth is told to wait, and somebody else's goes on."""
    games, uucp = world.caller("games"), world.caller("uucp")
    futures = [games.begin("Login", "default", "alice", "wrong", {}) for _ in range(12)]
    begin = time.monotonic()
    assert uucp.Login("default", "alice", "correct horse", {})[1]["User"] == "alice"
    assert time.monotonic() - begin < 5
    names = [future.exception(30).name for future in futures]
    assert set(names) == {"TooMany", "AuthenticationFailed"} and names.count("AuthenticationFailed") >= 4


def test_S17_sessions_by_creator(world):
    games = world.wire("games")
    outcomes = set()
    for _ in range(2100):
        try:
            games.call("CreateSession", "ssasa{sv}a{sv}", "default", "flood", [], {}, {})
        except BusError as error:
            outcomes.add(error.name)
            assert "MaxSessionsPerCreator=" in error.text
            break
    assert outcomes == {"TooMany"}
    world.caller("uucp").CreateSession("default", "quiet", [], {}, {})
    world.caller().RevokeUser("default", "flood", {})


def test_S17_L08_a_reader_that_never_reads(world):
    """Its answers pile up to its quota and no further; others do not wait for it."""
    root = world.caller()
    for i in range(100):
        root.CreateSession("default", "games", [], {"a": "x" * 10000}, {})
    with world.wire("games") as wire:
        wire.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(2000):
                wire.send("ListSessions", "a{sv}", {})
        with open(f"/proc/{world.broker.pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        assert resident < 200_000, "KiB"
        begin = time.monotonic()
        with Wire(world.broker.address) as other:
            other.call("CreateSession", "ssasa{sv}a{sv}", "default", "quiet", [], {}, {})
        assert time.monotonic() - begin < 2
    root.RevokeUser("default", "games", {})
