# SPDX-License-Identifier: MIT
"""S03: the broker while the wall clock is set, and over reboots: another boot id, CLOCK_BOOTTIME from the start, and a wall clock that may be wrong."""
import time
import uuid

import pytest
from client import BusError, Client, raises
from faults import Faults
from world import BROKER_UID, OWN_MOUNTS, SANITIZED, Broker

DAY = 86400
MOMENT, SHORT, BETWEEN, LONG, LONGEST = 1, 900, 1000, 1100, 7000        # seconds that sessions may idle
POLICY = """
    [Service]
    Users=app
    IdleSec=2h
    LifetimeSec=12h
    """

pytestmark = [pytest.mark.policy(shop=POLICY),
              pytest.mark.skipif(SANITIZED, reason="sets the clock by a library that sanitizers do not get on with")]
needs_boots = pytest.mark.skipif(not OWN_MOUNTS, reason="no mount namespaces here")

# In a machine that has been up for some seconds: BOOTTIME BOOT_ID UID PROGRAM…
BOOT = """
import ctypes, os, subprocess, sys, time
up, boot_id, uid = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None)
assert libc.unshare(0x20080) == 0       # CLONE_NEWNS | CLONE_NEWTIME
with open("/proc/self/timens_offsets", "w") as file:
    file.write(f"boottime {up - int(time.clock_gettime(time.CLOCK_BOOTTIME))} 0")
space = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
assert libc.setns(space, 0x80) == 0
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "--bind", boot_id, "/proc/sys/kernel/random/boot_id"], check=True)
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
libc.prctl(1, 9)                        # with its parent, which the change of uid has made it forget
os.execv(sys.argv[4], sys.argv[4:])
"""


class Booted(Broker):
    """A broker that is on another boot whenever boot() has been called."""

    up = None

    def boot(self, up):
        self.up = up
        self.boot_id = self.place.path / "boot-id"
        self.boot_id.write_text(f"{uuid.uuid4()}\n")

    def spawn(self, arguments, environment, user=None, group=None, extra_groups=None, **options):
        if self.up is not None:
            arguments = ["/usr/bin/python3", "-c", BOOT, self.up, self.boot_id, BROKER_UID, *arguments]
            return super().spawn(arguments, environment, **options)
        return super().spawn(arguments, environment, user=user, group=group, extra_groups=extra_groups, **options)


@pytest.fixture
def faults(place):
    return Faults(place.path)


@pytest.fixture
def broker(place, faults):
    broker = Booted(place, environment=faults.environment)
    try:
        yield broker.start()
    finally:
        broker.close()


class Shop:
    """The broker's caller, anew after each start, and sessions by how many seconds they may idle."""

    def __init__(self, broker, faults):
        self.broker, self.faults, self.tokens = broker, faults, {}
        self.caller = Client(broker.address)
        for seconds in (SHORT, LONG, LONGEST):
            self.create(seconds)

    def create(self, seconds):
        self.tokens[seconds], _ = self.caller.CreateSession("shop", str(seconds), [], {}, {"IdleUSec": int(seconds * 1e6)})

    def again(self, crash=False):
        self.caller.close()
        self.broker.kill() if crash else self.broker.stop()
        self.broker.start()
        self.caller = Client(self.broker.address)

    def reboot(self, up, wall, crash=False):
        """So many seconds ago, into another wall clock."""
        self.caller.close()
        self.broker.kill() if crash else self.broker.stop()
        self.faults.region.wall = wall
        self.broker.boot(up)
        self.broker.start()
        self.caller = Client(self.broker.address)

    def alive(self, seconds):
        try:
            return bool(self.caller.Resolve("shop", self.tokens[seconds], {"NoTouch": True}))
        except BusError as error:
            assert error.name == "NoSession"
            return False

    @property
    def all_alive(self):
        return [seconds for seconds in self.tokens if self.alive(seconds)]

    def wait_for_end(self, seconds):
        end = time.monotonic() + seconds + 5
        while self.alive(seconds):
            assert time.monotonic() < end, "alive behind its end"
            time.sleep(0.02)


@pytest.fixture
def shop(broker, faults):
    shop = Shop(broker, faults)
    yield shop
    shop.caller.close()


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_S03_stepping_the_wall_clock_neither_ends_nor_revives_a_session(shop, step):
    shop.create(MOMENT)
    shop.faults.region.wall = step
    assert shop.all_alive == [SHORT, LONG, LONGEST, MOMENT]
    shop.wait_for_end(MOMENT)
    for wall, crash in ((0, False), (-step, True), (step, False)):
        shop.faults.region.wall = wall
        assert shop.all_alive == [SHORT, LONG, LONGEST], wall
        shop.again(crash=crash)
        assert shop.all_alive == [SHORT, LONG, LONGEST], wall
        # The clock really is another one.
        _, session = shop.caller.CreateSession("shop", "clock", [], {}, {})
        assert session["Created"] // 10**6 - time.time() == pytest.approx(wall, abs=20)


@needs_boots
def test_S03_over_a_reboot_the_time_passes_that_the_wall_clock_has_seen(shop):
    shop.reboot(30, BETWEEN)
    assert shop.all_alive == [LONG, LONGEST]
    with raises("NoSession"):
        shop.caller.Rotate("shop", shop.tokens[SHORT], {})
    shop.reboot(20, 2 * BETWEEN, crash=True)
    assert shop.all_alive == [LONGEST]


@needs_boots
def test_S03_over_a_reboot_with_the_wall_clock_set_back_nothing_ends_and_nothing_comes_back(shop):
    shop.create(MOMENT)
    shop.wait_for_end(MOMENT)
    for up, days, crash in ((30, -1, False), (20, -2, True), (40, -3, False)):
        shop.reboot(up, days * DAY, crash)
        assert shop.all_alive == [SHORT, LONG, LONGEST], days
    shop.reboot(20, days * DAY + BETWEEN)
    assert shop.all_alive == [LONG, LONGEST], "counted from when the clock was wrong"
