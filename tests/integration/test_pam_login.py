# SPDX-License-Identifier: MIT
"""Login through the whole chain: caller, broker, PAM helper, a real stack. What the helper alone does is in test_pam_helper.py."""

import time

import pytest

from client import raises
from world import wait_until

SLOW = "#!/bin/sh\nread -r line\necho x > '%s'\nexec sleep 30\n"


def pwdfile(place):
    return f"auth required pam_pwdfile.so pwdfile={place.path}/passwords"


def test_main_job_password_gives_a_session_that_resolves(place, helper, broker, private):
    place.user("bob", "geheim")
    token, session = private.Login("default", "bob", "geheim", {"RemoteHost": "192.0.2.1"})
    assert (session["User"], session["AuthMethods"], session["Level"]) == ("bob", ["pwd"], 1)
    assert private.Resolve("default", token, {})["Id"] == session["Id"]


def test_S09_unknown_user_and_wrong_password_are_one_answer(place, helper, broker, private):
    place.user("bob", "geheim")
    # Without the module's own delay, which libpam varies at random, the broker's floor is what is left.
    place.pam_service("websess", f"{pwdfile(place)} nodelay\naccount required pam_permit.so\n")
    texts, times = set(), []
    for user in ("bob", "no-such-user"):
        start = time.monotonic()
        with raises("AuthenticationFailed") as caught:
            private.Login("default", user, "falsch", {})
        times.append(time.monotonic() - start)
        texts.add(caught.value.text)
    assert len(texts) == 1
    assert abs(times[0] - times[1]) < 0.25
    assert "no-such-user" not in texts.pop()


def test_S12_refused_account_is_told_to_the_journal_and_not_to_the_client(place, helper, broker, private):
    place.user("bob", "geheim")
    place.pam_service("websess", f"{pwdfile(place)}\naccount required pam_deny.so\n")
    with raises("AuthenticationFailed") as caught:
        private.Login("default", "bob", "geheim", {})
    assert "acct" not in caught.value.text
    assert "pam_acct_mgmt" in broker.log
    assert "geheim" not in broker.log
    assert private.get("SessionCount") == 0


def test_expired_password_asks_for_a_conversation(place, helper, broker, private):
    place.pam_service("websess", "auth required pam_permit.so\naccount required pam_debug.so acct=new_authtok_reqd\n")
    with raises("ConversationRequired"):
        private.Login("default", "bob", "x", {})
    assert private.get("SessionCount") == 0


def test_broken_stack_is_unavailable_and_never_a_wrong_password(place, helper, broker, private):
    place.pam_service("websess", "auth required pam_debug.so auth=authinfo_unavail\naccount required pam_permit.so\n")
    with raises("Unavailable") as caught:
        private.Login("default", "bob", "x", {})
    assert '"websess"' in caught.value.text


def test_missing_helper_names_the_unit(place, helper, broker, private):
    def said(words):
        with raises("Unavailable") as caught:
            private.Login("default", "bob", "x", {})
        return all(word in caught.value.text for word in words)

    helper.stop()           # and with it the helpers that waited; one that is just dying may be asked first
    wait_until(lambda: said(["websess-pam.socket", "refused"]))
    helper.socket.unlink()
    wait_until(lambda: said(["websess-pam.socket", "No such file"]))


def test_helper_that_comes_back_is_used(place, helper, broker, private):
    place.user("bob", "geheim")
    private.Login("default", "bob", "geheim", {})
    helper.stop()
    helper.start()
    private.Login("default", "bob", "geheim", {})


@pytest.mark.parametrize("secret", ["", "y" * 513], ids=["empty", "513"])
def test_S10_passwords_that_cannot_be_are_refused(place, helper, broker, manager, secret):
    with raises("InvalidArgument"):
        manager.Login("default", "bob", secret, {})


def test_L08_slow_stack_does_not_hold_up_others(place, helper, broker, private, caller):
    place.user("bob", "geheim")
    started, slow = place.path / "started", place.path / "slow"
    slow.write_text(SLOW % started)
    slow.chmod(0o755)
    place.policy("slow", "[Service]\nPAMService=slow\n[Access]\nLogin=*\n")
    place.pam_service("slow", f"auth required pam_exec.so quiet expose_authtok {slow}\naccount required pam_permit.so\n")
    broker.reload()
    pending = [private.begin("Login", "slow", "bob", "x", {}) for _ in range(3)]
    wait_until(started.exists)
    other = caller()
    start = time.monotonic()
    token, _ = other.Login("default", "bob", "geheim", {})
    other.Resolve("default", token, {})
    assert time.monotonic() - start < 5
    assert not any(future.done() for future in pending)
