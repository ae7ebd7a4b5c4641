# SPDX-License-Identifier: MIT
"""Fifty clients that go on and on at many sessions: nothing of the broker grows. An hour at a million: make check-soak SOAK_SECONDS=3600."""
import os
import pathlib
import subprocess
import sys
import time

from figures import leave, wanted
from many import make
from world import SANITIZED

POLICY = {"many": "[Service]\nUsers=app\nMaxSessions=0\n"}
RESERVE_KIB = 4096
SETTINGS = f"[Store]\nReserve={RESERVE_KIB}K\n"
SESSIONS, SECONDS = wanted("SESSIONS", 20_000), wanted("SOAK_SECONDS", 8)
PROCESSES, CONNECTIONS = 5, 10
SOAK = pathlib.Path(__file__).with_name("soak.py")


def start(world, tokens):
    client = subprocess.Popen([sys.executable, SOAK, world.broker.socket_path, str(SECONDS), str(CONNECTIONS)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    client.stdin.write(" ".join(tokens))
    client.stdin.close()
    return client


def look(world):
    """What there is of everything that must not grow."""
    status = pathlib.Path(f"/proc/{world.broker.pid}/status").read_text()
    # The database's pages are the page cache's, and the file has a bound of its own
    resident = sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon:", "RssShmem:")))
    return {"KiB of memory": resident, "descriptors": len(os.listdir(f"/proc/{world.broker.pid}/fd")),
            "KiB of file": os.stat(world.place.state / "sessions.mdb").st_blocks // 2}


def live_kib(world, wire, folder):
    """A copy has no free pages in it."""
    with open(folder / "copy", "wb") as copy:
        wire.call("Backup", "h", 0, fds=[copy.fileno()])
    return os.stat(folder / "copy").st_size // 1024


def test_L09_memory_and_descriptors_stay_flat_and_the_file_small(world, tmp_path):
    tokens = make(world.broker.socket_path, "many", SESSIONS)
    clients = [start(world, tokens[n::PROCESSES]) for n in range(PROCESSES)]
    samples, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end - 0.5:
        time.sleep(max(0.25, SECONDS / 200))
        samples.append(look(world))
        world.broker.drain()            # the service manager reads what it is told
    calls = sum(int(client.stdout.read()) for client in clients)
    assert [client.wait(30) for client in clients] == [0] * PROCESSES
    with world.wire() as wire:
        assert wire.call("Get", "ss", "org.websess1.Manager", "SessionCount", interface="org.freedesktop.DBus.Properties") == [SESSIONS]
        live = live_kib(world, wire, tmp_path)
    warm, rest = samples[len(samples) // 3], samples[len(samples) // 3:]
    most = {what: max(sample[what] for sample in rest) for what in warm}
    print(f"{calls} calls at {SESSIONS} sessions; a third into it {warm}, then at most {most}; {live} KiB live")
    leave("soak", sessions=SESSIONS, seconds=SECONDS, calls=calls, live_kib=live, warm=warm, most=most)
    assert calls > SECONDS * 50
    assert most["descriptors"] == warm["descriptors"]
    # A sanitizer keeps what was freed
    assert SANITIZED or most["KiB of memory"] < 1.05 * warm["KiB of memory"] + 4096
    assert most["KiB of file"] < 1.5 * live + RESERVE_KIB
