# SPDX-License-Identifier: MIT
"""What lets anybody in is told to its holder alone: many tokens, all different, and none of them in what the broker leaves behind."""
import base64
import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from client import BusError, raises

MANY = 100_000
MATRIX = next(iter(Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so")), None)
POLICY = {"many": "[Service]\nUsers=app\nMaxSessions=0\n"}
SETTINGS = """
    [PAM]
    FailureDelaySec=10ms
    """


def make(wires, many, window=100):
    """Tokens of that many new sessions. All connections have some calls under way at once, so that many share a commit."""
    tokens = []
    while len(tokens) < many:
        asked = [(wire, wire.send("CreateSession", "ssasa{sv}a{sv}", "many", f"u{i}", [], {}, {})) for i in range(window) for wire in wires]
        for wire, serial in asked:
            body = wire.body(serial)
            tokens.append(body[4:4 + int.from_bytes(body[:4], "little")].decode())
    return tokens


def words(data):
    """Every run of 8 bytes in it, wherever it stands, as one set for each alignment."""
    for offset in range(8):
        yield memoryview(data)[offset:offset + (len(data) - offset) // 8 * 8].cast("Q")


def found(needles, data):
    """Which of the needles (8 bytes each) are somewhere in data."""
    wanted = {int.from_bytes(n, "little") for n in needles}
    return set().union(*(wanted.intersection(view) for view in words(data)))


@pytest.mark.needs_root
def test_S01_tokens_are_unique_and_left_nowhere(world):
    with tempfile.TemporaryFile() as backup:
        wire, *others = wires = [world.wire() for _ in range(10)]
        tokens = make(wires, MANY)
        assert len(set(tokens)) == MANY and {len(t) for t in tokens} == {64}
        raw = [base64.urlsafe_b64decode(t) for t in tokens]
        secrets = [r[16:] for r in raw]
        assert len({r[:16] for r in raw}) == MANY == len(set(secrets)) == len({s[:8] for s in secrets})
        bits = sum(int.from_bytes(s, "big").bit_count() for s in secrets) / (MANY * 256)
        assert abs(bits - 0.5) < 0.001
        for token in tokens[:100]:
            wire.call("Logout", "ss", "many", token)
            with raises("NoSession"):
                wire.call("Resolve", "ssa{sv}", "many", token, {})
        wire.call("Backup", "h", 0, fds=[backup.fileno()])
        backup.seek(0)
        left = {"database": (world.place.state / "sessions.mdb").read_bytes(), "backup": backup.read(), "log": world.broker.log.encode()}
    hashes = [hashlib.sha256(s).digest()[:8] for s in secrets[100:]]
    for what, data in left.items():
        assert not found([s[:8] for s in secrets], data), f"secrets in the {what}"
        assert not found([t[24:32].encode() for t in tokens], data), f"tokens in the {what}"
    for what in ("database", "backup"):         # and the search does find what is there
        assert len(found(hashes, left[what])) == len(hashes)


def test_S22_refused_tokens_and_passwords_are_not_logged(world):
    root = world.caller()
    token, session = root.CreateSession("many", "log", [], {}, {})
    for call in (lambda: root.Resolve("default", token, {}), lambda: root.Rotate("many", token[:-1] + "!", {}),
                 lambda: root.Login("default", "alice", "a-secret-that-was-wrong", {})):
        with pytest.raises(BusError) as refused:
            call()
        assert token[22:] not in refused.value.text and "a-secret" not in refused.value.text
    root.Logout("many", token)
    assert session["Id"] in world.broker.log, "logged by its id"
    assert token[22:60] not in world.broker.log and "a-secret" not in world.broker.log


# ---- passwords ----

GOOD = {"one byte": "x", "space": " ", "spaces": "  both ends  ", "controls": "tab\tand\nnewline", "umlauts": "pässwörd", "emoji": "🔑🔑",
        "not normalised": "e\u0301é", "shell": "%s$(reboot)'\"\\", "colon": "a:b", "511": "y" * 511, "511 of UTF-8": "é" * 255 + "x"}


@pytest.mark.parametrize("what", GOOD)
def test_S10_passwords_pass_as_received(world, shared, what):
    """libcrypt takes 511 bytes; 512 go through another module below."""
    world.place.user("carol", GOOD[what])
    assert shared.Login("default", "carol", GOOD[what], {})[1]["User"] == "carol"
    for wrong in (GOOD[what] + "x", GOOD[what][:-1], GOOD[what].swapcase(), GOOD[what].strip()):
        if wrong not in ("", GOOD[what]) and len(wrong.encode()) < 512:
            with raises("AuthenticationFailed"):
                shared.Login("default", "carol", wrong, {})


@pytest.mark.skipif(MATRIX is None, reason="needs libpam-wrapper")
@pytest.mark.parametrize("secret", ["y" * 512, "é" * 256], ids=["512", "512 of UTF-8"])
def test_S10_longest_password(world, shared, secret):
    file = world.place.path / "matrix"
    file.write_text(f"carol:{secret}:long\n")
    world.place.pam_service("long", "".join(f"{kind} required {MATRIX} passdb={file}\n" for kind in ("auth", "account")))
    world.place.policy("long", "[Service]\nPAMService=long\n")
    world.broker.reload()
    assert shared.Login("long", "carol", secret, {})[1]["User"] == "carol"
    with raises("AuthenticationFailed"):
        shared.Login("long", "carol", secret[:-1] + "x", {})
    with raises("InvalidArgument") as refused:
        shared.Login("long", "carol", secret + "y", {})
    assert "513" in refused.value.text


def test_S10_of_a_password_nothing_is_left_in_the_environment(world):
    """The helper's arguments and environment are for everybody to see."""
    world.caller().Login("default", "alice", "correct horse", {})
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{process}/exe") == str(world.place.bin / "websess-pam"):
                assert b"horse" not in Path(f"/proc/{process}/cmdline").read_bytes()
                assert b"horse" not in Path(f"/proc/{process}/environ").read_bytes()
        except OSError:
            continue
