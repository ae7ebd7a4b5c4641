# SPDX-License-Identifier: MIT
"""The file of metrics: read by Prometheus' own parser, whole at every moment, right, and without a word about anybody."""
import contextlib
import os
import re
import signal

import pytest
from client import BusError, Client, raises
from conversation import begin
from prometheus_client.parser import text_string_to_metric_families
from world import BROKER_UID, IS_ROOT, Broker, wait_until


def settings(place, file, interval="20ms", more=""):
    place.settings(f"""
        [Metrics]
        File={file}
        IntervalSec={interval}
        [PAM]
        FailureDelaySec=1ms
        """ + more)


@pytest.fixture
def place(place):
    place.prom = place.run / "metrics.prom"
    settings(place, place.prom)
    return place


def parse(text):
    """{(name, label value or None): value}, of a text that is whole and well formed."""
    assert text.endswith("\n")
    values, families = {}, []
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        families.append(family.name)
        for sample in family.samples:
            assert set(sample.labels) <= {"version", "service", "result", "reason", "right", "resource", "le"}, sample
            key = sample.name, next(iter(sample.labels.values()), None)
            assert key not in values, key
            values[key] = sample.value
    assert len(set(families)) == len(families) > 30
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert re.fullmatch("websess_[a-z_]+", name) and name.endswith("_total") == (kind == "counter"), line
    return values


def read(place):
    return parse(place.prom.read_text())


def wait_for(place, name, label, value):
    wait_until(lambda: place.prom.exists() and read(place).get((name, label)) == value, what=f"{name} {label} {value}")
    return read(place)


def check_histogram(values, name):
    bounds = sorted(((float(label), v) for (n, label), v in values.items() if n == f"{name}_bucket"), key=lambda b: b[0])
    counts = [count for _, count in bounds]
    assert bounds[-1][0] == float("inf") and counts == sorted(counts) and counts[-1] == values[f"{name}_count", None]
    return values[f"{name}_count", None], values[f"{name}_sum", None]


def test_what_was_done_is_counted(place, broker, caller):
    root = caller()
    tokens = [root.CreateSession("default", "zaphod", ["USER"], {}, {})[0] for i in range(4)]
    root.Logout("default", tokens[0])
    assert root.RevokeUser("default", "zaphod", {}) == 3
    token, _ = root.Login("default", "alice", "correct horse", {"RemoteHost": "192.0.2.77"})
    for _ in range(2):
        with raises("AuthenticationFailed"):
            root.Login("default", "alice", "wrong", {})
    begin(root, "default", "alice", {})
    for _ in range(5):
        root.Resolve("default", token, {})
    with raises("NoSession"):
        root.Resolve("default", tokens[0], {})
    with raises("Forbidden"):
        root.Resolve("default", token, {"Roles": ["ADMIN"]})

    values = wait_for(place, "websess_resolves_total", "Forbidden", 1)
    assert values["websess_resolves_total", "success"] == 5 and values["websess_resolves_total", "NoSession"] == 1
    assert values["websess_logins_total", "success"] == 1 and values["websess_logins_total", "AuthenticationFailed"] == 2
    assert values["websess_conversations_total", None] == 1
    assert values["websess_sessions", "default"] == 1 and values["websess_store_records", None] == 1
    assert values["websess_sessions_begun_total", None] == 5
    assert values["websess_sessions_ended_total", "logout"] == 1 and values["websess_sessions_ended_total", "revoked"] == 3
    assert values["websess_healthy", None] == values["websess_build_info", root.get("Version")] == 1
    assert values["websess_start_time_seconds", None] == root.get("Started") // 1_000_000
    assert values["websess_throttle_buckets", None] >= 1 and values["websess_throttle_buckets_full", None] == 0
    assert values["websess_connections", None] >= 1

    logins, seconds = check_histogram(values, "websess_login_duration_seconds")
    assert logins == 3 and 0 < seconds < 60
    commits, seconds = check_histogram(values, "websess_store_commit_duration_seconds")
    assert commits >= 6 and 0 < seconds < 60
    assert check_histogram(values, "websess_store_commit_changes")[1] >= commits
    assert 0 < values["websess_store_used_bytes", None] <= values["websess_store_file_bytes", None] < values["websess_store_max_bytes", None]


@pytest.mark.needs_root
def test_denials_and_quotas_are_counted(place, broker, caller):
    settings(place, place.prom, more="[Limits]\nMaxConnectionsPerUser=3\n")
    broker.reload()
    games = caller("games")
    for _ in range(2):
        with raises("AccessDenied"):
            games.CreateSession("default", "x", [], {}, {})
    with raises("AccessDenied"):
        games.RevokeAll("default")
    with raises("AccessDenied"):
        games.Reload()
    with raises("AccessDenied"):
        games.RevokeUser("default", "alice", {})
    caller("games"), caller("games")
    with pytest.raises(BusError):
        caller("games")
    values = wait_for(place, "websess_denials_total", "root", 1)
    assert values["websess_denials_total", "Create"] == 2 and values["websess_denials_total", "Manage"] == 2
    assert values["websess_denials_total", "Login"] == 0
    wait_for(place, "websess_quota_refusals_total", "connections", 1)


@pytest.mark.policy(shop="[Roles]\nUSER=*\n[Access]\nLogin=*\nResolve=*\n")
def test_S22_nobody_is_named(place, broker, caller):
    root = caller()
    token, session = root.Login("shop", "alice", "correct horse", {"RemoteHost": "192.0.2.77", "UserAgent": "Marvin/1"})
    root.Resolve("shop", token, {})
    with raises("AuthenticationFailed"):
        root.Login("shop", "trillian", "wrong", {"RemoteHost": "192.0.2.78"})
    wait_for(place, "websess_sessions", "shop", 1)
    text = place.prom.read_text()
    for secret in ("alice", "trillian", "192.0.2", "Marvin", token, token[:20], session["Id"], session["Id"][:12]):
        assert secret not in text
    assert place.prom.stat().st_mode & 0o777 == 0o644


def test_whole_at_every_moment(place, broker, caller):
    settings(place, place.prom, "1ms")
    broker.reload()
    wait_until(place.prom.exists)
    root = caller()
    seen, inodes = 0, set()
    while len(inodes) < 20 or seen < 100:
        with place.prom.open() as file:
            inodes.add(os.fstat(file.fileno()).st_ino)
            text = file.read()
        assert text.startswith("# HELP websess_build_info") and "\nwebsess_store_reserved " in text and text.endswith("\n")
        seen += 1
        root.get("Version")
    parse(text)


def test_switched_off_moved_and_taken_away(place, broker):
    wait_until(place.prom.exists)
    other = place.run / "other.prom"
    settings(place, other)
    broker.reload()
    wait_until(other.exists)
    assert not place.prom.exists()
    place.settings("")
    broker.reload()
    assert not other.exists() and not list(place.run.glob("*.prom*"))
    settings(place, place.prom)
    broker.reload()
    wait_until(place.prom.exists)
    broker.stop()
    assert not place.prom.exists(), "what it said is not true any more"


def test_off_unless_asked_for(place, bus):
    place.settings("")
    broker = Broker(place, bus).start()
    before = set(place.run.iterdir())
    with contextlib.closing(Client(broker.address)) as client:
        client.get("Version")
    assert set(place.run.iterdir()) == before
    broker.close()


def test_a_file_that_cannot_be_written_is_said_once(place, broker, caller):
    settings(place, "/nonexistent/websess.prom", "1ms")
    broker.reload()
    wait_until(lambda: "Cannot write the metrics to /nonexistent/websess.prom (File= in [Metrics]): No such file" in broker.log)
    root = caller()
    for _ in range(50):
        root.get("Version")
    assert broker.log.count("Cannot write the metrics") == 1
    place.settings("[Metrics]\nFile=relative.prom\n")
    with raises("InvalidArgument") as refused:
        root.Reload()
    assert "absolute path" in refused.value.text


def test_a_disk_that_hangs_holds_nobody_up(place, broker, caller):
    """A pipe in the place of the file to be written: opening it waits for a reader."""
    slow = place.run / "slow.prom"
    fifo = place.run / "slow.prom.new"
    os.mkfifo(fifo)
    if IS_ROOT:
        os.chown(fifo, BROKER_UID, BROKER_UID)
    settings(place, slow)
    broker.reload()
    root = caller()
    for i in range(100):
        root.CreateSession("default", f"user{i}", [], {}, {})
    assert not slow.exists()
    reader = os.open(fifo, os.O_RDONLY)
    wait_until(lambda: slow.exists() and slow.is_file())
    os.close(reader)


def test_after_a_kill_the_next_broker_writes_its_own(place, broker, caller):
    caller().CreateSession("default", "a", [], {}, {})
    wait_for(place, "websess_sessions_begun_total", None, 1)
    broker.restart(signal.SIGKILL)
    values = wait_for(place, "websess_sessions_begun_total", None, 0)
    assert values["websess_sessions", "default"] == 1
