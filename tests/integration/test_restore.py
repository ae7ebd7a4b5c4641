# SPDX-License-Identifier: MIT
"""Backups taken under load and put back: with --keep and without, here and on a machine with another boot, user and key; databases of
older formats; and what is refused, by name, with nothing changed."""
import contextlib
import gzip
import json
import os
import pathlib
import pwd
import random
import shutil
import subprocess
import threading

import pytest
from client import Client
from wire import Wire
from world import BROKER_UID, IS_ROOT, OWN_MOUNTS, Broker, Place, wait_until

DATABASES = pathlib.Path(__file__).parent / "databases"
CREATE = ("CreateSession", "ssasa{sv}a{sv}")
LONG = """
    [Service]
    IdleSec=36500d
    LifetimeSec=36500d
    [Roles]
    USER=*
    [Access]
    Login=*
    Resolve=*
    """


def restore(place, file, *options):
    return subprocess.run([place.bin / "websessd", *options, "--restore", file], capture_output=True, text=True, timeout=60,
                          env={"STATE_DIRECTORY": str(place.state)})


def must_restore(place, file, *options):
    done = restore(place, file, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def back_up(broker, path):
    with open(path, "xb") as file, Wire(broker.address) as wire:
        wire.call("Backup", "h", 0, fds=[file.fileno()])
    return path


def is_live(client, token):
    try:
        client.Resolve("default", token, {"NoTouch": True})
        return True
    except Exception as error:
        assert "NoSession" in str(getattr(error, "name", error)), error
        return False


class Load(threading.Thread):
    """Creates and ends sessions until it is told to stop. What was answered is in .live and .ended, with the time of the answer counted."""

    def __init__(self, address, number):
        super().__init__()
        self.address, self.number, self.stopping = address, number, threading.Event()
        self.created, self.ended = [], []               # tokens, in the order in which they were answered
        self.mark = None                                # how many of each there were when the backup was begun

    def run(self):
        dice = random.Random(self.number)
        with Wire(self.address) as wire:
            while not self.stopping.is_set():
                token, _ = wire.call(*CREATE, "default", f"load{self.number}", ["USER"], {}, {})
                self.created.append(token)
                if len(self.created) % 3 == 0:
                    victim = dice.choice(self.created)
                    wire.call("Logout", "ss", "default", victim)
                    self.ended.append(victim)

    def note(self):
        self.mark = len(self.created), len(self.ended)


@contextlib.contextmanager
def load(broker, n=4):
    threads = [Load(broker.address, i) for i in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.join()


class Elsewhere(Broker):
    """A broker on another machine, as far as it can tell: another boot id, another user."""

    UID = pwd.getpwnam("uucp").pw_uid if IS_ROOT else None

    def spawn(self, arguments, environment, **options):
        boot_id = self.place.path / "boot_id"
        boot_id.write_text("01234567-89ab-4cde-8f01-23456789abcd\n")
        options = {k: v for k, v in options.items() if k == "pass_fds"}
        script = (f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id && "
                  f'exec setpriv --reuid={self.UID} --regid={self.UID} --clear-groups --pdeathsig=KILL "$@"')
        super().spawn(["unshare", "--mount", "--propagation=private", "/bin/bash", "-c", script, "sh", *arguments], environment, **options)


def give(folder, uid):
    for path in [folder, *folder.iterdir()]:
        os.chown(path, uid, uid)


def mark_of(place):
    """The boot id that the database was written under."""
    data = (place.state / "sessions.mdb").read_bytes()
    return {data[at + 4:at + 20] for at in range(len(data)) if data.startswith(b"mark", at)}


# ---- under load, here and elsewhere ----

@pytest.mark.policy(default=LONG + "[Service]\nMaxSessions=0\n")
def test_L10_a_backup_under_load_loses_and_revives_nothing(place, bus):
    broker = Broker(place, bus).start()
    backup = place.path / "backup.mdb"
    with load(broker) as threads:
        wait_until(lambda: min(len(t.ended) for t in threads) >= 20)
        for thread in threads:
            thread.note()
        back_up(broker, backup)
        enough = [len(t.ended) + 5 for t in threads]
        wait_until(lambda: all(len(t.ended) >= n for t, n in zip(threads, enough)))
    before = {t for thread in threads for t in thread.created[:thread.mark[0]]}
    ended_before = {t for thread in threads for t in thread.ended[:thread.mark[1]]}
    ended_later = {t for thread in threads for t in thread.ended[thread.mark[1]:]}
    broker.stop()

    must_restore(place, backup, "--keep")
    with contextlib.closing(Client(broker.start().address)) as client:
        for token in before - ended_before - ended_later:
            assert is_live(client, token), "lost"
        for token in ended_before:
            assert not is_live(client, token), "revived"
        client.CreateSession("default", "goes on", ["USER"], {}, {})
    broker.stop()

    assert "are ended" in must_restore(place, backup)
    with contextlib.closing(Client(broker.start().address)) as client:
        assert client.get("SessionCount") == 0
        assert not any(is_live(client, token) for token in before)
        client.CreateSession("default", "goes on", ["USER"], {}, {})
    broker.close()


@pytest.mark.skipif(IS_ROOT and not OWN_MOUNTS, reason="no mount namespaces here")
@pytest.mark.needs_root
@pytest.mark.policy(default=LONG)
def test_L10_restored_on_another_machine(place, bus):
    broker = Broker(place, bus).start()
    with Wire(broker.address) as wire:
        token, session = wire.call(*CREATE, "default", "alice", ["USER"], {"n": ("x", 7)}, {})
    backup = back_up(broker, place.path / "backup.mdb")
    broker.close()

    other = Place()
    try:
        other.policy("default", LONG)
        give(other.state, Elsewhere.UID)
        must_restore(other, backup, "--keep")
        assert {(f.name, f.stat().st_uid, f.stat().st_mode & 0o777) for f in other.state.iterdir()} == {
            (name, Elsewhere.UID, 0o600) for name in ("sessions.mdb", "account.key", "lock")}
        assert (other.state / "account.key").read_bytes() != (place.state / "account.key").read_bytes()
        second = Elsewhere(other).start()
        with contextlib.closing(Client(second.address)) as client:
            again = client.Resolve("default", token, {"NoTouch": True})
            assert again["Id"] == session["Id"] and again["Attributes"] == {"n": 7}
            assert abs(again["LifetimeEnd"] - session["LifetimeEnd"]) < 1_000_000
            later, newer = client.CreateSession("default", "alice", ["USER"], {}, {})
            assert newer["Id"] > session["Id"]
        second.restart()
        with contextlib.closing(Client(second.address)) as client:
            assert is_live(client, token) and is_live(client, later)
        second.close()
        assert bytes.fromhex("0123456789ab4cde8f0123456789abcd") in mark_of(other), "the other boot was not seen"
    finally:
        other.remove()



def test_L10_after_a_restore_ids_go_on_and_the_key_stays(place, bus):
    """What was given after the backup is not given again, though the clock knows nothing of it."""
    broker = Broker(place, bus).start()
    with Wire(broker.address) as wire:
        wire.call(*CREATE, "default", "one", [], {}, {})
        backup = back_up(broker, place.path / "backup.mdb")
        _, last = wire.call(*CREATE, "default", "two", [], {}, {})
    broker.stop()
    key = (place.state / "account.key").read_bytes()
    must_restore(place, backup)
    data = (place.state / "sessions.mdb").read_bytes()
    assert bytes.fromhex(last["Id"]) in data, "the last id is not known any more"
    assert b"one" not in data
    assert (place.state / "account.key").read_bytes() == key
    with Wire(broker.start().address) as wire:
        _, newer = wire.call(*CREATE, "default", "three", [], {}, {})
    assert newer["Id"] > last["Id"]
    broker.close()


# ---- older formats ----

@pytest.mark.parametrize("name", ["format-1-no-key", "format-1"])
@pytest.mark.policy(default=LONG)
def test_L10_a_database_of_an_older_format_is_brought_up(place, bus, name):
    """Written by the programs of the time: twelve users with a session each and a large one; the first and the sixth have logged out."""
    tokens = json.loads((DATABASES / "tokens.json").read_text())[name]
    file = place.state / "sessions.mdb"
    file.write_bytes(gzip.decompress((DATABASES / f"{name}.mdb.gz").read_bytes()))
    if IS_ROOT:
        give(place.state, BROKER_UID)
    old = place.path / "old.mdb"
    shutil.copy(file, old)
    broker = Broker(place, bus).start()
    assert "was of format 1 and is now of format 2" in broker.log
    for _ in range(2):
        with contextlib.closing(Client(broker.address)) as client:
            assert [is_live(client, t) for t in tokens] == [i not in (0, 5) for i in range(13)]
            assert client.Resolve("default", tokens[3], {})["Attributes"] == {"n": 3, "name": "ü"}
        broker.restart()
    assert broker.log.count("is now of format") == 1

    backup = back_up(broker, place.path / "backup.mdb")
    broker.stop()
    key = (place.state / "account.key").read_bytes()
    assert key[:32] not in backup.read_bytes()
    assert (key[:32] in gzip.decompress((DATABASES / f"{name}.mdb.gz").read_bytes())) == (name == "format-1")
    # The old file can be restored as well: that it was a database and no backup makes no difference.
    must_restore(place, old, "--keep")
    with contextlib.closing(Client(broker.start().address)) as client:
        assert [is_live(client, t) for t in tokens] == [i not in (0, 5) for i in range(13)]
    broker.close()


# ---- refused ----

@pytest.fixture
def stopped(place, bus):
    broker = Broker(place, bus).start()
    with Wire(broker.address) as wire:
        broker.token, _ = wire.call(*CREATE, "default", "kept", [], {}, {})
    broker.backup = back_up(broker, place.path / "backup.mdb")
    broker.stop()
    yield broker
    broker.close()


def newer(data):
    at = data.index(b"format\2\0\0\0")
    return data[:at + 6] + b"\7" + data[at + 7:]


@pytest.mark.parametrize("damage, said", [
    (lambda data: data[:-1], "truncated"),
    (lambda data: data[:5000], "truncated"),
    (lambda data: b"", "empty"),
    (lambda data: data[:8192] + bytes(4096) + data[12288:], "damaged"),
    (lambda data: b"#!/bin/sh\n" * 1000, "not a database of websess"),
    (newer, "format 7, this websessd knows 2: install the websess that wrote it"),
], ids=["short", "cut", "empty", "page", "foreign", "newer"])
def test_S18_a_bad_backup_is_refused_and_nothing_changes(place, stopped, damage, said):
    stopped.backup.write_bytes(damage(stopped.backup.read_bytes()))
    before = {f.name: f.read_bytes() for f in place.state.iterdir()}
    for options in ([], ["--keep"]):
        done = restore(place, stopped.backup, *options)
        assert done.returncode == 78 and said in done.stderr and str(stopped.backup) in done.stderr, done.stderr
        assert not done.stdout
    after = {f.name: f.read_bytes() for f in place.state.iterdir()}
    assert {k: v for k, v in after.items() if k not in ("lock", "sessions.mdb-lock")} == \
        {k: v for k, v in before.items() if k not in ("lock", "sessions.mdb-lock")}
    with contextlib.closing(Client(stopped.start().address)) as client:
        assert is_live(client, stopped.token)


def test_L10_no_restore_under_a_running_broker(place, stopped):
    stopped.start()
    done = restore(place, stopped.backup)
    assert done.returncode == 78 and f"another websessd (pid {stopped.pid})" in done.stderr and "stop it first" in done.stderr
    with contextlib.closing(Client(stopped.address)) as client:
        assert is_live(client, stopped.token)


def test_L10_restore_says_what_it_wants(place, stopped):
    assert restore(place, place.path / "nothing.mdb").returncode == 78
    assert "No such file" in restore(place, place.path / "nothing.mdb").stderr
    done = subprocess.run([place.bin / "websessd", "--keep"], capture_output=True, text=True, timeout=20, env={})
    assert done.returncode == 64 and "--restore FILE" in done.stderr
    done = subprocess.run([place.bin / "websessd", "--restore", stopped.backup], capture_output=True, text=True, timeout=20,
                          env={"STATE_DIRECTORY": str(place.path / "gone")})
    assert done.returncode == 78 and "start websessd once" in done.stderr


@pytest.mark.needs_root
def test_L10_only_who_owns_the_database_restores_it(place, stopped):
    stopped.backup.chmod(0o644)
    done = subprocess.run([place.bin / "websessd", "--restore", stopped.backup], capture_output=True, text=True, timeout=20,
                          user=pwd.getpwnam("games").pw_uid, group=60, extra_groups=[], env={"STATE_DIRECTORY": str(place.state)})
    assert done.returncode == 78 and "not permitted" in done.stderr
