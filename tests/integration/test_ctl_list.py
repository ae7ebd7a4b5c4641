# SPDX-License-Identifier: MIT
"""Lists of sessions: filters, pages, tables, and what strangers have written into them."""
import re

import pytest

from ctl import Ctl, is_id

SHOP = """
    [Service]
    Users=app
    MaxSessions=0
    [Roles]
    USER=*
    ADMIN=
    """
pytestmark = [pytest.mark.policy(shop=SHOP, mail=SHOP)]


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


def make(private, service, user, roles=(), options=None):
    return private.CreateSession(service, user, list(roles), {}, options or {})[1]["Id"]


def test_table(ctl, private):
    session = make(private, "shop", "alice", ["USER", "ADMIN"], {"RemoteHost": "192.0.2.7"})
    result = ctl("list")
    [row] = result.table
    assert row["ID"] == session and is_id(row["ID"])
    assert (row["SERVICE"], row["USER"], row["HOST"]) == ("shop", "alice", "192.0.2.7")
    assert set(row["ROLES"].split()) == {"USER", "ADMIN"}
    assert re.fullmatch("now|[0-9]+s ago", row["LAST SEEN"])
    assert row["ENDS"].startswith("in 1h 59min") or row["ENDS"] == "in 2h"
    assert result.out.endswith("\n\n1 session listed.\n")
    bare = ctl("list", "--no-legend").out
    assert bare.count("\n") == 1 and bare.startswith(session)


def test_empty_list(ctl):
    assert ctl("list").out == "ID  SERVICE  USER  ROLES  LAST SEEN  ENDS  HOST\n\n0 sessions listed.\n"
    assert ctl("list", "--no-legend").out == ""
    assert ctl("list", "--json=short").json == []


def test_R10_filters(ctl, private):
    ids = {name: make(private, service, user, roles) for name, service, user, roles in (
        ("a", "shop", "alice", ["USER"]), ("b", "shop", "acme:1", ["ADMIN"]), ("c", "mail", "acme:2", ["USER"]), ("d", "mail", "alice", []))}

    def listed(*options):
        return "".join(sorted(n for s in ctl("list", "--json=short", *options).json for n, i in ids.items() if i == s["Id"]))

    assert listed() == "abcd"
    assert listed("--service=shop") == "ab"
    assert listed("-s", "mail", "-u", "alice") == "d"
    assert listed("--user=alice") == "ad"
    assert listed("--user-prefix=acme:") == "bc"
    assert listed("--role=USER", "-s", "shop") == "a"
    assert listed("-n", "2") == "ab"
    assert [s["Id"] for s in ctl("list", "--json=pretty").json] == sorted(ids.values())


def test_two_hundred_sessions_in_small_pages(ctl, private):
    made = [make(private, "shop", f"user{n}") for n in range(200)]
    seen, cursor, pages = [], None, 0
    while True:
        result = ctl("list", "-n", "7", *(["--after", cursor] if cursor else []))
        assert len(result.table) <= 7
        seen += [row["ID"] for row in result.table]
        pages += 1
        more = re.search(r"--after=(\S+)\.\n$", result.out)
        if not more:
            break
        cursor = more[1]
    assert seen == made
    assert 200 // 7 <= pages <= 200 // 7 + 2


def test_all_pages_of_the_broker_are_fetched(ctl, private):
    calls = [private.begin("CreateSession", "shop", f"u{n}", [], {}, {}) for n in range(1203)]
    made = {call.result(30)[1]["Id"] for call in calls}
    assert {s["Id"] for s in ctl("list", "--json=short").json} == made
    assert ctl("list").out.endswith("\n\n1203 sessions listed.\n")
    assert len(ctl("list", "-n1100", "--json=short").json) == 1100


@pytest.mark.parametrize("evil, shown", [
    ("\u202egpj.exe", r"\u{202e}gpj.exe"),
    ("Mozilla\\x1b", r"Mozilla\\x1b"),
])
def test_S22_nothing_steers_the_terminal(ctl, private, evil, shown):
    _, session = private.CreateSession("shop", "alice", [], {"note": evil + "\033[2J\u009b31m"}, {"UserAgent": evil})
    result = ctl("show", session["Id"])
    assert result.fields["User agent"] == shown
    assert result.fields["Attributes"] == f"note={shown}\\x1b[2J\\u{{9b}}31m"
    for output in (result.out, ctl("list").out, ctl("show", "--json=short", session["Id"]).out, ctl("list", "--json=pretty").out):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output)
    assert ctl("show", "--json=short", session["Id"]).json["UserAgent"] == evil
