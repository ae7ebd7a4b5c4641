# SPDX-License-Identifier: MIT
"""What an administrator does to an account, its sessions feel: within two seconds, told by the files themselves."""
import json

import pytest
from conftest import WITHIN, settle
from machine import wait_until

CHANGES = {
    "locked": (["usermod", "--lock", "carol"], "account"),
    "locked-by-passwd": (["passwd", "--lock", "carol"], "account"),
    "expired": (["usermod", "--expiredate", "1970-01-02", "carol"], "account"),
    "deleted": (["userdel", "carol"], "account"),
    "renamed": (["usermod", "--login", "karl", "carol"], "account"),
    "another-uid": (["usermod", "--uid", "4712", "carol"], "account"),
    "password-changed": (["sh", "-c", "echo carol:second | chpasswd"], "password"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_S05_what_happens_to_an_account_ends_its_sessions(machine, carol, login, alive, ended, token, change):
    command, reason = CHANGES[change]
    mine = [login(), login()]
    made = machine.out("websessctl", "--quiet", "create", "shop", "carol")
    settle(machine)
    assert alive(mine[0]) and alive(made)
    machine.run(*command)
    assert ended(*mine, made) == [reason]
    assert alive(token), "somebody else's session"


def test_S05_a_password_that_was_changed_lets_in_and_stays_in(machine, carol, login, alive, ended):
    old = login()
    machine.run("chpasswd", input="carol:second\n")
    new = login(password="second")
    assert ended(old) == ["password"]
    settle(machine)
    assert alive(new)


def test_what_changes_nothing_for_the_user_ends_nothing(machine, carol, login, alive):
    mine = login()
    for command in (["usermod", "--shell", "/bin/sh", "carol"], ["usermod", "--comment", "Carol", "carol"], ["useradd", "dora"], ["userdel", "dora"],
                    ["touch", "/etc/passwd"], ["usermod", "-aG", "users", "carol"]):
        machine.run(*command)
    settle(machine)
    assert alive(mine)


@pytest.mark.parametrize("password", ["first", None], ids=["same-password", "no-password"])
def test_S13_an_account_made_again_inherits_nothing(machine, carol, login, alive, ended, password):
    """Same name, same uid, and the same password even."""
    tokens = [login(), machine.out("websessctl", "--quiet", "create", "shop", "carol")]
    settle(machine)
    commands = "userdel carol; useradd --uid 4711 -G editors carol; " + (f"echo carol:{password} | chpasswd" if password else "")
    machine.run("sh", "-c", commands)
    assert set(ended(*tokens)) <= {"account", "password"}
    if password:
        assert alive(login())


def test_S13_an_account_made_again_while_the_broker_is_away_inherits_nothing(machine, carol, login, alive, ended):
    tokens = [login(), machine.out("websessctl", "--quiet", "create", "shop", "carol")]
    settle(machine)
    machine.run("systemctl", "stop", "websessd.socket", "websessd.service")
    machine.run("sh", "-c", "userdel carol; useradd --uid 4711 -G editors carol; echo carol:first | chpasswd")
    machine.run("systemctl", "start", "websessd.socket", "websessd.service")
    assert ended(*tokens) == ["password"]


def test_C6_leaving_a_group_ends_the_sessions(machine, carol, login, ended):
    token = login()
    machine.run("gpasswd", "--delete", "carol", "editors")
    assert ended(token) == ["roles"]


def test_C6_roles_follow_the_groups(machine, carol, login, alive, ctl):
    """OnRoleChange=update: the very session loses and gets the role; roles given by hand stay."""
    conf = machine.out("cat", "/etc/websess/services.d/shop.conf") + "\n"
    machine.write("/etc/websess/services.d/shop.conf", "[Service]\nOnRoleChange=update\n" + conf)
    try:
        machine.run("websessctl", "reload")
        token = login()
        by_hand = machine.out("websessctl", "--quiet", "create", "shop", "carol", "--role=EDITOR")

        def roles(token):
            return sorted(json.loads(ctl("--json=short", "resolve", "shop", input=token, user="shopd"))["Roles"])

        assert roles(token) == ["EDITOR", "USER"]
        machine.run("gpasswd", "--delete", "carol", "editors")
        wait_until(lambda: roles(token) == ["USER"], WITHIN, "losing the role")
        machine.run("gpasswd", "--add", "carol", "editors")
        wait_until(lambda: roles(token) == ["EDITOR", "USER"], WITHIN, "getting the role")
        machine.run("gpasswd", "--delete", "carol", "editors")
        wait_until(lambda: roles(token) == ["USER"], WITHIN, "losing the role again")
        assert roles(by_hand) == ["EDITOR"]
    finally:
        machine.write("/etc/websess/services.d/shop.conf", conf)
        machine.run("websessctl", "reload")


def test_S05_the_digest_is_of_no_use_without_the_key_and_never_shown(machine, carol, login, ctl):
    token = login()
    shown = ctl("--json=short", "resolve", "shop", input=token, user="shopd")
    assert "igest" not in shown


def test_S05_users_of_a_directory_are_looked_at_now_and_then(machine, alive, ended, settings):
    """dirk stands in no file of /etc: nothing tells that he has gone. Who is missing once may be a server that is down; who is missing twice is gone."""
    record = {"userName": "dirk", "uid": 4811, "gid": 4811, "disposition": "regular"}
    machine.write("/run/userdb/dirk.user", json.dumps(record))
    machine.run("ln", "-s", "dirk.user", "/run/userdb/4811.user")
    try:
        settings("[Accounts]\nCheckSec=1s\n")
        assert machine.out("id", "-u", "dirk") == "4811"
        token = machine.out("websessctl", "--quiet", "create", "shop", "dirk")
        machine.run("sleep", "1.5")     # a check at least
        assert alive(token)
        machine.run("rm", "/run/userdb/dirk.user", "/run/userdb/4811.user")
        wait_until(lambda: not alive(token), 10, "two checks")
        assert ended(token) == ["account"]
    finally:
        machine.run("rm", "-rf", "/run/userdb")
