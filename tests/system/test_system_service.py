# SPDX-License-Identifier: MIT
"""websess among other services: known by their units, restarted by the watchdog, installed anew under load, free of anybody's environment."""
import re
import threading

import pytest
from conftest import PASSWORDS
from prometheus_client.parser import text_string_to_metric_families
from machine import BUILD, ROOT, SOURCE, wait_until

ACCESS_DENIED = 17
UNITS = """\
[Roles]
USER=
[Access]
Create=unit:teller.service
Resolve=unit:teller.service
"""


@pytest.fixture
def policy(machine, ctl):
    """policy(name, text): another service, until the test ends."""
    names = []

    def write(name, text):
        names.append(name)
        machine.write(f"/etc/websess/services.d/{name}.conf", text)
        ctl("reload")

    yield write
    for name in names:
        ctl("revoke-all", name)
        machine.run("rm", f"/etc/websess/services.d/{name}.conf")
    ctl("reload")


def in_unit(machine, unit, *command, input="", check=True):
    return machine.run("systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={unit}", "--uid=mallory", *command, input=input, check=check)


def test_a_unit_may_what_its_rule_says_and_no_other(machine, ctl, policy):
    policy("units", UNITS)
    token = in_unit(machine, "teller.service", "websessctl", "--quiet", "create", "units", "alice", "--role=USER").stdout.strip()
    said = in_unit(machine, "teller.service", "websessctl", "--json=short", "resolve", "units", input=token).stdout
    assert '"CreatorUnit":"teller.service"' in re.sub(r'": "', '":"', said)
    for unit in ("cashier.service", "teller.service.service", "teller.scope.service"):
        assert in_unit(machine, unit, "websessctl", "resolve", "units", input=token, check=False).returncode == ACCESS_DENIED
    # The same user, in no service.
    denied = machine.run("websessctl", "resolve", "units", input=token, user="mallory", check=False)
    assert denied.returncode == ACCESS_DENIED and "lacks Resolve" in denied.stderr


def test_a_unit_without_a_rule_is_refused_over_the_bus_too(machine, policy):
    policy("units", UNITS)
    call = ["busctl", "call", "org.websess1", "/org/websess1", "org.websess1.Manager", "CreateSession", "ssasa{sv}a{sv}", "units", "alice", "0", "0", "0"]
    assert in_unit(machine, "cashier.service", *call, check=False).returncode != 0


def test_metrics_leave_the_sandbox(machine, ctl):
    """Into the folder that is there for them, for every user to read; whoever looks in it finds the file and nothing half written."""
    machine.run("mkdir", "-p", "/etc/websess/websess.conf.d")
    machine.write("/etc/websess/websess.conf.d/metrics.conf", "[Metrics]\nFile=/run/websess/metrics/websess.prom\nIntervalSec=1s\n")
    ctl("reload")
    try:
        wait_until(lambda: machine.run("test", "-e", "/run/websess/metrics/websess.prom", check=False).returncode == 0)
        text = machine.run("cat", "/run/websess/metrics/websess.prom", user="mallory").stdout
        families = {f.name: f for f in text_string_to_metric_families(text)}
        assert families["websess_healthy"].samples[0].value == 1 and families["websess_store_commit_duration_seconds"].type == "histogram"
        assert machine.run("stat", "-c", "%U %a", "/run/websess/metrics", "/run/websess/metrics/websess.prom").stdout.split() == ["websess", "755", "websess", "644"]
    finally:
        machine.run("rm", "-r", "/etc/websess/websess.conf.d")
        ctl("reload")
    assert machine.run("ls", "/run/websess/metrics").stdout == ""


@pytest.fixture
def short_watchdog(machine):
    machine.write("/run/systemd/system/websessd.service.d/watchdog.conf", "[Service]\nWatchdogSec=1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "websessd.service")
    yield
    machine.run("rm", "-r", "/run/systemd/system/websessd.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "websessd.service")


def test_L06_the_watchdog_restarts_a_hung_broker_and_requests_wait(machine, short_watchdog, ctl, token):
    hung = machine.show("websessd.service", "MainPID")
    machine.run("systemctl", "kill", "--signal=STOP", "--kill-who=main", "websessd.service")
    assert "alice" in ctl("resolve", "shop", input=token, user="shopd")
    assert machine.show("websessd.service", "MainPID") != hung
    assert machine.show("websessd.service", "NRestarts") == "1"
    assert "Watchdog timeout" in machine.journal("_PID=1", "UNIT=websessd.service", "-n", "20", "--output=cat")


# A daemon that keeps its handle. It says how many requests it has had, and which failed.
DAEMON = """
import ctypes, sys
lib = ctypes.CDLL("libwebsess.so.1")
lib.websess_resolve.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
handle, session, token = ctypes.c_void_p(), ctypes.c_void_p(), sys.stdin.readline().strip().encode()
assert lib.websess_open(ctypes.byref(handle), b"shop", ctypes.c_uint64(60000000)) == 0
assert lib.websess_session_new(ctypes.byref(session)) == 0
print("ready", flush=True)
count, failed = 0, []
import select
while not select.select([sys.stdin], [], [], 0)[0]:
    r = lib.websess_resolve(handle, token, len(token), None, session)
    count += 1
    if r:
        failed.append(r)
print(count, failed)
"""


def test_L05_installing_anew_under_load_fails_no_request_and_no_login(machine, ctl, token):
    failures, done, counts = [], threading.Event(), [0] * 2
    daemon = machine.start("/usr/bin/python3", "-c", DAEMON, user="shopd", stdin=-1, stdout=-1)
    daemon.stdin.write(token + "\n")
    daemon.stdin.flush()
    assert daemon.stdout.readline() == "ready\n"

    def load(number, *command, input):
        while not done.is_set():
            result = machine.run(*command, input=input, user="shopd", check=False)
            counts[number] += 1
            if result.returncode != 0:
                failures.append(result.stderr)

    threads = [threading.Thread(target=load, args=(0, "websessctl", "login", "shop", "bob"), kwargs={"input": PASSWORDS["bob"]}),
               threading.Thread(target=load, args=(1, "websessctl", "resolve", "shop"), kwargs={"input": token})]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            start = list(counts)
            machine.run("make", "-C", SOURCE, "install", f"BUILD={BUILD.relative_to(ROOT)}")
            machine.run("systemctl", "restart", "websessd.service")
            wait_until(lambda: all(now > was for now, was in zip(counts, start)), what="a request of everybody")
    finally:
        done.set()
        for thread in threads:
            thread.join()
        said, _ = daemon.communicate("end\n", timeout=60)
    assert not failures, failures[:3]
    count, failed = said.split(maxsplit=1)
    assert int(count) > 100 and failed.strip() == "[]"


def test_S14_nothing_of_anybodys_environment_reaches_pam(machine, ctl, policy):
    module = f"{SOURCE}/{BUILD.relative_to(ROOT)}/tests/pam_told.so"
    machine.write("/etc/pam.d/websess-env", f"auth required {module} environment secret:Password:=word\naccount required pam_permit.so\n")
    policy("env", "[Service]\nPAMService=websess-env\n[Access]\nLogin=shopd\n")
    machine.run("systemctl", "set-environment", "FROM_THE_MANAGER=1", "LD_LIBRARY_PATH=/tmp")
    try:
        machine.run("systemctl", "restart", "websessd.service")
        machine.run("env", "FROM_THE_CALLER=1", "LD_PRELOAD=", "websessctl", "login", "env", "alice", input="word", user="shopd")
    finally:
        machine.run("systemctl", "unset-environment", "FROM_THE_MANAGER", "LD_LIBRARY_PATH")
        machine.run("systemctl", "restart", "websessd.service")
