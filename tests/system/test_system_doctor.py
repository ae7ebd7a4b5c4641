# SPDX-License-Identifier: MIT
"""What an administrator asks when something is odd, on an installed machine: is it well, and why was this session refused?"""
import json

import pytest
from machine import Failed

NO_SESSION = 11


def doctor(machine, **options):
    done = machine.run("websessctl", "doctor", "--json=short", check=False, **options)
    found = {}
    for one in json.loads(done.stdout):
        found.setdefault((one["Check"], one["Health"]), []).append(one["Text"])
    return done.returncode, found


def test_nothing_is_wrong_with_an_installed_machine(machine):
    status, found = doctor(machine)
    assert (status, [lines for key, lines in found.items() if key[1] == "problem"]) == (0, [])
    assert {check for check, health in found if health == "ok"} >= {
        "reach", "bus", "health", "store", "maps", "helpers", "policy", "pam", "files", "key", "process", "secrets"}
    assert not [lines for key, lines in found.items() if key[1] == "skipped" and key[0] not in ("labels", "key")], found
    assert len(found["reach", "ok"]) == 2 and any("has the name org.websess1" in line for line in found["bus", "ok"])
    assert "in its sandbox" in found["process", "ok"][0] and "leaves no core file" in found["secrets", "ok"][0]
    assert "0 problems" in machine.out("websessctl", "doctor")


def test_a_user_is_told_what_was_not_looked_at(machine):
    status, found = doctor(machine, user="mallory")
    assert status == 0 and ("policy", "skipped") in found and ("pam", "skipped") in found


@pytest.fixture
def without_helpers(machine):
    machine.run("systemctl", "stop", "websess-pam.socket", "websess-pam@*")
    machine.run("systemctl", "restart", "websessd.service")
    # The broker wants the socket back; it is the machine's fault that it does not get it.
    machine.run("systemctl", "stop", "websess-pam.socket", "websess-pam@*")
    yield
    machine.run("systemctl", "start", "websess-pam.socket")
    machine.run("systemctl", "restart", "websessd.service")


def test_what_is_wrong_is_named(machine, without_helpers):
    status, found = doctor(machine)
    assert status == 1 and "no PAM helper is there" in found["helpers", "problem"][0]


def test_the_journal_knows_what_explain_points_to(machine, ctl, token):
    session = json.loads(ctl("explain", "--json=short", input=token))
    assert session["State"] == "live" and session["LoginBy"][0].startswith('level 1 is what the PAM service "websess" is worth')
    roles = "\n".join(session["RolesFrom"])
    assert "EDITOR: the user was in a group named behind EDITOR= in [Roles]" in roles and "@editors" in roles and "USER=*" in roles
    ctl("revoke", session["Id"])
    with pytest.raises(Failed) as failed:
        ctl("explain", "--json=short", input=token)
    ended = json.loads(failed.value.stdout)
    assert failed.value.status == NO_SESSION and ended["Reason"] == "revoked"
    command = ended["Journal"].split()
    assert command[0] == "journalctl"
    said = machine.journal("--output=cat", *command[1:])
    assert f"Session {session['Id']} of alice began" in said and f"Session {session['Id']} of alice ended: revoked" in said
