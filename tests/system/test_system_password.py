# SPDX-License-Identifier: MIT
"""A new password ends what the old one opened, but for the session that it was changed from: told by pam_websess in a real stack, and by the
helper that changes an expired one. What only looks like a new password, an account made again, keeps nothing."""
import pytest
from conftest import session_id, settle
from machine import Failed
from test_system_conversation import talk  # noqa: F401

NEW = "a new and better one 7!"
HOOK = "password requisite pam_unix.so\npassword required pam_websess.so\n"
MANAGER = ("org.websess1", "/org/websess1", "org.websess1.Manager")


@pytest.fixture
def waited(machine, ended):
    """All that a change of a password leads to has happened: somebody else's session, for whom nobody spoke, has ended."""
    def wait():
        token = machine.out("websessctl", "--quiet", "create", "shop", "mallory")
        settle(machine)
        machine.run("sh", "-c", "echo mallory:$(cat /proc/sys/kernel/random/uuid) | chpasswd")
        assert ended(token) == ["password"]
    return wait


@pytest.fixture
def hook(machine):
    """A stack that changes a password and tells; pamtester is the program that works for a session."""
    machine.write("/etc/pam.d/websess-passwd", HOOK)

    def change(token, password=NEW):
        machine.run("pamtester", "-E", f"WEBSESS_ID={session_id(token)}", "websess-passwd", "carol", "chauthtok", input=f"{password}\n{password}\n")
    return change


def told(token):
    """What pam_websess says after a change."""
    return ("busctl", "call", *MANAGER, "RevokeUser", "ssa{sv}", "shop", "carol", "2", "Except", "s", session_id(token), "Password", "b", "true")


def signal(machine, name):
    machine.run("systemctl", "kill", f"--signal={name}", "--kill-who=main", "websessd.service")


def test_S05_the_session_a_password_was_changed_from_goes_on(machine, carol, login, alive, ended, hook, waited):
    mine, others = login(), [login(), machine.out("websessctl", "--quiet", "create", "shop", "carol")]
    settle(machine)
    hook(mine)
    assert not any(map(alive, others)), "the hook has told before it let the stack go on"
    assert ended(*others) == ["password"]
    waited()
    assert alive(mine)
    # … until the next change, of which nobody says anything.
    machine.run("chpasswd", input="carol:third one\n")
    assert ended(mine) == ["password"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_S13_an_account_made_again_keeps_nothing_whoever_speaks_for_it(machine, carol, login, ended, when):
    """Told of a new password, and there is a new one; only that it is another account's. The broker looks away while it is made."""
    mine = login()
    settle(machine)
    if when == "before":
        machine.run(*told(mine))
    signal(machine, "STOP")
    machine.run("sh", "-c", "userdel carol; useradd --uid 4711 -G editors carol; echo carol:first | chpasswd")
    telling = machine.start(*told(mine)) if when == "after" else None
    signal(machine, "CONT")
    assert ended(mine) == ["password"]
    assert not telling or telling.wait(30) == 0


def test_S05_only_root_is_believed(machine, carol, login, alive, ended):
    mine = login()
    settle(machine)
    machine.run(*told(mine), user="opal")
    machine.run(*told(mine), user="carol")
    assert alive(mine)
    machine.run("chpasswd", input="carol:second\n")
    assert ended(mine) == ["password"]


@pytest.mark.parametrize("stack", ["plain", "hook"])
def test_S05_S07_a_password_that_expired_is_changed_on_the_way_to_a_higher_level(machine, carol, login, alive, ended, talk, waited, stack):  # noqa: F811
    """The session that was to be raised is; the helper changed the password, with pam_websess in its stack or without."""
    if stack == "hook":
        machine.write("/etc/pam.d/websess-hook", "@include common-auth\n@include common-account\n" + HOOK)
        machine.write("/etc/websess/services.d/shop.conf.d/hook.conf", "[Service]\nStepUpPAMService=websess-hook\n")
    try:
        machine.run("chage", "--lastday", "2020-01-01", "carol")
        mine, other = login(), login()
        settle(machine)
        machine.run("chage", "--maxdays", "1", "carol")
        states, texts, token, session = talk("carol", "first", "first", NEW, NEW, Token=mine)
        assert states[-1] == "done" and session["Id"] == session_id(mine), texts
        assert ended(other) == ["password"]
        waited()
        assert alive(token) and not alive(mine)
    finally:
        machine.run("rm", "-rf", "/etc/websess/services.d/shop.conf.d", "/etc/pam.d/websess-hook")


def test_S13_what_is_not_for_sure_the_same_account_is_not_raised(machine, carol, login, ended, talk):  # noqa: F811
    """/etc/passwd is written anew while she changes her password: nobody can say any more who she is."""
    machine.write("/etc/pam.d/websess-hook", "@include common-auth\n@include common-account\n"
                  "password required pam_unix.so\npassword optional pam_exec.so quiet /usr/bin/touch /etc/passwd\n")
    machine.write("/etc/websess/services.d/shop.conf.d/hook.conf", "[Service]\nStepUpPAMService=websess-hook\n")
    try:
        machine.run("chage", "--lastday", "2020-01-01", "carol")
        mine = login()
        settle(machine)
        machine.run("chage", "--maxdays", "1", "carol")
        try:
            assert talk("carol", "first", "first", NEW, NEW, Token=mine)[0][-1] == "denied"
        except Failed as failed:
            assert "No such session" in failed.stderr       # the watch was the first to see it
        assert ended(mine) == ["password"]
        assert login("carol", NEW)
    finally:
        machine.run("rm", "-rf", "/etc/websess/services.d/shop.conf.d", "/etc/pam.d/websess-hook")


@pytest.mark.parametrize("who", ["the-user", "root", "chpasswd"])
def test_S05_passwd_and_chpasswd_tell(machine, carol, login, alive, ended, who):
    """The machine's own programs: when they are done, so are the sessions."""
    service = "chpasswd" if who == "chpasswd" else "passwd"
    before = machine.out("cat", f"/etc/pam.d/{service}") + "\n"
    machine.write(f"/etc/pam.d/{service}", HOOK)
    try:
        tokens = [login(), login()]
        settle(machine)
        if who == "the-user":
            machine.run("passwd", user="carol", input=f"first\n{NEW}\n{NEW}\n")
        elif who == "root":
            machine.run("passwd", "carol", input=f"{NEW}\n{NEW}\n")
        else:
            machine.run("chpasswd", input=f"carol:{NEW}\n")
        assert not any(map(alive, tokens))
        assert ended(*tokens) == ["password"]
        assert alive(login("carol", NEW))
    finally:
        machine.write(f"/etc/pam.d/{service}", before)
