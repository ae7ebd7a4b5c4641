# SPDX-License-Identifier: MIT
"""How sessions begin and carry on: visitors, planted and rotated tokens, limits, cookies, requests that come again. Over both transports."""
import concurrent.futures
import itertools
import re
import time

import pytest
from client import V, raises

COMMON = """
        [Roles]
        ADMIN=root
        USER=*
        EDITOR=
        """
POLICY = {
    "shop": COMMON,
    "app": "[Service]\nUsers=app\n" + "[Roles]\nADMIN=\nUSER=\n",
    "visit": """
        [Service]
        Users=app
        Anonymous=yes
        AnonymousIdleSec=10min
        MaxSessions=1
        [Roles]
        USER=
        """,
    "prefixed": """
        [Service]
        TokenPrefix=CONNECTRIP:
        [Roles]
        USER=
        """,
    "refuse": """
        [Service]
        MaxSessions=2
        OnLimit=refuse
        """,
    "cookies": """
        [Cookie]
        Name=SID
        Path=/app
        DomainPattern=^.+?\\.(.+\\.[a-z]+)$
        MaxAge=1h
        SameSite=Strict
        """,
    "hostcookie": """
        [Cookie]
        Name=__Host-SID
        """,
    "plaincookie": """
        [Cookie]
        Secure=no
        HttpOnly=no
        MaxAge=session
        Domain=shop.example
        """,
    "many": "[Service]\nMaxSessions=0\n",
}
SETTINGS = """
    [PAM]
    FailureDelaySec=10ms
    """
MINUTE, HOUR, DAY = 60_000_000, 3600_000_000, 86400_000_000
numbers = itertools.count(1)


@pytest.fixture
def user():
    return f"user{next(numbers)}"


# ---- F2: visitors ----

def test_F2_a_look_up_never_makes_a_session(shared):
    before = shared.get("SessionCount")
    for token in ("", "A" * 64, "visitor"):
        with raises("NoSession"):
            shared.Resolve("visit", token, {"AllowAnonymous": True})
    assert shared.get("SessionCount") == before


def test_F2_a_visitor_is_not_logged_in(shared):
    token, s = shared.CreateSession("visit", "", [], {"cart": "3 apples"}, {})
    assert (s["User"], s["Roles"], s["Level"], s["Uid"], s["IdleUSec"]) == ("", [], 0, 4294967295, 10 * MINUTE)
    for need in ({}, {"Roles": ["USER"]}, {"AllowAnonymous": True, "Roles": ["USER"]}, {"AllowAnonymous": True, "Level": 1},
                 {"AllowAnonymous": True, "MaxAuthAgeUSec": MINUTE}):
        with raises("NoSession"):
            shared.Resolve("visit", token, need)
    assert shared.Resolve("visit", token, {"AllowAnonymous": True})["Attributes"] == {"cart": "3 apples"}
    assert shared.SetAttributes("visit", token, {"cart": "4 apples"}, [], 0) == 2
    with raises("NoSession"):
        shared.SetRoles(s["Id"], ["USER"])
    for _ in range(3):                  # outside MaxSessions
        shared.CreateSession("visit", "", [], {}, {})
    assert shared.Resolve("visit", token, {"AllowAnonymous": True})


def test_F2_login_keeps_the_chosen_attributes(shared, user):
    visitor, _ = shared.CreateSession("visit", "", [], {"cart": "3 apples", "spy": 1, "lang": "de"}, {})
    token, s = shared.CreateSession("visit", user, ["USER"], {"lang": "en"}, {"ReplaceToken": visitor, "KeepAttributes": ["cart", "lang", "none"]})
    assert s["Attributes"] == {"cart": "3 apples", "lang": "en"}
    with raises("NoSession"):
        shared.Resolve("visit", visitor, {"AllowAnonymous": True})
    assert shared.Resolve("visit", token, {})["User"] == user


@pytest.mark.parametrize("service, roles, options", [("shop", [], {}), ("visit", ["USER"], {}), ("visit", [], {"Level": 1})])
def test_F2_visitors_only_where_the_service_allows_and_without_rights(shared, service, roles, options):
    with raises("InvalidArgument"):
        shared.CreateSession(service, "", roles, {}, options)


# ---- F3, F4, S02: tokens ----

def test_F3_token_prefix_of_ones_own(shared, user):
    token, s = shared.CreateSession("prefixed", user, [], {}, {})
    assert re.fullmatch(r"CONNECTRIP:[A-Za-z0-9_-]{64}", token)
    assert shared.Resolve("prefixed", token, {})["Id"] == s["Id"]
    for bad in (token.removeprefix("CONNECTRIP:"), token.replace("CONN", "conn"), "CONNECTRIP:" + token):
        with raises("NoSession"):
            shared.Resolve("prefixed", bad, {})
    assert f"SESSION={token};" in s["SetCookie"]


def test_F4_S02_a_planted_token_does_not_survive_login(shared):
    planted, s = shared.CreateSession("shop", "mallory", [], {"trap": 1}, {})
    token, new = shared.Login("shop", "alice", "correct horse", {"ReplaceToken": planted})
    with raises("NoSession"):
        shared.Resolve("shop", planted, {})
    assert new["Id"] != s["Id"] and token[:22] != planted[:22] and new["Attributes"] == {}
    assert shared.Resolve("shop", token, {})["User"] == "alice"


def test_F4_a_failed_login_ends_nothing(shared, user):
    token, _ = shared.CreateSession("shop", user, [], {}, {})
    with raises("AuthenticationFailed"):
        shared.Login("shop", "alice", "wrong", {"ReplaceToken": token})
    shared.Resolve("shop", token, {})


@pytest.mark.parametrize("rubbish", ["", "x", "A" * 64, "ü" * 20])
def test_F4_rubbish_to_replace_is_ignored(shared, user, rubbish):
    shared.CreateSession("shop", user, [], {}, {"ReplaceToken": rubbish, "KeepAttributes": ["a"]})


def test_S02_rotate_keeps_the_session_and_kills_the_token(shared, user):
    old, s = shared.CreateSession("shop", user, ["USER"], {"a": 1}, {})
    new, r = shared.Rotate("shop", old, {})
    assert r["Id"] == s["Id"] and new != old and new.split("-")[0][:20] == old.split("-")[0][:20]
    assert r["Version"] == 2 and r["Roles"] == ["USER"] and r["Attributes"] == {"a": 1} and r["Created"] == s["Created"]
    assert r["LifetimeEnd"] == s["LifetimeEnd"] and f"={new};" in r["SetCookie"]
    for call in (lambda: shared.Resolve("shop", old, {}), lambda: shared.Rotate("shop", old, {}),
                 lambda: shared.SetAttributes("shop", old, {"a": 2}, [], 0)):
        with raises("NoSession"):
            call()
    shared.Logout("shop", old)
    assert shared.Resolve("shop", new, {})["Id"] == s["Id"]


def test_S02_of_parallel_rotations_one_wins(shared, user):
    old, _ = shared.CreateSession("shop", user, [], {}, {})
    done = [f.exception(30) or f.result() for f in [shared.begin("Rotate", "shop", old, {}) for _ in range(20)]]
    won = [d for d in done if isinstance(d, (tuple, list))]
    assert len(won) == 1
    shared.Resolve("shop", won[0][0], {})


# ---- F5, R9: limits ----

def test_F5_R9_at_the_limit_the_oldest_goes(shared, user):
    tokens = [shared.CreateSession("shop", user, [], {}, {})[0] for _ in range(5)]
    shared.Resolve("shop", tokens[0], {})
    tokens.append(shared.CreateSession("shop", user, [], {}, {})[0])
    with raises("NoSession"):
        shared.Resolve("shop", tokens[0], {})
    for token in tokens[1:]:
        shared.Resolve("shop", token, {})


def test_F5_or_the_new_login_is_refused(shared, user):
    first, _ = shared.CreateSession("refuse", user, [], {}, {})
    shared.CreateSession("refuse", user, [], {}, {})
    with raises("LimitReached") as limit:
        shared.CreateSession("refuse", user, [], {}, {})
    assert "MaxSessions=" in limit.value.text
    first, _ = shared.CreateSession("refuse", user, [], {}, {"ReplaceToken": first})
    shared.Rotate("refuse", first, {})
    shared.RevokeUser("refuse", user, {})
    shared.CreateSession("refuse", user, [], {}, {})


def test_F5_exact_under_parallel_logins(world, user):
    callers = [world.caller(), world.caller(bus=True)]
    futures = [callers[i % 2].begin("CreateSession", "refuse", user, [], {}, {}) for i in range(40)]
    done = [f.exception(30) for f in futures]
    assert done.count(None) == 2 and {e.name for e in done if e} == {"LimitReached"}
    futures = [callers[i % 2].begin("CreateSession", "shop", user, [], {}, {}) for i in range(40)]
    concurrent.futures.wait(futures, 30)
    assert all(f.exception() is None for f in futures)
    assert len(callers[0].ListSessions({"Service": "shop", "User": user})[0]) == 5


# ---- F6: cookies ----

def cookie(session):
    value, *parts = session["SetCookie"].split("; ")
    return value.split("=")[0], sorted(parts)


@pytest.mark.parametrize("service, host, expected", [
    ("shop", None, ("SESSION", ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"])),
    ("cookies", "www.shop.example", ("SID", ["Domain=shop.example", "HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "WWW.Shop.Example:8443", ("SID", ["Domain=shop.example", "HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "a.b.shop.example", ("SID", ["Domain=b.shop.example", "HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "shop.co.uk", ("SID", ["HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "localhost", ("SID", ["HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "192.0.2.1", ("SID", ["HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", "evil;x=.example", ("SID", ["HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("cookies", None, ("SID", ["HttpOnly", "Max-Age=3600", "Path=/app", "SameSite=Strict", "Secure"])),
    ("hostcookie", "www.shop.example", ("__Host-SID", ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"])),
    ("plaincookie", "www.shop.example", ("SESSION", ["Domain=shop.example", "Path=/", "SameSite=Lax"])),
])
def test_F6_set_cookie_by_the_policy(shared, user, service, host, expected):
    token, s = shared.CreateSession(service, user, [], {}, {"Host": host} if host else {})
    assert cookie(s) == expected and f"={token}; " in s["SetCookie"]
    assert cookie(shared.Rotate(service, token, {"Host": host} if host else {})[1]) == expected


def test_F6_set_cookie_only_where_a_token_is_returned(shared, user):
    token, s = shared.CreateSession("shop", user, [], {}, {"LifetimeUSec": 90_000_000, "IdleUSec": 60_000_000})
    assert "Max-Age=90;" in s["SetCookie"] + ";"
    for found in (shared.Resolve("shop", token, {}), shared.GetSession(s["Id"]), shared.ListSessions({"User": user})[0][0]):
        assert "SetCookie" not in found


# ---- RequestId, Z1 ----

def test_Z1_ids_are_made_here_and_sort_by_creation(shared, user):
    ids = [shared.CreateSession("many", user, [], {}, {})[1]["Id"] for _ in range(50)]
    assert ids == sorted(ids) and len(set(ids)) == 50
    assert abs(int(ids[0][:12], 16) - time.time_ns() // 10**6) < 60000
    for name, value in (("Id", ids[0]), ("Token", "A" * 64)):
        with raises("InvalidArgument"):     # nobody brings one along
            shared.CreateSession("many", user, [], {}, {name: value})


@pytest.mark.parametrize("method, arguments", [("CreateSession", ("app", "retry", ["USER"], {"a": 1})), ("Login", ("shop", "alice", "correct horse"))])
def test_L05_a_request_that_comes_again_gives_the_same_session(shared, user, method, arguments):
    first, s = shared.call(method, *arguments, {"RequestId": user})
    again, r = shared.call(method, *arguments, {"RequestId": user})
    assert r["Id"] == s["Id"] and again != first
    with raises("NoSession"):
        shared.Resolve(arguments[0], first, {})
    assert shared.Resolve(arguments[0], again, {})["Attributes"] == s["Attributes"]
    assert shared.call(method, *arguments, {"RequestId": user + "x"})[1]["Id"] != s["Id"]
    shared.Logout(arguments[0], again)
    assert shared.call(method, *arguments, {"RequestId": user})[1]["Id"] != s["Id"], "an ended session does not come back"


@pytest.mark.needs_root
def test_S13_a_request_is_its_callers(world, user):
    world.place.policy("default", "[Access]\nCreate=*\n")
    world.broker.reload()
    ids = {who: world.caller(who).CreateSession("default", user, [], {}, {"RequestId": "same"})[1]["Id"] for who in ("games", "uucp")}
    assert ids["games"] != ids["uucp"]


def test_L05_a_rotation_that_comes_again(shared, user):
    old, s = shared.CreateSession("shop", user, [], {}, {})
    first, _ = shared.Rotate("shop", old, {"RequestId": user})
    again, r = shared.Rotate("shop", old, {"RequestId": user})
    assert r["Id"] == s["Id"]
    with raises("NoSession"):
        shared.Resolve("shop", first, {})
    shared.Resolve("shop", again, {})
    for options in ({}, {"RequestId": user + "x"}):
        with raises("NoSession"):
            shared.Rotate("shop", old, options)


def test_L05_a_rotation_that_comes_again_while_the_first_is_on_its_way(world, user):
    old, s = world.caller().CreateSession("shop", user, [], {}, {})
    with world.wire() as wire:
        serials = [wire.send("Rotate", "ssa{sv}", "shop", old, {"RequestId": ("s", user)}) for _ in range(5)]
        tokens = [wire.take(serial)[0] for serial in serials]
    for token in tokens[:-1]:
        with raises("NoSession"):
            world.caller().Resolve("shop", token, {})
    assert world.caller().Resolve("shop", tokens[-1], {})["Id"] == s["Id"]


def test_R7_touch_moves_last_seen_of_this_service_s_sessions(shared, user):
    token, s = shared.CreateSession("shop", user, [], {}, {"IdleUSec": 400_000})
    other, _ = shared.CreateSession("app", user, [], {}, {"IdleUSec": V("t", 400_000)})
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        shared.Touch("shop", [s["Id"], "0" * 32])
        time.sleep(0.05)
    assert shared.Resolve("shop", token, {})["LastSeen"] > s["LastSeen"]
    with raises("NoSession"):
        shared.Resolve("app", other, {})
