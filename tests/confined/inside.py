# SPDX-License-Identifier: MIT
"""What is done in the machine that boots confined: tests as TAP on standard output. Each one's denials are read from the audit trail.

What works must work without a denial of ours, none being kept silent; what misbehaves must be denied, each time with its denial told.
"""
import base64
import json
import pathlib
import platform
import re
import subprocess
import sys
import time

import denials

TIMEOUT = 300
PATIENCE = "2min"        # an emulated machine, on a busy one
NO_SESSION, AUTHENTICATION_FAILED = 11, 14
KNOWS_UNITS = tuple(map(int, platform.release().split(".")[:2])) >= (6, 5)
PASSWORD = "correct horse"
MODE = "apparmor" if "security=apparmor" in pathlib.Path("/proc/cmdline").read_text() else "selinux"
PROGRAMS = "/usr/lib/websess-test"


class Failed(AssertionError):
    def __init__(self, arguments, done):
        super().__init__(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        self.status = done.returncode


class Skipped(Exception):
    pass


def run(*arguments, user=None, input="", check=True):
    command = (["runuser", "-u", user, "--"] if user else []) + [str(a) for a in arguments]
    done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=TIMEOUT)
    if check and done.returncode != 0:
        raise Failed(command, done)
    return done


def out(*arguments, **options):
    return run(*arguments, **options).stdout.strip()


def ctl(*arguments, user="shopd", **options):
    return out("websessctl", f"--timeout={PATIENCE}", *arguments, user=user, **options)


def fails(status, *arguments, **options):
    try:
        said = ctl(*arguments, **options)
    except Failed as failed:
        assert failed.status == status, failed
    else:
        raise AssertionError(f"{arguments} did not fail: {said}")


def wait_until(condition, what, timeout=TIMEOUT):
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.1)
    return result


# ---- the audit trail ----

class Trail:
    """The denials that the kernel and the bus daemon have told since the last look."""

    def __init__(self):
        self.cursor = None

    def news(self):
        out("journalctl", "--sync")
        lines = out("journalctl", "--quiet", "--all", "-o", "json", "_TRANSPORT=audit",
                    *([f"--after-cursor={self.cursor}"] if self.cursor else [])).splitlines()
        entries = [json.loads(line) for line in lines]
        if entries:
            self.cursor = entries[-1]["__CURSOR"]
        return [e["MESSAGE"] for e in entries if isinstance(e["MESSAGE"], str) and re.search(r"denied|DENIED", e["MESSAGE"])]


def ours(message):
    if MODE == "apparmor":
        return re.search(r'profile="websess', message)
    return re.search(r"context=\S*:websess", message)


trail = Trail()


# ---- clients, each a unit of its own ----

def client(kind, *arguments, secret="", wait=True, name=None):
    """Runs one in the domain of insider or outsider, as the user shopd; what it says."""
    unit = f"{name or f'client-{time.monotonic_ns()}'}.service"
    before = said(unit)
    data = base64.b64encode(secret.encode()).decode()
    options = ["--wait"] if wait else []
    done = run("systemd-run", "--quiet", *options, f"--unit={unit}", "-p", "User=shopd", "-p", "SupplementaryGroups=websess-client", "-p",
               f"StandardInputData={data}", "-p", "SyslogIdentifier=client", f"{PROGRAMS}/{kind}", *arguments, check=False)
    return said(unit).removeprefix(before).strip() if wait else unit


def said(unit):
    out("journalctl", "--sync")
    return out("journalctl", "--quiet", "-o", "cat", f"_SYSTEMD_UNIT={unit}", "SYSLOG_IDENTIFIER=client")


def login(user="alice", password=PASSWORD):
    return ctl("--quiet", "login", "shop", user, input=password)


# ---- what must work ----

def test_S25_the_programs_are_confined():
    ctl("status", user=None)
    pids = {name: out("systemctl", "show", "--value", "--property=MainPID", f"{name}.service") for name in ["websessd"]}
    label = pathlib.Path(f"/proc/{pids['websessd']}/attr/current").read_text()
    assert "websessd_t" in label or "websessd (enforce)" in label, label
    if MODE == "selinux":
        assert out("getenforce") == "Enforcing", "not enforcing"


def test_S25_a_real_user_logs_in_by_real_pam():
    token = login()
    assert json.loads(ctl("--json=short", "resolve", "shop", input=token))["User"] == "alice"
    fails(AUTHENTICATION_FAILED, "login", "shop", "alice", input="wrong")
    fails(AUTHENTICATION_FAILED, "login", "shop", "nobody-at-all", input="wrong")
    ctl("logout", "shop", input=token)
    fails(NO_SESSION, "resolve", "shop", input=token)


def test_S25_a_confined_client_logs_in_and_resolves_by_map():
    words = client("insider", "login", "shop", "alice", secret=PASSWORD)
    assert words.startswith("client: token "), words
    words = client("insider", "resolve", "shop", secret=words.split()[-1])
    assert "user alice, by map" in words, words


def test_S25_a_confined_client_manages_over_the_bus():
    assert client("insider", "list", "shop") == "client: list done"


def test_S25_busctl_and_websessctl():
    token = login()
    out("busctl", "call", "org.websess1", "/org/websess1", "org.websess1.Manager", "Resolve", "ssa{sv}", "shop", token, 0)
    out("busctl", "tree", "org.websess1")
    assert "alice" in ctl("list", "--service=shop", user=None)
    assert "alice" in ctl("list", user="alice")
    ctl("status", user=None)
    ctl("revoke-user", "shop", "alice", user=None)
    fails(NO_SESSION, "resolve", "shop", input=token)


def test_S25_pam_websess_takes_a_token():
    pathlib.Path("/etc/pam.d/websess-test").write_text("auth required pam_websess.so service=shop\naccount required pam_websess.so service=shop\n")
    token = login()
    out("pamtester", "websess-test", "alice", "authenticate", "acct_mgmt", input=token + "\n")
    assert run("pamtester", "websess-test", "alice", "authenticate", input="rubbish\n", check=False).returncode != 0


SSH = """\
auth sufficient pam_websess.so service=shop
auth required pam_deny.so
account required pam_websess.so service=shop
account required pam_unix.so
session required pam_websess.so service=shop
session required pam_unix.so
"""


def ssh(secret, command):
    """As alice, with what stands for her password."""
    asked, told = pathlib.Path("/root/asked"), pathlib.Path("/root/told")
    told.write_text(secret)
    asked.write_text(f"#!/bin/sh\ncat {told}\n")
    asked.chmod(0o700)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PreferredAuthentications=password", "NumberOfPasswordPrompts=1", "LogLevel=ERROR"]
    return run("env", "DISPLAY=:0", f"SSH_ASKPASS={asked}", "SSH_ASKPASS_REQUIRE=force", "setsid", "ssh", *(f"-o{o}" for o in options), "alice@127.0.0.1",
               command, check=False)


def test_S25_sshd_takes_a_token_and_opens_a_session():
    """pam_websess in a daemon that is confined itself: auth, account and session."""
    pathlib.Path("/etc/pam.d/sshd").write_text(SSH)
    token = login()
    done = ssh(token, "echo $WEBSESS_ID; websessctl --no-legend list --service=shop; cat /proc/$PPID/attr/current")
    words = done.stdout.split()
    assert done.returncode == 0 and words and words.count(words[0]) == 2, done
    if MODE == "selinux":
        assert "sshd_t" in words[-1], words

    def closed():
        return run("websessctl", "show", words[0], check=False).returncode == NO_SESSION
    wait_until(closed, "the end of the session that sshd opened")
    ctl("resolve", "shop", input=token)
    for secret in (PASSWORD, token[:-1] + "!"):
        assert ssh(secret, "true").returncode == 255
    ctl("logout", "shop", input=token)
    assert ssh(token, "true").returncode == 255


UNITS = """\
[Roles]
USER=
[Access]
Resolve=unit:teller.service
"""


def test_S26_a_unit_is_known_from_the_kernel_or_not_at_all():
    pathlib.Path("/etc/websess/services.d/units.conf").write_text(UNITS)
    ctl("reload", user=None)
    token = ctl("--quiet", "create", "units", "alice", "--role=USER", user=None)
    teller, cashier = (client("insider", "resolve", "units", secret=token, name=name) for name in ("teller", "cashier"))
    assert "lacks Resolve" in cashier, cashier
    assert ("user alice, by map" if KNOWS_UNITS else "lacks Resolve") in teller, teller
    doctor = run("websessctl", "doctor", check=False).stdout
    assert ("the kernel tells callers' units" if KNOWS_UNITS else "unit: entries of [Access] match nobody") in doctor, doctor


def test_S25_restart_under_load_loses_nothing():
    unit = client("insider", "resolve", "shop", "15", secret=login(), wait=False)
    for _ in range(2):
        out("systemctl", "restart", "websessd.service")
    out("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "websessd.service")
    words = wait_until(lambda: said(unit), "the client's last word")
    assert "user alice, by" in words, words


def test_S25_a_lock_of_the_account_ends_its_sessions():
    token = login("carol", "first")
    ctl("reload", user=None)
    out("usermod", "--lock", "carol")

    def gone():
        return run("websessctl", "resolve", "shop", user="shopd", input=token, check=False).returncode == NO_SESSION
    wait_until(gone, "the session's end")
    fails(AUTHENTICATION_FAILED, "login", "shop", "carol", input="first")
    out("usermod", "--unlock", "carol")


def test_S25_an_expired_password_is_changed():
    out("chage", "--lastday=0", "carol")
    words = client("insider", "login", "shop", "carol", secret="first\nfirst\nSecond-0f-Carol\nSecond-0f-Carol\n")
    assert words.startswith("client: token "), words
    login("carol", "Second-0f-Carol")
    fails(AUTHENTICATION_FAILED, "login", "shop", "carol", input="first")


def test_S25_a_backup_is_made():
    backup = pathlib.Path("/var/backups/websess.mdb")
    ctl("backup", backup, user=None)
    out("/usr/lib/websess/websessd", "--check-store", backup)


def test_S25_a_backup_takes_the_database_s_place():
    """By root's hand, who is not in the unit's sandbox: the database belongs to the broker again afterwards."""
    backup, token = pathlib.Path("/var/backups/restored.mdb"), login()
    ctl("backup", backup, user=None)
    ctl("revoke-all", "shop", user=None)
    out("systemctl", "stop", "websessd.socket", "websessd.service")
    done = run("/usr/lib/websess/websessd", "--keep", "--restore", backup, check=False)
    out("systemctl", "start", "websessd.socket")
    assert done.returncode == 0, done
    ctl("resolve", "shop", input=token)
    ctl("logout", "shop", input=token)


def test_S25_numbers_are_written_for_monitoring():
    numbers = pathlib.Path("/run/websess/metrics/websess.prom")
    wait_until(lambda: numbers.exists() and "websess_" in numbers.read_text(), "the file of numbers")


def test_S25_the_doctor_sees_the_confinement():
    done = run("websessctl", "doctor", check=False)
    assert re.search(r"websessd_t" if MODE == "selinux" else r"AppArmor", done.stdout), done.stdout + done.stderr


# ---- what must not ----

def test_S25_a_client_without_the_interface_is_refused():
    if MODE == "apparmor":
        raise Skipped("the profiles confine the broker and its helper, not its clients")
    token = login()
    trail.news()
    words = client("outsider", "resolve", "shop", secret=token)
    assert "user alice" not in words and words.startswith("client: "), words
    told = [m for m in trail.news() if "websess_outsider_t" in m]
    assert any("connectto" in m or "search" in m or "write" in m for m in told), told


def acts(program):
    """What became of each act of what is put in the place of a program, and the denials that were told."""
    trail.news()
    unit = f"websess-misbehave@{program}.service"
    out("systemctl", "start", unit)
    out("journalctl", "--sync")
    words = out("journalctl", "--quiet", "-o", "cat", f"_SYSTEMD_UNIT={unit}", "SYSLOG_IDENTIFIER=misbehave")
    return dict(re.findall(r"^act (\S+) (.*)$", words, re.M)), trail.news()


def test_S25_all_acts_succeed_without_confinement():
    """Else what follows would prove nothing."""
    if MODE == "selinux":
        out("setsebool", "allow_execmem", "on")
    did = dict(re.findall(r"^act (\S+) (.*)$", out(f"{PROGRAMS}/misbehave"), re.M))
    for made in ("/etc/systemd/system/backdoor.service", "/tmp/backdoor"):
        pathlib.Path(made).unlink()
    assert did.keys() == denials.SELINUX.keys() and "denied" not in did.values(), did


def check_acts(program):
    did, told = acts(program)
    allowed = denials.ALLOWED[MODE, program]
    assert did.keys() == denials.SELINUX.keys(), did
    wrong = [f"{act}: {result}" for act, result in did.items() if (result == "denied") != (act not in allowed)]
    wrong += [f"{act}: no denial told" for act in did.keys() - allowed if not any(re.search(denials.pattern(MODE, program, act), m) for m in told)]
    assert not wrong, "\n".join(wrong + told)


def test_S25_a_broker_that_misbehaves_is_denied_all_of_it():
    check_acts("websessd")


def test_S25_a_helper_that_misbehaves_is_denied_all_of_it():
    check_acts("websess-pam")


def prepare():
    for path in ("/home/alice/diary", "/var/lib/neighbour/state"):
        pathlib.Path(path).parent.mkdir(exist_ok=True)
        pathlib.Path(path).write_text("private\n")


# These make denials, and look at them themselves.
EXPECTING = ("refused", "misbehaves")


def attempt(name, test):
    """ok, not ok or skipped, and why."""
    try:
        test()
        wrong = ""
    except Skipped as why:
        return "skipped", str(why)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}\n"
    if not wrong and any(word in name for word in EXPECTING):
        return "ok", ""
    wrong += "\n".join(filter(ours, trail.news()))
    return "not ok" if wrong else "ok", wrong


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    prepare()
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        start = time.monotonic()
        trail.news()
        outcome, why = attempt(name, test)
        if outcome == "not ok":
            print("# " + why.replace("\n", "\n# "))
        print(f"ok {number} - {name} # SKIP {why}" if outcome == "skipped" else f"{outcome} {number} - {name}", flush=True)
        print(f"# {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
