# SPDX-License-Identifier: MIT
"""Every method × every right. The caller has one right on one service, owns the session, or is root; each cell is asserted."""
import grp
import os
import pwd
import tempfile

import pytest
from client import SESSION, raises

pytestmark = pytest.mark.needs_root

RIGHTS = ["Login", "Resolve", "Map", "Create", "Manage"]
POLICY = {f"only{right.lower()}": f"""
        [Roles]
        ADMIN=
        USER=
        [Access]
        {right}=games
        """ for right in RIGHTS} | {
    "none": """
        [Service]
        MaxSessions=0
        [Roles]
        ADMIN=
        USER=
        """,
    # The shipped default.conf opens something; the built-in default must not.
    "default": "",
    "lists": """
        [Access]
        Resolve=games @uucp
        Create=9
        Manage=*
        """,
}
COLUMNS = ["none", *RIGHTS, "own", "root"]
ROOT = {"root"}
OWN = {"Manage", "own", "root"}
RESOLVE = {"Resolve", "root"}

# method: (who may, call). The call gets the caller, the service, a session of it and its token.
TABLE = {
    "Login": ({"Login", "root"}, lambda c, s, t, d: c.Login(s, "alice", "correct horse", {})),
    "BeginLogin": ({"Login", "root"}, lambda c, s, t, d: c.call("Cancel", path=c.BeginLogin(s, "alice", {}))),
    "CreateSession": ({"Create", "root"}, lambda c, s, t, d: c.CreateSession(s, "new", [], {}, {})),
    "Resolve": (RESOLVE, lambda c, s, t, d: c.Resolve(s, t, {})),
    "SetAttributes": (RESOLVE, lambda c, s, t, d: c.SetAttributes(s, t, {"a": 1}, [], 0)),
    "Rotate": (RESOLVE, lambda c, s, t, d: c.Rotate(s, t, {})),
    "Logout": (RESOLVE, lambda c, s, t, d: c.Logout(s, t)),
    "Touch": (RESOLVE, lambda c, s, t, d: c.Touch(s, [d["Id"]])),
    "GetSession": (OWN, lambda c, s, t, d: c.GetSession(d["Id"])),
    "Explain an id": (OWN, lambda c, s, t, d: c.Explain(d["Id"], {})),
    "Explain a token": ({"Manage", *RESOLVE}, lambda c, s, t, d: c.Explain(t, {"Service": s})),
    "RevokeSession": (OWN, lambda c, s, t, d: c.RevokeSession(d["Id"])),
    "RevokeUser": (OWN, lambda c, s, t, d: c.RevokeUser(s, d["User"], {})),
    "Session.Revoke": (OWN, lambda c, s, t, d: c.call("Revoke", path=SESSION + d["Id"])),
    "Session.Get": (OWN, lambda c, s, t, d: c.session(d["Id"])),
    "RevokeAll": ({"Manage", "root"}, lambda c, s, t, d: c.RevokeAll(s)),
    "SetRoles": ({"Manage", "root"}, lambda c, s, t, d: c.SetRoles(d["Id"], ["USER"])),
    "SetUserRoles": ({"Manage", "root"}, lambda c, s, t, d: c.SetUserRoles(s, d["User"], ["USER"])),
    "ResetThrottle": ({"Manage", "root"}, lambda c, s, t, d: c.ResetThrottle(s, d["User"], "")),
    "Subscribe": (set(COLUMNS), lambda c, s, t, d: c.Subscribe()),
    "Unsubscribe": (set(COLUMNS), lambda c, s, t, d: c.Unsubscribe()),
    "Inspect": (ROOT, lambda c, s, t, d: c.Inspect()),
    "Reload": (ROOT, lambda c, s, t, d: c.Reload()),
}


def scene(world, column):
    """The service, and a session in it that the caller owns or does not."""
    service = "none" if column in ("none", "own", "root") else f"only{column.lower()}"
    user = "games" if column == "own" else "uucp"
    token, session = world.caller().CreateSession(service, user, [], {}, {})
    return service, token, session


def still_there(world, service, token, session):
    live = world.caller().Resolve(service, token, {"NoTouch": True})
    return live["Version"] == session["Version"] and live["Roles"] == []


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("method", TABLE)
def test_S06_method_by_right(world, method, column):
    may, call = TABLE[method]
    for bus in (False, True):
        caller = world.caller(None if column == "root" else "games", bus=bus)
        service, token, session = scene(world, column)
        if column in may:
            call(caller, service, token, session)
            continue
        with raises("AccessDenied") as refused:
            call(caller, service, token, session)
        assert "uid 5" in refused.value.text
        assert still_there(world, service, token, session), "refused, and done all the same"
        world.caller().RevokeSession(session["Id"])


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
@pytest.mark.parametrize("column", COLUMNS)
def test_S06_list_shows_what_may_be_managed_or_is_own(world, column, bus):
    caller = world.caller(None if column == "root" else "games", bus=bus)
    service, token, session = scene(world, column)
    listed = {s["Id"]: s for s in caller.ListSessions({"Service": service})[0]}
    assert (session["Id"] in listed) == (column in OWN)
    if column not in ("Manage", "root"):
        assert all(s["Uid"] == 5 for s in listed.values())


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
@pytest.mark.parametrize("column", COLUMNS)
def test_S06_backup_is_root_s(world, column, bus):
    service, token, session = scene(world, column)
    with world.wire(None if column == "root" else "games", bus) as wire, tempfile.TemporaryFile() as file:
        if column == "root":
            wire.call("Backup", "h", 0, fds=[file.fileno()])
            assert os.fstat(file.fileno()).st_size > 4096
        else:
            with raises("AccessDenied"):
                wire.call("Backup", "h", 0, fds=[file.fileno()])
            assert os.fstat(file.fileno()).st_size == 0


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
@pytest.mark.parametrize("column", COLUMNS)
def test_S06_a_map_is_for_who_may_have_it(world, column, bus):
    """Where no Map= is set, who may Resolve may have it."""
    service, *_ = scene(world, column)
    with world.wire(None if column == "root" else "games", bus) as wire:
        if column in ("Map", "Resolve", "root"):
            wire.call("OpenMap", "s", service)
        else:
            with raises("AccessDenied") as refused:
                wire.call("OpenMap", "s", service)
            assert "lacks Map" in refused.value.text


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S06_access_is_by_user_by_uid_by_group_and_for_all(world, bus):
    uucp = grp.getgrnam("uucp").gr_gid
    token, session = world.caller().CreateSession("lists", "uucp", [], {}, {})
    resolve, create = ("Resolve", "lists", token, {}), ("CreateSession", "lists", "irc", [], {}, {})
    for who, gids, may in (("games", (), {"Resolve"}), ("list", (uucp,), {"Resolve"}), ("list", (), set()), ("news", (), {"CreateSession"})):
        caller = world.caller(who, gids, bus)
        for method, *arguments in (resolve, create):
            if method in may:
                caller.call(method, *arguments)
            else:
                with raises("AccessDenied"):
                    caller.call(method, *arguments)
        assert caller.GetSession(session["Id"])["Id"] == session["Id"]


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S26_nobody_and_strangers_match_nothing(world, bus):
    """uid 65534 is what the kernel says of other user namespaces: not even "*" is for it."""
    token, session = world.caller().CreateSession("lists", "uucp", [], {}, {})
    nobody = world.caller("nobody", bus=bus)
    with raises("AccessDenied"):
        nobody.GetSession(session["Id"])
    with raises("AccessDenied"):
        nobody.RevokeAll("lists")
    with raises("AccessDenied"):
        nobody.RevokeUser("lists", "nobody", {})
    assert nobody.ListSessions({}) == ([], "")


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S06_R10_a_users_own_pages_go_on_behind_a_session_that_has_ended(world, bus):
    root, games = world.caller(), world.caller("games", bus=bus)
    games.RevokeUser("", "games", {})
    mine = []
    for service in ("none", "onlylogin", "default", "none", "default"):
        mine.append(root.CreateSession(service, "games", [], {}, {})[1]["Id"])
        root.CreateSession(service, "proxy", [], {}, {})
    mine_only = {"UserPrefix": "games"}
    page, cursor = games.ListSessions(mine_only | {"Limit": 2})
    assert [s["Id"] for s in page] == mine[:2]
    assert [s["Id"] for s in games.ListSessions(mine_only | {"After": cursor})[0]] == mine[2:]
    assert [s["Id"] for s in games.ListSessions(mine_only | {"After": "0" * 31 + "1"})[0]] == mine
    root.RevokeSession(cursor)
    page, cursor = games.ListSessions(mine_only | {"Limit": 2, "After": cursor})
    assert [s["Id"] for s in page] == mine[2:4]
    root.RevokeSession(mine[4])
    assert games.ListSessions(mine_only | {"After": cursor}) == ([], "")
    games.RevokeUser("", "games", {})


def test_S06_a_users_sessions_in_all_services_are_his(world):
    root, games = world.caller(), world.caller("games")
    mine = [root.CreateSession(s, "games", [], {}, {}) for s in ("none", "onlylogin", "default")]
    other = root.CreateSession("none", "proxy", [], {}, {})
    assert games.RevokeUser("", "games", {"Except": mine[0][1]["Id"]}) >= 2
    root.Resolve("none", mine[0][0], {})
    for service, (token, _) in zip(("onlylogin", "default"), mine[1:]):
        with raises("NoSession"):
            root.Resolve(service, token, {})
    with raises("AccessDenied"):
        games.RevokeUser("", "proxy", {})
    with raises("AccessDenied"):
        games.RevokeUser("", "pro", {"Prefix": True})
    with raises("AccessDenied"):
        games.RevokeSession(other[1]["Id"])
    # refused is refused in the journal, too
    log = world.broker.log
    assert "may end its own sessions only" in log and "the session is not its own" in log
    assert games.RevokeUser("", "games", {}) >= 1
    assert games.RevokeUser("", "games", {}) == 0          # nothing left is an answer, not an error
    root.Resolve("none", other[0], {})


@pytest.mark.parametrize("option", [{"Level": 1}, {"AuthMethods": ["pwd"]}, {"Roles": ["USER"]}])
def test_S06_options_that_take_create(world, option):
    games = world.caller("games")
    with raises("AccessDenied") as refused:
        games.Login("onlylogin", "alice", "correct horse", option)
    assert "Create" in refused.value.text and "onlylogin.conf" in refused.value.text


@pytest.mark.parametrize("option", [{"Level": 1}, {"AuthMethods": ["pwd"]}, {"AuthTime": 1}])
def test_S06_rotate_may_not_raise_its_level(world, option):
    token, session = world.caller().CreateSession("onlyresolve", "x", [], {}, {})
    with raises("AccessDenied"):
        world.caller("games").Rotate("onlyresolve", token, option)
    assert world.caller("games").Resolve("onlyresolve", token, {})["Level"] == 0


def test_S06_a_session_is_its_creators_no_more_than_anybodys(world):
    token, session = world.caller("games").CreateSession("onlycreate", "list", [], {}, {})
    with raises("AccessDenied"):
        world.caller("games").Resolve("onlycreate", token, {})
    with raises("AccessDenied"):
        world.caller("games").RevokeSession(session["Id"])
    assert world.caller("list").GetSession(session["Id"])["CreatorUid"] == pwd.getpwnam("games").pw_uid
    assert session["User"] == "list" and session["Uid"] == pwd.getpwnam("list").pw_uid


def test_errors_tell_an_administrator_what_to_do(world):
    with raises("AccessDenied") as e:
        world.caller("games").Resolve("none", "x", {})
    assert e.value.text == f'uid 5 lacks Resolve on "none": see [Access] in {world.place.etc}/services.d/none.conf'
    with raises("NoService") as e:
        world.caller().Resolve("shpo", "x", {})
    assert "shpo.conf" in e.value.text
    with raises("AccessDenied") as e:
        world.caller("games").Reload()
    assert "root" in e.value.text
