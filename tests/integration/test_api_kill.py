# SPDX-License-Identifier: MIT
"""kill -9 at random moments under load, and in the middle of commits. What callers in several processes were told, by hand and through the
library, is held against each next broker. `make check-crash CYCLES=2000` does more of it."""
import collections
import random
import signal
import time

import pytest

from faults import KILL, KILL_AFTER, Faults
from figures import leave, wanted
from ledger import POLICY, Crew, count_of
from world import TIMEOUT

CYCLES = wanted("CYCLES", 50)
RAW, LIBRARY = 3, 1
# What a commit is made of: pages, their sync, and the page that makes them count.
POINTS = ("pwrite", "writev", "fdatasync")


def kill_somewhen(broker, crew, chance):
    """While everybody is at work; each fifth time whenever it comes, be it in the middle of the start."""
    if chance.random() < 0.8:
        crew.wait_for_work()
    time.sleep(chance.uniform(0, 0.03))                 # the moment of the kill is what is random here
    broker.stop(signal.SIGKILL)


def kill_in_commit(broker, crew, chance, faults):
    """In front of one of the store's calls, or behind it, when its caller has not heard of it yet."""
    crew.wait_for_work()
    point = chance.choice(POINTS)
    faults.arm(chance.choice([KILL, KILL_AFTER]), point, nth=chance.randint(1, 6))
    try:
        assert broker.process.wait(TIMEOUT) == -signal.SIGKILL, broker.log
    finally:
        faults.off()
    return point


@pytest.mark.policy(shop=POLICY)
def test_L01_S04_kill_9_under_load_loses_and_revives_nothing_acknowledged(broker, place):
    chance, faults, points = random.Random(1), Faults(place.path), collections.Counter()
    plain, started = dict(broker.environment), time.monotonic()
    with Crew(broker, RAW, LIBRARY) as crew:
        for cycle in range(CYCLES):
            if broker.environment == plain:
                kill_somewhen(broker, crew, chance)
            else:
                points[kill_in_commit(broker, crew, chance, faults)] += 1
            broker.environment = plain if cycle % 2 else plain | faults.environment
            broker.start(wait=chance.random() < 0.9)    # or the next kill may come before it is ready
            if broker.messages:
                crew.check()
            elif broker.environment == plain:
                kill_somewhen(broker, crew, chance)
                broker.start()
        crew.check()
        broker.environment = plain
        broker.restart(signal.SIGKILL)
        result = crew.finish()
        assert count_of(broker) == result.left, "a request was done twice, or by halves"
    assert sum(points.values()) > CYCLES / 4 and set(points) == set(POINTS), points
    assert min(result.acknowledged[act] for act in ("create", "rotate", "logout", "revoke", "revoke_user", "set_role")) > CYCLES / 4, result
    assert sum(result.repeated.values()) > CYCLES, result
    leave("crash", cycles=CYCLES, at_chosen_points=points, acknowledged=result.acknowledged, repeated=result.repeated,
          tokens_checked=result.looked, seconds=round(time.monotonic() - started))
