# SPDX-License-Identifier: MIT
"""Callers at work that write down what was acknowledged to them, and hold the next broker to it. One checker for whatever ends a broker:
kill -9, a power cut, a fault.

    with Crew(broker, raw=3, library=1) as crew:        # a process each; library: through libwebsess and its map
        crew.wait_for_work()                            # each of them has something acknowledged since the last check
        …the broker is ended and started…
        crew.check()                                    # nothing acknowledged is lost, nothing that ended is back
        crew.finish()                                   # the same for everything, and not one session more than there should be

The sessions are those of the service shop, under POLICY. Each request is repeated until there is an answer, so that what is not known
is settled: done once, or not at all.
"""
import collections
import mmap
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import BusError, MANAGER, receive, send
from library import NO_TOUCH, Library, Outcome
from wire import Wire

POLICY = """
    [Service]
    Users=app
    MaxSessions=0
    OnRoleChange=update
    [Roles]
    USER=
    EDITOR=
    OWNER=
    """
ROLES = ("USER", "EDITOR", "OWNER")
SERVICE = "shop"
PATIENCE = 60


class Raw:
    """The interface by hand. What is not answered is asked again, of however many brokers it takes."""

    def __init__(self, address, number):
        self.address, self.number, self.wire = address, number, None
        self.repeated, self.serial = collections.Counter(), 0

    def try_once(self, act):
        """(whether there was an answer, the answer): none when the broker is gone in the middle, and then the next one is asked."""
        try:
            if self.wire is None:
                self.wire = Wire(self.address, timeout=PATIENCE)
            return True, act()
        except (EOFError, ConnectionError):
            if self.wire:
                self.wire.close()
            self.wire = None
            return False, None

    def ask(self, member, signature, *values):
        end, again = time.monotonic() + PATIENCE, False
        while True:
            try:
                answered, answer = self.try_once(lambda: self.wire.call(member, signature, *values))
                if answered:
                    return answer, again
                self.repeated[member] += 1
            except BusError as error:
                # It was done by the broker before, which did not live to say so; or the store is about to end that broker.
                if error.name == "NoSession" and again:
                    return None, again
                if error.name != "Unavailable" or time.monotonic() > end:
                    raise
                self.repeated["Unavailable"] += 1
            again = True

    def request_id(self):
        self.serial += 1
        return {"RequestId": ("s", f"{self.number}.{self.serial}")}

    def create(self, user, n, role):
        (token, session), _ = self.ask("CreateSession", "ssasa{sv}a{sv}", SERVICE, user, [role], {"n": ("x", n)}, self.request_id())
        return token, session["Id"]

    def rotate(self, token):
        return self.ask("Rotate", "ssa{sv}", SERVICE, token, self.request_id())[0][0]

    def logout(self, token):
        self.ask("Logout", "ss", SERVICE, token)

    def revoke(self, session_id):
        self.ask("RevokeSession", "s", session_id)

    def revoke_user(self, user):
        return self.ask("RevokeUser", "ssa{sv}", SERVICE, user, {})

    def set_role(self, session_id, role):
        self.ask("SetRoles", "sas", session_id, [role])

    def set_user_role(self, user, role):
        self.ask("SetUserRoles", "ssas", SERVICE, user, [role])

    def touch(self, ids):
        self.ask("Touch", "sas", SERVICE, ids)

    def look(self, tokens):
        """(n, role) of each, or None; asked in one go, and anew if the broker is gone in the middle."""
        answered = False
        while not answered:
            answered, found = self.try_once(lambda: self.look_once(tokens))
        return found

    def look_once(self, tokens):
        serials = [self.wire.send("Resolve", "ssa{sv}", SERVICE, token, {"NoTouch": ("b", True)}) for token in tokens]
        return [self.seen(serial) for serial in serials]

    def seen(self, serial):
        try:
            session, = self.wire.take(serial)
            return session["Attributes"]["n"], session["Roles"][0]
        except BusError as error:
            if error.name != "NoSession":
                raise
            return None

    def close(self):
        if self.wire:
            self.wire.close()


class ByLibrary:
    """The same through libwebsess, which waits for the next broker by itself and looks sessions up in the map."""

    def __init__(self, address, number):
        class Broker:
            bus, alive, socket_path = None, True, address.removeprefix("unix:path=")
        self.lib, self.repeated = Library(Broker, SERVICE, timeout=PATIENCE), collections.Counter()

    def again(self, act):
        """Unavailable is what a store says that will end its broker, or a library whose time is up: asked again, as by a program."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return act()
            except Outcome as outcome:
                if outcome.name != "Unavailable" or time.monotonic() > end:
                    raise
                self.repeated["Unavailable"] += 1

    def end(self, act):
        try:
            self.again(act)
        except Outcome as outcome:
            if outcome.name != "NoSession":     # ended by the first of two tries
                raise

    def create(self, user, n, role):
        session = self.again(lambda: self.lib.create(user, roles=[role], attributes={"n": n}))
        return session.token, session.id

    def rotate(self, token):
        return self.again(lambda: self.lib.rotate(token)).token

    def logout(self, token):
        self.end(lambda: self.lib.logout(token))

    def revoke(self, session_id):
        self.end(lambda: self.lib.revoke(session_id))

    def revoke_user(self, user):
        self.again(lambda: self.lib.revoke_user(user, SERVICE))

    def set_role(self, session_id, role):
        self.again(lambda: self.lib.set_roles(session_id, [role]))

    def set_user_role(self, user, role):
        self.again(lambda: self.lib.set_user_roles(user, [role], SERVICE))

    def touch(self, ids):
        self.again(lambda: self.lib.touch(*ids))

    def look(self, tokens):
        return [self.again(lambda token=token: self.seen(token)) for token in tokens]

    def seen(self, token):
        try:
            session = self.lib.resolve(token, flags=NO_TOUCH)
            return session["n"], session.role
        except Outcome as outcome:
            if outcome.name != "NoSession":
                raise
            return None

    def close(self):
        self.lib.__exit__()


class Entry:
    """One session, as it was acknowledged."""

    def __init__(self, token, session_id, user, n, role):
        self.token, self.id, self.user, self.n, self.role = token, session_id, user, n, role


class Ledger:
    """Does things, and keeps what was acknowledged: the sessions that live, and the tokens that must be dead for ever."""

    def __init__(self, way, number):
        self.way, self.number, self.random = way, number, random.Random(number)
        self.live, self.dead, self.counts, self.n = [], [], collections.Counter(), 0

    def entry(self):
        return self.random.choice(self.live)

    def create(self):
        self.n += 1
        user, role = f"u{self.number}.{self.n % 8}", self.random.choice(ROLES)
        self.live.append(Entry(*self.way.create(user, self.n, role), user, self.n, role))

    def bury(self, entries):
        for entry in entries:
            self.live.remove(entry)
            self.dead.append(entry.token)

    def rotate(self):
        entry = self.entry()
        token = self.way.rotate(entry.token)
        self.dead.append(entry.token)
        entry.token = token

    def logout(self):
        entry = self.entry()
        self.way.logout(entry.token)
        self.bury([entry])

    def revoke(self):
        entry = self.entry()
        self.way.revoke(entry.id)
        self.bury([entry])

    def revoke_user(self):
        user = self.entry().user
        self.way.revoke_user(user)
        self.bury([entry for entry in self.live if entry.user == user])

    def set_role(self):
        entry, role = self.entry(), self.random.choice(ROLES)
        self.way.set_role(entry.id, role)
        entry.role = role

    def set_user_role(self):
        user, role = self.entry().user, self.random.choice(ROLES)
        self.way.set_user_role(user, role)
        for entry in self.live:
            if entry.user == user:
                entry.role = role

    def touch(self):
        self.way.touch([entry.id for entry in self.random.sample(self.live, 3)])

    def step(self):
        acts = {self.create: 10, self.rotate: 4, self.logout: 3, self.revoke: 2, self.revoke_user: 1, self.set_role: 2, self.set_user_role: 1,
                self.touch: 1}
        if len(self.live) < 5:
            act = self.create
        else:
            act = self.random.choices(list(acts), [w if len(self.live) < 30 or a != self.create else 1 for a, w in acts.items()])[0]
        act()
        self.counts[act.__name__] += 1

    def check(self, everything=False):
        """What the broker says now, against the ledger. Returns how many tokens were looked at."""
        dead = self.dead if everything else self.dead[-50:] + self.random.choices(self.dead or [None], k=20)
        dead = [token for token in dead if token]
        for start in range(0, len(self.live), 100):
            part = self.live[start:start + 100]
            for entry, seen in zip(part, self.way.look([entry.token for entry in part])):
                assert seen is not None, f"session {entry.n} of {entry.user} was acknowledged and is lost"
                assert seen == (entry.n, entry.role), f"session {entry.n} of {entry.user} should have {entry.role}, and is {seen}"
        for start in range(0, len(dead), 100):
            for seen in self.way.look(dead[start:start + 100]):
                assert seen is None, f"session {seen} was ended or its token rotated, and it is back"
        return len(self.live) + len(dead)


# ---- the process of each, and what both sides see of it: a round to check, an end, and how far everybody is ----

HEAD = struct.Struct("=QQ")             # the round; whether to stop
STATE = struct.Struct("=QQ")            # of each: things acknowledged; the round that was checked last


def main(kind, address, number, shared):
    number = int(number)
    with open(shared, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    mine = HEAD.size + STATE.size * number
    ledger = Ledger((Raw if kind == "raw" else ByLibrary)(address, number), number)
    done, checked, fault, looked = 0, 0, None, 0
    try:
        while True:
            wanted, stop = HEAD.unpack_from(memory)
            if wanted != checked:
                looked += ledger.check(everything=stop)
                checked = wanted
            elif stop:
                break
            else:
                ledger.step()
                done += 1
            STATE.pack_into(memory, mine, done, checked)
    except BaseException as error:
        fault = f"{kind} {number}: {error}\n{traceback.format_exc()}"
    ledger.way.close()
    send(sys.stdout.buffer, (fault, ledger.counts, ledger.way.repeated, looked, len(ledger.live)))


class Crew:
    def __init__(self, broker, raw, library):
        kinds = ["raw"] * raw + ["library"] * library
        self.file = tempfile.NamedTemporaryFile(prefix="websess-crew-")
        self.file.truncate(HEAD.size + STATE.size * len(kinds))
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.round = 0
        self.processes = [subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), kind, broker.address, str(number), self.file.name],
                                           stdout=subprocess.PIPE) for number, kind in enumerate(kinds)]

    def states(self):
        return [STATE.unpack_from(self.memory, HEAD.size + STATE.size * i) for i in range(len(self.processes))]

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE + 30
        while not condition(self.states()):
            for process, (_, checked) in zip(self.processes, self.states()):
                assert process.poll() is None or checked == self.round, receive(process.stdout)[0]
            assert time.monotonic() < end, f"{what}: {self.states()}\n{self.stacks()}"
            time.sleep(0.001)

    def stacks(self):
        """What each of them was about."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        return "\n".join(receive(process.stdout)[0] or "" for process in self.processes)

    def wait_for_work(self, steps=1, everybody=True):
        """Until so much more is acknowledged, to each of them or to anybody."""
        before = [done for done, _ in self.states()]
        enough = all if everybody else any
        self.wait(lambda states: enough(done >= was + steps for (done, _), was in zip(states, before)), "nothing is acknowledged")

    def check(self, stop=False):
        self.round += 1
        HEAD.pack_into(self.memory, 0, self.round, stop)
        self.wait(lambda states: all(checked == self.round for _, checked in states), "the check does not end")

    def finish(self):
        """Check everything, and return what there was: {"create": …}, {"Rotate": …} repeated, tokens looked at, sessions left."""
        self.check(stop=True)
        reports = [receive(process.stdout) for process in self.processes]
        assert not any(report[0] for report in reports), [report[0] for report in reports]
        return Result(sum((r[1] for r in reports), collections.Counter()), sum((r[2] for r in reports), collections.Counter()),
                      sum(r[3] for r in reports), sum(r[4] for r in reports))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        self.file.close()


Result = collections.namedtuple("Result", "acknowledged repeated looked left")


def count_of(broker):
    with Wire(broker.address) as wire:
        return wire.call("Get", "ss", "org.websess1.Manager", "SessionCount", interface="org.freedesktop.DBus.Properties", path=MANAGER)[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
