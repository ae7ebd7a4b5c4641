# SPDX-License-Identifier: MIT
"""Secrets: prompts on a terminal, echo, signals, and what other processes can see."""
import fcntl
import os
import select
import signal
import termios
import time

import pytest

from ctl import AUTHENTICATION_FAILED, Ctl, cmdline
from world import wait_until

PASSWORD = "correct horse"


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


class Terminal:
    """websessctl in front of a terminal of its own."""

    def __init__(self, ctl, *arguments):
        self.ours, theirs = os.openpty()
        self.output = b""
        self.process = ctl.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        # Kept open, so that the settings can be looked at after the program has gone.
        self.theirs = theirs

    def expect(self, text, timeout=30):
        end = time.monotonic() + timeout
        while text not in self.output:
            ready, _, _ = select.select([self.ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.output!r}"
            self.output += os.read(self.ours, 4096)

    def send(self, data):
        os.write(self.ours, data)

    @property
    def echo(self):
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def wait(self):
        status = self.process.wait(30)
        while select.select([self.ours], [], [], 0)[0]:
            self.output += os.read(self.ours, 4096)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal(ctl, helper):
    made = []

    def start(*arguments):
        made.append(Terminal(ctl, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


def asked(terminal, *arguments, prompt=b"Password: "):
    t = terminal(*arguments)
    t.expect(prompt)
    wait_until(lambda: not t.echo, what="echo off")
    return t


def test_password_is_asked_for_without_echo(terminal):
    t = asked(terminal, "login", "default", "alice")
    assert PASSWORD.encode() not in cmdline(t.process.pid)
    t.send(PASSWORD.encode() + b"\n")
    assert t.wait() == 0
    assert t.echo
    assert b"Token: " in t.output and PASSWORD.encode() not in t.output


def test_wrong_password_at_the_prompt(terminal):
    t = asked(terminal, "login", "default", "alice")
    t.send(b"wrong\n")
    assert t.wait() == AUTHENTICATION_FAILED
    assert t.echo


def test_token_is_asked_for(terminal, ctl):
    token = ctl("create", "-q", "default", "alice").line
    t = asked(terminal, "resolve", "default", prompt=b"Token: ")
    t.send(token.encode() + b"\n")
    assert t.wait() == 0
    assert token.encode() not in t.output


def test_end_of_input_at_the_prompt(terminal):
    t = asked(terminal, "login", "default", "alice")
    t.send(b"\x04")
    assert t.wait() == 2
    assert t.echo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_echo_comes_back_after_a_signal(terminal, number):
    t = asked(terminal, "login", "default", "alice")
    if number == signal.SIGINT:
        t.send(b"\x03")
    else:
        t.process.send_signal(number)
    assert t.wait() == -number
    assert t.echo


def test_secrets_are_in_no_command_line_and_no_environment(ctl, helper):
    process = ctl.start("login", "-q", "default", "alice", stdin=-1)
    wait_until(lambda: b"login" in cmdline(process.pid))
    with open(f"/proc/{process.pid}/environ", "rb") as file:
        seen = cmdline(process.pid) + file.read()
    assert PASSWORD.encode() not in seen
    token, _ = process.communicate(PASSWORD.encode(), timeout=30)
    assert process.returncode == 0 and len(token) == 65


def test_no_core_file_of_secrets(ctl):
    process = ctl.start("login", "-q", "default", "alice", stdin=-1)

    def core_limit():
        with open(f"/proc/{process.pid}/limits") as file:
            return next(line for line in file if line.startswith("Max core")).split()[4:6]

    wait_until(lambda: core_limit() == ["0", "0"])
    process.kill()
    process.communicate()
