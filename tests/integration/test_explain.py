# SPDX-License-Identifier: MIT
"""Explain: why a session is valid or not, and that nobody learns by it what he would not learn otherwise."""
import os
import time

import pytest
from client import BusError, raises
from ctl import FORBIDDEN, INVALID, NO_SERVICE, NO_SESSION, STEP_UP, USAGE, Ctl

POLICY = {
    "shop": """
        [Service]
        Users=app
        Anonymous=yes
        TokenPrefix=SHOP:
        MaxSessions=2
        [Roles]
        ADMIN=
        BUYER=
        USER=*
        [Access]
        Resolve=irc
        Manage=list
        """,
    "mail": """
        [Roles]
        USER=*
        [Access]
        Resolve=irc
        Manage=games
        """,
    "default": """
        [Roles]
        ADMIN=alice
        USER=*
        [Access]
        Login=*
        """,
}
GHOST = "0" * 32
RUBBISH = "x" * 64


@pytest.fixture
def ctl(world):
    return Ctl(world.broker)


def make(world, service="shop", user="someone", roles=(), **options):
    return world.caller().CreateSession(service, user, list(roles), {}, options)


def explain(world, what, who=None, bus=False, **need):
    return world.caller(who, bus=bus).Explain(what, need)


def wrong(token):
    """The same token with another secret."""
    return token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_everything_about_a_live_session(world, bus):
    token, session = make(world, roles=["USER"], RemoteHost="192.0.2.7", UserAgent="x")
    for what in (token, session["Id"]):
        why, shown = explain(world, what, bus=bus)
        session.pop("SetCookie", None)
        assert shown == session
        assert why["State"] == "live" and why["Outcome"] == ""
        assert why["EndsBy"] == "idle" and why["IdleEnd"] == session["Expires"]
        assert why["Journal"] == f"journalctl WEBSESS_SESSION={session['Id']}"
        assert why["Policy"].endswith("/shop.conf")
        assert any("by IdleSec= in " in line for line in why["Ends"]) and any("1 of 1 sessions" in line for line in why["Ends"])
        assert why["Access"] == ["everything: root may"] or os.getuid() != 0
        assert why["RolesFrom"] == ["USER: given by name, by CreateSession, Login with Roles, or SetRoles; not by [Roles]"]
    assert world.caller().Resolve("shop", token, {"NoTouch": True})["LastSeen"] == session["LastSeen"], "explaining is no sign of life"
    world.caller().RevokeUser("shop", "someone", {})


def test_roles_of_a_login_name_their_lines(world):
    token, session = world.caller().Login("default", "alice", "correct horse", {})
    why, _ = explain(world, token)
    assert [line.split(":")[0] for line in why["RolesFrom"][:2]] == ["ADMIN", "USER"]
    assert "the user is named behind ADMIN= in [Roles]" in why["RolesFrom"][0] and "by USER=* in" in why["RolesFrom"][1]
    assert "AdminRole=" in why["RolesFrom"][2]
    assert 'level 1 is what the PAM service "websess" is worth' in why["LoginBy"][0]


def test_a_need_that_is_not_met(world):
    token, session = make(world, user="needy", roles=["USER"])
    for need, outcome in (({"Roles": ["BUYER"]}, "Forbidden"), ({"Level": 2}, "StepUpRequired"), ({"Roles": ["BUYER", "USER"]}, "")):
        why, _ = explain(world, session["Id"], **need)
        assert (why["State"], why["Outcome"]) == ("live", outcome)
    with raises("InvalidArgument"):
        explain(world, token, Roles=["BUYR"])
    with raises("InvalidArgument"):
        explain(world, token, Nonsense=1)
    with raises("NoService"):
        explain(world, token, Service="nowhere")
    visitor, _ = make(world, user="")
    assert explain(world, visitor)[0]["Outcome"] == "NoSession" and "AllowAnonymous" in explain(world, visitor)[0]["Why"]
    assert explain(world, visitor, AllowAnonymous=True)[0]["Outcome"] == ""


def test_why_a_token_is_none(world):
    token, session = make(world, user="reasons")
    for what, service, state in ((wrong(token), "", "wrong-secret"), (RUBBISH, "", "unknown"), ("rubbish", "", "malformed"), ("", "", "malformed"),
                                 (token.removeprefix("SHOP:"), "", "malformed"), (token, "mail", "malformed"), (GHOST, "", "unknown"),
                                 ("SHOP:" + make(world, "mail", "games")[0], "shop", "other-service")):
        why, shown = explain(world, what, **({"Service": service} if service else {}))
        assert (why["State"], why["Outcome"]) == (state, "NoSession"), what
        assert bool(shown) == (state in ("wrong-secret", "other-service") or what.endswith(token[-40:]))
    new, _ = world.caller().Rotate("shop", token, {})
    assert explain(world, token)[0]["State"] == "wrong-secret" and explain(world, new)[0]["State"] == "live"


def test_why_a_session_has_ended(world):
    root = world.caller()
    ended = {}
    for reason, end in {"logout": lambda t, s: root.Logout("shop", t), "revoked": lambda t, s: root.RevokeSession(s["Id"]),
                        "roles": lambda t, s: root.SetUserRoles("shop", "ending", []),
                        "replaced": lambda t, s: make(world, user="ending", ReplaceToken=t)}.items():
        token, session = make(world, user="ending")
        end(token, session)
        ended[reason] = token, session["Id"]
    first = make(world, user="evicted")
    make(world, user="evicted"), make(world, user="evicted")
    ended["evicted"] = first[0], first[1]["Id"]
    for reason, both in ended.items():
        for what in both:
            why, session = explain(world, what)
            assert (why["State"], why["Reason"], why["Service"]) == ("ended", reason, "shop") and session == {}
            assert abs(why["Ended"] / 1e6 - time.time()) < 100


def test_S03_ended_by_time(world):
    for options, reason in (({"IdleUSec": 1000}, "idle"), ({"LifetimeUSec": 1000}, "expired")):
        token, session = make(world, user="late", **options)
        end = time.monotonic() + 20
        while (why := explain(world, token)[0])["State"] != "ended":
            # Until it is swept, its own times say it.
            assert why["State"] in ("live", reason) and time.monotonic() < end
        assert why["Reason"] == reason


# ---- no oracle ----

def reply(call):
    """What a caller sees: an error by name and text, or the answer."""
    try:
        return call()
    except BusError as error:
        return error.name, error.text


@pytest.mark.needs_root
@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S06_nobody_learns_more_than_by_resolve_and_get(world, bus):
    """news manages nothing, irc may resolve: word for word what Resolve and GetSession say."""
    token, session = make(world, user="oracle", roles=["USER"])
    gone, former = make(world, user="oracle")
    world.caller().RevokeSession(former["Id"])
    for who in ("uucp", "irc"):
        caller = world.caller(who, bus=bus)
        for what in (session["Id"], former["Id"], GHOST):
            assert reply(lambda: caller.Explain(what, {})) == reply(lambda: caller.GetSession(what))
        for what in (wrong(token), gone, RUBBISH, "rubbish", "", token.removeprefix("SHOP:")):
            with raises("NoSession") as refused:
                caller.Explain(what, {})
            assert refused.value.text == reply(lambda: world.caller("irc").Resolve("shop", what, {}))[1]
            assert reply(lambda: caller.Explain(what, {"Service": "shop"})) == reply(lambda: caller.Resolve("shop", what, {}))
    with raises("NoSession"):
        world.caller("uucp", bus=bus).Explain(token, {})
    irc = world.caller("irc", bus=bus)
    for need in ({}, {"Roles": ["BUYER"]}, {"Level": 3}):
        said, resolved = reply(lambda: irc.Explain(token, need)), reply(lambda: irc.Resolve("shop", token, need | {"NoTouch": True}))
        assert said == resolved or said[1] == resolved
    why, _ = irc.Explain(token, {})
    assert set(why) == {"State", "Outcome", "Why", "Id", "Journal", "IdleEnd", "EndsBy"}, "nothing of the policy"


@pytest.mark.needs_root
@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
def test_S06_who_manages_one_service_learns_nothing_of_another(world, bus):
    """list manages the shop, games mail: what is the other's is to each as if it were not there."""
    token, session = make(world, user="apart")
    gone, former = make(world, user="apart")
    world.caller().RevokeSession(former["Id"])
    games, owner = world.caller("games", bus=bus), world.caller("list", bus=bus)
    unknown = games.Explain(RUBBISH, {})[0]
    for what in (token, wrong(token), gone, former["Id"]):
        why, shown = games.Explain(what, {})
        assert shown == {} and {k: v for k, v in why.items() if k not in ("Id", "Journal")} == \
            {k: v for k, v in unknown.items() if k not in ("Id", "Journal")}
    assert reply(lambda: games.Explain(session["Id"], {})) == reply(lambda: games.GetSession(session["Id"]))
    assert owner.Explain(wrong(token), {})[0]["State"] == "wrong-secret"
    assert owner.Explain(former["Id"], {})[0]["Reason"] == "revoked"
    assert "Manage: by list in [Access]" in owner.Explain(token, {})[0]["Access"][0]


@pytest.mark.needs_root
def test_S06_a_user_is_told_of_his_own(world):
    token, session = make(world, "mail", "proxy")
    proxy = world.caller("proxy")
    why, shown = proxy.Explain(session["Id"], {})
    assert shown["Id"] == session["Id"] and why["State"] == "live" and "Ends" not in why and "Policy" not in why
    world.caller().RevokeSession(session["Id"])
    with raises("NoSession"):
        proxy.Explain(session["Id"], {})


# ---- websessctl ----

def test_ctl_explain(world, ctl):
    token, session = make(world, user="typed", roles=["USER"], RemoteHost="192.0.2.7")
    fields = ctl("explain", session["Id"]).fields
    assert fields["State"] == "live" and fields["Session"] == session["Id"] and fields["Remote host"] == "192.0.2.7"
    assert "given by name" in fields["Roles from"] and fields["Journal"].endswith(session["Id"]) and "IdleSec=" in fields["What ends it"]
    assert fields["Creator"].startswith(f"uid {os.getuid()}")
    shown = ctl("explain", "--json=short", input=token).json
    assert shown["State"] == "live" and shown["Session"]["Id"] == session["Id"] and "Token" not in shown["Session"]
    ctl("explain", "--role=BUYER", session["Id"], status=FORBIDDEN)
    ctl("explain", "--level=2", session["Id"], status=STEP_UP)
    assert ctl("-q", "explain", session["Id"]).out == ""
    assert "TokenPrefix=" in ctl("explain", "-s", "mail", input=token, status=NO_SESSION).fields["Why"]
    ctl("explain", "-s", "nowhere", input=token, status=NO_SERVICE)
    ctl("explain", "-r", "BUYR", input=token, status=INVALID)
    ctl("revoke", session["Id"])
    result = ctl("explain", input=token, status=NO_SESSION)
    assert result.fields["State"] == "ended" and result.fields["Reason"] == "revoked"
    assert ctl("explain", "--json=pretty", GHOST, status=NO_SESSION).json["Session"] is None
    assert "standard input" in ctl("explain", token, status=USAGE).err
    ctl("explain", "x" * 20000, status=USAGE)


@pytest.mark.policy(shop=POLICY["shop"])
def test_a_broker_that_was_restarted_remembers_none(broker):
    ctl = Ctl(broker)
    session = ctl("create", "--json=short", "shop", "someone").json["Id"]
    ctl("revoke", session)
    assert ctl("explain", session, status=NO_SESSION).fields["State"] == "ended"
    broker.stop()
    broker.start()
    fields = ctl("explain", session, status=NO_SESSION).fields
    assert fields["State"] == "unknown" and fields["Journal"] == f"journalctl WEBSESS_SESSION={session}"


def test_S22_a_token_that_is_explained_is_not_logged(world, ctl):
    token, _ = make(world, user="secretive")
    ctl("explain", input=token)
    ctl("explain", input=wrong(token), status=NO_SESSION)
    assert token not in world.broker.log and wrong(token) not in world.broker.log
