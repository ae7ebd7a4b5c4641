# SPDX-License-Identifier: MIT
"""Every verb of websessctl against the running broker, in text and as JSON."""
import re
import stat

import pytest

from ctl import (ACCESS_DENIED, AUTHENTICATION_FAILED, CONFLICT, FORBIDDEN, INVALID, NO_SERVICE, NO_SESSION, STEP_UP, UNAVAILABLE,
                 USAGE, Ctl, is_id)

SHOP = """
    [Service]
    Users=app
    Anonymous=yes
    MaxSessions=0
    [Roles]
    USER=*
    BUYER=
    ADMIN=
    [Access]
    Resolve=irc
    """
pytestmark = [pytest.mark.policy(shop=SHOP)]


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


@pytest.fixture
def irc(broker):
    """A daemon that may resolve and nothing else."""
    return Ctl(broker, "irc")


def create(ctl, user="alice", *options):
    """(token, id)"""
    session = ctl("create", "--json=short", "shop", user, *options).json
    return session["Token"], session["Id"]


def test_status(ctl):
    fields = ctl("status").fields
    assert fields["Healthy"] == "yes"
    assert "SessionCount" in fields and "Version" in fields
    assert re.fullmatch(r"\w{3} \d{4}-\d\d-\d\d [\d:]{8} \w+ \((now|\d+s ago)\)", fields["Started"])
    create(ctl)
    status = ctl("--json=short", "status").json
    assert status["SessionCount"] == 1 and status["Healthy"] is True
    assert "shop" in status["Services"]
    assert ctl("-q", "status").out == ""


def test_services(ctl):
    assert {row["SERVICE"] for row in ctl("services").table} == {"default", "shop"}
    assert ctl("services", "--no-legend").out.split() == ["default", "shop"]
    assert ctl("services", "--json=pretty").json == ["default", "shop"]


def test_create_shows_the_session_and_its_token(ctl):
    fields = ctl("create", "shop", "42", "-r", "BUYER", "--role=ADMIN", "--attr", "cart:x=5", "-a", "theme=dark", "--level=2",
                 "--method=otp", "--remote-host=192.0.2.7", "--user-agent=Mozilla/5.0", "--idle=10min", "--lifetime=1h").fields
    assert is_id(fields["Session"])
    assert fields["Service"] == "shop" and fields["User"] == "42"
    assert set(fields["Roles"].split()) == {"BUYER", "ADMIN"}
    assert set(fields["Attributes"].split("\n")) == {"cart:x=5", "theme=dark"}
    assert fields["Login"] == "level 2, by otp"
    assert fields["Remote host"] == "192.0.2.7" and fields["User agent"] == "Mozilla/5.0"
    assert fields["May idle"] == "10min"
    assert fields["Created"].endswith("ago)") or fields["Created"].endswith("(now)")
    assert "(in 9min" in fields["Ends"] or "(in 10min" in fields["Ends"]
    assert "(in 59min" in fields["Ends at last"] or "(in 1h" in fields["Ends at last"]
    assert len(fields["Token"]) == 64
    assert fields["Set-Cookie"].startswith(f"SESSION={fields['Token']};")


def test_create_of_a_visitor(ctl):
    token, session = create(ctl, "")
    assert ctl("show", session).fields["User"] == "(a visitor)"
    ctl("resolve", "shop", input=token, status=NO_SESSION)
    assert ctl("resolve", "shop", "--allow-anonymous", "--json=short", input=token).json["Id"] == session


def test_request_id_gives_the_same_session(ctl):
    first, second = (create(ctl, "alice", "--request-id=once") for _ in range(2))
    assert first[1] == second[1] and first[0] != second[0]


def test_login(ctl, helper):
    token = ctl("login", "-q", "default", "alice", input="correct horse\n").line
    assert ctl("resolve", "default", "--json=short", input=token).json["User"] == "alice"
    denied = ctl("login", "default", "alice", input="wrong", status=AUTHENTICATION_FAILED)
    assert denied.out == "" and denied.err.startswith("websessctl: ")
    ctl("login", "default", "alice", status=USAGE)


def test_S10_passwords_pass_as_received(ctl, helper, place):
    for password in ("x", " blank ", "two\nlines", "päss wört 🔑", "-rf", "y" * 500):
        place.user("bob", password)
        ctl("login", "-q", "default", "bob", input=password)
        ctl("login", "-q", "default", "bob", input=password + "\n")
    # One newline at the end is the Enter key, two are a password that is not this one.
    ctl("login", "-q", "default", "bob", input=password + "\n\n", status=AUTHENTICATION_FAILED)


def test_resolve(ctl):
    token, session = create(ctl, "alice", "--role=BUYER", "--level=1")
    assert ctl("resolve", "shop", input=token).fields["Session"] == session
    shown = ctl("resolve", "shop", "--json=short", input=token + "\n").json
    assert shown["Id"] == session and "Token" not in shown
    assert ctl("resolve", "-q", "shop", "-r", "ADMIN", "-r", "BUYER", input=token).out == ""
    ctl("resolve", "shop", "--role=USER", input=token, status=FORBIDDEN)
    assert ctl("resolve", "-q", "shop", "--role=USER", input=token, status=FORBIDDEN).err == ""
    ctl("resolve", "shop", "--level=2", input=token, status=STEP_UP)
    ctl("resolve", "shop", "--max-age=1us", input=token, status=STEP_UP)
    ctl("resolve", "shop", "--max-age=1h", input=token)
    ctl("resolve", "shop", input="rubbish", status=NO_SESSION)
    assert "BUYR" in ctl("resolve", "shop", "--role=BUYR", input=token, status=INVALID).err
    ctl("resolve", "nowhere", input=token, status=NO_SERVICE)
    ctl("resolve", "default", input=token, status=NO_SESSION)


def test_resolve_without_touch(ctl):
    token, session = create(ctl)
    seen = ctl("show", "--json=short", session).json["LastSeen"]
    ctl("resolve", "shop", "--no-touch", input=token)
    assert ctl("show", "--json=short", session).json["LastSeen"] == seen


def test_rotate(ctl):
    old, session = create(ctl)
    new = ctl("rotate", "-q", "shop", input=old).line
    assert new != old
    ctl("resolve", "shop", input=old, status=NO_SESSION)
    assert ctl("resolve", "shop", "--json=short", input=new).json["Id"] == session


def test_logout(ctl):
    token, _ = create(ctl)
    assert ctl("logout", "shop", input=token).out == ""
    ctl("resolve", "shop", input=token, status=NO_SESSION)
    ctl("logout", "shop", input=token)


def test_R8_set_attr(ctl):
    token, session = create(ctl, "alice", "--attr=old=1")
    assert ctl("set-attr", "shop", "n:x=7", "on:b=yes", "f:d=0.5", "raw:y=00ff", "tags:a=x,y", "t=it is", "--unset=old",
               input=token).out == "version 2\n"
    assert ctl("show", "--json=short", session).json["Attributes"] == {
        "n": 7, "on": True, "f": 0.5, "raw": [0, 255], "tags": ["x", "y"], "t": "it is"}
    assert ctl("set-attr", "shop", "--if-version=2", "n:x=8", "--json=short", input=token).json == {"Version": 3}
    ctl("set-attr", "shop", "--if-version=2", "n:x=9", input=token, status=CONFLICT)
    assert ctl("-q", "set-attr", "shop", "--unset", "n", input=token).out == ""
    assert "n" not in ctl("show", "--json=short", session).json["Attributes"]
    ctl("set-attr", "shop", input=token, status=USAGE)
    ctl("set-attr", "shop", "n:x=many", input=token, status=USAGE)


@pytest.mark.needs_root
def test_touch(ctl, irc):
    _, session = create(ctl)
    ctl("touch", "shop", session, "0" * 32)
    irc("touch", "shop", session)


def test_R12_set_roles(ctl):
    token, session = create(ctl, "alice", "--role=BUYER")
    assert ctl("set-roles", session, "ADMIN", "USER").out == "version 2\n"
    assert set(ctl("resolve", "shop", "--json=short", input=token).json["Roles"]) == {"ADMIN", "USER"}
    assert ctl("set-roles", session, "", "--json=short").json == {"Version": 3}
    assert ctl("resolve", "shop", "--json=short", input=token).json["Roles"] == []
    ctl("set-roles", session, status=USAGE)
    ctl("set-roles", session, "NONSENSE", status=INVALID)


def test_C6_set_roles_of_a_user(ctl):
    tokens = [create(ctl)[0] for _ in range(3)]
    assert ctl("set-roles", "--user", "shop", "alice", "ADMIN", "--json=short").json == {"SessionsChanged": 3}
    ctl("resolve", "shop", input=tokens[0], status=NO_SESSION)
    ctl("set-roles", "--user", "shop", "alice", status=USAGE)


def test_revoke(ctl):
    made = [create(ctl) for _ in range(3)]
    ctl("revoke", made[0][1], made[1][1])
    for token, _ in made[:2]:
        ctl("resolve", "shop", input=token, status=NO_SESSION)
    result = ctl("revoke", "0" * 32, made[2][1], status=NO_SESSION)
    assert "0" * 32 in result.err
    ctl("resolve", "shop", input=made[2][0], status=NO_SESSION)


@pytest.mark.needs_root
def test_R4_revoke_user(ctl):
    kept = create(ctl)[1]
    for user in ("alice", "alice", "acme:1", "acme:2", "bob"):
        create(ctl, user)
    assert ctl("revoke-user", "shop", "alice", "--except", kept).out == "2 sessions ended\n"
    assert ctl("revoke-user", "--prefix", "shop", "acme:", "--json=short").json == {"Revoked": 2}
    assert ctl("revoke-user", "bob").out == "1 session ended\n"
    assert ctl("-q", "revoke-user", "nobody-here").out == ""
    assert [s["Id"] for s in ctl("list", "--json=short").json] == [kept]


def test_revoke_all(ctl):
    for user in ("alice", "bob"):
        create(ctl, user)
    assert ctl("revoke-all", "shop").out == "2 sessions ended\n"
    assert ctl("list", "--json=short").json == []
    ctl("revoke-all", "nowhere", status=NO_SERVICE)


def test_show(ctl):
    (_, first), (_, second) = create(ctl, "alice"), create(ctl, "bob")
    assert ctl("show", first).fields["User"] == "alice"
    lines = ctl("show", "--json=short", first, second).out.splitlines()
    assert len(lines) == 2 and '"bob"' in lines[1]
    result = ctl("show", "0" * 32, second, status=NO_SESSION)
    assert "0" * 32 in result.err and result.fields["User"] == "bob"
    ctl("show", "rubbish", status=NO_SESSION)


@pytest.mark.needs_root
def test_reload(ctl, place):
    place.policy("extra", "[Access]\nResolve=*\n")
    ctl("reload")
    assert "extra" in ctl("services", "--no-legend").out.split()
    place.policy("extra", "[Service]\nIdelSec=2h\n")
    result = ctl("reload", status=INVALID)
    assert "extra.conf:2" in result.err and "IdelSec" in result.err
    assert "extra" in ctl("services", "--no-legend").out.split()


@pytest.mark.needs_root
def test_backup(ctl, tmp_path):
    create(ctl)
    file = tmp_path / "sessions.backup"
    ctl("backup", str(file))
    assert file.stat().st_size > 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert "exists" in ctl("backup", str(file), status=1).err
    assert file.read_bytes() == before


@pytest.mark.needs_root
def test_backup_that_fails_leaves_nothing(broker, place):
    folder = place.path / "open"        # to everybody
    folder.mkdir()
    folder.chmod(0o777)
    file = folder / "sessions.backup"
    Ctl(broker, "irc")("backup", str(file), status=ACCESS_DENIED)
    assert not file.exists()


@pytest.mark.needs_root
def test_S06_what_an_unprivileged_user_may(ctl, irc):
    token, session = create(ctl)
    assert irc("resolve", "shop", "--json=short", input=token).json["Id"] == session
    assert irc("list", "--json=short").json == []
    for arguments in (["show", session], ["revoke", session], ["revoke-user", "shop", "alice"], ["revoke-all", "shop"],
                      ["set-roles", session, "ADMIN"], ["set-roles", "--user", "shop", "alice", "ADMIN"], ["create", "shop", "bob"], ["reload"]):
        assert irc(*arguments, status=ACCESS_DENIED).err.startswith("websessctl: ")
    assert ctl("show", "--json=short", session).json["Id"] == session


@pytest.mark.needs_root
def test_S06_users_see_and_end_their_own(ctl, broker, helper, place):
    place.user("games", "chess")
    token = ctl("login", "-q", "default", "games", input="chess").line
    create(ctl)
    games = Ctl(broker, "games")
    listed = games("list", "--json=short").json
    assert [s["User"] for s in listed] == ["games"]
    assert games("show", listed[0]["Id"]).fields["User"].startswith("games (uid ")
    games("revoke", listed[0]["Id"])
    ctl("resolve", "default", input=token, status=NO_SESSION)


def test_broker_away(ctl, broker, place):
    gone = Ctl(broker, socket=place.run / "nobody.sock")
    result = gone("--timeout=200ms", "status", status=UNAVAILABLE)
    assert "nobody.sock" in result.err


def test_the_system_bus_will_do(broker):
    ctl = Ctl(broker)
    del ctl.environment["WEBSESS_SOCKET"]
    ctl.environment["DBUS_SYSTEM_BUS_ADDRESS"] = broker.bus.address
    token, session = create(ctl)
    assert ctl("resolve", "shop", "--json=short", input=token).json["Id"] == session
    assert ctl("revoke-all", "shop", "--json=short").json == {"Revoked": 1}
