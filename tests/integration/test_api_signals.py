# SPDX-License-Identifier: MIT
"""Signals: each goes to those subscribers that may see it, and to nobody else."""
import pytest
from client import SESSION, Client

POLICY = {
    "shop": """
        [Service]
        MaxSessions=2
        [Roles]
        USER=
        EDITOR=
        [Access]
        Resolve=games
        Manage=uucp
        """,
    "update": """
        [Service]
        OnRoleChange=update
        [Roles]
        USER=
        """,
}


def until(client, session_id, name="SessionRemoved"):
    """The next signal of this name about this session."""
    while (signal := client.next_signal(5)) is not None:
        if signal[0] == name and signal[1][0] == session_id:
            return signal[1]
    raise AssertionError(f"no {name}")


def drained(client, marker):
    """All signals up to the one that tells the end of the session marker."""
    seen = []
    while (signal := client.next_signal(5)) is not None:
        if signal[1][0] == marker:
            return seen
        seen.append(signal)
    raise AssertionError("the marker did not come")


ENDS = {    # reason: what ends the session (root, token, session)
    "logout": lambda c, t, s: c.Logout("shop", t),
    "revoked": lambda c, t, s: c.RevokeSession(s["Id"]),
    "revoked by path": lambda c, t, s: c.call("Revoke", path=SESSION + s["Id"]),
    "revoked with the user": lambda c, t, s: c.RevokeUser("", s["User"], {}),
    "revoked with all": lambda c, t, s: c.RevokeAll("shop"),
    "idle": lambda c, t, s: None,
    "expired": lambda c, t, s: None,
    "evicted": lambda c, t, s: [c.CreateSession("shop", s["User"], [], {}, {}) for _ in range(2)],
    "replaced": lambda c, t, s: c.CreateSession("shop", "somebody else", [], {}, {"ReplaceToken": t}),
    "roles": lambda c, t, s: c.SetUserRoles("shop", s["User"], ["EDITOR"]),
}


@pytest.mark.parametrize("reason", ENDS)
def test_S20_every_reason(shared, reason):
    shared.subscribe()
    options = {"idle": {"IdleUSec": 100_000}, "expired": {"LifetimeUSec": 100_000}}.get(reason, {})
    user = f"ends {reason}"
    token, session = shared.CreateSession("shop", user, ["USER"], {}, options)
    assert until(shared, session["Id"], "SessionNew") == (session["Id"], "shop", user)
    ENDS[reason](shared, token, session)
    assert until(shared, session["Id"]) == (session["Id"], "shop", user, reason.split()[0])
    shared.Unsubscribe()


@pytest.mark.needs_root
@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S20_subscribers_get_what_they_may_see(world, bus):
    root = world.caller()
    resolver, manager, owner, stranger, nobody = (world.caller(who, bus=bus) for who in ("games", "uucp", "irc", "list", "nobody"))
    for client in (resolver, manager, owner, stranger, nobody):
        client.subscribe()
    ids = {}
    for service, user in (("shop", "one"), ("update", "two"), ("shop", "irc"), ("update", "irc")):
        ids[service, user] = root.CreateSession(service, user, [], {}, {})[1]["Id"]
        root.RevokeSession(ids[service, user])
    marker = {}
    for service, user in (("shop", "x"), ("update", "irc"), ("update", "list")):
        marker[service, user] = root.CreateSession(service, user, [], {}, {})[1]["Id"]
    shop = [ids["shop", "one"], ids["shop", "irc"]]
    for client in (resolver, manager):
        seen = drained(client, marker["shop", "x"])
        assert [s[1][0] for s in seen] == [i for i in shop for _ in (1, 2)]
        assert [s[0] for s in seen] == ["SessionNew", "SessionRemoved"] * 2
    seen = drained(owner, marker["update", "irc"])
    assert [s[1][0] for s in seen] == [ids["shop", "irc"]] * 2 + [ids["update", "irc"]] * 2
    assert drained(stranger, marker["update", "list"]) == []
    nobody.get("Version")               # a reply comes behind every signal that was sent before it
    assert nobody.next_signal(0) is None
    for client in (resolver, manager, owner, stranger, nobody):
        client.Unsubscribe()


@pytest.mark.needs_root
@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S20_a_match_rule_alone_gets_nothing(world, bus):
    """Everything on this bus may eavesdrop; but each signal has one destination, and a rule is no subscription."""
    rule = "type='signal',interface='org.websess1.Manager'"
    driver = {"path": "/org/freedesktop/DBus", "interface": "org.freedesktop.DBus", "destination": "org.freedesktop.DBus"}
    wires = [world.wire(who, bus) for who in ("nobody", "list", None)]
    for wire in wires:
        wire.call("AddMatch", "s", rule, **driver)
    root = world.caller(bus=True)
    root.subscribe()
    for _ in range(5):
        token, session = root.CreateSession("shop", "match", [], {}, {})
        root.Logout("shop", token)
        until(root, session["Id"])
    for wire in wires:
        kinds = []
        serial = wire.send("GetId" if bus else "GetNameOwner", *(() if bus else ("s", "org.websess1")), **driver)
        while True:
            kind, reply, *_ = wire.receive()
            if reply == serial:
                break
            kinds.append(kind)
        assert 4 not in kinds, "a signal came"
    root.Unsubscribe()


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S20_unsubscribe_and_a_change_without_an_end_tells_nothing(world, bus):
    shared = Client(world.address(bus))
    shared.subscribe()
    shared.Unsubscribe()
    token, session = shared.CreateSession("shop", "quiet", [], {}, {})
    shared.Logout("shop", token)
    shared.Subscribe()
    token, session = shared.CreateSession("update", "quiet", [], {}, {})
    assert shared.next_signal(5) == ("SessionNew", (session["Id"], "update", "quiet"))
    token, _ = shared.Rotate("update", token, {})
    shared.SetAttributes("update", token, {"a": 1}, [], 0)
    shared.SetUserRoles("update", "quiet", ["USER"])
    shared.Logout("update", token)
    assert shared.next_signal(5) == ("SessionRemoved", (session["Id"], "update", "quiet", "logout"))
    shared.close()
