# SPDX-License-Identifier: MIT
"""Fixtures of the integration tests. What stands behind them is in world.py (processes) and client.py (callers).

    place         the temporary folder; place.policy("shop", "[Service]…") writes a policy
    bus, helper   the private bus; the PAM helpers' socket
    broker        websessd, started and ready on both; broker.restart(), .kill(), .start(), .reload()
    private       a caller on the private socket, as root or whoever runs the tests: he may do everything as root only
    on_bus        the same over the bus
    manager       the same, the test running once over each transport
    caller        caller("games", gids=[…], bus=False) makes another one, by an account's name or by uid; closed at the end

place.user("bob", "secret") makes a user for Login; "alice" with "correct horse" is there. A test that wants another policy than the open
default one writes it by place.policy() and calls broker.reload(), or marks itself @pytest.mark.policy(shop="[Roles]…") to have it at start.
"""
import os
import pwd
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from world import BUILD, IS_ROOT, Broker, Bus, Helper, Place  # noqa: E402

def pytest_configure(config):
    config.addinivalue_line("markers", "needs_root: the test needs callers of other uids")
    config.addinivalue_line("markers", "policy(name=text): services.d/NAME.conf before the broker starts")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("needs_root") and not IS_ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root: callers of other uids"))


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


@pytest.fixture
def caller(broker):
    made = []

    def make(who=None, gids=None, bus=False):
        if who is not None and not IS_ROOT:
            pytest.skip("needs root: callers of other uids")
        uid = pwd.getpwnam(who).pw_uid if isinstance(who, str) else who
        made.append(Client(broker.bus.address if bus else broker.address, uid, gids))
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
