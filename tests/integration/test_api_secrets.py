# SPDX-License-Identifier: MIT
"""What lets anybody in is told to its holder alone: many tokens, all different, and none of them in what the broker leaves behind."""
import base64
import hashlib
import os
import socket
from pathlib import Path

import pytest
from client import BusError, raises
from figures import leave, wanted
from many import find, make
from world import SANITIZED

MANY = wanted("TOKENS", 100_000)
MATRIX = next(iter(Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so")), None)
POLICY = {"many": "[Service]\nUsers=app\nMaxSessions=0\n[Access]\nMap=root\n"}
SETTINGS = """
    [PAM]
    FailureDelaySec=10ms
    """


@pytest.mark.needs_root
def test_S01_tokens_are_unique_and_left_nowhere(world, tmp_path):
    """Not in the database nor in a backup, not in the map, not in the log, and not in the broker's memory, of which a core would be a copy
    (it writes none: test_secrets.py). Where the hashes of the secrets are found, the search is proven to work."""
    tokens = make(world.broker.socket_path, "many", MANY)
    assert len(tokens) == MANY == len(set(tokens)) and {len(t) for t in tokens} == {64}
    raw = [base64.urlsafe_b64decode(t) for t in tokens]
    secrets = [r[16:] for r in raw]
    assert len({r[:16] for r in raw}) == MANY == len(set(secrets)) == len({s[:8] for s in secrets})
    bits = sum(int.from_bytes(s, "big").bit_count() for s in secrets) / (MANY * 256)
    assert abs(bits - 0.5) < 0.001
    with world.wire() as wire, open(tmp_path / "backup", "wb") as backup:
        for token in tokens[:100]:
            wire.call("Logout", "ss", "many", token)
            with raises("NoSession"):
                wire.call("Resolve", "ssa{sv}", "many", token, {})
        for token in tokens[100:200]:
            assert wire.call("Resolve", "ssa{sv}", "many", token, {})[0]["User"][0] == "u"
        wire.call("Backup", "h", 0, fds=[backup.fileno()])
        wire.send("OpenMap", "s", "many")
        _, (map_fd,), _, _ = socket.recv_fds(wire.socket, 65536, 4)
    files = {"database": world.place.state / "sessions.mdb", "backup": tmp_path / "backup", "map": f"/proc/self/fd/{map_fd}",
             "log": world.broker.log_path}
    if not SANITIZED:                   # whose shadow memory is as large as the address space
        files["memory"] = f"/proc/{world.broker.pid}/mem"
    parts = [s[:8] for s in secrets] + [s[-8:] for s in secrets] + [t[24:32].encode() for t in tokens] + [t[-8:].encode() for t in tokens]
    assert find(tmp_path, parts, files, [map_fd]) == dict.fromkeys(files, 0)
    hashes = [hashlib.sha256(s).digest()[:8] for s in secrets[100:]]
    assert find(tmp_path, hashes, files, [map_fd]) == dict.fromkeys(files, len(hashes)) | {"log": 0}
    os.close(map_fd)
    leave("tokens", tokens=MANY)


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
