# SPDX-License-Identifier: MIT
"""What a session is and does: created, found, changed, listed, ended, and its roles. Over both transports."""
import itertools
import os
import re
import time

import pytest
from client import raises

COMMON = """
        [Roles]
        ADMIN=root
        USER=*
        EDITOR=
        """
POLICY = {
    "shop": COMMON,
    "app": "[Service]\nUsers=app\n" + "[Roles]\nADMIN=\nUSER=\n",
    "refuse": """
        [Service]
        MaxSessions=2
        OnLimit=refuse
        """,
    "update": """
        [Service]
        OnRoleChange=update
        MaxSessions=0
        """ + COMMON,
    "boss": """
        [Service]
        AdminRole=BOSS
        [Roles]
        BOSS=
        ADMIN=
        USER=
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


# ---- R1, R2: create and find ----

def test_R1_create_returns_the_token_and_what_was_given(shared, user):
    begin = time.time_ns() // 1000
    token, s = shared.CreateSession("shop", user, ["USER", "EDITOR"], {"cart": 7, "name": "ü", "ok": True, "rate": 0.5, "raw": b"\0\1", "list": ["a", "b"]},
                                    {"RemoteHost": "192.0.2.7", "UserAgent": "Browser/1", "AuthMethods": ["pwd", "otp"], "Level": 2})
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", token) and re.fullmatch("[0-9a-f]{32}", s["Id"])
    assert (s["Service"], s["User"], s["Uid"], s["Roles"]) == ("shop", user, 4294967295, ["USER", "EDITOR"])
    assert s["Attributes"] == {"cart": 7, "name": "ü", "ok": True, "rate": 0.5, "raw": [0, 1], "list": ["a", "b"]}
    assert (s["RemoteHost"], s["UserAgent"], s["AuthMethods"], s["Level"]) == ("192.0.2.7", "Browser/1", ["pwd", "otp"], 2)
    assert begin <= s["Created"] <= time.time_ns() // 1000 and s["Created"] == s["LastSeen"] == s["AuthTime"]
    assert s["Version"] == 1 and s["CreatorUid"] == os.getuid()


def test_R2_get_returns_it_and_unknown_is_none(shared, user):
    token, s = shared.CreateSession("shop", user, ["USER"], {}, {})
    s.pop("SetCookie")
    assert shared.Resolve("shop", token, {"NoTouch": True}) == s == shared.GetSession(s["Id"])
    with raises("NoSession"):
        shared.Resolve("shop", "A" * 64, {})
    with raises("NoSession"):
        shared.GetSession("0" * 32)


def test_R3_delete_one_and_again(shared, user):
    token, s = shared.CreateSession("shop", user, [], {}, {})
    other, _ = shared.CreateSession("shop", user, [], {}, {})
    shared.Logout("shop", token)
    shared.Logout("shop", token)        # idempotent
    with raises("NoSession"):
        shared.Resolve("shop", token, {})
    with raises("NoSession"):
        shared.RevokeSession(s["Id"])
    shared.Resolve("shop", other, {})


def test_R4_delete_all_for_user(shared, user):
    mine = [shared.CreateSession("shop", user, [], {}, {})[0] for _ in range(3)]
    longer, _ = shared.CreateSession("shop", user + "x", [], {}, {})
    assert shared.RevokeUser("shop", user, {}) == 3
    assert shared.RevokeUser("shop", user, {}) == 0
    for token in mine:
        with raises("NoSession"):
            shared.Resolve("shop", token, {})
    shared.Resolve("shop", longer, {})


def test_R4_revoke_user_except_prefix_and_every_service(shared, user):
    def make(service, name):
        return shared.CreateSession(service, name, [], {}, {})
    tokens = {key: make(*key)[0] for key in [("many", f"{user}:1"), ("many", f"{user}:2"), ("app", f"{user}:1"), ("many", f"{user};")]}
    keep, kept = make("many", f"{user}:1")
    assert shared.RevokeUser("many", f"{user}:", {"Prefix": True, "Except": kept["Id"]}) == 2
    shared.Resolve("many", keep, {})
    shared.Resolve("many", tokens["many", f"{user};"], {})
    shared.Resolve("app", tokens["app", f"{user}:1"], {})
    assert shared.RevokeUser("", f"{user}:1", {}) == 2
    for service, token in (("many", keep), ("app", tokens["app", f"{user}:1"])):
        with raises("NoSession"):
            shared.Resolve(service, token, {})
    assert shared.RevokeUser("", user, {"Prefix": True}) == 1


def test_S06_revoke_all_ends_one_service(shared, user):
    token, _ = shared.CreateSession("refuse", user, [], {}, {})
    other, _ = shared.CreateSession("shop", user, [], {}, {})
    assert shared.RevokeAll("refuse") >= 1
    assert shared.RevokeAll("refuse") == 0
    with raises("NoSession"):
        shared.Resolve("refuse", token, {})
    shared.Resolve("shop", other, {})


def test_R5_every_session_has_an_end(shared, user):
    _, s = shared.CreateSession("shop", user, [], {}, {})
    assert s["IdleUSec"] == 2 * HOUR and s["Expires"] == s["Created"] + 2 * HOUR and s["LifetimeEnd"] == s["Created"] + DAY


@pytest.mark.parametrize("options, idle, lifetime", [
    ({"IdleUSec": MINUTE}, MINUTE, DAY), ({"IdleUSec": DAY}, 2 * HOUR, DAY), ({"LifetimeUSec": HOUR}, 2 * HOUR, HOUR),
    ({"LifetimeUSec": 2**63}, 2 * HOUR, DAY), ({"IdleUSec": 2**64 - 1, "LifetimeUSec": 2**64 - 1}, 2 * HOUR, DAY),
    ({"Remember": True}, 30 * DAY, 30 * DAY), ({"Remember": True, "LifetimeUSec": 31 * DAY}, 30 * DAY, 30 * DAY),
    ({"Remember": True, "IdleUSec": HOUR}, HOUR, 30 * DAY), ({"Remember": False}, 2 * HOUR, DAY)])
def test_R5_spans_never_longer_than_the_policys(shared, user, options, idle, lifetime):
    _, s = shared.CreateSession("shop", user, [], {}, options)
    assert s["IdleUSec"] == idle and s["LifetimeEnd"] - s["Created"] == lifetime
    assert s["Expires"] - s["Created"] == min(idle, lifetime)


def test_R6_services_never_see_each_others_sessions(shared, user):
    token, s = shared.CreateSession("shop", user, [], {}, {})
    for service in ("app", "many"):
        for call in (lambda: shared.Resolve(service, token, {}), lambda: shared.SetAttributes(service, token, {"a": 1}, [], 0),
                     lambda: shared.Rotate(service, token, {})):
            with raises("NoSession"):
                call()
        shared.Logout(service, token)
        shared.Touch(service, [s["Id"]])
        assert shared.RevokeUser(service, user, {}) == 0
        shared.CreateSession(service, user, [], {}, {"ReplaceToken": token, "KeepAttributes": ["a"]})
    assert shared.Resolve("shop", token, {})["Version"] == 1


def test_R6_processes_of_one_application_share(world, user):
    token, _ = world.caller().CreateSession("shop", user, [], {}, {})
    world.caller(bus=True).SetAttributes("shop", token, {"seen": "there"}, [], 0)
    assert world.caller().Resolve("shop", token, {})["Attributes"] == {"seen": "there"}


# ---- R8: attributes ----

def test_R8_attributes_one_at_a_time_with_versions(shared, user):
    token, _ = shared.CreateSession("shop", user, [], {"a": 1, "b": "x"}, {})
    assert shared.SetAttributes("shop", token, {"b": 2.5, "c": [""]}, ["a", "never"], 0) == 2
    s = shared.Resolve("shop", token, {})
    assert s["Attributes"] == {"b": 2.5, "c": [""]} and s["Version"] == 2
    with raises("Conflict") as conflict:
        shared.SetAttributes("shop", token, {"b": 3}, [], 1)
    assert "version 2" in conflict.value.text
    assert shared.SetAttributes("shop", token, {"b": 3}, ["b"], 2) == 3
    assert shared.Resolve("shop", token, {})["Attributes"]["b"] == 3
    assert shared.Resolve("shop", token, {})["Version"] == 3, "a touch does not change Version"


def test_R8_parallel_changes_are_not_lost(shared, user):
    token, _ = shared.CreateSession("shop", user, [], {}, {})
    futures = [shared.begin("SetAttributes", "shop", token, {f"k{i}": i}, [], 0) for i in range(50)]
    assert sorted(f.result(30) for f in futures) == list(range(2, 52))
    assert shared.Resolve("shop", token, {})["Attributes"] == {f"k{i}": i for i in range(50)}


def test_R8_of_parallel_changes_upon_one_version_one_wins(shared, user):
    token, _ = shared.CreateSession("shop", user, [], {}, {})
    futures = [shared.begin("SetAttributes", "shop", token, {"who": i}, [], 1) for i in range(20)]
    done = [f.exception(30) for f in futures]
    assert done.count(None) == 1 and {e.name for e in done if e} == {"Conflict"}
    assert shared.Resolve("shop", token, {})["Attributes"] == {"who": done.index(None)}


# ---- R10: find by user, pages ----

def everything(caller, **criteria):
    found, cursor = [], ""
    while True:
        page, cursor = caller.ListSessions(criteria | ({"After": cursor} if cursor else {}))
        assert len(page) <= criteria.get("Limit", 1000)
        found += page
        if not cursor:
            return found


def test_R10_find_by_user_prefix_role_and_service(shared, user):
    ids = {name: shared.CreateSession("many", f"{user}{name}", [], {}, {})[1]["Id"] for name in ("", ":a", ":b")}
    edits = shared.CreateSession("shop", f"{user}:c", ["EDITOR"], {}, {})[1]["Id"]
    def listed(**criteria):
        return [s["Id"] for s in everything(shared, **criteria)]
    assert listed(User=user) == [ids[""]]
    assert listed(UserPrefix=f"{user}:") == [ids[":a"], ids[":b"], edits]
    assert listed(UserPrefix=user, Service="many") == list(ids.values())
    assert listed(UserPrefix=user, Role="EDITOR") == [edits]
    assert listed(User=user, Role="EDITOR") == [] == listed(User="nobody at all")
    with raises("NoService"):
        shared.ListSessions({"Service": "nowhere"})
    with raises("NoSession"):
        shared.GetSession(ids[""][:-1])


def test_R10_pages_end_and_a_cursor_survives_its_session(shared, user):
    ids = [shared.CreateSession("many", user, [], {}, {})[1]["Id"] for _ in range(7)]
    assert [s["Id"] for s in everything(shared, User=user, Limit=3)] == ids
    page, cursor = shared.ListSessions({"User": user, "Limit": 3})
    assert [s["Id"] for s in page] == ids[:3] and cursor
    shared.RevokeSession(cursor)
    shared.RevokeSession(ids[4])
    page, cursor = shared.ListSessions({"User": user, "Limit": 3, "After": cursor})
    assert [s["Id"] for s in page] == [ids[3], ids[5], ids[6]]
    assert [s["Id"] for s in everything(shared, User=user, Limit=1)] == [ids[i] for i in (0, 1, 3, 5, 6)]
    assert shared.ListSessions({"User": user, "After": "f" * 32}) == ([], "")


def test_R10_a_page_is_whole_while_sessions_end(shared, user):
    """It is made in pieces: what ends between two of them may be in it or not, everything else is, once and in its place."""
    ids = sorted(f.result(30)[1]["Id"] for f in [shared.begin("CreateSession", "many", user, [], {}, {}) for _ in range(400)])
    page = shared.begin("ListSessions", {"User": user})
    ends = [shared.begin("RevokeSession", session) for session in ids[1::2]]
    listed = [s["Id"] for s in page.result(30)[0]]
    assert [f.exception(30) for f in ends] == [None] * 200
    assert set(ids[::2]) <= set(listed) and listed == [session for session in ids if session in set(listed)]
    assert [s["Id"] for s in everything(shared, User=user)] == ids[::2]


def test_R10_large_sessions_still_make_pages(shared, user):
    for _ in range(40):
        shared.CreateSession("many", user, [], {"a": "x" * 16000}, {})
    assert len(everything(shared, User=user)) == 40
    shared.RevokeUser("many", user, {})


# ---- R12, C: roles ----

def test_C2_C3_roles_are_checked_after_the_login(shared, user):
    token, _ = shared.CreateSession("shop", user, ["USER"], {}, {})
    for roles in ([], ["USER"], ["EDITOR", "USER"]):
        assert shared.Resolve("shop", token, {"Roles": roles})["Roles"] == ["USER"]
    with raises("Forbidden") as forbidden:
        shared.Resolve("shop", token, {"Roles": ["EDITOR", "ADMIN"]})
    assert "EDITOR, ADMIN" in forbidden.value.text and "SetRoles" in forbidden.value.text
    with raises("NoSession"):
        shared.Resolve("shop", "A" * 64, {"Roles": ["EDITOR"]})
    admin, _ = shared.CreateSession("shop", user, ["ADMIN"], {}, {})
    shared.Resolve("shop", admin, {"Roles": ["EDITOR"]})


def test_C3_the_admin_role_is_the_policys(shared, user):
    boss, _ = shared.CreateSession("boss", user, ["BOSS"], {}, {})
    admin, _ = shared.CreateSession("boss", user, ["ADMIN"], {}, {})
    shared.Resolve("boss", boss, {"Roles": ["USER"]})
    with raises("Forbidden"):
        shared.Resolve("boss", admin, {"Roles": ["USER"]})


def test_C1_C5_no_role_is_a_login_and_a_misspelt_one_an_error(shared, user):
    token, s = shared.CreateSession("shop", user, [], {"id": 5}, {})
    assert s["Roles"] == [] and shared.Resolve("shop", token, {})["Attributes"]["id"] == 5
    with raises("Forbidden"):
        shared.Resolve("shop", token, {"Roles": ["USER"]})
    with raises("InvalidArgument"):
        shared.Resolve("shop", token, {"Roles": ["USRE"]})
    with raises("InvalidArgument"):     # and where nobody is logged in it is one too
        shared.Resolve("shop", "A" * 64, {"Roles": ["USRE"]})
    for call in (lambda: shared.SetRoles(s["Id"], ["USRE"]), lambda: shared.SetUserRoles("shop", user, ["USRE"])):
        with raises("InvalidArgument"):
            call()


def test_S07_level_and_age_ask_for_more(shared, user):
    token, _ = shared.CreateSession("shop", user, ["USER"], {}, {"Level": 1, "AuthTime": time.time_ns() // 1000 - 10 * MINUTE})
    shared.Resolve("shop", token, {"Level": 1, "MaxAuthAgeUSec": 11 * MINUTE})
    for need in ({"Level": 2}, {"MaxAuthAgeUSec": 9 * MINUTE}, {"Level": 2, "Roles": ["EDITOR"]}):
        with raises("StepUpRequired"):
            shared.Resolve("shop", token, need)
    token, s = shared.Rotate("shop", token, {"Level": 2, "AuthMethods": ["otp"], "AuthTime": time.time_ns() // 1000})
    assert (s["Level"], s["AuthMethods"]) == (2, ["otp"])
    shared.Resolve("shop", token, {"Level": 2, "MaxAuthAgeUSec": MINUTE})


def test_C6_R12_set_roles_is_seen_by_the_very_next_request(shared, user):
    token, s = shared.CreateSession("shop", user, ["USER"], {"keep": 1}, {})
    assert shared.SetRoles(s["Id"], ["EDITOR"]) == 2
    found = shared.Resolve("shop", token, {"Roles": ["EDITOR"]})
    assert found["Roles"] == ["EDITOR"] and found["Attributes"] == {"keep": 1}
    with raises("Forbidden"):
        shared.Resolve("shop", token, {"Roles": ["USER"]})
    assert shared.SetRoles(s["Id"], []) == 3
    with raises("Forbidden"):
        shared.Resolve("shop", token, {"Roles": ["EDITOR"]})


def test_C6_R12_set_user_roles_updates_all_sessions_at_once(shared, user):
    tokens = [shared.CreateSession("update", user, ["USER"], {}, {})[0] for _ in range(3)]
    other, _ = shared.CreateSession("update", user + "x", ["USER"], {}, {})
    assert shared.SetUserRoles("update", user, ["EDITOR"]) == 3
    for token in tokens:
        assert shared.Resolve("update", token, {"Roles": ["EDITOR"]})["Roles"] == ["EDITOR"]
    assert shared.Resolve("update", other, {})["Roles"] == ["USER"]
    assert shared.CreateSession("update", user, ["USER"], {}, {})[1]["Roles"] == ["USER"]
    assert shared.SetUserRoles("update", "never seen", ["USER"]) == 0


def test_C6_set_user_roles_revokes_by_default(shared, user):
    tokens = [shared.CreateSession("shop", user, ["USER"], {}, {})[0] for _ in range(2)]
    assert shared.SetUserRoles("shop", user, ["ADMIN"]) == 2
    for token in tokens:
        with raises("NoSession"):
            shared.Resolve("shop", token, {})
    assert shared.CreateSession("shop", user, ["USER"], {}, {})[1]["Roles"] == ["USER"], "the argument is not kept"


def test_C5_login_gives_the_policys_roles(shared):
    _, s = shared.Login("shop", "alice", "correct horse", {"Attributes": {"lang": "de"}})
    assert s["Roles"] == ["USER"] and s["Level"] == 1 and s["Attributes"] == {"lang": "de"} and s["User"] == "alice" and s["AuthMethods"]
    _, s = shared.Login("shop", "alice", "correct horse", {"Roles": ["EDITOR"], "Level": 3, "AuthMethods": ["x"]})
    assert (s["Roles"], s["Level"], s["AuthMethods"]) == (["EDITOR"], 3, ["x"])


def test_S09_wrong_password_and_unknown_user_are_alike(shared):
    texts = set()
    for name, secret in (("alice", "wrong"), ("nobody here", "wrong"), ("alice", "correct horse ")):
        with raises("AuthenticationFailed") as failed:
            shared.Login("shop", name, secret, {})
        texts.add(failed.value.text.replace(name, "X"))
    assert len(texts) == 1 and "alice" not in texts.pop()
