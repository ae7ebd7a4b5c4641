# SPDX-License-Identifier: MIT
"""kill -9 at random moments under load. Workers write down what they asked and what was acknowledged; what the next broker says is held
against it: no acknowledged create lost, no acknowledged revoke undone, no request done twice. WEBSESS_KILLS=1000 does more of it."""
import collections
import os
import random
import signal
import threading
import time

import pytest
from client import BusError
from wire import Wire

KILLS = int(os.environ.get("WEBSESS_KILLS", "100"))
WORKERS = 4


class Worker(threading.Thread):
    """Creates and ends sessions for as long as it may, each request repeated until it is answered. live and dead are what was acknowledged."""

    def __init__(self, address, number):
        super().__init__(daemon=True)
        self.address, self.number, self.random = address, number, random.Random(number)
        self.live, self.dead, self.fault, self.stopping = [], [], None, False
        self.counts = collections.Counter()
        self.wire = None

    def ask(self, member, signature, *values):
        """Until there is an answer, however many brokers it takes."""
        while True:
            try:
                if self.wire is None:
                    self.wire = Wire(self.address)
                return self.wire.call(member, signature, *values)
            except (EOFError, ConnectionError):
                self.counts["repeated"] += 1
                if self.wire:
                    self.wire.close()
                self.wire = None

    def create(self, n):
        options = {"RequestId": ("s", f"{self.number}.{n}")}
        token, session = self.ask("CreateSession", "ssasa{sv}a{sv}", "default", f"user{self.number}.{n % 10}", ["USER"], {"n": ("x", n)}, options)
        self.live.append((token, n))

    def rotate(self, n):
        i = self.random.randrange(len(self.live))
        old, m = self.live[i]
        token, _ = self.ask("Rotate", "ssa{sv}", "default", old, {"RequestId": ("s", f"r{n}")})
        self.live[i] = token, m
        self.dead.append(old)

    def end(self, n):
        token, m = self.live.pop(self.random.randrange(len(self.live)))
        self.ask("Logout", "ss", "default", token)
        self.dead.append(token)

    def work(self, n):
        act = self.random.choices([self.create, self.rotate, self.end], [5, 1, 4])[0] if len(self.live) > 5 else self.create
        act(n)
        self.counts[act.__name__] += 1

    def run(self):
        n = 0
        try:
            while not self.stopping:
                n += 1
                self.work(n)
        except BaseException as fault:
            self.fault = fault


def resolve_all(wire, tokens):
    """For each token the n of its session, or None. Asked in one go."""
    serials = [wire.send("Resolve", "ssa{sv}", "default", token, {"NoTouch": ("b", True)}) for token in tokens]
    answers = []
    for serial in serials:
        try:
            answers.append(wire.take(serial)[0]["Attributes"]["n"])
        except BusError as error:
            assert error.name == "NoSession"
            answers.append(None)
    return answers


def check(broker, workers, everything):
    """Nobody works now. Each token that should live does and is who it was; of the dead each stays dead."""
    with Wire(broker.address) as wire:
        for worker in workers:
            dead = worker.dead if everything else worker.dead[-50:]
            for start in range(0, len(worker.live), 100):
                part = worker.live[start:start + 100]
                assert resolve_all(wire, [t for t, _ in part]) == [n for _, n in part], "an acknowledged create is lost"
            for start in range(0, len(dead), 100):
                part = dead[start:start + 100]
                assert resolve_all(wire, part) == [None] * len(part), "an acknowledged revoke is undone"
        count, = wire.call("Get", "ss", "org.websess1.Manager", "SessionCount", interface="org.freedesktop.DBus.Properties")
        assert count == sum(len(worker.live) for worker in workers), "a request was done twice, or by halves"


@pytest.mark.policy(default="[Service]\nMaxSessions=0\n[Roles]\nUSER=*\n")
def test_L01_S04_kill_9_under_load_loses_nothing_acknowledged(broker):
    chance = random.Random(1)
    workers = [Worker(broker.address, i) for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.005, 0.12))         # the moment of the kill is what is random here
        broker.restart(signal.SIGKILL)
        assert not any(worker.fault for worker in workers), [worker.fault for worker in workers]
    for worker in workers:
        worker.stopping = True
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive() and not worker.fault, worker.fault
    check(broker, workers, True)
    broker.restart(signal.SIGKILL)
    check(broker, workers, True)
    total = sum((worker.counts for worker in workers), collections.Counter())
    assert total["repeated"] >= KILLS and min(total[k] for k in ("create", "end", "rotate")) > KILLS, total
    for worker in workers:
        worker.wire.close()
