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
from conversation import stack
from world import wait_until

PASSWORD = "correct horse"


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


class Terminal:
    """websessctl in front of a terminal of its own."""

    def __init__(self, ctl, *arguments, env=(), command=None):
        self.ours, theirs = os.openpty()
        self.output = b""
        self.process = ctl.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                 env=ctl.environment | dict(env), command=command,
                                 preexec_fn=self.enter)
        # Kept open, so that the settings can be looked at after the program has gone.
        self.theirs = theirs

    @staticmethod
    def enter():
        """In the child. Whoever runs the tests in the background, or under nohup, has these ignored, which is inherited."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    def expect(self, text, times=1, timeout=30):
        """Wait until the text has come so many times."""
        end = time.monotonic() + timeout
        while self.output.count(text) < times:
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

    def start(*arguments, **options):
        made.append(Terminal(ctl, *arguments, **options))
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


@pytest.mark.policy(default="[Service]\nLanguage=xx_XX.UTF-8 yy_YY.UTF-8\n[Access]\nLogin=*\nResolve=*\n")
@pytest.mark.parametrize("environment, language", [
    ({"LC_ALL": "", "LC_MESSAGES": "yy_YY.UTF-8@euro", "LANG": "xx_XX"}, "yy"),
    ({"LC_ALL": "yy", "LC_MESSAGES": "xx_XX.UTF-8", "LANG": "xx_XX"}, "yy"),
    ({"LC_ALL": "C.UTF-8", "LC_MESSAGES": "yy_YY.UTF-8"}, "xx"),
    ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "yy/../yy"}, "xx"),
])
def test_pam_is_asked_to_speak_the_terminal_s_language(terminal, helper, environment, language):
    """Neither locale is there; which one was looked for, the helper says."""
    t = terminal("login", "default", "alice", env=environment)
    t.expect(b"Password: ")
    t.send(PASSWORD.encode() + b"\n")
    assert t.wait() == 0
    assert f"no locale {language}_{language.upper()}.UTF-8" in helper.log


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


def test_a_stopped_prompt_goes_on(terminal, ctl):
    """^Z gives the terminal back; after `fg` the question comes again, and what is typed is still not shown."""
    shell = ["/bin/bash", "--norc", "-ic", f'{ctl.program} login default alice; stty -a | grep -wo -e "-\\?echo"; fg; echo "status=$?"']
    t = terminal(command=shell)
    t.expect(b"Password: ")
    wait_until(lambda: not t.echo, what="echo off")
    t.send(b"\x1a")
    t.expect(b"Stopped")
    t.expect(b"\necho")
    t.expect(b"Password: ", times=2)
    wait_until(lambda: not t.echo, what="echo off")
    t.send(PASSWORD.encode() + b"\n")
    t.expect(b"status=0")
    assert PASSWORD.encode() not in t.output
    t.wait()


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


@pytest.mark.needs_root
def test_pager(terminal, ctl):
    """A list on a terminal goes through the pager, unless told not to; elsewhere it never does."""
    ctl("create", "-q", "default", "alice")
    pager = {"SYSTEMD_PAGER": "sed s/^/paged:/", "PAGER": "false"}
    for arguments, paged in ((["list"], True), (["list", "--no-pager"], False), (["status"], True), (["revoke-user", "x"], False)):
        t = terminal(*arguments, env=pager)
        assert t.wait() == 0
        assert (b"paged:" in t.output) is paged, t.output
    for none in ("", "cat"):
        t = terminal("list", env={"SYSTEMD_PAGER": none, "PAGER": "false"})
        assert t.wait() == 0 and b"1 session listed." in t.output
    assert "paged:" not in ctl("list", env=pager).out


def test_a_pager_that_is_left_early_is_no_error(terminal, private):
    for call in [private.begin("CreateSession", "default", f"u{n}", [], {}, {}) for n in range(1000)]:
        call.result(30)
    t = terminal("list", env={"PAGER": "head -n1"})
    assert t.wait() == 0
    assert t.output.startswith(b"ID ") and t.output.count(b"\n") == 1


def test_login_asks_what_PAM_asks(terminal, place):
    """Rounds, what is said, and an answer that is shown; what PAM says cannot command the terminal."""
    stack(place, "websess", "[secret:Password: =geheim]", "[info:Now\x1b[31mred]", "[ask:Code: =12]")
    login = asked(terminal, "--quiet", "login", "default", "bob")
    login.send(b"geheim\n")
    login.expect(b"Now\\x1b[31mred")
    login.expect(b"Code: ")
    assert login.echo
    login.send(b"12\n")
    assert login.wait() == 0
