# SPDX-License-Identifier: MIT
"""The broker's own life: restarts, SIGTERM under load, reload, backup, databases it must not believe, a full disk."""
import concurrent.futures
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time

import pytest
from client import BusError, Client, raises
from wire import Wire
from world import BROKER_UID, IS_ROOT, Broker, Place, wait_until

CREATE = ("CreateSession", "ssasa{sv}a{sv}")


def test_F7_sessions_survive_a_restart(broker, caller):
    root = caller(bus=True)
    token, session = root.CreateSession("default", "f7", ["USER"], {"a": ["s", "ü"], "n": -5}, {"RemoteHost": "192.0.2.1", "RequestId": "f7"})
    session = root.Resolve("default", token, {})
    ended, _ = root.CreateSession("default", "f7", [], {}, {})
    root.Logout("default", ended)
    broker.restart()
    root = caller(bus=True)
    again = root.Resolve("default", token, {"NoTouch": True})
    assert again == session | {"LastSeen": again["LastSeen"], "Expires": again["Expires"]}
    with raises("NoSession"):
        root.Resolve("default", ended, {})
    assert root.get("SessionCount") == 1
    assert root.ListSessions({"User": "f7"})[0][0]["Id"] == session["Id"]
    assert root.RevokeUser("", "f7", {}) == 1, "the index by user is there again"


def test_the_service_manager_is_told_of_it(place, bus):
    """READY and STATUS, the watchdog's pulse, RELOADING by the clock that systemd asks for, STOPPING."""
    broker = Broker(place, bus, {"WATCHDOG_USEC": 200_000}).start()

    def said(key):
        return next((line.removeprefix(f"{key}=") for message in broker.messages for line in message if line.startswith(f"{key}=")), None)

    broker.wait_for("STATUS=0 sessions, 1 services")
    broker.messages.clear()
    broker.wait_for("WATCHDOG=1")
    place.policy("another", "")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    broker.reload()
    assert said("RELOADING") == "1" and before <= int(said("MONOTONIC_USEC")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    broker.wait_for("STATUS=0 sessions, 2 services")
    place.policy("another", "[Service]\nNoSuchKey=1\n")
    broker.reload()
    broker.wait_for("STATUS=0 sessions, 2 services; the policy on disk is refused, the one before is in force")
    broker.messages.clear()
    broker.process.send_signal(signal.SIGTERM)
    broker.wait_for("STOPPING=1")
    broker.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_L01_a_request_that_comes_again_after_a_restart(broker, caller, number):
    root = caller()
    first, session = root.CreateSession("default", "retry", [], {}, {"RequestId": "r"})
    old, rotated = root.CreateSession("default", "rotated", [], {}, {})
    lost, _ = root.Rotate("default", old, {"RequestId": "r2"})
    broker.restart(number)
    root = caller()
    again, repeated = root.CreateSession("default", "retry", [], {}, {"RequestId": "r"})
    assert repeated["Id"] == session["Id"]
    with raises("NoSession"):
        root.Resolve("default", first, {})
    root.Resolve("default", again, {})
    fresh, _ = root.Rotate("default", old, {"RequestId": "r2"})
    assert root.Resolve("default", fresh, {})["Id"] == rotated["Id"]
    with raises("NoSession"):
        root.Resolve("default", lost, {})


def test_L05_sigterm_with_50_creates_in_flight_loses_no_reply(broker):
    """What was done was answered: after the restart there are exactly the sessions whose tokens arrived."""
    for round in range(5):
        wires = [Wire(broker.address) for _ in range(5)]
        for wire in wires:
            for _ in range(10):
                wire.send(*CREATE, "default", f"round{round}.{wire.name}.{wire.serial}", [], {}, {})
        broker.process.send_signal(signal.SIGTERM)
        tokens = []
        for wire in wires:
            for serial in range(2, 12):
                try:
                    tokens.append(wire.take(serial)[0])
                except BusError as error:
                    assert error.name == "Unavailable"
                except (EOFError, ConnectionError):
                    break
            wire.close()
        assert broker.process.wait(10) == 0
        broker.start()
        with Wire(broker.address) as wire:
            for token in tokens:
                wire.call("Resolve", "ssa{sv}", "default", token, {})
            found, = [wire.call("ListSessions", "a{sv}", {"UserPrefix": ("s", f"round{round}.")})[0]]
            assert len(found) == len(tokens)


def test_L05_sigterm_waits_for_a_login(broker, caller):
    client = caller()
    future = client.begin("Login", "default", "alice", "correct horse", {})
    assert client.get("Version")
    broker.process.send_signal(signal.SIGTERM)
    try:
        token, _ = future.result(20)
    except BusError as error:
        assert error.name == "Unavailable"
        token = None
    assert broker.process.wait(10) == 0
    broker.start()
    count = caller().get("SessionCount")
    assert count == (token is not None)


# ---- reload ----

@pytest.mark.parametrize("by", ["Reload", "SIGHUP"])
@pytest.mark.needs_root
def test_reload_takes_the_new_policy(broker, place, caller, by):
    root = caller()
    with raises("NoService"):
        root.CreateSession("new", "x", [], {}, {})
    place.policy("new", "[Service]\nUsers=app\n")
    broker.reload() if by == "SIGHUP" else root.Reload()
    token, _ = root.CreateSession("new", "x", [], {}, {})
    (place.etc / "services.d/new.conf").unlink()
    broker.reload() if by == "SIGHUP" else root.Reload()
    with raises("NoService"):
        root.Resolve("new", token, {})


@pytest.mark.parametrize("text, said", [
    ("[Service]\nIdleSec=2h\nIdelSec=1h\n", ["bad.conf:3", "IdelSec"]),
    ("[Service]\nIdleSec=2 fortnights\n", ["bad.conf:2", "IdleSec", "fortnights"]),
    ("[Roles]\nADMIN=@no-such-group-here\n", ["bad.conf:2", "ADMIN", "no-such-group-here"]),
    ("[Service]\nIdleSec=2h  # two hours\n", ["bad.conf:2", "IdleSec"]),
    ("[Service]\nTokenPrefix=" + "x" * 70000 + "\n", ["bad.conf:2", "long"]),
    ("[Access]\nLogin=no-such-user-here\n", ["bad.conf:2", "Login", "no-such-user-here"]),
    ("[Servise]\nIdleSec=2h\n", ["bad.conf", "Servise"]),
    ("[Cookie]\nDomain=co.uk\n", ["bad.conf:2", "Domain", "public suffix"]),
])
@pytest.mark.needs_root
def test_a_bad_policy_is_refused_and_the_running_one_stays(broker, place, caller, text, said):
    root = caller()
    place.policy("default", "[Service]\nUsers=app\nIdleSec=1h\n")
    root.Reload()
    place.policy("default", "[Service]\nUsers=app\nIdleSec=3h\n")
    place.policy("bad", text)
    with raises("InvalidArgument") as refused:
        root.Reload()
    for word in said:
        assert word in refused.value.text, refused.value.text
    assert root.get("Healthy") is False
    assert root.CreateSession("default", "x", [], {}, {})[1]["IdleUSec"] == 3600_000_000
    broker.reload()                     # by signal: refused too, said in the log
    assert said[0] in broker.log and root.get("Healthy") is False
    (place.etc / "services.d/bad.conf").unlink()
    root.Reload()
    assert root.get("Healthy") is True
    assert root.CreateSession("default", "x", [], {}, {})[1]["IdleUSec"] == 3 * 3600_000_000


def test_a_bad_policy_at_start_is_said(place, bus):
    place.policy("bad", "[Service]\nIdelSec=1h\n")
    broker = Broker(place, bus)
    broker.start(wait=False)
    assert broker.process.wait(10) == 78
    assert "bad.conf:2" in broker.log and "IdelSec" in broker.log
    broker.close()


# ---- backup ----

@pytest.mark.needs_root
def test_L10_a_backup_under_load_can_be_restored(broker, caller):
    root, load = caller(), caller()
    tokens = [root.CreateSession("default", f"b{i}", ["USER"], {"n": i}, {})[0] for i in range(50)]
    root.Logout("default", tokens[0])
    futures = [load.begin("CreateSession", "default", f"load{i}", [], {}, {}) for i in range(200)]
    with tempfile.TemporaryFile() as file, Wire(broker.address) as wire:
        wire.call("Backup", "h", 0, fds=[file.fileno()])
        concurrent.futures.wait(futures)
        other = Place()
        try:
            file.seek(0)
            with open(other.state / "sessions.mdb", "wb") as copy:
                shutil.copyfileobj(file, copy)
            if IS_ROOT:
                os.chown(copy.name, BROKER_UID, BROKER_UID)
            second = Broker(other).start()
            client = Client(second.address)
            for i, token in enumerate(tokens[1:], 1):
                assert client.Resolve("default", token, {})["Attributes"] == {"n": i}
            with raises("NoSession"):
                client.Resolve("default", tokens[0], {})
            client.CreateSession("default", "goes on", [], {}, {})
            client.close()
            second.close()
        finally:
            other.remove()


@pytest.mark.needs_root
def test_L10_backup_wants_a_descriptor_to_write_to(broker):
    with Wire(broker.address) as wire, open("/dev/null", "rb") as file:
        with raises("InvalidArgument") as refused:
            wire.call("Backup", "h", 0, fds=[file.fileno()])
        assert "writing" in refused.value.text
        with open("/dev/full", "wb") as full:
            with raises("Unavailable") as refused:
                wire.call("Backup", "h", 0, fds=[full.fileno()])
            assert "No space" in refused.value.text


# ---- databases that are not to be believed ----

def start_fails(place, bus, *said):
    broker = Broker(place, bus)
    broker.start(wait=False)
    status = broker.process.wait(20)
    assert status in (1, 78), f"{status}: {broker.log}"
    for word in said:
        assert word in broker.log, broker.log
    broker.listener.close()
    return broker.log


def database(place):
    return place.state / "sessions.mdb"


def stopped_with(place, bus):
    """A broker that had a session and was stopped."""
    broker = Broker(place, bus).start()
    with Wire(broker.address) as wire:
        for i in range(50):
            wire.call(*CREATE, "default", f"x{i}", [], {"a": ("s", "x" * 500)}, {})
    broker.close()
    (place.run / "websess.sock").unlink()
    (place.path / "notify").unlink()
    (place.path / "broker.log").unlink()


def test_L09_a_service_manager_that_reads_nothing_keeps_nobody_waiting(place, bus):
    with contextlib.closing(Broker(place, bus).start()) as broker, Wire(broker.address) as wire:
        with contextlib.suppress(BlockingIOError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as full:
            while True:
                full.sendto(b"X=1", str(place.path / "notify"))
        wire.call("Reload")
        assert wire.call(*CREATE, "default", "x", [], {}, {})


@pytest.mark.parametrize("keep", [100, 4096, 8192, 12288])
def test_S18_a_truncated_database_is_refused(place, bus, keep):
    stopped_with(place, bus)
    os.truncate(database(place), keep)
    start_fails(place, bus, "sessions.mdb")
    assert database(place).stat().st_size == keep, "touched"


@pytest.mark.parametrize("what", ["text", "sqlite", "zeros", "folder"])
def test_S18_a_foreign_file_is_refused_and_left_alone(place, bus, what):
    file = database(place)
    if what == "sqlite":
        with sqlite3.connect(file) as db:
            db.execute("create table t (x)")
    elif what == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"\0" * 65536 if what == "zeros" else b"This is not a database.\n" * 1000)
    if IS_ROOT:
        os.chown(file, BROKER_UID, BROKER_UID)
    before = None if what == "folder" else file.read_bytes()
    start_fails(place, bus, "sessions.mdb")
    assert what == "folder" or file.read_bytes() == before


def test_L10_a_newer_format_is_refused_by_name(place, bus):
    stopped_with(place, bus)
    data = database(place).read_bytes()
    at = data.rfind(b"format")
    assert at > 0, "no format in the database's meta data"
    changed = 0
    out = bytearray(data)
    while at >= 0:
        value = at + len(b"format")
        value += value % 2              # LMDB keeps values at even offsets
        if struct.unpack_from("<I", out, value)[0] in (1, 2, 3):
            struct.pack_into("<I", out, value, 99)
            changed += 1
        at = data.rfind(b"format", 0, at)
    assert changed
    database(place).write_bytes(out)
    start_fails(place, bus, "format 99", "install")


def test_a_second_broker_on_the_same_database_is_refused(broker, place, bus, caller):
    token, _ = caller().CreateSession("default", "x", [], {}, {})
    run = place.path / "run2"
    run.mkdir()
    if IS_ROOT:
        os.chown(run, BROKER_UID, BROKER_UID)
    log = subprocess.run([place.bin / "websessd"], capture_output=True, text=True, timeout=20, **({"user": BROKER_UID, "group": BROKER_UID} if IS_ROOT else {}),
                         env={"CONFIGURATION_DIRECTORY": str(place.etc), "STATE_DIRECTORY": str(place.state), "RUNTIME_DIRECTORY": str(run),
                              "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
    assert log.returncode in (1, 78) and str(place.state) in log.stderr and "another" in log.stderr.lower(), log.stderr
    caller().Resolve("default", token, {})


def test_S20_a_second_broker_on_the_same_bus_ends(broker, bus, caller):
    other = Place()
    second = Broker(other, bus).start(wait=False)
    assert second.process.wait(20) == 69 and "org.websess1" in second.log
    second.listener.close()
    other.remove()
    assert caller(bus=True).get("Version")


def test_a_socket_path_too_long_is_said(place, bus):
    run, state = place.path / ("r" * 100), place.path / "other"
    run.mkdir()
    state.mkdir()
    done = subprocess.run([place.bin / "websessd"], capture_output=True, text=True, timeout=20,
                          env={"CONFIGURATION_DIRECTORY": str(place.etc), "STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(run),
                               "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
    assert done.returncode == 78 and "socket" in done.stderr and "longer than 107" in done.stderr, done.stderr


# ---- a full disk ----

@pytest.fixture
def small_disk(place):
    """The state folder on a small file system of its own: other programs must not see it fill, so it is a mount for the test alone."""
    if not IS_ROOT:
        pytest.skip("needs root: mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=12m,mode=700,uid={BROKER_UID},gid={BROKER_UID}", "tmpfs", str(place.state)], check=True)
    yield place.state
    subprocess.run(["umount", "--lazy", str(place.state)], check=True)


@pytest.mark.needs_root
def test_L03_a_full_disk_is_named_and_revoking_works_and_it_recovers(place, small_disk, bus):
    broker = Broker(place, bus).start()
    with Wire(broker.address) as wire:
        token, kept = wire.call(*CREATE, "default", "kept", [], {}, {})
        victim, _ = wire.call(*CREATE, "default", "victim", [], {}, {})
        logged_out, _ = wire.call(*CREATE, "default", "out", [], {}, {})
        filler = small_disk / "filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            except OSError:
                pass
        refused = None
        for i in range(2000):
            try:
                wire.call(*CREATE, "default", f"f{i}", [], {"a": ("s", "x" * 15000)}, {})
            except BusError as error:
                refused = error
                break
        assert refused and refused.name == "Unavailable" and ("full" in refused.text or "MaxSize" in refused.text), refused
        assert wire.call("Get", "ss", "org.websess1.Manager", "Healthy", interface="org.freedesktop.DBus.Properties") == [False]
        wire.call("Resolve", "ssa{sv}", "default", token, {})
        assert wire.call("RevokeUser", "ssa{sv}", "default", "victim", {}) == [1]
        wire.call("Logout", "ss", "default", logged_out)
        for dead in (victim, logged_out):
            with raises("NoSession"):
                wire.call("Resolve", "ssa{sv}", "default", dead, {})
        filler.unlink()
        deadline = time.monotonic() + 20
        def works():
            try:
                return wire.call(*CREATE, "default", "after", [], {}, {})
            except BusError:
                assert time.monotonic() < deadline
        after, _ = wait_until(works)
        assert wire.call("Get", "ss", "org.websess1.Manager", "Healthy", interface="org.freedesktop.DBus.Properties") == [True]
    broker.restart(signal.SIGKILL)
    with Wire(broker.address) as wire:
        for live in (token, after):
            wire.call("Resolve", "ssa{sv}", "default", live, {})
        for dead in (victim, logged_out):
            with raises("NoSession"):
                wire.call("Resolve", "ssa{sv}", "default", dead, {})
    broker.close()
