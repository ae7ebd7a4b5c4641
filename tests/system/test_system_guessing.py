# SPDX-License-Identifier: MIT
"""Guessing at real accounts, by real PAM: what it tells, what it costs, and how the throttle and pam_faillock go together."""
import json
import statistics
import time

import pytest
from machine import Failed
from test_system_conversation import talk  # noqa: F401

AUTHENTICATION_FAILED, TOO_MANY = 14, 21
HERE, THERE = "192.0.2.1", "192.0.2.2"

UNSLOWED = """\
[PAM]
FailureDelaySec={}ms
[Throttle]
UserHostFailures=0
HostFailures=0
UserFailures=0
CallerFailures=0
"""
# pam_unix asks for two seconds after each guess; what tests here are about takes place before.
QUICK = """\
auth required pam_unix.so nodelay
account required pam_unix.so
"""
LOCKING = """\
auth required pam_faillock.so preauth silent deny={deny} unlock_time=600
auth [success=1 default=bad] pam_unix.so nodelay
auth [default=die] pam_faillock.so authfail deny={deny} unlock_time=600
account required pam_faillock.so
account required pam_unix.so
"""


def throttle(failures):
    """What drains is not to depend on how long tests take."""
    return f"[PAM]\nFailureDelaySec=1ms\n[Throttle]\nUserHostFailures={failures}\nUserHostRecoverSec=1h\n"


@pytest.fixture
def quick(machine):
    """The service "quick" with a stack of its own."""
    def put(stack):
        machine.write("/etc/pam.d/quick", stack)
        machine.write("/etc/websess/services.d/quick.conf", "[Service]\nPAMService=quick\n[Access]\nLogin=shopd\nManage=opal\n")
        machine.run("websessctl", "reload")
    yield put
    machine.run("rm", "/etc/pam.d/quick", "/etc/websess/services.d/quick.conf")
    machine.run("websessctl", "reload")


@pytest.fixture
def attempt(machine, carol):
    """A login of carol's on "quick": the exit status of websessctl, and what it says."""
    def run(password, host=HERE):
        done = machine.run("websessctl", "--quiet", "login", "quick", "carol", f"--remote-host={host}", user="shopd", input=password, check=False)
        return done.returncode, done.stderr
    yield run
    machine.run("faillock", "--user", "carol", "--reset")


def counted(machine):
    """What pam_faillock has counted against carol."""
    return machine.out("faillock", "--user", "carol").count("RHOST")


def test_S09_unknown_wrong_and_locked_take_the_same_time(machine, carol, settings, quick):
    """With real pam_unix, whose own times differ by far: the floor makes them one."""
    quick(QUICK)
    machine.write("/usr/local/bin/guess", GUESS, 0o755)
    machine.run("passwd", "--lock", "mallory")

    def guess(tries):
        return json.loads(machine.out("/usr/bin/python3", "/usr/local/bin/guess", tries, user="shopd", timeout=600))
    # A floor that this machine can keep, as busy as it is now: what PAM takes for the slowest of them is below it.
    settings(UNSLOWED.format(1))
    floor = max(250, round(1500 * max(map(max, guess(8).values()))))
    settings(UNSLOWED.format(floor))
    times = guess(200)
    medians = {name: statistics.median(values) for name, values in times.items()}
    assert all(len(values) == 200 for values in times.values())
    assert min(medians.values()) >= floor / 1000
    # the noise: what single tries of one kind differ by
    noise = max(statistics.quantiles(values, n=4)[2] - statistics.quantiles(values, n=4)[0] for values in times.values())
    assert max(medians.values()) - min(medians.values()) <= max(noise, 0.002), medians


# So many tries of each kind, mixed, a dozen at once as a web daemon would.
GUESS = """\
import concurrent.futures, ctypes, json, sys, threading, time
so = ctypes.CDLL("libwebsess.so.1")
local = threading.local()

def one(name):
    if not hasattr(local, "w"):
        local.w, local.s, local.o = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        assert so.websess_open(ctypes.byref(local.w), b"quick", ctypes.c_uint64(60000000)) == 0
        assert so.websess_session_new(ctypes.byref(local.s)) == 0
    start = time.monotonic()
    assert so.websess_login(local.w, name.encode(), b"wrong", ctypes.c_size_t(5), None, local.s) == 4
    return name, time.monotonic() - start

names = ["carol", "nobody-at-all", "mallory"]
times = {name: [] for name in names}
with concurrent.futures.ThreadPoolExecutor(12) as pool:
    for name, took in pool.map(one, names * int(sys.argv[1])):
        times[name].append(took)
print(json.dumps(times))
"""


def test_S08_guesses_at_a_real_account_are_slowed_and_the_user_is_let_in_elsewhere(machine, attempt, settings, quick):
    quick(QUICK)
    settings(throttle(10))
    said = [attempt("wrong") for _ in range(12)]
    assert [status for status, _ in said] == [AUTHENTICATION_FAILED] * 10 + [TOO_MANY] * 2
    assert "try again in" in said[-1][1]
    assert attempt("first")[0] == TOO_MANY
    assert attempt("first", THERE)[0] == 0
    assert "ThrottlesFull" in machine.out("websessctl", "status")
    time.sleep(2)               # what a kill may take with it is the last second
    machine.run("systemctl", "kill", "--signal=SIGKILL", "--kill-who=main", "websessd.service")
    assert attempt("first")[0] == TOO_MANY
    machine.run("websessctl", "reset-throttle", "quick", "carol", user="opal")
    assert attempt("first")[0] == 0


def test_S08_what_the_throttle_refuses_faillock_does_not_count(machine, attempt, settings, quick):
    """With fewer failures than deny=, nobody brings faillock to lock the user out from one host."""
    quick(LOCKING.format(deny=3))
    settings(throttle(2))
    assert [attempt("wrong")[0] for _ in range(2)] == [AUTHENTICATION_FAILED] * 2
    assert [attempt(word)[0] for word in ("wrong", "wrong", "first")] == [TOO_MANY] * 3
    assert counted(machine) == 2
    assert attempt("first", THERE)[0] == 0, "the user himself, from elsewhere"
    assert counted(machine) == 0, "a login clears what faillock has counted"
    assert attempt("first")[0] == TOO_MANY, "but not what the throttle has, at the other host"
    machine.run("websessctl", "reset-throttle", "quick", "carol")
    assert attempt("first")[0] == 0


def test_S09_who_is_locked_by_faillock_sees_a_wrong_password_and_is_free_when_that_is_reset(machine, attempt, settings, quick):
    """No second lock behind the first one: the failures that it brought about do not fill a bucket by themselves."""
    quick(LOCKING.format(deny=3))
    settings(throttle(10))
    wrong = [attempt("wrong") for _ in range(3)]
    locked = [attempt("first") for _ in range(3)]
    assert set(wrong + locked) == {wrong[0]} and wrong[0][0] == AUTHENTICATION_FAILED
    assert attempt("first", THERE) == wrong[0], "faillock knows no hosts"
    machine.run("websessctl", "reset-throttle", "quick", "carol")
    assert attempt("first") == wrong[0], "faillock's lock is faillock's"
    machine.run("faillock", "--user", "carol", "--reset")
    assert attempt("first")[0] == 0
    assert counted(machine) == 0


def test_S08_in_a_conversation_too(machine, carol, talk, settings, quick):  # noqa: F811
    quick(LOCKING.format(deny=2))
    settings(throttle(10))

    def state(answer):
        return talk("carol", answer, service="quick", RemoteHost=HERE)[0][-1]
    try:
        assert [state(word) for word in ("first", "wrong", "wrong", "first")] == ["done", "denied", "denied", "denied"]
        machine.run("faillock", "--user", "carol", "--reset")
        assert state("first") == "done"
    finally:
        machine.run("faillock", "--user", "carol", "--reset")
