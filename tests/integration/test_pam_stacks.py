# SPDX-License-Identifier: MIT
"""Whole stacks that depend on pam_websess.so grant nothing that the broker has not said: every way of depending on it, in every call of libpam,
with every error, and with memory that runs out. The module alone under each control flag is in test_pam_faults.py."""
import contextlib
import pwd

import pytest

from pam_client import ENTRY_POINTS
from test_pam_faults import AGREED, Hostile, oom
from test_pam_module import in_thread, login, pytestmark, stacks  # noqa: F401
from world import BUILD

KINDS = ("auth", "account", "session", "password")
PERMIT, DENY = "required pam_permit.so", "required pam_deny.so"
# What stands behind the module's line. In the first four a module that were silently left out would grant; the others grant nothing unless it says yes.
STACKS = {
    "required": [PERMIT],
    "requisite": [PERMIT],
    "[success=ok ignore=ignore default=bad]": [PERMIT],
    "[success=ok ignore=ignore default=die]": [PERMIT],
    "sufficient": [DENY],
    "[success=done default=ignore]": [DENY],
    "[success=1 default=ignore]": [DENY, PERMIT],
}
ERRORS = ("NoSession", "Forbidden", "StepUpRequired", "AuthenticationFailed", "ConversationRequired", "LimitReached", "AccessDenied", "NoService",
          "InvalidArgument", "Conflict", "TooMany", "Unavailable", "Nonsense")
HUNG = ("silent", "slow")
SUCCESS, IGNORE = "0", "25"


def write(stacks, name, control, module, before=()):
    """A service in which every stack is the module's line, as control has it, and what belongs behind that."""
    lines = [*before, f"{control} {module}", *STACKS[control]]
    (stacks.folder / name).write_text("".join(f"{kind} {line}\n" for kind in KINDS for line in lines))


def ours(stacks, arguments="", socket=None):
    return f"{stacks.module} socket={socket or stacks.socket} {arguments}"


def error_reply(serial, name):
    """A D-Bus error without a text."""
    name = f"org.websess1.Error.{name}".encode()
    fields = bytes([5, 1]) + b"u\0" + serial.to_bytes(4, "little") + bytes([4, 1]) + b"s\0" + len(name).to_bytes(4, "little") + name + b"\0"
    return b"l" + bytes([3, 0, 1]) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + len(fields).to_bytes(4, "little") \
        + fields + b"\0" * (-len(fields) % 8)


class Refusing(Hostile):
    """Answers whatever it is asked with one error."""

    def talk(self, connection):
        with contextlib.suppress(OSError):      # it has heard enough
            connection.recv(4096)
            connection.sendall(AGREED)
            while connection.recv(65536):
                for serial in range(1, 8):
                    connection.sendall(error_reply(serial, self.manner))


@pytest.mark.parametrize("control", STACKS)
def test_the_stacks_grant_when_a_module_says_yes_and_some_when_it_says_nothing(stacks, control):
    """What the tests below would see if the module did."""
    for result, expected in ((0, True), (25, PERMIT == STACKS[control][0])):
        write(stacks, "app", control, f"{BUILD}/tests/pam_told.so return:{result}")
        for entry in ("authenticate", "acct_mgmt", "open_session", "close_session"):
            assert (in_thread(stacks, "app", entry)() == "SUCCESS") == expected, (entry, result)


@pytest.mark.parametrize("manner", (*HUNG, "empty-answer", "rubbish-answer", "dead", *ERRORS))
def test_S11_no_stack_grants_what_the_broker_did_not(stacks, place, manner):
    path = place.run / "fake.sock"
    fake = None if manner == "dead" else (Refusing if manner in ERRORS else Hostile)(path, manner)
    try:
        calls = []
        for i, control in enumerate(STACKS):
            write(stacks, f"s{i}", control, ours(stacks, "timeout=500ms" if manner in HUNG else "timeout=5s", path))
            calls += [(control, entry, in_thread(stacks, f"s{i}", entry)) for entry in ENTRY_POINTS]
        granted = [(control, entry) for control, entry, result in calls if result() in ("SUCCESS", "IGNORE")]
    finally:
        if fake:
            fake.close()
    # A session that has ended already is closed, and so is nothing else.
    assert granted == ([(control, "close_session") for control in STACKS] if manner == "NoSession" else [])


def assert_refused(found, last, control):
    assert not {n: r for n, r in [*found.items(), ("last", last)] if r in (SUCCESS, IGNORE) or r.startswith("signal")}, control


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_S11_no_stack_grants_for_want_of_memory(stacks, login, entry):  # noqa: F811
    """A session that lacks the role, or no broker where roles do not count; every allocation fails once."""
    token, session = login()
    for control in STACKS:
        write(stacks, "app", control, ours(stacks, "roles=ADMIN timeout=2s", None if entry in ("authenticate", "acct_mgmt") else stacks.place.run / "none"))
        found, last = oom(stacks, "games", token, entry, [f"WEBSESS_ID={session['Id']}", f"WEBSESS_TOKEN={token}"])
        assert found or entry == "setcred"
        assert_refused(found, last, control)


@pytest.mark.parametrize("control", STACKS)
def test_S11_a_password_is_not_called_changed_when_the_second_pass_fails(stacks, place, broker, control):
    """The broker answers before the change and is gone after it: libpam calls each module twice."""
    gone = place.path / "gone.sock"
    module = ours(stacks, "timeout=300ms", gone)
    gone.symlink_to(stacks.socket)
    write(stacks, "app", control, module, before=[f"optional pam_exec.so quiet /bin/rm {gone}"])
    assert in_thread(stacks, "app", "chauthtok")() not in ("SUCCESS", "IGNORE")
    assert not gone.is_symlink(), "the first pass went well"


@pytest.mark.parametrize("control", ("required", "sufficient"))
def test_S11_nor_when_it_is_refused_and_memory_runs_out(stacks, login, control):  # noqa: F811
    """A caller who may ask for the broker, and may not end the user's sessions: refused in the second pass only."""
    login()
    write(stacks, "app", control, ours(stacks, "timeout=2s"))
    found, last = oom(stacks, "games", "x", "chauthtok", uid=pwd.getpwnam("irc").pw_uid)
    assert len(found) > 100
    assert_refused(found, last, control)
