# SPDX-License-Identifier: MIT
"""Logins by rounds on a machine: pam_unix and shadow, the sandboxed helper, the system bus."""
import json

import pytest
from conftest import PASSWORDS

SCRIPT = """
import json, sys
from dasbus.connection import SystemMessageBus
from dasbus.typing import get_native, get_variant
bus = SystemMessageBus()
service, user, answers, options = json.loads(sys.stdin.read())
options = {name: get_variant(str, value) for name, value in options.items()}
talk = bus.get_proxy("org.websess1", bus.get_proxy("org.websess1", "/org/websess1").BeginLogin(service, user, options))
said = []
while True:
    answer = []
    if said:
        answer = [answers.pop(0) for style, _ in said[-1][1] if style <= 2]
    state, messages, token, session = talk.Continue(answer)
    said.append((state, messages))
    if state != "prompt":
        break
print(json.dumps([said, token, get_native(session)]))
"""


@pytest.fixture
def talk(machine):
    def run(user, *answers, service="shop", **options):
        """[(state, messages), …], token, session."""
        out = machine.out("/usr/bin/python3", "-c", SCRIPT, user="shopd", input=json.dumps([service, user, answers, options]))
        said, token, session = json.loads(out)
        return [state for state, _ in said], [text for _, messages in said for _, text in messages], token, session
    return run


def test_real_password_in_a_conversation(talk, ctl):
    states, texts, token, session = talk("alice", PASSWORDS["alice"])
    assert states == ["prompt", "done"] and texts == ["Password: "]
    assert json.loads(ctl("--json=short", "resolve", "shop", input=token, user="shopd"))["Id"] == session["Id"]
    assert talk("alice", "wrong")[0] == ["prompt", "denied"]


def test_S12_expired_password_is_changed_and_the_account_let_in(machine, talk):
    before, after = PASSWORDS["bob"], "a new and better one 7!"
    shadow = machine.out("stat", "--format=%U:%G:%a", "/etc/shadow")
    machine.run("chage", "--lastday=0", "bob")
    try:
        states, texts, token, _ = talk("bob", before, before, after, after)
        assert states[-1] == "done" and token, texts
        assert any("expired" in text or "required to change" in text for text in texts), texts
        assert machine.out("stat", "--format=%U:%G:%a", "/etc/shadow") == shadow
        assert talk("bob", after)[0] == ["prompt", "done"]
        assert talk("bob", before)[0] == ["prompt", "denied"]
    finally:
        machine.run("chpasswd", input=f"bob:{before}\n")


def test_S12_locked_account_is_denied(machine, talk):
    machine.run("usermod", "--lock", "bob")
    try:
        assert talk("bob", PASSWORDS["bob"])[0][-1] == "denied"
    finally:
        machine.run("usermod", "--unlock", "bob")


def test_pam_speaks_the_language_of_the_service_and_of_the_user(machine, talk):
    """Linux-PAM's own catalogue; a locale that the machine does not have costs nobody the login."""
    for locale in ("de_DE", "fr_FR"):
        machine.run("localedef", "--no-archive", "-i", locale, "-f", "UTF-8", f"{locale}.UTF-8")
    cases = [("de_DE.UTF-8", {}, "Passwort: "), ("de_DE.UTF-8 fr_FR.UTF-8", {"Language": "fr-CA"}, "Mot de passe : "),
             ("de_DE.UTF-8 fr_FR.UTF-8", {"Language": "it"}, "Passwort: "), ("sv_SE.UTF-8", {}, "Password: "), ("", {"Language": "de"}, "Password: ")]
    try:
        for languages, options, text in cases:
            machine.write("/etc/websess/services.d/german.conf", f"[Service]\nLanguage={languages}\n[Access]\nLogin=shopd\n")
            machine.run("websessctl", "reload")
            states, texts, _, _ = talk("alice", PASSWORDS["alice"], service="german", **options)
            assert states == ["prompt", "done"] and [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts] == [text]
        assert "no locale sv_SE.UTF-8" in machine.journal("--output=cat", "--since=-2min", "--unit=websess-pam@*")
    finally:
        machine.run("rm", "-r", "/etc/websess/services.d/german.conf", "/usr/lib/locale/de_DE.utf8", "/usr/lib/locale/fr_FR.utf8")


def test_pam_auth_update_knows_the_profile_and_leaves_it_off(machine):
    assert "pam_websess" not in machine.out("cat", "/etc/pam.d/common-session", "/etc/pam.d/common-password")
    machine.run("env", "DEBIAN_FRONTEND=noninteractive", "pam-auth-update", "--enable", "websess")
    try:
        assert "pam_websess.so" in machine.out("cat", "/etc/pam.d/common-session")
        assert "pam_websess.so" in machine.out("cat", "/etc/pam.d/common-password")
    finally:
        machine.run("env", "DEBIAN_FRONTEND=noninteractive", "pam-auth-update", "--remove", "websess")
