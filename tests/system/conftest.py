# SPDX-License-Identifier: MIT
"""One machine for all system tests: booted, with websess installed by `make install` and its sockets enabled.

    machine       machine.run(…), .out(…), .write(…), .journal(…); see machine.py
    ctl           ctl("login", "shop", "alice", input="secret", user="shopd"): websessctl in it; its output, or Failed with .status

The service "shop" is used by the daemon user shopd. alice and bob are people with passwords in shadow; mallory is a local user whom nothing is
granted. Every test starts with no sessions and a running broker.
"""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from machine import BUILD, ROOT, Machine, why_not  # noqa: E402

PASSWORDS = {"alice": "correct horse", "bob": "grüße, 世界"}
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
