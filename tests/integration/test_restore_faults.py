# SPDX-License-Identifier: MIT
"""A restore, and the start of a broker on a database of an older format, when something fails or the power does: afterwards there is the database
from before or the new one, whole, and what was said to be done is done. `make check-power` and
`make check-faults` do more of it."""
import collections
import contextlib
import gzip
import json
import os
import random
import socket
import subprocess
import time

import pytest
from client import Client
from disk import Disk, missing
from faults import STOP, STOP_AFTER, Faults
from figures import add, leave, wanted
from sites import every_site
from test_restore import DATABASES, LONG, back_up, is_live
from wire import Wire
from world import BROKER_UID, IS_ROOT, TIMEOUT, Broker, Place

CUTS = wanted("CUTS", 12)
CREATE = ("CreateSession", "ssasa{sv}a{sv}")
WRITES = ("write", "pwrite", "fsync", "fdatasync", "rename", "unlink")
OLD_FORMAT = "format-1"
SETTINGS = "[Store]\nMaxSize=16M\nReserve=64K\n"


def files(folder):
    return [f for f in folder.iterdir() if f.is_file()]


class Restore:
    """websessd --restore of a backup that has the session `kept`, over a database that has the session `later` as well."""

    def __init__(self, place, faults, keep):
        self.place, self.faults, self.database = place, faults, place.state / "sessions.mdb"
        self.arguments = [place.bin / "websessd", *(["--keep"] if keep else []), "--restore", place.path / "backup.mdb"]
        self.keep = keep

    def begin(self):
        return subprocess.Popen(self.arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={"STATE_DIRECTORY": str(self.place.state)} | {k: str(v) for k, v in self.faults.environment.items()})

    def run(self):
        process = self.begin()
        out, err = process.communicate(timeout=TIMEOUT)
        return process.returncode, out, err

    def is_new(self):
        """Whole, and the one or the other."""
        done = subprocess.run([self.place.bin / "websessd", "--check-store", self.database], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0 and "damaged" not in done.stderr, done.stderr
        data = self.database.read_bytes()
        assert data, "nothing is there"
        if b"later" in data:
            return False
        assert (b"kept" in data) == self.keep
        return True


@pytest.fixture
def faults(place):
    return Faults(place.path)


def make_backup(place):
    """A database with two sessions, and a backup with one of them."""
    broker = Broker(place).start()
    with Wire(broker.address) as wire:
        wire.call(*CREATE, "default", "kept", ["USER"], {}, {})
        back_up(broker, place.path / "backup.mdb")
        wire.call(*CREATE, "default", "later", ["USER"], {}, {})
    broker.close()


def put_back(place, image):
    for file in files(place.state):
        file.unlink()
    for name, data in image.items():
        (place.state / name).write_bytes(data)
        if IS_ROOT:
            os.chown(place.state / name, BROKER_UID, BROKER_UID)


class FailingRestore:
    """A subject of sites.py. Without --keep, which does everything that --keep does, and more."""

    def __init__(self):
        self.place, self.facts = Place(), {}
        self.faults = Faults(self.place.path)
        self.place.settings(SETTINGS)
        make_backup(self.place)
        self.restore = Restore(self.place, self.faults, False)
        self.image = {f.name: f.read_bytes() for f in files(self.place.state)}

    def ready(self):
        put_back(self.place, self.image)

    def run(self):
        status, out, err = self.restore.run()
        self.faults.off()
        try:
            is_new = self.restore.is_new()
        except AssertionError as error:
            return [f"neither the one nor the other: {error}"]
        problems = [f"ended by signal {-status}: {err}"] if status < 0 or "Sanitizer" in err else []
        if (status == 0) != ("Restored" in out) or (status == 0 and not is_new):
            problems.append(f"exit status {status}, {'new' if is_new else 'old'}: {out}")
        return problems if status == 0 or err.strip() else [*problems, "not a word"]

    def close(self):
        self.place.remove()


def test_L04_every_site_of_a_restore_fails_once():
    figures, problems = every_site(FailingRestore, wanted("SITES", 24), wanted("JOBS", 2))
    add("faults", "restore", **figures)
    assert not problems, "\n".join([f"{len(problems)} problems", *problems])
    assert figures["fired"] > figures["runs"] / 2, figures


# ---- power ----

@pytest.fixture
def disk(place):
    if missing():
        pytest.skip(missing())
    disk = Disk(place.state, BROKER_UID, megabytes=32)
    try:
        disk.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own: {error}")
    place.settings(SETTINGS)
    yield disk
    disk.__exit__()


def is_stopped(pid):
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


def cut_when_stopped(process, disk, is_past=lambda: False):
    """True when it came to where it was to stop; False when it ended before, or went past it. It has ended afterwards."""
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and not is_stopped(process.pid) and not is_past():
        assert time.monotonic() < end
        time.sleep(0.001)
    stopped = process.poll() is None and is_stopped(process.pid)
    disk.cut()
    if process.poll() is None:
        process.kill()
    process.wait()
    return stopped


def points(faults):
    """Every call that writes, as (function, the how-manieth), of a run that was counted."""
    counts = collections.Counter()
    for site in faults.sites():
        counts[site.name] += site.count
    return [(name, n + 1) for name in WRITES for n in range(counts[name])]


def is_ready(broker):
    with contextlib.suppress(BlockingIOError):
        return b"READY=1" in broker.notify.recv(65536, socket.MSG_DONTWAIT)


@pytest.mark.policy(default=LONG)
def test_L02_power_cuts_in_the_middle_of_a_restore(place, disk, faults):
    chance, cuts, stopped, new = random.Random(10), max(6, CUTS // 2), 0, 0
    make_backup(place)
    image = {f.name: f.read_bytes() for f in files(place.state)}
    faults.count()
    assert Restore(place, faults, False).run()[0] == 0
    where = points(faults)
    for n in range(cuts):
        put_back(place, image)
        os.sync()
        restore = Restore(place, faults, n % 2 == 0)
        name, nth = chance.choice(where)
        faults.arm(chance.choice([STOP, STOP_AFTER]), name, nth)
        process = restore.begin()
        was_stopped = cut_when_stopped(process, disk)
        faults.off()
        done = not was_stopped and process.returncode == 0
        process.communicate()
        disk.plug_in()
        is_new = restore.is_new()
        assert is_new or not done, "said to be done, and lost"
        stopped, new = stopped + was_stopped, new + is_new
    assert stopped > cuts / 2, f"{stopped} of {cuts} cuts were in the middle"
    leave("power-restore", cuts=cuts, in_the_middle=stopped, new=new)


@pytest.mark.policy(default=LONG)
def test_L02_power_cuts_in_the_middle_of_an_upgrade(place, disk, faults):
    tokens = json.loads((DATABASES / "tokens.json").read_text())[OLD_FORMAT]
    old = gzip.decompress((DATABASES / f"{OLD_FORMAT}.mdb.gz").read_bytes())
    chance, cuts, stopped = random.Random(11), max(4, CUTS // 3), 0
    broker = Broker(place, environment=faults.environment)
    put_back(place, {"sessions.mdb": old})
    faults.count()
    broker.start()
    where = points(faults)
    broker.kill()
    for n in range(cuts):
        put_back(place, {"sessions.mdb": old})
        os.sync()
        name, nth = chance.choice(where)
        faults.arm(chance.choice([STOP, STOP_AFTER]), name, nth)
        broker.start(wait=False)
        stopped += cut_when_stopped(broker.process, disk, lambda: is_ready(broker))
        faults.off()
        disk.plug_in()
        with contextlib.closing(Client(broker.start().address)) as client:
            assert [is_live(client, t) for t in tokens] == [i not in (0, 5) for i in range(13)]
        broker.kill()
    assert stopped > cuts / 2, f"{stopped} of {cuts} cuts were in the middle"
    broker.listener.close()
    broker.notify.close()
    leave("power-upgrade", cuts=cuts, in_the_middle=stopped)
