# SPDX-License-Identifier: MIT
"""The library against the real broker: one user's way through login, requests and logout."""
import os
import threading
import time

import pytest

from library import ALLOW_ANONYMOUS, ALWAYS, NO_TOUCH, ON_GET, ON_SAVE, ON_SET, Library, Outcome, fails
from world import IS_ROOT

SHOP = """
    [Service]
    Users=app
    Anonymous=yes
    MaxSessions=3
    TouchSec=1s
    [Roles]
    ADMIN=
    EDITOR=
    USER=
    [Access]
    Resolve=*
    Create=*
    Manage=*
    """

pytestmark = pytest.mark.policy(shop=SHOP)


@pytest.fixture(params=["private", "bus"])
def lib(request, broker):
    with Library(broker, bus=request.param == "bus") as library:
        yield library


@pytest.fixture
def shop(broker):
    with Library(broker) as library:
        yield library


def test_R11_login_me_and_logout(broker):
    for bus in (False, True):
        with Library(broker, "default", bus=bus) as lib:
            session = lib.login("alice", "correct horse", remote_host="192.0.2.1", user_agent="Lynx",
                                attributes={"cart": 3})
            token = session.token
            assert (session.user, session.service, session["cart"]) == ("alice", "default", 3)
            assert session.set_cookie.startswith("SESSION=" + token)
            me = lib.resolve(token)
            assert (me.user, me.role, me.remote_host, me.user_agent) == ("alice", "USER", "192.0.2.1", "Lynx")
            assert me.token is None and me.set_cookie is None
            lib.logout(token)
            lib.logout(token)
            with fails("NoSession"):
                lib.resolve(token)
            with fails("AuthenticationFailed"):
                lib.login("alice", "wrong")


def test_S10_passwords_pass_as_received(broker, place):
    with Library(broker, "default") as lib:
        for user, password in (("bob", "x" * 500), ("carl", "pä ß 🐎\t!"), ("dora", " leading and trailing ")):
            place.user(user, password)
            assert lib.login(user, password).user == user
            with fails("AuthenticationFailed"):
                lib.login(user, password + "x")


def test_C1_the_users_id_is_typed(lib):
    assert lib.resolve(lib.create("42", roles=["USER"]).token).user_id == 42
    session = lib.resolve(lib.create("anna", roles=["USER"]).token)
    with fails("NoSession"):
        session.user_id
    with fails("NoSession"):
        lib.resolve("rubbish")
    with fails("NoSession"):
        lib.resolve("")


def test_C2_login_first_then_any_one_of_the_roles(lib):
    token = lib.create("42", roles=["EDITOR"]).token
    lib.resolve(token, roles=["USER", "EDITOR"])
    with fails("Forbidden"):
        lib.resolve(token, roles=["USER"])
    with fails("NoSession"):
        lib.resolve("rubbish", roles=["USER"])
    session = lib.resolve(token)
    session.require()
    session.require(roles=["EDITOR"])
    with fails("Forbidden"):
        session.require(roles=["USER"])


def test_C3_the_admin_role_passes(lib):
    token = lib.create("1", roles=["ADMIN"]).token
    session = lib.resolve(token, roles=["USER"])
    session.require(roles=["EDITOR"])
    assert session.roles == ["ADMIN"]


def test_C4_the_daemons_need_and_the_operations(lib):
    holders = ["EDITOR"], ["USER"], ["EDITOR", "USER"], ["ADMIN"]
    editor, user, both, admin = (lib.create(str(i), roles=roles).token for i, roles in enumerate(holders))
    lib.default_need(roles=["USER"])
    for token in (both, admin):
        lib.resolve(token, roles=["EDITOR"])
    for need in ({}, {"roles": ["EDITOR"]}):
        with fails("Forbidden"):
            lib.resolve(editor, **need)
    assert lib.resolve(user).user_id == 1
    with fails("Forbidden"):
        lib.resolve(user, roles=["EDITOR"])


def test_C5_a_misspelt_role_is_an_error(lib):
    token = lib.create("42", roles=["EDITOR", "USER"]).token
    with fails("InvalidArgument"):
        lib.resolve(token, roles=["EDITOOR"])
    with fails("InvalidArgument"):
        lib.create("42", roles=["EDITOOR"])
    assert lib.resolve(token).role == "EDITOR"


def test_C6_R12_new_roles_are_seen_by_the_very_next_request(lib):
    session = lib.create("42", roles=["USER"])
    token = session.token
    lib.set_roles(session.id, ["EDITOR"])
    assert lib.resolve(token, roles=["EDITOR"]).roles == ["EDITOR"]
    assert lib.set_user_roles("42", ["USER"]) == 1
    with fails("NoSession"):
        lib.resolve(token)


def test_F2_a_visitor_is_nobody(lib):
    session = lib.create("", attributes={"cart": ["a", "b"]})
    token = session.token
    with fails("NoSession"):
        lib.resolve(token)
    visitor = lib.resolve(token, flags=ALLOW_ANONYMOUS)
    assert visitor.user is None and visitor["cart"] == ["a", "b"]
    with fails("NoSession"):
        visitor.require()
    # Logging in keeps what was chosen, and the visitor's token is dead.
    session = lib.create("42", roles=["USER"], replace_token=token, keep_attributes=["cart"])
    assert session["cart"] == ["a", "b"]
    with fails("NoSession"):
        lib.resolve(token, flags=ALLOW_ANONYMOUS)


def test_F4_S02_a_rotated_token_is_dead(lib):
    session = lib.create("42", roles=["USER"])
    old, session_id = session.token, session.id
    session = lib.rotate(old)
    assert session.id == session_id and session.token != old
    with fails("NoSession"):
        lib.resolve(old)
    assert lib.resolve(session.token).id == session_id


def test_F5_the_oldest_session_is_evicted(shop):
    tokens = [shop.create("42", roles=["USER"]).token for _ in range(4)]
    with fails("NoSession"):
        shop.resolve(tokens[0])
    for token in tokens[1:]:
        shop.resolve(token)


def test_F6_the_cookie_of_a_request(lib):
    session = lib.create("42", roles=["USER"])
    name, value = session.set_cookie.split(";")[0].split("=", 1)
    assert lib.resolve_cookie(f"a=b; {name}={value}; c=d").user == "42"
    with fails("NoSession"):
        lib.resolve_cookie("a=b")


def test_R2_a_resolve_moves_the_idle_end_and_looking_does_not(shop):
    token = shop.create("42", roles=["USER"]).token
    before = shop.resolve(token, flags=NO_TOUCH)
    time.sleep(1.2)         # TouchSec: nothing happens that could be waited for
    looked = shop.resolve(token, flags=NO_TOUCH)
    assert (looked.last_seen, looked.expires) == (before.last_seen, before.expires)
    shop.resolve(token)
    touched = shop.resolve(token, flags=NO_TOUCH)
    assert touched.last_seen > before.last_seen and touched.expires > before.expires
    assert touched.version == before.version


def test_R8_values_keep_their_types(lib):
    values = {"b": True, "x": -2**63, "d": 0.5, "s": "ünï\n", "y": b"\0\xff", "a": ["one", "", "three"], "none": []}
    session = lib.create("42", roles=["USER"], attributes=values)
    token = session.token
    assert session.attributes == values
    session["s"] = "changed"
    del session["b"]
    session["new"] = [f"{i}" for i in range(100)]
    expected = values | {"s": "changed", "new": [f"{i}" for i in range(100)]}
    del expected["b"]
    assert session.attributes == expected
    again = lib.resolve(token)
    assert again.attributes == expected and again.version == session.version


def test_R8_parallel_changes_are_not_lost(shop):
    token = shop.create("42", roles=["USER"]).token

    def write(number):
        session = shop.resolve(token)
        for i in range(20):
            session[f"key-{number}"] = i

    threads = [threading.Thread(target=write, args=[i]) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.resolve(token).attributes == {f"key-{i}": 19 for i in range(6)}


def test_R8_a_change_on_condition_of_a_version(lib):
    session = lib.create("42", roles=["USER"])
    version = lib.set_attributes(session.token, {"a": 1}, if_version=session.version)
    with fails("Conflict"):
        lib.set_attributes(session.token, {"a": 2}, if_version=session.version)
    assert lib.set_attributes(session.token, {"b": 2}, unset=["a"], if_version=version) == version + 1
    assert lib.resolve(session.token).attributes == {"b": 2}


@pytest.mark.parametrize("write, theirs", [(ON_SET, 2), (ON_GET, 1), (ALWAYS, 1)])
def test_R7_save_modes(shop, write, theirs):
    token = shop.create("42", roles=["USER"], attributes={"read": 1, "other": 1}).token
    shop.save_mode(ON_SAVE, write)
    session = shop.resolve(token)
    session["mine"] = 1
    assert session["read"] == 1
    assert "mine" not in shop.resolve(token).attributes
    # Read by the getter that counts as reading; then somebody else changes it.
    assert session.read_int64("read") == 1
    shop.set_attributes(token, {"read": 2, "other": 2})
    session.save()
    after = shop.resolve(token)
    assert (after["mine"], after["read"], after["other"]) == (1, theirs, 1 if write == ALWAYS else 2)


def test_R10_R4_find_and_end_the_sessions_of_a_user(lib):
    mine = [lib.create("42", roles=["USER"]) for _ in range(2)]
    other = lib.create("43", roles=["USER"])
    assert [s.id for s in lib.list(user="42")[0]] == [s.id for s in mine]
    assert {s.user for s in lib.list(user_prefix="4")[0]} == {"42", "43"}
    assert lib.list(role="EDITOR") == ([], "")
    page, cursor = lib.list(limit=1)
    assert [s.id for s in page] == [mine[0].id] and cursor
    assert [s.id for s in lib.list(after=cursor)[0]] == [mine[1].id, other.id]
    assert lib.get(other.id).user == "43"
    assert lib.revoke_user("42", except_id=mine[1].id) == 1
    with fails("NoSession"):
        lib.resolve(mine[0].token)
    lib.resolve(mine[1].token)
    lib.revoke(other.id)
    with fails("NoSession"):
        lib.resolve(other.token)
    assert lib.revoke_all() == 1
    with fails("NoSession"):
        lib.get(mine[1].id)


def test_a_list_of_thousands_hides_its_pages(shop):
    ids = [shop.create(str(i), roles=["USER"]).id for i in range(2100)]
    assert [s.id for s in shop.list()[0]] == ids


@pytest.mark.skipif(not IS_ROOT, reason="needs root: reload and backup")
def test_S06_status_reload_backup(lib, place, tmp_path):
    status = lib.status()
    assert set(status["Services"]) >= {"shop", "default"} and status["Healthy"] is True
    lib.touch("00" * 16)
    place.policy("shop", SHOP + "Wrong=yes\n")
    with fails("InvalidArgument"):
        lib.reload()
    place.policy("shop", SHOP)
    lib.reload()
    with open(tmp_path / "backup", "wb") as file:
        lib.backup(file.fileno())
    assert os.path.getsize(tmp_path / "backup") > 0


BAD = {     # what: (call with the library and a token of a session, what the text must hold)
    "user_257_bytes": (lambda l, t: l.create("x" * 257), "user"),
    "user_control": (lambda l, t: l.create("a\nb"), "control"),
    "user_bad_utf8": (lambda l, t: l.create(b"a\xff"), "UTF-8"),
    "user_257_bytes_set": (lambda l, t: l.set_user_roles("x" * 257, ["USER"]), "user"),
    "role_65_bytes": (lambda l, t: l.create("42", roles=["R" * 65]), "role"),
    "role_65_bytes_need": (lambda l, t: l.resolve(t, roles=["R" * 65]), "role"),
    "role_control": (lambda l, t: l.create("42", roles=["US\tER"]), "role"),
    "role_bad_utf8": (lambda l, t: l.resolve(t, roles=[b"\xc0\xaf"]), "role"),
    "roles_33": (lambda l, t: l.create("42", roles=[f"ROLE{i}" for i in range(33)]), "32"),
    "roles_33_need": (lambda l, t: l.resolve(t, roles=[f"ROLE{i}" for i in range(33)]), "32"),
    "attributes_over_16_kib": (lambda l, t: l.create("42", attributes={f"k{i}": "v" * 1000 for i in range(20)}), "16384"),
    "attributes_over_16_kib_set": (lambda l, t: l.set_attributes(t, {"a": "x" * 9000, "b": "x" * 9000}), "16384"),
    "attribute_name_control": (lambda l, t: l.set_attributes(t, {"a\x01": 1}), "control"),
    "attribute_bad_utf8": (lambda l, t: l.resolve(t).__setitem__("a", ["\udcff".encode("utf-8", "surrogateescape")]), "UTF-8"),
    "token_257": (lambda l, t: l.resolve("x" * 257), "token"),
    "token_nul": (lambda l, t: l.resolve(t[:30] + "\0" + t[31:]), "token"),
    "token_nul_logout": (lambda l, t: l.logout(t + "\0"), "token"),
    "token_bad_utf8": (lambda l, t: l.rotate(b"\xff" * 64), "token"),
    "token_control": (lambda l, t: l.resolve(t + "\n"), "token"),
    "secret_513": (lambda l, t: l.login("alice", "x" * 513), "secret"),
    "secret_empty": (lambda l, t: l.login("alice", ""), "secret"),
    "secret_nul": (lambda l, t: l.login("alice", "a\0b"), "secret"),
    "user_agent_control": (lambda l, t: l.create("42", user_agent="a\x1b[2J"), "control"),
}


def test_S23_bad_input_is_refused(lib):
    """Wherever it is noticed, in the library or by the broker: with the reason, and nothing has changed."""
    token = lib.create("victim", roles=["USER"]).token
    count, version = lib.status()["SessionCount"], lib.resolve(token).version
    for what, (call, text) in BAD.items():
        try:
            call(lib, token)
        except Outcome as outcome:
            assert outcome.name == "InvalidArgument" and text in outcome.text and token not in outcome.text, (what, outcome)
        else:
            raise AssertionError(f"{what} was taken")
        assert lib.status()["SessionCount"] == count and lib.resolve(token).version == version, what


def test_S23_bad_names_of_services_open_nothing(broker):
    for name in ("../shop", "a/b", "..", "shop\n", "s" * 300, ".shop"):
        with fails("InvalidArgument"):
            Library(broker, name)
    with Library(broker, "nonesuch") as other, fails("NoService") as refused:
        other.resolve("x" * 64)
    assert "nonesuch.conf" in refused.value.text
