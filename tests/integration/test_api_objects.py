# SPDX-License-Identifier: MIT
"""Objects, properties, introspection and busctl: what any D-Bus tool sees, over both transports."""
import json
import os
import re
import subprocess

import pytest
from client import MANAGER, SESSION, raises
from many import make
from world import IS_ROOT, ROOT

POLICY = {
    "shop": """
        [Roles]
        ADMIN=
        USER=
        [Access]
        Resolve=games
        """,
    "closed": "",
    "many": "[Service]\nUsers=app\nMaxSessions=0\n",
}
METHODS = {
    "OpenMap": "s|h", "BeginLogin": "ssa{sv}|o", "Login": "sssa{sv}|sa{sv}", "CreateSession": "ssasa{sv}a{sv}|sa{sv}", "Resolve": "ssa{sv}|a{sv}", "SetAttributes": "ssa{sv}ast|t",
    "Rotate": "ssa{sv}|sa{sv}", "Logout": "ss|", "Touch": "sas|", "GetSession": "s|a{sv}", "ListSessions": "a{sv}|aa{sv}s",
    "Explain": "sa{sv}|a{sv}a{sv}", "RevokeSession": "s|", "RevokeUser": "ssa{sv}|u", "RevokeAll": "s|u", "SetRoles": "sas|t", "SetUserRoles": "ssas|u",
    "Subscribe": "|", "Unsubscribe": "|", "Backup": "h|", "ResetThrottle": "sss|u", "Inspect": "|a{sv}", "Reload": "|",
}
DICTIONARY = {
    "Id": "s", "Service": "s", "User": "s", "Uid": "u", "Roles": "as", "Attributes": "a{sv}", "Created": "t", "LastSeen": "t", "Expires": "t",
    "IdleUSec": "t", "LifetimeEnd": "t", "AuthTime": "t", "AuthMethods": "as", "Level": "u", "RemoteHost": "s", "UserAgent": "s",
    "CreatorUid": "u", "CreatorUnit": "s", "Version": "t",
}
GHOST = "0" * 32


def members(xml, interface):
    """{method: "in|out"}, {property: type} of one interface."""
    body = re.search(rf'<interface name="{interface}">(.*?)</interface>', xml, re.S).group(1)
    methods = {}
    for name, empty, arguments in re.findall(r'<method name="(\w+)"\s*(?:(/)>|>(.*?)</method>)', body, re.S):
        found = re.findall(r"<arg[^>]*>", arguments)
        way = {d: "".join(re.search(r'type="([^"]+)"', a).group(1) for a in found if f'direction="{d}"' in a) for d in ("in", "out")}
        methods[name] = f"{way['in']}|{way['out']}"
    return methods, dict(re.findall(r'<property name="(\w+)" type="([^"]+)"', body))


def test_manager_introspects_as_documented(shared):
    methods, properties = members(shared.introspect(), "org.websess1.Manager")
    assert methods == METHODS
    for name, kind in {"Version": "s", "Services": "as", "SessionCount": "t", "Store": "s", "Healthy": "b"}.items():
        assert properties[name] == kind
    for signal in ("SessionNew", "SessionRemoved"):
        assert f'<signal name="{signal}">' in shared.introspect()


def test_session_object_has_the_dictionary_as_properties(shared):
    token, session = shared.CreateSession("shop", "objects", ["USER"], {"cart": 3}, {"RemoteHost": "192.0.2.1", "UserAgent": "x"})
    path = SESSION + session["Id"]
    methods, properties = members(shared.introspect(path), "org.websess1.Session")
    assert methods == {"Revoke": "|"}
    assert properties == DICTIONARY
    assert session.pop("SetCookie").startswith("SESSION=" + token)
    assert shared.session(session["Id"]) == session == shared.GetSession(session["Id"])
    assert set(session) == set(DICTIONARY)
    assert shared.get("User", path) == "objects"


def test_R3_session_object_revokes_itself(shared):
    token, session = shared.CreateSession("shop", "itself", [], {}, {})
    shared.call("Revoke", path=SESSION + session["Id"])
    with raises("NoSession"):
        shared.Resolve("shop", token, {})


@pytest.mark.parametrize("child", [GHOST, "f" * 32, "rubbish", "_"])
def test_a_session_that_is_not_there_harms_nobody(world, child, shared):
    """Whatever is asked of it, by whomever, is refused, and the broker lives."""
    pid = world.broker.pid
    with raises("NoSession"):
        shared.call("Revoke", path=SESSION + child)
    for ask in (lambda: shared.session(child), lambda: shared.get("User", SESSION + child), lambda: shared.introspect(SESSION + child)):
        try:
            ask()
        except Exception as error:
            assert "closed" not in str(error) and "NoReply" not in str(error)
    assert world.broker.alive and world.broker.pid == pid
    assert shared.get("Version")


def test_session_children_are_those_that_the_caller_may_see(world, shared):
    _, session = shared.CreateSession("shop", "child", [], {}, {})
    assert session["Id"] in shared.introspect("/org/websess1/session")
    if IS_ROOT:
        other = world.caller("games")
        assert session["Id"] not in other.introspect("/org/websess1/session")


def test_properties_of_the_manager(world, shared):
    before = shared.get("SessionCount")
    shared.CreateSession("shop", "count", [], {}, {})
    assert shared.get("SessionCount") == before + 1
    assert shared.get("Healthy") is True
    assert shared.get("Version") and str(world.place.state) in shared.get("Store")
    assert shared.get("Services") == ["closed", "default", "many", "shop"] or not IS_ROOT


@pytest.mark.needs_root
@pytest.mark.parametrize("bus", [False, True])
def test_R6_services_lists_those_that_the_caller_may_use(world, bus):
    assert world.caller("games", bus=bus).get("Services") == ["default", "shop"]
    assert world.caller("uucp", bus=bus).get("Services") == ["default"]


@pytest.mark.needs_root
def test_introspection_names_a_thousand_sessions_and_serves_all(world, shared):
    """A million paths are more than a message can carry."""
    make(world.broker.socket_path, "many", 1200)
    mine = shared.CreateSession("shop", "games", [], {}, {})[1]["Id"]
    ids = set(re.findall(r'<node name="([0-9a-f]{32})"', shared.introspect("/org/websess1/session")))
    assert len(ids) == 1000
    listed, cursor = shared.ListSessions({"Service": "many"})
    rest = shared.ListSessions({"Service": "many", "After": cursor})[0]
    last = rest[-1]["Id"]
    assert len(listed) == 1000 and len(rest) == 200 and last not in ids
    assert shared.session(last)["Id"] == last, "has its path all the same"
    own = re.findall(r'<node name="([0-9a-f]{32})"', world.caller("games").introspect("/org/websess1/session"))
    assert own == [mine], "his own, and not behind a thousand of others"
    assert shared.RevokeAll("many") == 1200
    shared.RevokeSession(mine)


def busctl(address, *arguments):
    done = subprocess.run(["busctl", f"--address={address}", "--json=short", *arguments], capture_output=True, text=True, timeout=20,
                          env=os.environ | {"LC_ALL": "C.UTF-8"})
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_busctl_works_unaided(world, bus):
    address, call = world.address(bus), ("call", "org.websess1", MANAGER, "org.websess1.Manager")
    status, out, error = busctl(address, *call, "CreateSession", "ssasa{sv}a{sv}", "shop", "busctl", "1", "USER", "1", "cart", "u", "7",
                                "1", "RemoteHost", "s", "192.0.2.9")
    assert status == 0, error
    token, session = json.loads(out)["data"]
    assert session["Attributes"]["data"]["cart"] == {"type": "x", "data": 7}
    status, out, error = busctl(address, *call, "Resolve", "ssa{sv}", "shop", token, "1", "Roles", "as", "1", "USER")
    assert status == 0 and json.loads(out)["data"][0]["User"]["data"] == "busctl"
    status, out, error = busctl(address, *call, "Resolve", "ssa{sv}", "shop", token, "1", "Roles", "as", "1", "USRE")
    assert status != 0 and "no role \"USRE\"" in error and "shop.conf" in error
    status, out, error = busctl(address, "introspect", "org.websess1", SESSION + session["Id"]["data"])
    assert status == 0 and "busctl" in out
    status, out, error = busctl(address, "get-property", "org.websess1", MANAGER, "org.websess1.Manager", "Healthy")
    assert json.loads(out)["data"] is True
    status, out, error = busctl(address, "tree", "org.websess1")
    assert status == 0 and session["Id"]["data"] in out


def test_unknown_members_are_named(shared):
    for member in ("Explode", "BeginLogging", "Exploit"):
        try:
            shared.call(member)
        except Exception as error:
            assert member in str(error)
        else:
            raise AssertionError("answered")


def test_wrong_arguments_say_what_is_right(world):
    with world.wire() as wire:
        try:
            wire.call("Resolve", "s", "shop")
        except Exception as error:
            assert "ssa{sv}" in str(error)
        else:
            raise AssertionError("answered")


# What `make install` gives to tools that make code from interfaces. To write it anew: WRITE_INTERFACES=1 make integration ARGS='-k interface_file'
INTERFACES = ROOT / "systemd/org.websess1.xml"
INTERFACES_HEAD = """\
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<!-- SPDX-License-Identifier: MIT -->
<node>
"""


def test_interface_file_says_what_the_broker_says(shared):
    _, session = shared.CreateSession("shop", "file", [], {}, {})
    conversation = shared.BeginLogin("default", "alice", {})
    said = INTERFACES_HEAD
    for path in ("/org/websess1", SESSION + session["Id"], conversation):
        said += "".join(re.findall(r'  <interface name="org\.websess1\..*?</interface>\n', shared.introspect(path), re.S))
    said += "</node>\n"
    if os.environ.get("WRITE_INTERFACES"):
        INTERFACES.write_text(said)
    assert said == INTERFACES.read_text() and said.count("<interface") == 3
