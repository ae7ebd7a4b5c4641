# SPDX-License-Identifier: MIT
"""The power fails under a broker at work: at any moment, in the middle of commits, of rotations and of backups. What callers were told is held
against what the next broker finds on the disk. `make check-power CUTS=1000` does more of it."""
import collections
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from client import BusError
from disk import Disk, missing
from faults import LIE, STOP, STOP_AFTER, Faults
from figures import leave, wanted
from ledger import POLICY, Crew, count_of
from wire import Wire
from world import BROKER_UID, BUILD, TIMEOUT, Broker

CUTS = wanted("CUTS", 12)
RAW, LIBRARY = 3, 1
MOMENTS = {"any moment": 5, "commit": 5, "backup": 2, "upgrade": 2}
COMMIT = ("pwrite", "writev", "fdatasync")
BACKUP = ("write", "fsync")
UPGRADE = COMMIT + ("write", "fsync", "rename")
SETTINGS = "[Store]\nMaxSize=32M\nReserve=1M\n"

pytestmark = [pytest.mark.skipif(missing() is not None, reason=str(missing())), pytest.mark.policy(shop=POLICY)]


@pytest.fixture
def disk(place):
    place.settings(SETTINGS)
    disk = Disk(place.state, BROKER_UID)
    try:
        disk.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own: {error}")
    yield disk
    disk.__exit__()


@pytest.fixture
def faults(place):
    return Faults(place.path)


@pytest.fixture
def broker(place, disk, faults):
    broker = Broker(place, environment=faults.environment)
    yield broker.start()
    broker.kill()
    broker.listener.close()
    broker.notify.close()


def wait_until_stopped(broker, enough=lambda: False):
    """The process has come to where it was to stop; False when it does not, or has done enough."""
    end = time.monotonic() + TIMEOUT
    while os.waitid(os.P_PID, broker.pid, os.WSTOPPED | os.WNOHANG) is None:
        if time.monotonic() > end or enough():
            return False
        time.sleep(0.001)
    return True


class Backup(threading.Thread):
    """One backup, into a file on the disk that is about to fail. What is acknowledged must be whole."""

    def __init__(self, broker, path):
        super().__init__(daemon=True)
        self.wire, self.path, self.acknowledged = Wire(broker.address), path, False
        self.file = open(path, "wb")
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
        self.start()

    def run(self):
        with contextlib.suppress(EOFError, ConnectionError, BusError):
            self.wire.call("Backup", "h", 0, fds=[self.file.fileno()])
            self.acknowledged = True

    def end(self):
        self.join(TIMEOUT)
        assert not self.is_alive()
        self.wire.close()
        with contextlib.suppress(OSError):
            self.file.close()


def cut_in(broker, disk, faults, chance, points, most):
    """The process stops in front of a call, or behind it, and there the power goes."""
    faults.arm(chance.choice([STOP, STOP_AFTER]), chance.choice(points), nth=chance.randint(1, most))
    stopped = wait_until_stopped(broker)
    disk.cut()
    faults.off()
    return stopped


def cut_in_upgrade(broker, disk, faults, chance):
    """A database of the first format, under a broker that begins by bringing it up to the present one."""
    assert broker.stop() == 0
    subprocess.run([BUILD / "tests/integration/store-format-1", disk.folder], check=True)
    for file in disk.folder.glob("sessions.mdb*"):
        os.chown(file, BROKER_UID, BROKER_UID)
    os.sync()                           # an old database is not one that was written a moment ago
    broker.drain()
    faults.arm(chance.choice([STOP, STOP_AFTER]), chance.choice(UPGRADE), nth=chance.randint(1, 3))
    broker.start(wait=False)
    stopped = wait_until_stopped(broker, enough=lambda: is_ready(broker))
    disk.cut()
    faults.off()
    return stopped


def is_ready(broker):
    with contextlib.suppress(BlockingIOError):
        broker.notify.setblocking(False)
        return "READY=1" in broker.notify.recv(65536).decode().splitlines()
    return False


def cut_power(broker, disk, crew, faults, chance):
    """Returns the moment that it was, and the backup that was being made. The broker is dead afterwards."""
    moment, backup = chance.choices(list(MOMENTS), MOMENTS.values())[0], None
    crew.wait_for_work()
    if moment == "commit":
        assert cut_in(broker, disk, faults, chance, COMMIT, 6)
    elif moment == "backup":
        backup = Backup(broker, disk.folder / "backup")
        if not cut_in(broker, disk, faults, chance, BACKUP, 2):
            moment = "any moment"       # it had fewer calls to make
    elif moment == "upgrade":
        if not cut_in_upgrade(broker, disk, faults, chance):
            moment = "any moment"
    else:
        time.sleep(chance.uniform(0, 0.03))
        disk.cut()
        if chance.random() < 0.3:       # on its own it finds out that its disk is gone, and ends: what it answers meanwhile counts as well
            assert broker.process.wait(TIMEOUT) == 1 and "Input/output error" in broker.log
    broker.kill()
    if backup:
        backup.end()
    return moment, backup


def check_backup(broker, backup):
    """Acknowledged: whole. Else: anything, but nothing that is taken for a whole one and is not."""
    if backup.acknowledged:
        done = subprocess.run([broker.place.bin / "websessd", "--check-store", backup.path], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and backup.path.stat().st_size > 0, done.stderr
    backup.path.unlink()


def test_L02_power_cuts_under_load_lose_and_revive_nothing_acknowledged(broker, disk, faults):
    chance, moments, started = random.Random(2), collections.Counter(), time.monotonic()
    with Crew(broker, RAW, LIBRARY) as crew:
        for _ in range(CUTS):
            moment, backup = cut_power(broker, disk, crew, faults, chance)
            moments[moment] += 1
            disk.plug_in()
            if backup:
                check_backup(broker, backup)
            broker.start()
            crew.check()
            assert (disk.folder / "account.key").stat().st_size > 0
        result = crew.finish()
        assert count_of(broker) == result.left, "a request was done twice, or by halves"
    # A few cuts leave it to chance what they hit.
    assert CUTS < 50 or (set(moments) == set(MOMENTS) and result.repeated["Rotate"] > CUTS / 10), (moments, result)
    leave("power", cuts=CUTS, moments=moments, acknowledged=result.acknowledged, repeated=result.repeated, tokens_checked=result.looked,
          seconds=round(time.monotonic() - started))


@pytest.mark.parametrize("n", range(3))
def test_L02_a_new_database_is_there_with_its_first_session(broker, disk, n):
    """Not only what is in the file: its name in the folder, too."""
    with Wire(broker.address) as wire:
        tokens = [wire.call("CreateSession", "ssasa{sv}a{sv}", "shop", f"first{i}", [], {}, {})[0] for i in range(n + 1)]
        disk.cut()
        broker.kill()
    disk.plug_in()
    broker.start()
    with Wire(broker.address) as wire:
        for token in tokens:
            wire.call("Resolve", "ssa{sv}", "shop", token, {})


def test_L02_a_disk_that_lies_is_seen_by_this_test(broker, disk, faults):
    """The same with syncs that do nothing. Who finds no fault here would find none above."""
    chance = random.Random(3)
    with pytest.raises(AssertionError, match="is lost|is back|websessd ended|should have"), Crew(broker, RAW, 0) as crew:
        for _ in range(10):
            faults.arm(LIE, "fdatasync")
            crew.wait_for_work(20)
            time.sleep(chance.uniform(0, 0.03))
            disk.cut()
            broker.kill()
            faults.off()
            disk.plug_in()
            broker.start()
            crew.check()
