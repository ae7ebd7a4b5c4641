# SPDX-License-Identifier: MIT
"""One machine for all system tests: booted, with websess installed by `make install` and its sockets enabled.

    machine       machine.run(…), .out(…), .write(…), .journal(…); see machine.py
    ctl           ctl("login", "shop", "alice", input="secret", user="shopd"): websessctl in it; its output, or Failed with .status
    carol         a user to do things to; login() gives a token of hers, alive(token) and ended(tokens…) tell what has become of it

The service "shop" is used by the daemon user shopd. alice and bob are people with passwords in shadow; mallory is a local user whom nothing is
granted. Every test starts with no sessions and a running broker.
"""
import base64
import json
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from machine import BUILD, ROOT, Failed, Machine, why_not  # noqa: E402

PASSWORDS = {"alice": "correct horse", "bob": "grüße, 世界"}
NO_SESSION = 11         # of websessctl
WITHIN = 2              # seconds, until what happened to an account has happened to its sessions
SHOP = """\
[Roles]
ADMIN=@sudo
EDITOR=@editors
USER=*

[Access]
Login=@websess-client
Resolve=@websess-client
Create=root
Manage=opal
"""


def enable(machine):
    machine.run("systemctl", "enable", "--now", "websessd.socket", "websess-pam.socket")
    machine.run("groupadd", "editors")
    for user in ("alice", "bob", "shopd", "opal", "mallory"):
        machine.run("useradd", "--create-home", user)
    for user, password in PASSWORDS.items():
        machine.run("chpasswd", input=f"{user}:{password}\n")
    machine.run("usermod", "-aG", "editors", "alice")
    machine.run("usermod", "-aG", "websess-client", "shopd")
    machine.write("/etc/websess/services.d/shop.conf", SHOP)


@pytest.fixture(scope="session")
def booted():
    if reason := why_not():
        pytest.skip(reason)
    missing = [name for name in ("websessd", "websess-pam", "websessctl") if not (BUILD / name).exists()]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}")
    machine = Machine()
    try:
        machine.installed = machine.install()
        enable(machine)
        yield machine
    finally:
        machine.close()


@pytest.fixture
def machine(booted):
    booted.run("systemctl", "restart", "websessd.service")
    booted.run("websessctl", "revoke-all", "shop")
    return booted


@pytest.fixture
def ctl(machine):
    def run(*arguments, **options):
        return machine.out("websessctl", *arguments, **options)
    return run


@pytest.fixture
def token(ctl):
    """A session of alice's in the shop, with a token that shopd holds."""
    return ctl("--quiet", "login", "shop", "alice", input=PASSWORDS["alice"], user="shopd")


def message_ids():
    """The names and MESSAGE_IDs of what the broker logs."""
    return dict(re.findall(r'\[LOG_EVENT_(\w+)\] = "([0-9a-f]{32})"', (ROOT / "broker/log.c").read_text()))


@pytest.fixture
def settings(machine):
    """Settings for this test alone, with nobody slowed down."""
    path = "/etc/websess/websess.conf"
    before = machine.run("cat", path, check=False).stdout

    def put(text):
        machine.write(path, text)
        machine.run("websessctl", "reload")
    yield put
    put(before)
    machine.run("websessctl", "reset-throttle")


# ---- somebody to do things to ----

@pytest.fixture
def alive(machine, ctl):
    """Is the session behind this token alive?"""
    def ask(token):
        try:
            ctl("resolve", "shop", input=token, user="shopd")
            return True
        except Failed as failed:
            assert failed.status == NO_SESSION, failed
            return False
    return ask


@pytest.fixture
def login(machine, ctl):
    def run(user="carol", password="first", *arguments):
        return ctl("--quiet", "login", "shop", user, *arguments, input=password, user="shopd")
    return run


@pytest.fixture
def carol(machine):
    """A user to do things to, in the group editors."""
    machine.run("useradd", "--create-home", "--uid", "4711", "-G", "editors", "carol")
    machine.run("chpasswd", input="carol:first\n")
    yield "carol"
    for command in (["userdel", "karl"], ["userdel", "carol"], ["groupdel", "carol"], ["rm", "-rf", "/home/carol"]):
        machine.run(*command, check=False)


def session_id(token):
    return base64.urlsafe_b64decode(token.encode())[:16].hex()


@pytest.fixture
def ended(machine, alive):
    """Within two seconds the sessions behind these tokens are gone; returns the reasons that the journal has."""
    def check(*tokens):
        end = time.monotonic() + WITHIN
        while any(map(alive, tokens)):
            assert time.monotonic() < end, "still alive"
        ids = [f"WEBSESS_SESSION={session_id(token)}" for token in tokens]
        entries = map(json.loads, machine.journal("-o", "json", *ids).splitlines())
        return sorted({entry["WEBSESS_REASON"] for entry in entries if " ended: " in entry["MESSAGE"]})
    return check


def settle(machine):
    """All that has been changed before is seen: a look is taken at each reload, and what follows it is answered after it."""
    machine.run("websessctl", "reload")
    time.sleep(0.5)
