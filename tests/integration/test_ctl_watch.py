# SPDX-License-Identifier: MIT
"""watch: sessions as they begin and end."""
import json

import pytest

from ctl import Ctl, is_id, read_line

SHOP = "[Service]\nUsers=app\n[Access]\nResolve=irc\n"
pytestmark = [pytest.mark.policy(shop=SHOP, mail=SHOP)]


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


@pytest.fixture
def watch(ctl):
    made = []

    def start(*arguments):
        made.append(ctl.start("watch", *arguments))
        return made[-1]

    yield start
    for process in made:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def test_sessions_begin_and_end(ctl, watch):
    process = watch("--limit=4")
    assert read_line(process).split() == ["TIME", "EVENT", "ID", "SERVICE", "USER", "REASON"]
    ids = []
    for verb in ("revoke", "logout"):
        session = ctl("create", "--json=short", "shop", "alice").json
        ids.append(session["Id"])
        if verb == "revoke":
            ctl("revoke", session["Id"])
        else:
            ctl("logout", "shop", input=session["Token"])
    out, _ = process.communicate(timeout=30)
    lines = [line.split()[4:] for line in out.decode().splitlines() if "watching" not in line]
    assert lines == [["new", ids[0], "shop", "alice", "-"], ["removed", ids[0], "shop", "alice", "revoked"],
                     ["new", ids[1], "shop", "alice", "-"], ["removed", ids[1], "shop", "alice", "logout"]]
    assert process.returncode == 0


def test_json_lines_and_filters(ctl, watch):
    process = watch("--json=short", "--service=mail", "--user=bob", "-n1")
    assert json.loads(read_line(process))["Event"] == "watching"
    for service, user in (("shop", "bob"), ("mail", "alice"), ("mail", "bob")):
        ctl("create", "-q", service, user)
    event = json.loads(read_line(process))
    assert is_id(event["Id"]) and event["Time"] > 0
    assert (event["Event"], event["Service"], event["User"]) == ("new", "mail", "bob")
    assert process.wait(30) == 0


def test_a_restart_is_told(ctl, watch, broker):
    process = watch("--json=short")
    assert json.loads(read_line(process))["Event"] == "watching"
    broker.restart()
    assert json.loads(read_line(process))["Event"] == "lost"
    assert json.loads(read_line(process))["Event"] == "watching"
    ctl("create", "-q", "shop", "alice")
    assert json.loads(read_line(process))["Event"] == "new"


@pytest.mark.needs_root
def test_S20_an_unprivileged_watcher_is_told_nothing(ctl, broker):
    process = Ctl(broker, "games").start("watch")
    assert read_line(process).startswith("TIME")
    ctl("create", "-q", "shop", "alice")
    ctl("revoke-all", "shop")
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert b"alice" not in out
