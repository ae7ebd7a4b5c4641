# SPDX-License-Identifier: MIT
"""Conversations with modules that machines really have: one-time codes, lock-out, times and places. pam_unix is in tests/system."""
import os
import subprocess

import pytest

from client import raises
from conversation import begin

SECRET, ERROR, INFO = 1, 3, 4
POLICY = {
    name: f"[Service]\nPAMService={name}\n{more}[Roles]\nUSER=*\n[Access]\nLogin=*\nResolve=*\n"
    for name, more in (("oath", "AuthMethods=pwd otp mfa\nLevel=2\n"), ("faillock", ""), ("access", ""), ("time", ""))
}
SETTINGS = "[PAM]\nFailureDelaySec=100ms\n"
KEY = "3132333435363738393031323334353637383930"


def pwdfile(place):
    return f"auth requisite pam_pwdfile.so nodelay pwdfile={place.path}/passwords\n"


@pytest.fixture
def oath(world):
    """A user with a password and a generator of one-time codes; oath(n) is its n-th code."""
    place = world.place
    place.user("bob", "geheim")
    users = place.path / "users.oath"
    users.write_text(f"HOTP bob - {KEY}\n")
    users.chmod(0o600)
    place.pam_service("oath", f"{pwdfile(place)}auth required pam_oath.so usersfile={users} window=10 digits=6\naccount required pam_permit.so\n")
    return lambda n: subprocess.run(["oathtool", f"--counter={n}", KEY], capture_output=True, text=True, check=True).stdout.strip()


def test_password_and_one_time_code(oath, shared):
    talk = begin(shared, "oath", "bob")
    assert talk.go() == ("prompt", [(SECRET, "Password: ")])
    state, messages = talk.go("geheim")
    assert state == "prompt" and messages[0][0] in (1, 2) and "One-time password" in messages[0][1]
    assert talk.go(oath(1))[0] == "done"
    assert (talk.session["AuthMethods"], talk.session["Level"]) == (["pwd", "otp", "mfa"], 2)


def test_one_time_code_is_good_once_and_a_wrong_one_never(oath, shared):
    code = oath(2)
    for secret, state in (("000000", "denied"), (code, "done"), (code, "denied")):
        talk = begin(shared, "oath", "bob")
        talk.go(), talk.go("geheim")
        assert talk.go(secret)[0] == state


def test_Login_with_one_password_says_that_it_takes_a_conversation(oath, shared):
    with raises("ConversationRequired"):
        shared.Login("oath", "bob", "geheim", {})


@pytest.mark.needs_root
def test_pam_faillock_locks_and_says_so_by_denying(world, shared):
    place = world.place
    place.user("games", "right")
    folder = place.path / f"faillock-{os.urandom(4).hex()}"
    folder.mkdir()
    lock = f"dir={folder} deny=2 unlock_time=600 silent"
    place.pam_service("faillock", f"""
        auth required pam_faillock.so preauth {lock}
        auth [success=1 default=bad] pam_pwdfile.so nodelay pwdfile={place.path}/passwords
        auth [default=die] pam_faillock.so authfail {lock}
        account required pam_faillock.so {lock}
        account required pam_permit.so
        """)
    for secret, state in (("right", "done"), ("wrong", "denied"), ("wrong", "denied"), ("right", "denied")):
        talk = begin(shared, "faillock", "games")
        talk.go()
        assert talk.go(secret)[0] == state, secret


def test_pam_access_and_remote_host(world, shared):
    place = world.place
    place.user("games", "geheim")
    (place.path / "access.conf").write_text("+:games:192.0.2.1\n-:ALL:ALL\n")
    place.pam_service("access", f"{pwdfile(place)}account required pam_access.so nodefgroup accessfile={place.path}/access.conf\n")
    for host, state in (("192.0.2.1", "done"), ("192.0.2.2", "denied")):
        talk = begin(shared, "access", "games", {"RemoteHost": host})
        talk.go()
        assert talk.go("geheim")[0] == state, host


def test_pam_time(world, shared):
    place = world.place
    place.user("bob", "geheim")
    for when, state in (("Al0000-2400", "done"), ("!Al0000-2400", "denied")):
        (place.path / "time.conf").write_text(f"time;*;bob;{when}\n")
        place.pam_service("time", f"{pwdfile(place)}account required pam_time.so conffile={place.path}/time.conf\n")
        talk = begin(shared, "time", "bob")
        talk.go()
        assert talk.go("geheim")[0] == state, when
