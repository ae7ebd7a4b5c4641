# SPDX-License-Identifier: MIT
"""S22: every kind of event is brought about on a machine and read back from its journal by its MESSAGE_ID."""
import json

import pytest
from conftest import PASSWORDS, message_ids
from machine import Failed, wait_until

STATE = "/var/lib/websess"

SMALL = """\
[Limits]
MaxConnectionsPerUser=8
[PAM]
FailureDelaySec=1ms
[Throttle]
UserHostFailures=2
UserHostRecoverSec=1h
"""

# As many connections as are asked for; then nonsense on the first of them, to which only an end is an answer.
PEER = """
import socket, sys
made = []
for _ in range(int(sys.argv[1])):
    made.append(socket.socket(socket.AF_UNIX))
    made[-1].connect("/run/websess/websess.sock")
made[0].sendall(b"\\0AUTH EXTERNAL\\r\\nDATA\\r\\nBEGIN\\r\\n" + b"\\xff" * 64)
try:
    while made[0].recv(4096):
        pass
except ConnectionError:
    pass
"""


@pytest.fixture(autouse=True)
def told(machine):
    """told("LOGIN"): the fields of the last event of this kind since the test began, once there is one."""
    ids, since = message_ids(), machine.out("date", "+%s.%N")

    def last(event, **fields):
        match = [f"MESSAGE_ID={ids[event]}", *(f"{key}={value}" for key, value in fields.items())]
        lines = wait_until(lambda: machine.journal(f"--since=@{since}", "--output=json", *match).splitlines(), timeout=10, what=f"{event} in the journal")
        return json.loads(lines[-1])

    return last


@pytest.fixture
def settings(machine, ctl):
    before = machine.out("cat", "/etc/websess/websess.conf")
    machine.write("/etc/websess/websess.conf", SMALL)
    machine.run("systemctl", "restart", "websessd.service")
    yield
    machine.write("/etc/websess/websess.conf", before + "\n")
    machine.run("systemctl", "restart", "websessd.service")


def refused(ctl, *arguments, **options):
    with pytest.raises(Failed):
        ctl(*arguments, **options)


def test_S22_start_stop_and_policy(machine, ctl, told):
    machine.run("systemctl", "restart", "websessd.service")
    assert told("STOPPING")["_SYSTEMD_UNIT"] == "websessd.service"
    assert told("STARTED")["_PID"] == machine.show("websessd.service", "MainPID")
    ctl("reload")
    told("POLICY_LOADED")
    machine.write("/etc/websess/services.d/bad.conf", "[Service]\nNoSuchKey=1\n")
    try:
        refused(ctl, "reload")
    finally:
        machine.run("rm", "/etc/websess/services.d/bad.conf")
    assert "bad.conf:2" in told("POLICY_REFUSED")["MESSAGE"]
    ctl("reload")


def test_S22_logins_refusals_and_guesses(machine, ctl, told, settings):
    host = "--remote-host=192.0.2.9"
    ctl("login", "shop", "alice", host, input=PASSWORDS["alice"], user="shopd")
    fields = told("LOGIN")
    assert (fields["WEBSESS_USER"], fields["WEBSESS_SERVICE"]) == ("alice", "shop") and len(fields["WEBSESS_SESSION"]) == 32
    for _ in range(3):
        refused(ctl, "login", "shop", "bob", host, input="wrong", user="shopd")
    assert told("LOGIN_FAILED")["WEBSESS_USER"] == "bob"
    assert told("THROTTLED")["WEBSESS_USER"] == "bob"
    ctl("reset-throttle", "shop", "bob")
    told("THROTTLE_RESET")
    refused(ctl, "revoke-all", "shop", user="mallory")
    assert told("DENIED")["WEBSESS_CALLER_UID"] == machine.out("id", "-u", "mallory")


def test_S22_ends_and_roles(ctl, told):
    for _ in range(2):
        ctl("create", "shop", "bob", "--role=USER")
    session = json.loads(ctl("--json=short", "list", "--service=shop", "--user=bob"))[0]["Id"]
    ctl("set-roles", session, "EDITOR")
    assert told("ROLES_CHANGED")["WEBSESS_USER"] == "bob"
    ctl("revoke", session)
    assert told("ENDED")["WEBSESS_SESSION"] == session and told("ENDED")["WEBSESS_REASON"] == "revoked"
    ctl("revoke-user", "shop", "bob")
    assert told("REVOKED_MANY")["WEBSESS_USER"] == "bob"


def test_S22_bad_peers(machine, told, settings):
    machine.run("/usr/bin/python3", "-c", PEER, "1", user="mallory")
    told("HOSTILE_PEER")
    machine.run("/usr/bin/python3", "-c", PEER, "12", user="mallory")
    told("QUOTA")


def test_S22_a_second_broker_says_why_it_cannot_start(machine, told):
    machine.run("systemd-run", "--quiet", "--wait", "--collect", "--unit=second.service", "--uid=websess", f"--setenv=STATE_DIRECTORY={STATE}",
                "--setenv=CONFIGURATION_DIRECTORY=/etc/websess", "--setenv=RUNTIME_DIRECTORY=/tmp", "/usr/lib/websess/websessd", check=False)
    # By its text: of a process that is gone the journal cannot tell the unit any more.
    assert "another websessd" in told("INTERNAL")["MESSAGE"]


DAMAGE = f"""
data = open("{STATE}/sessions.mdb", "r+b")
found = data.read()
assert found.count(b"damage-me") >= 1
data.seek(0)
data.write(found.replace(b"damage-me", b"damage-ME"))
"""


def test_S22_a_damaged_record(machine, ctl, told):
    ctl("create", "shop", "damage-me", "--role=USER")
    session = json.loads(ctl("--json=short", "list", "--service=shop", "--user=damage-me"))[0]["Id"]
    machine.run("systemctl", "stop", "websessd.service")
    machine.run("/usr/bin/python3", "-c", DAMAGE)
    machine.run("systemctl", "start", "websessd.service")
    assert told("RECORD_DAMAGED")["WEBSESS_SESSION"] == session


@pytest.fixture
def small_disk(machine):
    machine.run("systemctl", "stop", "websessd.service")
    machine.run("mount", "-t", "tmpfs", "-o", "size=12m,mode=700,uid=websess,gid=websess", "tmpfs", STATE)
    machine.run("systemctl", "start", "websessd.service")
    yield f"{STATE}/filler"
    machine.run("systemctl", "stop", "websessd.service")
    machine.run("umount", STATE)
    machine.run("systemctl", "start", "websessd.service")


def test_S22_a_full_disk_and_its_end(machine, ctl, told, small_disk):
    machine.run("dd", "if=/dev/zero", f"of={small_disk}", "bs=64k", check=False)
    with pytest.raises(Failed, match="full|MaxSize"):
        for i in range(2000):
            ctl("create", "shop", f"user{i}", "--role=USER", f"--attr=a={'x' * 15000}")
    assert told("STORE_FAILED")["PRIORITY"] <= "3"
    machine.run("rm", small_disk)
    ctl("create", "shop", "alice", "--role=USER")
    told("STORE_RECOVERED")


def test_S22_a_restored_backup(machine, ctl, told):
    backup = "/var/backups/events.mdb"
    ctl("backup", backup)
    machine.run("systemctl", "stop", "websessd.socket", "websessd.service")
    machine.run("/usr/lib/websess/websessd", "--restore", backup)
    machine.run("systemctl", "start", "websessd.socket")
    assert backup in told("RESTORED")["MESSAGE"]


def test_S22_every_kind_of_event_is_brought_about_here(request):
    source = open(__file__).read()
    assert [event for event in message_ids() if f'told("{event}")' not in source] == []
