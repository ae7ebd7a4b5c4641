# SPDX-License-Identifier: MIT
"""Bad input: each is refused with a text that says which and why, changes nothing, and costs nobody else anything."""
import contextlib
import socket
import struct
import time

import pytest
from client import BusError, V, raises
from wire import message, pad, put

POLICY = {
    "shop": """
        [Service]
        MaxSessions=0
        [Roles]
        ADMIN=
        USER=
        """ + "".join(f"ROLE{i}=\n        " for i in range(40)),
    "carts": """
        [Service]
        Users=app
        """,
}
SETTINGS = """
    [PAM]
    FailureDelaySec=10ms
    """


def create(*, service="shop", user="inputs", roles=(), attributes=None, **options):
    return lambda c, t: c.CreateSession(service, user, list(roles), attributes or {}, options)


def login(*, service="default", user="alice", secret="correct horse", **options):
    return lambda c, t: c.Login(service, user, secret, options)


def set_attributes(values, unset=(), version=0):
    return lambda c, t: c.SetAttributes("shop", t, values, list(unset), version)


def resolve(**need):
    return lambda c, t: c.Resolve("shop", t, need)


BAD = {     # what: (call, what the text must hold)
    "user_257_bytes": (create(user="u" * 257), "user"),
    "user_257_bytes_login": (login(user="u" * 257), "user"),
    "user_257_bytes_in_utf8": (create(user="ü" * 128 + "u"), "257"),
    "user_empty": (create(user=""), "Anonymous="),
    "user_empty_login": (login(user=""), "user"),
    "user_control": (create(user="a\nb"), "control"),
    "user_del": (create(user="a\x7f"), "control"),
    "user_c1_control": (create(user="a\u0085"), "control"),
    "role_65_bytes": (create(roles=["R" * 65]), "role"),
    "role_65_bytes_need": (resolve(Roles=["R" * 65]), "role"),
    "role_control": (create(roles=["US\tER"]), "role"),
    "role_space": (create(roles=["US ER"]), "role"),
    "role_empty": (create(roles=[""]), "role"),
    "role_unknown": (create(roles=["USRE"]), 'no role "USRE"'),
    "role_unknown_need": (resolve(Roles=["USER", "USRE"]), 'no role "USRE"'),
    "roles_33": (create(roles=[f"ROLE{i}" for i in range(33)]), "33"),
    "roles_33_need": (resolve(Roles=[f"ROLE{i}" for i in range(33)]), "33"),
    "attributes_over_16_kib": (create(attributes={"a": "x" * 16384}), "16384"),
    "attributes_over_16_kib_in_parts": (create(attributes={f"a{i}": "x" * 4096 for i in range(4)}), "16384"),
    "attributes_over_16_kib_login": (login(Attributes={"a": "x" * 16384}), "16384"),
    "attributes_over_16_kib_list": (set_attributes({"a": ["x" * 100] * 170}), "16384"),
    "attributes_over_16_kib_set": (set_attributes({"a": "x" * 9000, "b": "x" * 9000}), "16384"),
    "attribute_of_struct": (create(attributes={"a": V("(ii)", (1, 2))}), "JSON"),
    "attribute_of_dict": (create(attributes={"a": V("a{ss}", {})}), "JSON"),
    "attribute_of_path": (create(attributes={"a": V("o", "/a")}), "JSON"),
    "attribute_beyond_int64": (create(attributes={"a": V("t", 1 << 63)}), "64 bits"),
    "attribute_name_empty": (create(attributes={"": 1}), "attribute"),
    "attribute_name_control": (create(attributes={"a\x01b": 1}), "control"),
    "attribute_name_too_long": (create(attributes={"n" * 5000: 1}), "attribute"),
    "token_257": (lambda c, t: c.Resolve("shop", "t" * 257, {}), "token"),
    "token_257_logout": (lambda c, t: c.Logout("shop", "t" * 257), "token"),
    "token_257_rotate": (lambda c, t: c.Rotate("shop", "t" * 257, {}), "token"),
    "token_257_set": (lambda c, t: c.SetAttributes("shop", "t" * 257, {}, [], 0), "token"),
    "token_257_replace": (create(ReplaceToken="t" * 257), "token"),
    "token_control": (lambda c, t: c.Resolve("shop", t + "\n", {}), "token"),
    "service_up": (create(service="../shop"), "service"),
    "service_dots": (create(service=".."), "service"),
    "service_dots_within": (create(service="a..b"), "service"),
    "service_slash": (create(service="a/b"), "service"),
    "service_hidden": (create(service=".shop"), "service"),
    "service_empty": (create(service=""), "service"),
    "service_control": (create(service="shop\n"), "service"),
    "service_too_long": (create(service="s" * 300), "service"),
    "service_slash_login": (login(service="../pam.d/x"), "service"),
    "service_slash_list": (lambda c, t: c.ListSessions({"Service": "a/b"}), "service"),
    "service_slash_revoke": (lambda c, t: c.RevokeUser("a/b", "inputs", {}), "service"),
    "secret_513": (login(secret="x" * 513), "secret"),
    "secret_empty": (login(secret=""), "secret"),
    "option_unknown": (create(RemoteHots="x"), '"RemoteHots"'),
    "option_unknown_login": (login(Rememer=True), '"Rememer"'),
    "option_unknown_need": (resolve(Rolls=["USER"]), '"Rolls"'),
    "option_unknown_filter": (lambda c, t: c.ListSessions({"Servise": "shop"}), '"Servise"'),
    "option_unknown_revoke": (lambda c, t: c.RevokeUser("shop", "x", {"Exept": "x"}), '"Exept"'),
    "option_unknown_rotate": (lambda c, t: c.Rotate("shop", t, {"Remember": True}), '"Remember"'),
    "option_of_another_place": (create(Attributes={}), '"Attributes"'),
    "option_of_another_place_login": (login(AuthTime=1), '"AuthTime"'),
    "option_type_string": (create(Level="1"), '"Level" has type u, not s'),
    "option_type_signed": (create(IdleUSec=V("x", 5)), '"IdleUSec" has type t, not x'),
    "option_type_width": (resolve(Level=V("t", 1)), '"Level" has type u, not t'),
    "option_type_list": (resolve(Roles="USER"), '"Roles" has type as, not s'),
    "option_type_bool": (resolve(NoTouch=V("u", 1)), '"NoTouch" has type b, not u'),
    "request_id_empty": (create(RequestId=""), "RequestId"),
    "request_id_too_long": (create(RequestId="r" * 129), "RequestId"),
    "remote_host_too_long": (create(RemoteHost="h" * 1000), "RemoteHost"),
    "remote_host_control": (create(RemoteHost="a\r\nX: y"), "RemoteHost"),
    "user_agent_too_long": (create(UserAgent="a" * 5000), "UserAgent"),
    "user_agent_control": (create(UserAgent="a\x1b[2J"), "UserAgent"),
    "auth_time_in_the_future": (create(AuthTime=(1 << 62)), "AuthTime"),
    "cursor_rubbish": (lambda c, t: c.ListSessions({"After": "rubbish"}), "id"),
    "except_rubbish": (lambda c, t: c.RevokeUser("shop", "x", {"Except": "rubbish"}), "id"),
    "touch_rubbish": (lambda c, t: c.Touch("shop", ["rubbish"]), "id"),
    "login_of_an_app_s_user": (login(service="carts"), "CreateSession"),
    "auth_method_control": (create(AuthMethods=["p\twd"]), "method"),
}
GOOD = {
    "user_256_bytes": create(user="u" * 256),
    "role_64_and_32_of_them": create(roles=[f"ROLE{i}" for i in range(32)]),
    "repeated_roles_count_once": create(roles=["USER"] * 100),
    "attributes_just_below_16_kib": create(attributes={"a": "x" * 16000}),
    "attributes_of_every_type": create(attributes={"b": True, "s": "ü", "d": 1.5, "ay": b"\0\xff", "as": ["a", ""], "y": V("y", 1), "n": V("n", -1),
                                                   "q": V("q", 1), "i": V("i", -1), "u": V("u", 1), "x": V("x", -2**63), "t": V("t", 2**63 - 1)}),
    "token_256": lambda c, t: pytest.raises(BusError, c.Resolve, "shop", "t" * 256, {}),
    "rubbish_to_replace": create(ReplaceToken="rubbish"),
    "longest_request_id": create(RequestId="r" * 128),
}


@pytest.fixture(scope="module")
def token(world):
    return world.caller().CreateSession("shop", "victim", [], {}, {})[0]


@pytest.mark.parametrize("what", BAD)
def test_S23_bad_input_is_refused(world, shared, token, what):
    call, text = BAD[what]
    count, version = shared.get("SessionCount"), shared.Resolve("shop", token, {})["Version"]
    with raises("InvalidArgument") as refused:
        call(shared, token)
    assert text in refused.value.text, refused.value.text
    assert token not in refused.value.text and "tttt" not in refused.value.text
    assert shared.get("SessionCount") == count and shared.Resolve("shop", token, {})["Version"] == version


@pytest.mark.parametrize("what", GOOD)
def test_S23_the_largest_input_is_taken(shared, token, what):
    GOOD[what](shared, token)


def test_S23_unknown_and_malformed_tokens_are_all_alike(world, shared, token):
    other, session = shared.CreateSession("carts", "victim", [], {}, {})
    ended, _ = shared.CreateSession("shop", "victim", [], {}, {})
    shared.Logout("shop", ended)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    texts = set()
    for bad in ("", "x", "ü", flipped, token[:-1], token + "A", "A" * 64, token[:32] + "=" * 32, ended, other, " " + token):
        with raises("NoSession") as refused:
            shared.Resolve("shop", bad, {})
        texts.add(refused.value.text)
    assert len(texts) == 1


# ---- what no library sends ----

BAD_WIRE = {
    "bad_utf8_user": ("CreateSession", "ssasa{sv}a{sv}", "shop", b"a\xff", [], {}, {}),
    "bad_utf8_overlong": ("CreateSession", "ssasa{sv}a{sv}", "shop", b"a\xc0\xaf", [], {}, {}),
    "bad_utf8_surrogate": ("CreateSession", "ssasa{sv}a{sv}", "shop", b"\xed\xa0\x80", [], {}, {}),
    "bad_utf8_token": ("Resolve", "ssa{sv}", "shop", b"\xff" * 64, {}),
    "bad_utf8_attribute": ("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [], {"a": ("s", b"\xfe")}, {}),
    "bad_utf8_option": ("Resolve", "ssa{sv}", "shop", "x", {b"\xff": ("b", True)}),
    "embedded_nul_user": ("CreateSession", "ssasa{sv}a{sv}", "shop", b"root\0x", [], {}, {}),
    "embedded_nul_token": ("Logout", "ss", "shop", b"t\0t"),
    "embedded_nul_role": ("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [b"AD\0MIN"], {}, {}),
}


@pytest.mark.parametrize("bus", [False, True], ids=["private", "bus"])
@pytest.mark.parametrize("what", BAD_WIRE)
def test_S23_malformed_strings_are_refused(world, token, what, bus):
    """An error, or (a bus daemon's way) the end of the sender's connection; nothing begins and nobody else notices."""
    count = world.caller().get("SessionCount")
    with world.wire(bus=bus) as wire:
        member, signature, *values = BAD_WIRE[what]
        with contextlib.suppress(EOFError, ConnectionError):
            with raises("InvalidArgument"):
                wire.call(member, signature, *values)
    assert world.caller().get("SessionCount") == count
    world.caller().Resolve("shop", token, {})


def test_S23_an_option_may_not_hide_behind_its_twin(world, shared, token):
    with world.wire() as wire:
        try:
            session, = wire.call("Resolve", "ssa{sv}", "shop", token, [("Roles", ("as", ["ADMIN"])), ("Roles", ("as", []))])
        except BusError as error:
            assert error.name in ("InvalidArgument", "Forbidden")
        else:
            raise AssertionError("the second Roles took the first one's place")


def test_S23_attribute_given_twice(world):
    with world.wire() as wire, raises("InvalidArgument"):
        wire.call("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [], [("a", ("x", 1)), ("a", ("x", 2))], {})


def closed(wire, within=5):
    """Wait until the broker hangs up."""
    end = time.monotonic() + within
    wire.socket.settimeout(within)
    with contextlib.suppress(ConnectionError):
        while wire.socket.recv(65536):
            assert time.monotonic() < end
    return True


def test_S23_a_message_over_256_kib_costs_the_connection(world):
    with world.wire() as wire:
        with contextlib.suppress(ConnectionError):
            wire.send("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [], {"a": ("s", "x" * 270000)}, {})
        assert closed(wire)
    with world.wire() as wire:          # announced only: refused by its head
        wire.socket.sendall(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 1 << 27, 2, 0))
        assert closed(wire)
    with world.wire() as wire:          # just below: an answer, and the connection goes on
        for size in (250_000, 70_000, 60_000):
            with raises("InvalidArgument"):
                wire.call("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [], {"a": ("s", "x" * size)}, {})
        assert wire.call("Get", "ss", "org.websess1.Manager", "Version", interface="org.freedesktop.DBus.Properties")


def test_S23_the_longest_call_that_can_be_meant_is_taken(world):
    """As many attributes, of as many bytes, and as many names to forget as there may be: all within what a call may have."""
    keys = [f"{i:0128}" for i in range(256)]
    with world.wire() as wire:
        token, _ = wire.call("CreateSession", "ssasa{sv}a{sv}", "shop", "wire", [], {}, {})
        version, = wire.call("SetAttributes", "ssa{sv}ast", "shop", token, {f"{i:03}": ("s", "x" * 57) for i in range(256)}, keys, 0)
        assert version == 2
        wire.call("SetAttributes", "ssa{sv}ast", "shop", token, {"list": ("as", ["x"] * 5000)}, [f"{i:03}" for i in range(256)], version)
        session, = wire.call("Resolve", "ssa{sv}", "shop", token, {})
        assert session["Attributes"] == {"list": ["x"] * 5000}


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_S23_half_sent_messages_do_not_cost_the_broker_its_memory(world):
    before = resident(world.broker.pid)
    wires = [world.wire() for _ in range(100)]
    data = message(2, "CreateSession", "ssasa{sv}a{sv}", ("shop", "wire", [], {"a": ("s", "x" * 250000)}, {}))
    for wire in wires:
        wire.socket.sendall(data[:-1])
    assert world.caller().get("Version")
    assert resident(world.broker.pid) - before < 60000, "KiB"
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, b"\0AUTH ANONYMOUS\r\nBEGIN\r\n", b"\0BEGIN\r\n" + b"l" * 64],
                         ids=["http", "zeros", "anonymous", "begin"])
def test_S23_rubbish_instead_of_a_handshake(world, data):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(10)
        s.connect(str(world.broker.socket_path))
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while answer := s.recv(4096):
                assert not answer.startswith(b"OK")
    assert world.caller().get("Version")


def test_S23_a_wrong_uid_in_the_handshake_is_nobody(world):
    """What the caller says of itself counts for nothing: the kernel's word does."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(10)
        s.connect(str(world.broker.socket_path))
        s.sendall(b"\0AUTH EXTERNAL " + b"12345".hex().encode() + b"\r\n")
        assert not s.recv(4096).startswith(b"OK")


@pytest.mark.needs_root
def test_S23_the_sender_field_is_ignored(world):
    forged = bytearray(struct.pack("<BBBBII", ord("l"), 1, 0, 1, 0, 2))
    put(forged, "a(yv)", [(1, ("o", "/org/websess1")), (2, ("s", "org.websess1.Manager")), (3, ("s", "Reload")), (6, ("s", "org.websess1")),
                          (7, ("s", ":1.1"))])
    pad(forged, 8)
    with world.wire("games") as wire:
        wire.serial = 2
        wire.socket.sendall(forged)
        with raises("AccessDenied"):
            wire.take(2)
