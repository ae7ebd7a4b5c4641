# SPDX-License-Identifier: MIT
"""S01: whatever is done with tokens and passwords, and however talkative the machine is, its journal holds none of them."""
import base64
import json
import subprocess

import pytest
from conftest import session_id
from machine import BUILD

RIGHT, WRONG, NEXT = "S01: a right pass-phrase", "S01: a wrong pass-phrase", "S01: the next pass-phrase"
TALKATIVE = "[Service]\nEnvironment=SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=journal\n"
UNITS = ("websessd.service", "websess-pam@.service")
JOURNALD = "[Journal]\nMaxLevelStore=debug\nRateLimitIntervalSec=0\nRateLimitBurst=0\n"
POLICY = """\
[Service]
PAMService=websess-talkative
MaxSessions=2
[Roles]
USER=*
[Access]
Login=shopd
Create=shopd
Resolve=shopd
Manage=shopd
"""
STACK = """\
auth required pam_unix.so debug audit nodelay
account required pam_unix.so debug audit
password required pam_unix.so debug audit
"""
MODULE = """\
auth required pam_websess.so service=secrets debug
account required pam_websess.so service=secrets roles=USER debug
session required pam_websess.so service=secrets export_token debug
password required pam_unix.so debug audit
password required pam_websess.so service=secrets debug
session required pam_exec.so debug type=open_session log=/root/exported /usr/bin/env
"""

# Every method that takes a secret, with each of these: what is right comes back as a token, what is wrong as an error. On standard input and
# output, since the journal has everybody's command line.
CALLS = """
import json, sys
from dasbus.connection import AddressedMessageBus, SystemMessageBus
from dasbus.error import DBusError
from dasbus.typing import Bool, Str, get_native, get_variant
address, user, password, wrong, near = json.load(sys.stdin)
bus = AddressedMessageBus(address) if address else SystemMessageBus()
at = {"service_name": None} if address else {"service_name": "org.websess1"}
manager = bus.get_proxy(object_path="/org/websess1", interface_name="org.websess1.Manager", **at)
made, refused = [], []

def call(method, *arguments):
    try:
        return getattr(manager, method)(*arguments)
    except DBusError as error:
        refused.append(str(error))

def begin(method, *arguments):
    token, session = call(method, *arguments)
    made.append(token)
    return token

for secret in [wrong, *near]:
    call("Login", "secrets", user, secret, {})
    for method in ("Resolve", "Rotate"):
        call(method, "secrets", secret, {})
    call("SetAttributes", "secrets", secret, {"a": get_variant(Bool, True)}, [], 0)
    call("Logout", "secrets", secret)
    call("BeginLogin", "secrets", user, {"Token": get_variant(Str, secret)})
    call("Login", "secrets", user, wrong, {"ReplaceToken": get_variant(Str, secret)})
    for method in ("GetSession", "RevokeSession"):
        call(method, secret)
token = begin("Login", "secrets", user, password, {})
token = begin("Login", "secrets", user, password, {"ReplaceToken": get_variant(Str, token)})
token = begin("CreateSession", "secrets", user, [], {}, {"ReplaceToken": get_variant(Str, token)})
token = begin("Rotate", "secrets", token, {})
call("SetAttributes", "secrets", token, {"a": get_variant(Bool, True)}, [], 0)
call("Resolve", "default", token, {})
call("Resolve", "secrets", token, {"Roles": get_variant("as", ["USER"])})
path = call("BeginLogin", "secrets", user, {"Token": get_variant(Str, token)})
talk = bus.get_proxy(object_path=path, interface_name="org.websess1.Conversation", **at)
state, messages, _, _ = talk.Continue([])
while state == "prompt":
    state, messages, again, session = talk.Continue([password for style, _ in messages if style <= 2])
assert state == "done", state
made.append(again)
call("Logout", "secrets", again)
json.dump([made, refused], sys.stdout)
"""


def near(token):
    """What is almost this token: another end, other letters, cut, longer, with something in or around it."""
    return [token[:-1] + ("A" if token[-1] != "A" else "B"), token.swapcase(), token[:-1], token + "A", f"SESSION={token}", token[:40] + "\x01" + token[40:]]


def pieces(data, size):
    return {data[i:i + size] for i in range(0, len(data) - size + 1, size)}


def traces(token):
    """Pieces of the secret part, each enough to be told from chance, as text, as bytes, and as the digits of those."""
    text, secret = token[24:].encode(), base64.urlsafe_b64decode(token)[16:]
    return pieces(text, 8) | pieces(text.swapcase(), 8) | pieces(base64.b64encode(secret), 8) | pieces(secret, 8) | \
        pieces(secret.hex().encode(), 16) | pieces(secret.hex().upper().encode(), 16)


@pytest.fixture
def talkative(machine, carol):
    """All that can be told to say more does; whatever is said is kept."""
    machine.write("/etc/systemd/journald.conf.d/talkative.conf", JOURNALD)
    for unit in UNITS:
        machine.write(f"/run/systemd/system/{unit}.d/talkative.conf", TALKATIVE)
    machine.write("/etc/pam.d/websess-talkative", STACK)
    machine.write("/etc/pam.d/websess-test", MODULE)
    machine.write("/etc/websess/services.d/secrets.conf", POLICY)
    machine.write("/etc/websess/websess.conf.d/quick.conf", "[PAM]\nFailureDelaySec=1ms\n[Throttle]\nUserHostFailures=1000\nUserFailures=1000\n")
    machine.run("chpasswd", input=f"{carol}:{RIGHT}\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "systemd-journald.service", "websess-pam.socket", "websessd.service")
    machine.run("systemctl", "log-level", "debug")
    yield machine
    machine.run("systemctl", "log-level", "info")
    machine.run("websessctl", "revoke-all", "secrets")
    machine.run("rm", "-rf", "/etc/systemd/journald.conf.d", "/etc/websess/services.d/secrets.conf", "/etc/websess/websess.conf.d", "/root/exported",
                *(f"/run/systemd/system/{unit}.d" for unit in UNITS))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "systemd-journald.service", "websess-pam.socket", "websessd.service")


def calls(machine, address, user, secrets):
    made, refused = json.loads(machine.out("/usr/bin/python3", "-c", CALLS, user="shopd", input=json.dumps([address, user, RIGHT, WRONG, secrets])))
    assert len(made) == len(set(made)) == 5 and len(refused) > 50
    return made, refused


def by_websessctl(machine, ctl, user, secrets):
    """The same by the library, by explain, and as a web server does it."""
    made = []

    def run(*arguments, input):
        return machine.run("env", "SYSTEMD_LOG_LEVEL=debug", "websessctl", "--quiet", *arguments, input=input, user="shopd", check=False)
    for secret in [WRONG, *secrets]:
        for arguments in (["login", "secrets", user], ["resolve", "secrets"], ["resolve", "secrets", "--cookie"], ["rotate", "secrets"],
                          ["logout", "secrets"], ["set-attr", "secrets", "a=b"], ["explain", "--service=secrets"]):
            run(*arguments, input=secret)
    made.append(run("login", "secrets", user, input=RIGHT).stdout.strip())
    made.append(run("rotate", "secrets", input=made[-1]).stdout.strip())
    assert run("resolve", "secrets", "--cookie", input=f"SESSION={made[-1]}").returncode == 0
    cgi = "HTTP_COOKIE=$(cat) exec websessctl resolve --cgi secrets"
    assert "Status: 204" in machine.out("sh", "-c", cgi, input=f"SESSION={made[-1]}", user="shopd")
    assert run("explain", "--service=secrets", input=made[-1]).returncode == 0
    ctl("revoke", session_id(made[-1]))
    assert run("resolve", "secrets", input=made[-1]).returncode == 11
    made += [ctl("--quiet", "create", "secrets", user, user="shopd") for _ in range(3)]
    ctl("revoke-user", "secrets", user)
    return made


def by_pam(machine, ctl, user, secrets):
    """The module's three kinds; the token that it exports is read from a file of pam_exec's."""
    made = [ctl("--quiet", "login", "secrets", user, input=RIGHT, user="shopd")]
    machine.run("pamtester", "websess-test", user, "authenticate", "acct_mgmt", input=made[0] + "\n")
    for secret in [RIGHT, WRONG, *secrets]:
        assert machine.run("pamtester", "websess-test", user, "authenticate", input=secret + "\n", check=False).returncode != 0
    assert machine.run("pamtester", "websess-test", "alice", "authenticate", input=made[0] + "\n", check=False).returncode != 0
    machine.run("pamtester", "websess-test", user, "open_session", "close_session")
    said = dict(line.split("=", 1) for line in machine.out("cat", "/root/exported").splitlines() if "=" in line)
    made.append(said["WEBSESS_TOKEN"])
    assert session_id(made[-1]) == said["WEBSESS_ID"]
    machine.run("pamtester", "websess-test", user, "chauthtok", input=f"{NEXT}\n{NEXT}\n")
    assert machine.run("pamtester", "websess-test", user, "authenticate", input=made[0] + "\n", check=False).returncode != 0
    return made


@pytest.mark.skipif(not (BUILD / "pam_websess.so").exists(), reason="not built: pam_websess.so")
def test_S01_no_secret_is_in_the_journal(talkative, ctl, carol):
    """All of it, in the form that leaves nothing out. The ids are found, so that the search would find."""
    machine, since = talkative, talkative.out("date", "+%s.%N")
    old = ctl("--quiet", "login", "secrets", carol, input=RIGHT, user="shopd")
    ctl("logout", "secrets", input=old, user="shopd")
    made, refused = [old], []
    for address in ("", "unix:path=/run/websess/websess.sock"):
        tokens, texts = calls(machine, address, carol, near(old))
        made, refused = made + tokens, refused + texts
    made += by_websessctl(machine, ctl, carol, near(old)[:2]) + by_pam(machine, ctl, carol, near(old))
    assert {len(token) for token in made} == {64} and len(set(made)) == len(made) > 15
    machine.run("journalctl", "--sync")
    journal = subprocess.run(machine.command(["journalctl", "--quiet", "--all", "--output=export"]), capture_output=True, check=True).stdout
    forbidden = set().union(*map(traces, made)) | {secret.encode() for secret in (RIGHT, WRONG, NEXT)}
    for name, text in {"the journal": journal, "what callers were told": "\n".join(refused).encode()}.items():
        assert [secret for secret in forbidden if secret in text] == [], name
    assert [token for token in made if session_id(token).encode() not in journal] == []
    chatter = [entry for entry in journal.split(b"\n\n") if b"\nPRIORITY=7\n" in entry]
    for who in (b"_PID=1\n", b"pam_websess(websess-test:auth)", b"pam_websess(websess-test:session)", b"pam_websess(websess-test:chauthtok)"):
        assert any(who in entry for entry in chatter), who
    assert "Suppressed" not in machine.journal(f"--since=@{since}", "--identifier=systemd-journald"), "something was left out"
