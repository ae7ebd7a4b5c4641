# SPDX-License-Identifier: MIT
"""S19: what was typed and what was handed out is nowhere in the broker's memory afterwards, nor in its logs and files."""
import os
import re
import time

import pytest

from client import BusError
from conversation import begin
from world import BUILD, SANITIZED, wait_until

TOLD = BUILD / "tests/pam_told.so"

pytestmark = pytest.mark.needs_root
can_be_searched = pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow memory is as large as the address space")


def memory_holds(pid, needles):
    """Which of the needles are in the memory of a process."""
    try:
        return search(pid, needles)
    except (FileNotFoundError, ProcessLookupError):
        return set()            # it is gone


def search(pid, needles):
    found = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, flags = line.split()[:2]
            if not flags.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue
            found |= {needle for needle in needles if needle in data}
    return found


def canary(name):
    return f"canary-{name}-{os.urandom(6).hex()}"


def login_wrong(client, secret):
    with pytest.raises(BusError):
        client.Login("default", "alice", secret, {})


def login_long(client, secret):
    with pytest.raises(BusError):
        client.Login("default", "alice", secret + "x" * 600, {})


def login_unknown_service(client, secret):
    with pytest.raises(BusError):
        client.Login("nosuch", "alice", secret, {})


def answer_wrong(client, secret):
    talk = begin(client, "default", "alice")
    talk.go()
    assert talk.go(secret)[0] == "denied"


def answer_early(client, secret):
    with pytest.raises(BusError):
        begin(client, "default", "alice").go(secret)


def answer_too_many(client, secret):
    talk = begin(client, "default", "alice")
    talk.go()
    with pytest.raises(BusError):
        talk.go(secret, secret)
    talk.cancel()


def answer_and_wait(client, secret):
    """The first answer is given, and a second one is waited for: the first is gone already."""
    talk = begin(client, "rounds", "alice")
    talk.go()
    assert talk.go(secret)[0] == "prompt"


def resolve_unknown(client, secret):
    with pytest.raises(BusError):
        client.Resolve("default", secret.ljust(64, "x"), {})


def replace_unknown(client, secret):
    client.CreateSession("default", "alice", [], {}, {"ReplaceToken": secret})


def logout_unknown(client, secret):
    client.Logout("default", secret)


WAYS = (login_wrong, login_long, login_unknown_service, answer_wrong, answer_early, answer_too_many, answer_and_wait, resolve_unknown,
        replace_unknown, logout_unknown)


@pytest.mark.policy(rounds="[Service]\nPAMService=rounds\n[Access]\nLogin=*\n")
@can_be_searched
def test_S19_no_secret_stays_in_the_broker(place, helper, broker, caller):
    place.settings("[PAM]\nFailureDelaySec=50ms\n")
    broker.reload()
    place.pam_service("rounds", f"""
        auth optional {TOLD} secret:A=
        auth required {TOLD} secret:B=
        account required pam_permit.so
        """)
    needles = {}
    for bus in (False, True):
        client = caller(bus=bus)
        for way in WAYS:
            secret = canary(way.__name__)
            way(client, secret)
            needles[secret.encode()] = (way.__name__, "bus" if bus else "private")
        place.user("alice", secret := canary("right"))
        token, _ = client.Login("default", "alice", secret, {})
        second, _ = client.Rotate("default", token, {})
        client.Resolve("default", second, {})
        talk = begin(client, "default", "alice", {"Token": second})
        talk.go()
        assert talk.go(secret)[0] == "done"
        for name, text in (("password", secret), ("token", token), ("rotated", second), ("stepped up", talk.token)):
            needles[text.encode()] = (name, "bus" if bus else "private")
        client.Logout("default", talk.token)
    # A reply may be here before the broker has let go of the message it answers.
    end = time.monotonic() + 5
    while (found := memory_holds(broker.pid, needles)) and time.monotonic() < end:
        pass
    assert not {needles[needle] for needle in found}
    for needle in needles:
        assert needle.decode() not in broker.log
    for file in place.state.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [name for needle, name in needles.items() if needle in data]


@can_be_searched
def test_S19_the_helper_is_gone_with_what_it_was_told(place, helper, broker, private):
    place.user("alice", secret := canary("helper"))
    private.Login("default", "alice", secret, {})
    talk = begin(private, "default", "alice")
    talk.go(), talk.go(secret)
    wait_until(lambda: not any(memory_holds(pid, [secret.encode()]) for pid in helper.children()))


def test_S19_the_broker_writes_no_core(broker):
    limits = open(f"/proc/{broker.pid}/limits").read()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    assert os.stat(f"/proc/{broker.pid}/mem").st_uid == 0       # not dumpable: its files are root's, whatever its uid
