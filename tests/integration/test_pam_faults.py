# SPDX-License-Identifier: MIT
"""pam_websess.so never says yes by mistake: every entry point under every control flag with a broker that is dead, hung, hostile or
slow, and with memory that runs out. What it does when all is well is in test_pam_module.py."""
import contextlib
import socket
import subprocess
import threading

import pytest

from pam_client import ENTRY_POINTS
from test_pam_module import FakeBroker, Stacks, in_thread, login, pytestmark, stacks  # noqa: F401

CONTROLS = ("required", "requisite", "sufficient", "optional", "[default=ignore]", "[success=ok default=ignore]", "[success=done default=die]",
            "[default=ok]")
YES = ("SUCCESS", "IGNORE")
# The three lines that a client of ours waits for before it asks anything.
AGREED = b"DATA\r\nOK " + b"0" * 32 + b"\r\nAGREE_UNIX_FD\r\n"


def empty_answer(serial):
    """A method return without the body that anybody asked for."""
    return bytes([ord("l"), 2, 0, 1]) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + (8).to_bytes(4, "little") \
        + bytes([5, 1, ord("u"), 0]) + serial.to_bytes(4, "little")


class Hostile(FakeBroker):
    """Speaks the protocol as far as it goes, then does something else."""

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError):
            greeting = b""
            while b"BEGIN\r\n" not in greeting:
                data = connection.recv(4096)
                if not data:
                    return
                greeting += data
                if greeting.rstrip().endswith(b"BEGIN") or greeting.count(b"\r\n") == 1 or b"NEGOTIATE" in greeting:
                    break
            if self.manner == "silent":
                return                          # says nothing ever again
            connection.sendall(AGREED)
            while connection.recv(65536):
                if self.manner == "empty-answer":
                    for serial in range(1, 8):
                        connection.sendall(empty_answer(serial))
                elif self.manner == "rubbish-answer":
                    connection.sendall(b"\xff" * 4096)
                elif self.manner == "slow":
                    connection.sendall(b"l")    # and then nothing: a message that never ends


@pytest.mark.parametrize("manner", ["silent", "empty-answer", "rubbish-answer", "slow", "dead"])
def test_S11_no_success_whatever_the_broker_and_the_control_flag(stacks, place, manner):
    path = place.run / "fake.sock"
    fake = Hostile(path, manner) if manner != "dead" else None
    results = []
    try:
        for i, control in enumerate(CONTROLS):
            stacks.write(f"s{i}", "timeout=500ms", control=control, socket=path)
            results += [(control, entry, in_thread(stacks, f"s{i}", entry)) for entry in ENTRY_POINTS]
        for control, entry, result in results:
            # An administrator who writes that failures are fine gets what he wrote; the module itself has said no.
            if control != "[default=ok]":
                assert result() not in YES, (control, entry)
            else:
                result()
    finally:
        if fake:
            fake.close()


def oom(stacks, user, answer, entry, environment=(), uid=None):
    """The result of each call: {the allocation that failed: result}, and the result when none did."""
    command = [stacks.place.program("pam-oom"), stacks.folder, "app", user, answer, entry, *environment]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, timeout=150, check=True,
                          user=uid, group=uid, extra_groups=None if uid is None else [])
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return {int(n): result for n, result in lines[:-1]}, lines[-1][1]


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_S11_no_success_for_whoever_may_not_when_memory_runs_out(stacks, login, private, entry):
    """A session that would do but for its role, in every call that asks for one; a broker that is away in those that do not."""
    token, session = login()
    stacks.write("app", "roles=ADMIN timeout=300ms", socket=None if entry in ("authenticate", "acct_mgmt") else stacks.place.run / "none")
    found, last = oom(stacks, "games", token, entry, [f"WEBSESS_ID={session['Id']}", f"WEBSESS_TOKEN={token}"])
    assert found or entry == "setcred"
    assert last not in ("0", "25")
    assert not {n: r for n, r in found.items() if r in ("0", "25") or r.startswith("signal")}


@pytest.mark.parametrize("entry", ["authenticate", "acct_mgmt", "open_session", "close_session", "chauthtok"])
def test_L04_memory_that_runs_out_neither_crashes_nor_is_ignored(stacks, login, entry):
    token, session = login()
    stacks.write("app", "timeout=2s")
    variables = [f"WEBSESS_ID={session['Id']}"] + ([f"WEBSESS_TOKEN={token}"] if entry == "acct_mgmt" else [])
    found, last = oom(stacks, "games", token, entry, variables)
    assert last == "0"
    assert not {n: r for n, r in found.items() if r == "25" or r.startswith("signal")}
    assert sum(r != "0" for r in found.values()) > len(found) / 4        # memory that runs out is noticed
