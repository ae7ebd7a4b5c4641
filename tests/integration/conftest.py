# SPDX-License-Identifier: MIT
"""Fixtures of the integration tests. What stands behind them is in world.py (processes) and client.py (callers).

    place         the temporary folder; place.policy("shop", "[Service]…") writes a policy
    bus, helper   the private bus; the PAM helpers' socket
    broker        websessd, started and ready on both; broker.restart(), .kill(), .start(), .reload()
    private       a caller on the private socket, as root or whoever runs the tests: he may do everything as root only
    on_bus        the same over the bus
    manager       the same, the test running once over each transport
    caller        caller("games", gids=[…], bus=False) makes another one, by an account's name or by uid; closed at the end

    world         all of it once for a whole module, with the policies of its POLICY = {"shop": "[Service]…"}: world.caller("games", bus=True)
                  gives a caller (one for each who), world.wire("games") one of wire.py. The tests of a module share it, so each has users of its own

place.user("bob", "secret") makes a user for Login; "alice" with "correct horse" is there. A test that wants another policy than the open
default one writes it by place.policy() and calls broker.reload(), or marks itself @pytest.mark.policy(shop="[Roles]…") to have it at start.
"""
import os
import pwd
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from wire import Wire  # noqa: E402
from world import BUILD, IS_ROOT, Broker, Bus, Helper, Place  # noqa: E402

TEST_TIMEOUT = int(os.environ.get("WEBSESS_TEST_TIMEOUT", "180"))


def pytest_configure(config):
    config.addinivalue_line("markers", "needs_root: the test needs callers of other uids, or does what only root may")
    config.addinivalue_line("markers", "policy(name=text): services.d/NAME.conf before the broker starts")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """No test waits for ever: what it waits in is interrupted, and said."""
    def too_long(number, frame):
        raise TimeoutError(f"the test took longer than {TEST_TIMEOUT} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TEST_TIMEOUT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("needs_root") and not IS_ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root: callers of other uids, or what only root may"))


@pytest.fixture
def place(request):
    place = Place()
    for marker in request.node.iter_markers("policy"):
        for name, text in marker.kwargs.items():
            place.policy(name, text)
    yield place
    place.remove()


@pytest.fixture
def bus(place):
    bus = Bus(place)
    yield bus
    bus.stop()


@pytest.fixture
def helper(place):
    if not (BUILD / "websess-pam").exists():
        yield None
        return
    helper = Helper(place)
    yield helper
    helper.stop()


@pytest.fixture
def broker(place, bus, helper):
    broker = Broker(place, bus)
    try:
        yield broker.start()
    finally:
        broker.close()


def uid_of(who):
    if who is not None and not IS_ROOT:
        pytest.skip("needs root: callers of other uids")
    return pwd.getpwnam(who).pw_uid if isinstance(who, str) else who


class World:
    """A running whole that the tests of one module share."""

    def __init__(self, policies, settings):
        self.clients, self.wires, self.helper = {}, [], None
        self.place = Place()
        for name, text in policies.items():
            self.place.policy(name, text)
        if settings:
            self.place.settings(settings)
        self.bus = Bus(self.place)
        if (BUILD / "websess-pam").exists():
            self.helper = Helper(self.place)
        self.broker = Broker(self.place, self.bus)

    def address(self, bus):
        return self.bus.address if bus else self.broker.address

    def caller(self, who=None, gids=(), bus=False):
        key = (who, tuple(gids), bus)
        if key not in self.clients:
            self.clients[key] = Client(self.address(bus), uid_of(who), list(gids))
        return self.clients[key]

    def wire(self, who=None, bus=False):
        self.wires.append(Wire(self.address(bus), uid_of(who)))
        return self.wires[-1]

    def close(self):
        for one in [*self.clients.values(), *self.wires]:
            one.close()
        try:
            self.broker.close()
        finally:
            if self.helper:
                self.helper.stop()
            self.bus.stop()
            self.place.remove()


@pytest.fixture(scope="module")
def world(request):
    world = World(getattr(request.module, "POLICY", {}), getattr(request.module, "SETTINGS", None))
    try:
        world.broker.start()
        yield world
    finally:
        world.close()


@pytest.fixture(params=["private", "bus"])
def shared(request, world):
    """A caller as root (or whoever runs the tests) of the module's world, once over each transport."""
    return world.caller(bus=request.param == "bus")


@pytest.fixture
def caller(broker):
    made = []

    def make(who=None, gids=None, bus=False):
        made.append(Client(broker.bus.address if bus else broker.address, uid_of(who), gids))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def private(caller):
    return caller()


@pytest.fixture
def on_bus(caller):
    return caller(bus=True)


@pytest.fixture(params=["private", "bus"])
def manager(request, caller):
    return caller(bus=request.param == "bus")
