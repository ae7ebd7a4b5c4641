# SPDX-License-Identifier: MIT
"""What one user's flood does to another's calls, measured so that the answer is the broker's doing and not the machine's.

    duel = Duel(world, "uucp", token, bus=False)            # the other's calls: Resolve, one after the other, by tests/integration/flood.c
    ratio = duel.ratio("games", message(…), connections=50) # their 99th percentile with the flood, in terms of that without

A flood takes more than turns in the broker: it takes a processor, and a test may share its own with anything. So

- caller, broker and bus daemon run at a real-time priority, the broker on a processor of its own where there are two: what they leave is the
  flood's, and then everybody else's. Whether the kernel lets them run is not the question here; whom the broker serves is.
- The flood's process is there all the time. In the calm rounds it burns its processor, the caller's, without calling anybody.
- Calm and flooded rounds alternate, and the medians of their 99th percentiles are compared. Other work on the machine can only make a broker
  look worse than it is, so one good comparison of three is proof.

Over the bus, every message of the flood and every one of the caller's goes through the bus daemon, which serves them in its own order and which
nothing here can mend: it takes longer for each than the broker does. What is shown is that the broker adds nothing to that.
"""
import contextlib
import json
import os
import pwd
import statistics
import subprocess

from wire import message

ROUNDS, MILLISECONDS, ATTEMPTS = 5, 100, 3
HELLO = message(1, "Hello", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus", destination="org.freedesktop.DBus")


def start(world, who, *arguments):
    account = pwd.getpwnam(who)
    return subprocess.Popen([world.place.program("flood"), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            user=account.pw_uid, group=account.pw_gid, extra_groups=[])


def stop(process):
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def tell(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, "the program is gone"
    return json.loads(answer)


def place(pid, processor, urgent=True):
    """A thread: the broker's own that commits is not meant."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {processors[processor % len(processors)]})
    if urgent:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    else:
        os.setpriority(os.PRIO_PROCESS, pid, -19)


@contextlib.contextmanager
def flooding(world, who, call, connections, window, mode, bus=False):
    """The flood's process, which does what it is told."""
    socket, folder = world.bus.socket if bus else world.broker.socket_path, world.place.path
    (folder / "hello").write_bytes(HELLO)
    (folder / "call").write_bytes(call)
    process = start(world, who, mode, socket, folder / "hello", folder / "call", connections, window)
    try:
        yield process
    finally:
        stop(process)


class Duel:
    def __init__(self, world, who, token, bus=False):
        self.world, self.bus = world, bus
        place(world.broker.pid, 0)
        place(world.bus.process.pid, 1)
        self.caller = start(world, who, "measure", world.address(bus), token)
        place(self.caller.pid, 1)

    def close(self):
        stop(self.caller)
        for process in (self.world.broker, self.world.bus):
            os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(process.pid, os.sched_getaffinity(0))

    def compare(self, flood):
        """The flooded p99 in terms of the calm one, and how many messages the flood has sent."""
        p99s, sent = {"spin": [], "flood": []}, 0
        for _ in range(ROUNDS):
            for mode in p99s:
                before = tell(flood, mode)
                p99s[mode].append(tell(self.caller, str(MILLISECONDS))["p99"])
                sent += tell(flood, "rest") - before
        calm, flooded = (statistics.median(values) for values in p99s.values())
        print(f"p99 {calm:.0f} µs calm, {flooded:.0f} µs flooded: {flooded / calm:.2f}; {sent} messages in the flood")
        return flooded / calm, sent

    def ratio(self, who, call, connections, window=0, mode="calls"):
        """window: so many calls of each connection may be unanswered, 0: as many as the socket takes. mode "connects": connect, call once, go."""
        ratios = []
        with flooding(self.world, who, call, connections, window, mode, self.bus) as flood:
            place(flood.pid, 1, urgent=False)
            while not ratios or (min(ratios) > 2 and len(ratios) < ATTEMPTS):
                ratio, sent = self.compare(flood)
                assert sent > 40, "this was no flood"
                ratios.append(ratio)
        return min(ratios)
