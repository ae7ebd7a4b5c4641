# SPDX-License-Identifier: MIT
"""The main job on a machine: a real user with a real password, through real PAM, seen by other processes and by an administrator."""
import json

import pytest
from conftest import PASSWORDS
from machine import BUILD, Failed

NO_SESSION, FORBIDDEN, AUTHENTICATION_FAILED, ACCESS_DENIED, INVALID = 11, 12, 14, 17, 19

PAM_AUTH = """\
auth required pam_websess.so service=shop
account required pam_websess.so service=shop roles=EDITOR
session required pam_websess.so service=shop
"""


needs_module = pytest.mark.skipif(not (BUILD / "pam_websess.so").exists(), reason="not built: pam_websess.so")


def resolve(ctl, token, *arguments, user="shopd"):
    return json.loads(ctl("--json=short", "resolve", "shop", *arguments, input=token, user=user))


@pytest.fixture
def fails(ctl):
    def run(status, *arguments, **options):
        with pytest.raises(Failed) as caught:
            ctl(*arguments, **options)
        assert caught.value.status == status, caught.value
        return caught.value.stderr
    return run


def test_main_job(machine, ctl, fails):
    """Login by one process, resolve by another, seen and ended by the administrator; roles come from Unix groups."""
    token = ctl("--quiet", "login", "shop", "alice", "--remote-host=192.0.2.7", input=PASSWORDS["alice"], user="shopd")
    session = resolve(ctl, token, "--role=EDITOR")
    assert session["User"] == "alice" and str(session["Uid"]) == machine.out("id", "-u", "alice")
    assert sorted(session["Roles"]) == ["EDITOR", "USER"] and session["RemoteHost"] == "192.0.2.7"
    fails(FORBIDDEN, "resolve", "shop", "--role=ADMIN", input=token, user="shopd")
    listed = json.loads(ctl("--json=short", "list", "--service=shop"))
    assert [s["Id"] for s in (listed if isinstance(listed, list) else listed["Sessions"])] == [session["Id"]]
    ctl("revoke", session["Id"])
    fails(NO_SESSION, "resolve", "shop", input=token, user="shopd")


def test_S06_a_user_sees_and_ends_his_own_and_nobody_elses(ctl, fails, token):
    session = resolve(ctl, token)["Id"]
    assert session in ctl("list", user="alice")
    assert session not in ctl("list", user="bob")
    assert fails(ACCESS_DENIED, "revoke", session, user="bob") or True
    resolve(ctl, token)
    ctl("revoke", session, user="alice")
    fails(NO_SESSION, "resolve", "shop", input=token, user="shopd")


def test_outsiders_are_told_what_they_lack(ctl, fails, token):
    said = fails(ACCESS_DENIED, "login", "shop", "alice", input=PASSWORDS["alice"], user="mallory")
    assert "lacks Login" in said and "shop.conf" in said
    assert "lacks Resolve" in fails(ACCESS_DENIED, "resolve", "shop", input=token, user="mallory")
    fails(ACCESS_DENIED, "revoke-all", "shop", user="mallory")


def test_wrong_password_and_unknown_user_are_alike(fails):
    wrong = fails(AUTHENTICATION_FAILED, "login", "shop", "alice", input="wrong", user="shopd")
    unknown = fails(AUTHENTICATION_FAILED, "login", "shop", "nobody-at-all", input="wrong", user="shopd")
    assert wrong.replace("alice", "X") == unknown.replace("nobody-at-all", "X")


@pytest.mark.parametrize("password", ["x", " leading and trailing ", "ünïcödé 世界 🔑", "p" * 256],
                         ids=["one", "blanks", "utf8", "long"])
def test_S10_passwords_pass_as_received(machine, ctl, fails, password):
    machine.run("chpasswd", input=f"bob:{password}\n")
    try:
        ctl("login", "shop", "bob", input=password, user="shopd")
        fails(AUTHENTICATION_FAILED, "login", "shop", "bob", input=password + "x", user="shopd")
    finally:
        machine.run("chpasswd", input=f"bob:{PASSWORDS['bob']}\n")


@pytest.mark.parametrize("state, undo", [(["chage", "--expiredate=0"], ["chage", "--expiredate=-1"]),
                                         (["usermod", "--lock"], ["usermod", "--unlock"])], ids=["expired", "locked"])
def test_S12_expired_and_locked_accounts_do_not_log_in(machine, ctl, fails, state, undo):
    machine.run(*state, "bob")
    try:
        fails(AUTHENTICATION_FAILED, "login", "shop", "bob", input=PASSWORDS["bob"], user="shopd")
    finally:
        machine.run(*undo, "bob")
    ctl("login", "shop", "bob", input=PASSWORDS["bob"], user="shopd")


def test_S26_the_root_of_a_user_namespace_is_not_root(machine):
    if machine.run("unshare", "--user", "true", user="mallory", check=False).returncode != 0:
        pytest.skip("no user namespaces here")
    done = machine.run("unshare", "--user", "--map-root-user", "websessctl", "revoke-all", "shop", user="mallory", check=False)
    assert done.returncode == ACCESS_DENIED, done.stderr


@needs_module
def test_pam_session_opens_and_closes(machine, ctl):
    machine.write("/etc/pam.d/websess-test", PAM_AUTH.replace("auth required", "auth optional"))
    before = ctl("--no-legend", "list", "--service=shop")
    done = machine.run("pamtester", "-v", "websess-test", "alice", "open_session", "close_session")
    assert "successfully" in done.stdout
    assert ctl("--no-legend", "list", "--service=shop") == before


@needs_module
def test_pam_auth_takes_a_token_as_password(machine, ctl, token):
    machine.write("/etc/pam.d/websess-test", PAM_AUTH)
    machine.run("pamtester", "websess-test", "alice", "authenticate", "acct_mgmt", input=token + "\n")
    for user, secret in [("bob", token), ("alice", "rubbish"), ("alice", PASSWORDS["alice"])]:
        assert machine.run("pamtester", "websess-test", user, "authenticate", input=secret + "\n", check=False).returncode != 0
    ctl("revoke-all", "shop")
    assert machine.run("pamtester", "websess-test", "alice", "authenticate", input=token + "\n", check=False).returncode != 0


# What pam_websess(8) shows, with a level that a password alone reaches.
SUDO = """\
auth sufficient pam_websess.so service=shop roles=EDITOR level=1 max_age=15min
auth required pam_deny.so
account required pam_permit.so
session required pam_permit.so
"""


@needs_module
def test_S26_sudo_takes_a_web_session_for_a_password(machine, ctl, token):
    """The real sudo: with the session's token alice is root, and nobody else is, nor she when it has ended."""
    before = machine.out("cat", "/etc/pam.d/sudo") + "\n"

    def sudo(user, secret):
        done = machine.run("sudo", "-k", "-S", "-p", "", "id", "-u", user=user, input=secret + "\n", check=False)
        return done.returncode == 0 and done.stdout.strip() == "0"
    machine.write("/etc/pam.d/sudo", SUDO)
    machine.write("/etc/sudoers.d/websess", "alice, bob ALL=(ALL) ALL\n", 0o440)
    try:
        assert sudo("alice", token)
        assert not sudo("bob", token), "another user's"
        assert not sudo("bob", ctl("--quiet", "login", "shop", "bob", input=PASSWORDS["bob"], user="shopd")), "without the role"
        assert not sudo("alice", PASSWORDS["alice"]), "a password is no token"
        assert not sudo("alice", ctl("--quiet", "create", "shop", "alice", "--role=EDITOR")), "nobody authenticated: level 0"
        old = machine.out("busctl", "call", "org.websess1", "/org/websess1", "org.websess1.Manager", "CreateSession", "ssasa{sv}a{sv}", "shop", "alice",
                          "1", "EDITOR", "0", "2", "Level", "u", "1", "AuthTime", "t", "1577836800000000")
        assert not sudo("alice", old.split('"')[1]), "too long ago"
        ctl("logout", "shop", input=token, user="shopd")
        assert not sudo("alice", token), "ended"
    finally:
        machine.write("/etc/pam.d/sudo", before)
        machine.run("rm", "/etc/sudoers.d/websess")
