# SPDX-License-Identifier: MIT
"""A disk that is used up, forbidden or broken under a running broker: a named error, sessions that can be ended all the same, and everything
as before when the cause is gone. And databases with flipped bits, page by page. A disk that is full is in test_api_life.py."""
import contextlib
import errno
import random
import subprocess

import pytest

from client import BusError
from faults import FAIL, FAIL_ALWAYS, Faults
from ledger import POLICY
from wire import Wire
from world import TIMEOUT, Broker

pytestmark = pytest.mark.policy(shop=POLICY)
CREATE = ("CreateSession", "ssasa{sv}a{sv}", "shop")


@pytest.fixture
def faults(place):
    return Faults(place.path)


@pytest.fixture
def start(place, faults):
    """start() gives a broker that faults can be sent to; it may end as it likes."""
    brokers = []

    def do():
        brokers.append(Broker(place, environment=faults.environment))
        return brokers[-1].start()
    yield do
    for broker in brokers:
        broker.kill()
        broker.listener.close()
        broker.notify.close()


def create(wire, user="u", size=100):
    return wire.call(*CREATE, user, ["USER"], {"a": ("s", "x" * size)}, {})[0]


def lives(wire, token):
    try:
        return bool(wire.call("Resolve", "ssa{sv}", "shop", token, {}))
    except BusError as error:
        assert error.name == "NoSession"
        return False


def healthy(wire):
    return wire.call("Get", "ss", "org.websess1.Manager", "Healthy", interface="org.freedesktop.DBus.Properties")[0]


def create_until_refused(wire, size=4000):
    for _ in range(4000):
        try:
            create(wire, "filler", size)
        except BusError as error:
            assert error.name == "Unavailable"
            return error.text
    raise AssertionError("never refused")


def test_L03_a_quota_that_is_used_up_is_named_and_revoking_works_and_it_recovers(start, faults):
    broker = start()
    with Wire(broker.address) as wire:
        kept, victim = create(wire), create(wire)
        faults.arm(FAIL_ALWAYS, "fallocate", error=errno.EDQUOT)        # what a quota answers to more blocks
        assert "quota" in create_until_refused(wire)
        assert not healthy(wire) and lives(wire, kept)
        wire.call("Logout", "ss", "shop", victim)
        assert not lives(wire, victim)
        assert wire.call("RevokeUser", "ssa{sv}", "shop", "filler", {})[0] > 10
        faults.off()
        assert lives(wire, create(wire)) and healthy(wire)


def test_L03_a_file_system_that_turns_read_only_is_named_and_it_recovers(start, faults):
    """As ext4 does after an error (errors=remount-ro): what is in memory is served, nothing can be changed."""
    broker = start()
    with Wire(broker.address) as wire:
        kept = create(wire)
        faults.arm(FAIL_ALWAYS, "pwrite", error=errno.EROFS)
        with pytest.raises(BusError, match="Read-only") as refused:
            create(wire)
        assert refused.value.name == "Unavailable"
        with pytest.raises(BusError, match="Read-only"):
            wire.call("Logout", "ss", "shop", kept)
        assert lives(wire, kept), "it was not acknowledged as ended"
        assert not healthy(wire)
        faults.off()
        wire.call("Logout", "ss", "shop", kept)
        assert not lives(wire, kept) and lives(wire, create(wire)) and healthy(wire)


@pytest.mark.parametrize("call", ["pwrite", "writev", "fdatasync"])
@pytest.mark.parametrize("nth", [1, 2])
def test_L03_an_input_output_error_on_commit_ends_the_broker(start, faults, call, nth):
    """LMDB would go on. What is on the disk is not known, so the process ends; systemd starts the next one from the disk."""
    broker = start()
    with Wire(broker.address) as wire:
        kept, ended = create(wire), create(wire)
        wire.call("Logout", "ss", "shop", ended)
        faults.arm(FAIL, call, nth=nth, error=errno.EIO)
        acknowledged = []
        with contextlib.suppress(EOFError, ConnectionError, BusError):
            while True:
                acknowledged.append(create(wire, size=15000))
    assert broker.process.wait(TIMEOUT) == 1
    assert "Input/output error while committing" in broker.log
    faults.off()
    broker.start()
    with Wire(broker.address) as wire:
        assert all(lives(wire, token) for token in [kept, *acknowledged]) and not lives(wire, ended)
        assert lives(wire, create(wire))


def test_L03_MaxSize_is_named_and_revoking_makes_room(place, start):
    place.settings("[Store]\nMaxSize=2M\nReserve=256K\n")
    broker = start()
    with Wire(broker.address) as wire:
        kept = create(wire)
        assert "MaxSize=" in create_until_refused(wire)
        assert not healthy(wire) and lives(wire, kept)
        assert wire.call("RevokeUser", "ssa{sv}", "shop", "filler", {})[0] > 10
        assert lives(wire, create(wire)) and healthy(wire)


# Takes every place for a reader of a database that belongs to somebody else, says so, and holds them until its input ends.
READERS = """
import ctypes, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
environment, n = ctypes.c_void_p(), 0
assert lmdb.mdb_env_create(ctypes.byref(environment)) == 0
assert lmdb.mdb_env_open(environment, sys.argv[1].encode(), 0x4000 | 0x20000 | 0x200000, 0o600) == 0     # NOSUBDIR RDONLY NOTLS
while lmdb.mdb_txn_begin(environment, None, 0x20000, ctypes.byref(ctypes.c_void_p())) == 0:
    n += 1
print(n, flush=True)
sys.stdin.read()
"""


@pytest.mark.needs_root
def test_L03_readers_that_are_all_taken_are_named_and_it_recovers(place, start):
    broker = start()
    with Wire(broker.address) as wire, open(place.path / "backup", "wb") as file:
        kept, victim = create(wire), create(wire)
        with subprocess.Popen(["/usr/bin/python3", "-c", READERS, place.state / "sessions.mdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert int(other.stdout.readline()) > 100
            assert lives(wire, create(wire)) and lives(wire, kept)
            wire.call("Logout", "ss", "shop", victim)
            assert not lives(wire, victim)
            with pytest.raises(BusError, match="readers") as refused:
                wire.call("Backup", "h", 0, fds=[file.fileno()])
            assert refused.value.name == "Unavailable"
            other.stdin.close()
        wire.call("Backup", "h", 0, fds=[file.fileno()])


# ---- flipped bits ----

def sessions_of(broker):
    """A database with a history: {token: user} of those that live, and tokens of those that do not."""
    with Wire(broker.address) as wire:
        tokens = {create(wire, f"user{i}", 50 + 40 * (i % 9) + 6000 * (i % 40 == 0)): f"user{i}" for i in range(80)}
        dead = list(tokens)[::5]
        for token in dead:
            wire.call("Logout", "ss", "shop", token)
            del tokens[token]
    return tokens, dead


def check_served(broker, tokens, dead):
    """It was opened all the same: nobody is let in who was not, or as somebody else. Returns how many sessions were left out."""
    lost = 0
    with Wire(broker.address) as wire:
        for token, user in tokens.items():
            try:
                assert wire.call("Resolve", "ssa{sv}", "shop", token, {})[0]["User"] == user
            except BusError as error:
                assert error.name == "NoSession"
                lost += 1
        assert not any(lives(wire, token) for token in dead)
        assert lives(wire, create(wire))
    return lost


def test_S18_bits_flipped_page_by_page_are_refused_or_left_out(place, start):
    """In the head of each page, and somewhere in every third, before the real start. Refused is final (status 78, which systemd does not try again) and says what to do."""
    broker, chance, refused, served = start(), random.Random(18), 0, 0
    tokens, dead = sessions_of(broker)
    assert broker.stop() == 0
    path = place.state / "sessions.mdb"
    whole = path.read_bytes()
    pages = range(0, len(whole.rstrip(b"\0")), 4096)
    for at in [page + chance.randrange(20) for page in pages] + [page + chance.randrange(4096) for page in pages[::3]]:     # heads first
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        broker.log_path.write_text("")
        broker.start(wait=False)
        with contextlib.suppress(AssertionError):
            broker.wait_for("READY=1")
        if broker.process.poll() is None:
            lost = check_served(broker, tokens, dead)
            assert lost <= 1 and ("damaged" in broker.log or not lost), f"a flip at {at}: {lost} lost, {broker.log}"
            assert broker.stop() == 0
            served += 1
        else:
            assert broker.process.returncode == 78, f"a flip at {at}: {broker.process.returncode} {broker.log}"
            assert "sessions.mdb" in broker.log and "move it away" in broker.log, broker.log
            assert path.read_bytes() == damaged, "touched"
            refused += 1
    assert refused > 3 and served > 3, (refused, served)
