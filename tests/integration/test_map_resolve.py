# SPDX-License-Identifier: MIT
"""Resolves by the map: the same as by a call, without the broker's help, and never stale. A broker that is stopped tells the two apart."""
import contextlib
import ctypes
import os
import re
import signal
import threading
import time

import pytest

from ctl import Ctl
from library import ALLOW_ANONYMOUS, NO_TOUCH, Library, Outcome, fails
from world import wait_until

SHOP = """
    [Service]
    Users=app
    Anonymous=yes
    MaxSessions=0
    OnRoleChange=update
    TokenPrefix=SHOP:
    IdleSec=2s
    TouchSec=500ms
    [Roles]
    ADMIN=
    EDITOR=
    USER=
    [Access]
    Resolve=*
    Create=*
    Manage=*
    """
POLICY = {"shop": SHOP, "slow": SHOP.replace("IdleSec=2s", "IdleSec=1h")}
FIELDS = ("id", "service", "user", "uid", "roles", "role", "attributes", "created", "last_seen", "expires", "idle_usec", "lifetime_end",
          "auth_time", "auth_methods", "level", "remote_host", "user_agent", "creator_uid", "creator_unit", "version", "set_cookie", "token")

pytestmark = pytest.mark.policy(**POLICY)


@contextlib.contextmanager
def hung(broker):
    broker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.process.send_signal(signal.SIGCONT)


def with_map(broker, service="slow", **options):
    """A handle that has its map: its first resolve fetched it."""
    lib = Library(broker, service, **options)
    with fails("NoSession"):
        lib.resolve("rubbish")
    return lib


def outcome(function):
    try:
        return function()
    except Outcome as error:
        return error.name, error.text


@pytest.mark.parametrize("by_bus", [False, True])
def test_L06_resolves_go_on_while_the_broker_is_hung(broker, by_bus):
    with with_map(broker, bus=by_bus, timeout=1) as lib:
        token = lib.create("42", roles=["USER"]).token
        with hung(broker):
            begin = time.monotonic()
            for _ in range(200):
                assert lib.resolve(token, roles=["USER"]).user == "42"
            with fails("NoSession"):
                lib.resolve(token[:-1] + ("A" if token[-1] != "A" else "B"))
            with fails("NoSession"):
                lib.resolve("rubbish")
            assert time.monotonic() - begin < 1


def test_a_session_from_the_map_is_the_one_that_a_call_gives(broker):
    with with_map(broker) as lib:
        everything = {"b": True, "x": -5, "d": 2.5, "s": "pä ß", "y": b"\0\1\2", "a": ["", "de", "en"], "empty": ""}
        for attributes in (everything, {}, {"large": "x" * 1500}):
            session = lib.create("anna", roles=["EDITOR", "USER"], attributes=attributes, remote_host="192.0.2.1", user_agent="Lynx",
                                 auth_methods=["pwd", "otp"], level=2)
            with Library(broker, "slow") as fresh:
                by_call = fresh.resolve(session.token, flags=NO_TOUCH)
                by_map = lib.resolve(session.token, flags=NO_TOUCH)
                for field in FIELDS:
                    assert getattr(by_map, field) == getattr(by_call, field), field
                for need in ({}, {"roles": ["EDITOR"]}, {"roles": ["ADMIN"]}, {"level": 2}, {"level": 3}):
                    assert outcome(lambda: by_map.require(**need)) == outcome(lambda: by_call.require(**need)), need


def test_outcomes_are_those_of_a_call(broker):
    with with_map(broker) as lib:
        user, admin = lib.create("1", roles=["USER"]).token, lib.create("2", roles=["ADMIN"]).token
        visitor, ended = lib.create("").token, lib.create("3", roles=["USER"]).token
        lib.logout(ended)
        needs = ({}, {"roles": ["USER"]}, {"roles": ["EDITOR"]}, {"roles": ["NOBODY"]}, {"roles": ["USER", "NOBODY"]}, {"level": 9},
                 {"max_auth_age_usec": 1}, {"flags": ALLOW_ANONYMOUS}, {"flags": ALLOW_ANONYMOUS, "roles": ["USER"]})
        for token in (user, admin, visitor, ended, user[5:], "SHOP:" + "A" * 64, "x" * 257, "a\0b", "\xff"):
            for need in needs:
                with Library(broker, "slow") as fresh:
                    expected = outcome(lambda: fresh.resolve(token, **need).user)
                assert outcome(lambda: lib.resolve(token, **need).user) == expected, (token, need)
        with Library(broker, "shop") as other, fails("NoSession"):
            other.resolve(user)


def test_R12_S04_what_changes_is_seen_by_the_very_next_resolve(broker):
    with with_map(broker) as lib, Library(broker, "slow") as other:
        for n in range(50):
            session = other.create("7", roles=["USER"])
            assert lib.resolve(session.token).roles == ["USER"]
            other.set_attributes(session.token, {"n": n, "text": "x" * (n * 10)})
            assert lib.resolve(session.token)["n"] == n
            other.set_user_roles("7", ["EDITOR"])
            assert lib.resolve(session.token).roles == ["EDITOR"]
            new = other.rotate(session.token)
            with fails("NoSession"):
                lib.resolve(session.token)
            assert lib.resolve(new.token).id == session.id
            if n % 3 == 0:
                other.revoke(session.id)
            elif n % 3 == 1:
                other.logout(new.token)
            else:
                assert other.revoke_user("7") == 1
            with fails("NoSession"):
                lib.resolve(new.token)


def test_S02_a_planted_token_is_dead_after_login_by_map(broker):
    with with_map(broker) as lib, Library(broker, "slow") as other:
        planted = other.create("").token
        assert lib.resolve(planted, flags=ALLOW_ANONYMOUS).user is None
        other.create("8", roles=["USER"], replace_token=planted)
        with fails("NoSession"):
            lib.resolve(planted, flags=ALLOW_ANONYMOUS)


def test_S03_the_idle_end_is_enforced_by_the_map_itself(broker):
    with with_map(broker, "shop", timeout=1) as lib:
        session = lib.create("1", roles=["USER"])
        with hung(broker):
            lib.resolve(session.token, flags=NO_TOUCH)
            end = lib.resolve(session.token, flags=NO_TOUCH).expires / 1e6
            while True:
                before = time.time()
                result = outcome(lambda: lib.resolve(session.token, flags=NO_TOUCH).user)
                after = time.time()
                if result != "1":
                    break
                assert before < end + 0.05
                time.sleep(0.01)
            assert result[0] == "NoSession" and after > end - 0.05


@pytest.mark.parametrize("pause", [0.002, 0.3, 0.9, 1.6])
def test_R5_a_session_in_steady_use_by_map_alone_stays(broker, pause):
    with with_map(broker, "shop") as lib, Library(broker, "shop") as other:
        tokens = [other.create(str(n), roles=["USER"]).token for n in range(3)]
        end, seen = time.monotonic() + 5, 0
        while time.monotonic() < end:
            for token in tokens:
                last_seen = lib.resolve(token).last_seen
            assert last_seen >= seen
            seen = last_seen
            time.sleep(pause)


def test_R5_a_touch_by_map_moves_the_end_for_everybody(broker):
    with with_map(broker, "shop") as lib, Library(broker, "shop") as other:
        session = other.create("1", roles=["USER"])
        before = other.get(session.id).last_seen
        time.sleep(0.6)
        seen = lib.resolve(session.token).last_seen
        assert seen >= before + 500000
        wait_until(lambda: other.get(session.id).last_seen >= seen, what="the touch")


def test_a_child_reads_on_and_touches_by_itself(broker):
    with with_map(broker, "shop") as lib:
        token = lib.create("1", roles=["USER"]).token
        assert lib.resolve(token).user == "1"
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                for _ in range(16):
                    time.sleep(0.2)
                    lib.resolve(token)
                status = 0
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert lib.resolve(token).user == "1"


def test_S06_a_right_that_is_taken_away_is_gone_with_the_next_resolve(broker, place):
    with with_map(broker) as lib:
        token = lib.create("1", roles=["USER"]).token
        assert lib.resolve(token).user == "1"
        if os.geteuid() == 0:
            place.policy("slow", POLICY["slow"].replace("Map=", "").replace("TokenPrefix=SHOP:", "TokenPrefix=X:"))
            broker.reload()
            with fails("NoSession"):
                lib.resolve(token)
            assert lib.resolve("X:" + token[5:]).user == "1"


def test_a_map_may_be_refused_and_nobody_notices(broker, place):
    place.policy("slow", POLICY["slow"].replace("Manage=*", "Manage=*\nMap=nobody"))
    broker.reload()
    with Library(broker, "slow") as lib:
        token = lib.create("1", roles=["USER"]).token
        for _ in range(3):
            assert lib.resolve(token).user == "1"


def test_L07_a_map_grows_below_its_readers(broker):
    with with_map(broker) as lib, Library(broker, "slow") as other:
        tokens, failures, over = [lib.create("first", roles=["USER"]).token], [], threading.Event()

        def resolve():
            while not over.is_set():
                for token in tokens[:1] + tokens[-20:]:
                    try:
                        lib.resolve(token)
                    except BaseException as error:
                        failures.append(error)
                        return

        threads = [threading.Thread(target=resolve) for _ in range(2)]
        for thread in threads:
            thread.start()
        for n in range(2500):
            tokens.append(other.create(f"u{n}", roles=["USER"], attributes={"text": "x" * (n % 700)}).token)
        over.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[0]
        for token in tokens:
            assert lib.resolve(token).roles == ["USER"]


def test_L03_without_room_a_map_says_that_it_is_incomplete(broker, place):
    place.settings("""
        [Map]
        MaxMemory=1M
        """)
    broker.restart()
    with with_map(broker) as lib:
        tokens = [lib.create(f"u{n}", roles=["USER"], attributes={"text": "x" * 1500}).token for n in range(1200)]
        for token in tokens:
            assert lib.resolve(token).roles == ["USER"]
        for n, token in enumerate(tokens[::7]):
            lib.set_attributes(token, {"n": n})
            assert lib.resolve(token)["n"] == n
            lib.logout(token)
            with fails("NoSession"):
                lib.resolve(token)


def test_L06_after_a_reload_readers_have_the_next_map_as_soon_as_it_is_filled(broker):
    with with_map(broker) as lib:
        token = [lib.create(f"u{i}") for i in range(3000)][0].token     # more than are moved at once
        broker.reload()

        def has_it():
            lib.resolve(token)
            return any(line.startswith("slow: ") and "1 readers" in line for line in lib.status()["Maps"])
        wait_until(has_it, timeout=3, what="a reader of the next map")
        with hung(broker):
            assert lib.resolve(token).user == "u0"


def test_an_operator_sees_the_maps(broker):
    def shown():
        return next((line for line in lib.status()["Maps"] if line.startswith("slow: ")), None)

    def typed():
        """The lines of `websessctl status`, one for each map: sessions, bytes, generation, readers."""
        lines = Ctl(broker)("status").fields["Maps"].split("\n")
        assert all(re.fullmatch(r"\w+: \d+ sessions, \d+ bytes, generation \d+, \d+ readers", line) for line in lines), lines
        return {line.split(":")[0]: [int(n) for n in re.findall(r"\d+", line)] for line in lines}

    with with_map(broker) as lib:
        lib.create("1", roles=["USER"])
        line = shown()
        with with_map(broker, "default") as second:
            second.create("2")
            maps = typed()
        assert maps["slow"][0] == maps["default"][0] == 1 and maps["slow"][3] == 1 and maps["slow"][1] > 0 and maps["slow"][2] > 0
        assert "1 sessions" in line and "generation " in line and "1 readers" in line
        with with_map(broker) as other:
            assert "2 readers" in shown()
            broker.reload()
            assert "0 readers" in shown()
            with fails("NoSession"):
                other.resolve("rubbish")
            assert "1 readers" in shown()
        wait_until(lambda: "0 readers" in shown(), what="the end of a reader")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another time namespace")
def test_S03_a_child_in_another_time_namespace_does_not_believe_a_map(broker):
    """There it is a week later: every session would have ended."""
    with with_map(broker, timeout=5) as lib:
        token = lib.create("1", roles=["USER"]).token
        assert lib.resolve(token).user == "1"
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                assert ctypes.CDLL(None).unshare(0x80) == 0
                with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
                    file.write("boottime 604800 0\n")
                grandchild = os.fork()
                if grandchild == 0:
                    with contextlib.suppress(BaseException):
                        for _ in range(3):
                            assert lib.resolve(token).user == "1"
                        status = 0
                    os._exit(status)
                status = os.waitpid(grandchild, 0)[1]
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert lib.resolve(token).user == "1"
