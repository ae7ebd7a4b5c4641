# SPDX-License-Identifier: MIT
"""websessctl doctor: a whole in which nothing is wrong, and then one thing at a time. What belongs to the machine (PAM stacks, accounts, swap,
labels) is put before the doctor's eyes in a mount namespace of its own; what cannot be made wrong at all is pretended by tests/modules/pretend.c."""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

import world as world_module
from client import Client, raises
from ctl import Ctl
from wire import Wire
from world import BUILD, IS_ROOT, OWN_MOUNTS, Broker, Bus, Helper, Place, preload, wait_until

pytestmark = [pytest.mark.needs_root, pytest.mark.skipif(IS_ROOT and not OWN_MOUNTS, reason="no mount namespaces here")]
SHOP = """
    [Roles]
    ADMIN=@daemon
    USER=*
    [Access]
    Login=irc
    Resolve=irc @uucp
    """
BUS_POLICY = '<busconfig><policy user="websess"><allow own="org.websess1"/></policy></busconfig>'
LOOK = 'set -e; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; eval "$FIRST"; exec "$@"'


class Whole:
    """A bus, a helper and a broker, as a machine would have them, and the doctor for them."""

    def __init__(self):
        self.place = Place()
        self.place.state.chmod(0o700)
        self.pretend = shutil.copy(BUILD / "tests/pretend.so", self.place.bin)          # where every uid may read it
        self.place.policy("default", SHOP)
        self.place.policy("shop", SHOP)
        self.seen = self.place.path / "seen"
        self.seen.mkdir()
        (self.seen / "dbus").mkdir()
        (self.seen / "dbus/org.websess1.conf").write_text(BUS_POLICY)
        (self.seen / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")
        self.binds = {"/etc/pam.d": self.place.pam, "/usr/share/dbus-1/system.d": self.seen / "dbus", "/proc/swaps": self.seen / "swaps"}
        self.bus, self.helper = Bus(self.place), Helper(self.place)
        self.broker = Broker(self.place, self.bus)

    def close(self):
        try:
            self.broker.close()
        finally:
            self.helper.stop()
            self.bus.stop()
            self.place.remove()

    def run(self, *arguments, who=None, env=(), binds=(), first=""):
        """The doctor as somebody, with these files in the place of others, after a command of the shell."""
        views = [str(word) for path, source in (self.binds | dict(binds)).items() for word in (source, path)]
        become = ["setpriv", f"--reuid={who}", f"--regid={who}", "--clear-groups"] if who else []
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "WEBSESS_SOCKET": str(self.broker.socket_path),
                       "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, "FIRST": first} | dict(env)
        return subprocess.run(["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", LOOK, "sh", *views, "--", *become,
                               self.place.bin / "websessctl", "doctor", *arguments], capture_output=True, text=True, timeout=60, env=environment)

    def findings(self, *arguments, **options):
        """(check, health) → texts with their advice; and every problem has its advice and makes the exit status 1."""
        done = self.run("--json=short", "--timeout=5s", *arguments, **options)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        found = {}
        for one in json.loads(done.stdout):
            found.setdefault((one["Check"], one["Health"]), []).append(one["Text"] + " → " + one.get("Advice", ""))
            assert one["Health"] not in ("problem", "warning") or one["Advice"].endswith(".") or one["Advice"].endswith(")"), one
        assert (done.returncode == 1) == any(health == "problem" for _, health in found), found
        return found

    def only(self, check, health, text, **options):
        """This is wrong, and nothing else: no other check has a problem."""
        found = self.findings(**options)
        assert any(text in line for line in found.get((check, health), [])), found
        others = {key: lines for key, lines in found.items() if key[1] == "problem" and key[0] != check}
        assert not others, others
        return found


@pytest.fixture(scope="module")
def shared_whole():
    whole = Whole()
    try:
        whole.broker.start()
        wait_until(lambda: Ctl(whole.broker)("status", "--json=short").json["HelpersIdle"] == 2)
        yield whole
    finally:
        whole.close()


@pytest.fixture
def whole(shared_whole):
    """The shared one, which each test leaves as it was."""
    yield shared_whole
    assert not [lines for key, lines in shared_whole.findings().items() if key[1] == "problem"]


def test_nothing_is_wrong(whole):
    found = whole.findings(env={"LD_PRELOAD": preload(whole.pretend), "PRETEND_SYNC": "yes"})
    assert {health for _, health in found} <= {"ok", "warning"}
    assert {check for check, health in found if health == "ok"} >= {
        "reach", "bus", "health", "store", "maps", "helpers", "policy", "pam", "files", "key", "clock", "secrets"}
    assert len(found["reach", "ok"]) == 2, "both ways"
    assert "leaves no core file" in found["secrets", "ok"][0] and ("process", "warning") in found
    # The kernel that the tests run on is what it is.
    assert not {check for check, health in found if health == "warning"} - {"process", "kernel", "labels"}
    done = whole.run()
    assert done.returncode == 0 and "0 problems" in done.stdout and "→" in done.stdout
    # Quietly: what is not well, and nothing else. Here the sandbox of the unit is missing.
    quiet = whole.run("-q").stdout
    assert "sandbox" in quiet and "ok " not in quiet and "problems" not in quiet


def test_who_is_not_root_is_told_what_was_not_looked_at(whole):
    found = whole.findings(who="games")
    assert not [key for key in found if key[1] == "problem"]
    for check in ("store", "policy", "pam", "maps", "helpers", "process", "files"):
        assert (check, "skipped" if check != "store" else "ok") in found, check
    assert found["policy", "skipped"] == ["policy: only root is told → Run it as root."]


# ---- files ----

@contextlib.contextmanager
def mode(path, wrong):
    before = os.stat(path).st_mode & 0o7777
    os.chmod(path, wrong)
    yield
    os.chmod(path, before)


@contextlib.contextmanager
def owner(path, uid):
    before = os.stat(path)
    os.chown(path, uid, -1)
    yield
    os.chown(path, before.st_uid, -1)


@pytest.mark.parametrize("name, wrong, text", [
    ("state", 0o755, "others can read it"), ("state/lock", 0o644, "others can read it"), ("run", 0o777, "others can change it"),
    ("run/pam.sock", 0o666, "others can change it"), ("run/websess.sock", 0o600, "are kept out"),
    ("etc", 0o777, "others can change it"), ("state/sessions.mdb", 0o604, "others can read it"), ("etc/services.d/shop.conf", 0o664, "others can change it")])
def test_files_with_the_wrong_mode(whole, name, wrong, text):
    path = whole.place.path / name
    with mode(path, wrong):
        found = whole.only("files", "problem", f"{path} has mode {wrong:04o}: ")
        assert any(text in line and f"chmod {os.stat(path).st_mode & 0o7777 & ~0o077 & 0o7:04o}"[:5] in line for line in found["files", "problem"])


def test_the_key_is_nobody_elses(whole):
    path = whole.place.state / "account.key"
    with mode(path, 0o644):
        found = whole.findings()
    assert any("others can read it" in line for line in found["files", "problem"])
    assert any("account.key (mode 0644)" in line for line in found["key", "problem"])


def test_a_key_that_is_lost(whole):
    path = whole.place.state / "account.key"
    path.rename(whole.place.path / "key")
    whole.only("key", "warning", "is not there")
    (whole.place.path / "key").rename(path)


def test_drop_ins_and_stacks_that_others_can_change(whole, tmp_path):
    folder = whole.place.etc / "services.d/shop.conf.d"
    folder.mkdir()
    (folder / "50-local.conf").write_text("[Access]\n")
    with mode(folder / "50-local.conf", 0o666):
        whole.only("files", "problem", "50-local.conf has mode 0666: others can change it")
    shutil.rmtree(folder)
    shutil.copytree(whole.place.pam, tmp_path / "pam.d")
    (tmp_path / "pam.d/websess").chmod(0o662)
    whole.only("files", "problem", "/etc/pam.d/websess has mode 0662: others can change it", binds={"/etc/pam.d": tmp_path / "pam.d"})


def test_files_of_somebody_else(whole):
    for name in ("state", "state/sessions.mdb", "run/pam.sock", "etc/services.d/default.conf"):
        with owner(whole.place.path / name, pwd.getpwnam("games").pw_uid):
            whole.only("files", "problem", f"{name} belongs to uid 5 instead of")


def test_a_socket_that_is_not_there(whole):
    path = whole.place.run / "pam.sock"
    path.rename(path.with_suffix(".away"))
    whole.only("files", "problem", "pam.sock is not there")
    path.write_text("")
    whole.only("files", "problem", "pam.sock is not a socket")
    path.with_suffix(".away").rename(path)


def test_an_old_key(whole):
    path = whole.place.state / "account.key"
    before = path.stat().st_mtime
    os.utime(path, (1e9, 1e9))
    whole.only("key", "warning", "the key of the accounts' digests is ")
    os.utime(path, (before, before))


# ---- PAM ----

STACKS = {
    "no auth line": "account required pam_permit.so",
    "no account line": "auth required pam_unix.so",
    "lets everybody in": "auth sufficient pam_permit.so\nauth required pam_unix.so\naccount required pam_unix.so",
    "asks websess itself": "auth required pam_unix.so\nauth sufficient pam_websess.so\naccount required pam_unix.so",
    "is not installed": "auth required pam_nowhere.so\naccount required pam_unix.so",
    "includes itself": "@include websess\naccount required pam_unix.so",
    "No such file or directory": "auth include nowhere\naccount required pam_unix.so",
}


@pytest.mark.parametrize("text", STACKS)
def test_pam_stacks(whole, text, tmp_path):
    shutil.copytree(whole.place.pam, tmp_path / "pam.d")
    (tmp_path / "pam.d/websess").write_text(STACKS[text] + "\n")
    # The module need not be installed here for its place in the stack to be wrong.
    security = pathlib.Path(next(pathlib.Path("/usr/lib").glob("*-linux-gnu*/security")))
    module = {security / "pam_debug.so": security / "pam_debug.so"}
    if "websess" in STACKS[text] and "@" not in STACKS[text] and not (security / "pam_websess.so").exists():
        shutil.copytree(security, tmp_path / "security", symlinks=True)
        (tmp_path / "security/pam_websess.so").write_text("x")
        module = {security: tmp_path / "security"}
    whole.only("pam", "problem", text, binds={"/etc/pam.d": tmp_path / "pam.d"} | module)


def test_a_stack_that_is_not_there(whole, tmp_path):
    whole.only("pam", "problem", "/etc/pam.d/websess: No such file", binds={"/etc/pam.d": tmp_path})


def test_debians_own_stack_is_fine(whole, tmp_path):
    (tmp_path / "websess").write_text("@include common-auth\n@include common-account\n")
    for name in ("auth", "account"):
        shutil.copy(f"/etc/pam.d/common-{name}", tmp_path / f"common-{name}")
    assert "checks logins and accounts" in whole.findings(binds={"/etc/pam.d": tmp_path})["pam", "ok"][0]


# ---- the policy ----

@contextlib.contextmanager
def policy(whole, text):
    file = whole.place.policy("shop", text)
    whole.broker.reload()
    yield
    file.unlink()
    whole.place.policy("shop", SHOP)
    whole.broker.reload()


def test_rights_that_are_open_to_all(whole):
    with policy(whole, "[Access]\nResolve=*\n"):
        assert "Resolve=* of service \"shop\"" in whole.only("policy", "warning", "every program")["policy", "warning"][0]
    for right in ("Create", "Manage", "Map"):
        with policy(whole, f"[Access]\n{right}=*\n"):
            whole.only("policy", "problem", f"{right}=* of service \"shop\"")


def accounts(tmp_path, kind, change):
    path = tmp_path / kind
    path.write_text("".join(filter(None, (change(line) for line in pathlib.Path(f"/etc/{kind}").read_text().splitlines(keepends=True)))))
    return {f"/etc/{kind}": path}


def test_names_that_are_gone_or_somebody_else(whole, tmp_path):
    gone = accounts(tmp_path, "passwd", lambda line: None if line.startswith("irc:") else line)
    whole.only("policy", "problem", "Login=irc of service \"shop\": there is no such user any more, and uid 39 keeps the right", binds=gone)
    gone = accounts(tmp_path, "group", lambda line: None if line.startswith("uucp:") else line)
    whole.only("policy", "problem", "Resolve=@uucp of service \"shop\": there is no such group any more", binds=gone)
    other = accounts(tmp_path, "passwd", lambda line: line.replace(":39:", ":1039:") if line.startswith("irc:") else line)
    whole.only("policy", "problem", "the name was 39 when the policy was read, and is 1039 now", binds=other)


def test_roles_of_nobody(whole):
    with policy(whole, "[Roles]\nADMIN=nobody-here\n"):
        whole.only("policy", "warning", "ADMIN=nobody-here of service \"shop\": there is no such user")


def test_units_on_a_kernel_that_cannot_tell_them(whole):
    old = {"LD_PRELOAD": preload(whole.pretend), "PRETEND_NO_PIDFD": "1"}
    whole.only("kernel", "warning", "unit: entries of [Access] match nobody", env=old)
    with policy(whole, "[Access]\nResolve=unit:shop.service\n"):
        assert "Resolve=unit:shop.service of service \"shop\" matches nobody" in whole.findings(env=old)["policy", "problem"][0]


def test_a_policy_that_is_refused(whole):
    file = whole.place.policy("shop", "[Service]\nIdelSec=2h\n")
    Ctl(whole.broker)("reload", status=19)
    whole.only("health", "problem", "is refused, and the one before is in force")
    file.unlink()
    whole.place.policy("shop", SHOP)
    whole.broker.reload()


# ---- the machine ----

def test_swap_that_is_open(whole, tmp_path):
    (tmp_path / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n/dev/zram0\tpartition\t1\t0\t-2\n/dev/sda7 partition 1 0 -2\n")
    found = whole.only("secrets", "warning", "(/dev/sda7)", binds={"/proc/swaps": tmp_path / "swaps"})
    assert not any("zram0" in line for line in found["secrets", "warning"])


def test_a_clock_that_nobody_keeps(whole):
    for sync, health in (("yes", "ok"), ("no", "warning")):
        assert "synchronised" in whole.findings(env={"LD_PRELOAD": preload(whole.pretend), "PRETEND_SYNC": sync})["clock", health][0]


def test_a_bus_without_the_policy(whole, tmp_path):
    whole.only("bus", "problem", "the bus has no policy for org.websess1", binds={"/usr/share/dbus-1/system.d": tmp_path})


@pytest.mark.parametrize("size, health", [("2m", "problem"), ("30m", "warning")])
def test_a_disk_that_fills_up(whole, size, health):
    """The doctor sees a small file system where the state is; the broker does not."""
    uid = os.stat(whole.place.state).st_uid
    found = whole.findings(first=f'mount -t tmpfs -o size={size},mode=700,uid={uid} none "{whole.place.state}"')
    assert any("the disk of" in line for line in found["store", health])


def test_labels(whole, tmp_path):
    """A kernel with SELinux, which this one may not be: the files by which it shows, and the broker's label."""
    (tmp_path / "fs/selinux").mkdir(parents=True)
    (tmp_path / "fs/selinux/enforce").write_text("1")
    label = tmp_path / "label"
    views = {"/sys/fs": tmp_path / "fs", f"/proc/{whole.broker.pid}/attr/current": label}
    for text, enforce, health, said in (("system_u:system_r:websessd_t:s0\n", "1", "ok", "confines the broker"),
                                        ("system_u:system_r:websessd_t:s0\n", "0", "warning", "only warns"),
                                        ("system_u:system_r:initrc_t:s0\n", "1", "problem", "does not confine the broker")):
        label.write_text(text)
        (tmp_path / "fs/selinux/enforce").write_text(enforce)
        assert "SELinux" in whole.only("labels", health, said, binds=views)["labels", health][0]


def test_labels_of_apparmor(whole, tmp_path):
    enabled, label = (tmp_path / name for name in ("enabled", "label"))
    enabled.write_text("Y\n")
    first = f'mount -t tmpfs none /sys/module; mkdir -p /sys/module/apparmor/parameters; cp {enabled} /sys/module/apparmor/parameters/enabled'
    views = {f"/proc/{whole.broker.pid}/attr/current": label}
    for text, health, said in (("websessd (enforce)", "ok", "confines the broker"), ("websessd (complain)", "warning", "only warns"),
                               ("unconfined", "problem", "does not confine the broker")):
        label.write_text(text + "\n")
        install = "; mount -t tmpfs none /etc/apparmor.d; touch /etc/apparmor.d/websessd"
        assert "AppArmor" in whole.only("labels", health, said, binds=views, first=first + install)["labels", health][0]
    whole.only("labels", "warning", "nothing of it confines", binds=views, first=first + "; mount -t tmpfs none /etc/apparmor.d")


# ---- a broker of its own for what cannot be undone ----

@pytest.fixture
def own():
    whole = Whole()
    try:
        yield whole
    finally:
        whole.close()


def ready(whole):
    whole.broker.start()
    wait_until(lambda: Ctl(whole.broker)("status", "--json=short").json["HelpersIdle"] == 2)


def test_a_broker_that_is_not_there(own):
    """Nobody answers: the files and the machine are looked at all the same."""
    done = own.run("--timeout=1s", "--json=short")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [one["Health"] for one in found if one["Check"] == "reach"] == ["problem", "warning"]
    assert "systemctl status" in next(one["Advice"] for one in found if one["Check"] == "reach")
    assert [one["Health"] for one in found if one["Check"] in ("policy", "pam", "store")] == ["skipped"] * 3
    assert any(one["Check"] == "secrets" and one["Health"] == "ok" for one in found)


def test_no_bus_is_a_warning(own):
    ready(own)
    own.bus.stop()
    own.only("reach", "warning", "nobody answers on the system bus")


def test_somebody_else_with_the_name(own):
    own.broker.bus = None
    own.broker.start(wait=False)        # it is ready later, since it looks for a bus first
    wait_until(lambda: Ctl(own.broker)("status", "--json=short").json["HelpersIdle"] == 2)
    with Wire(own.bus.address, pwd.getpwnam("games").pw_uid) as thief:
        thief.call("RequestName", "su", "org.websess1", 0, path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
                   destination="org.freedesktop.DBus")
        found = own.findings("--timeout=1s")
        assert any("uid 5 has the name org.websess1 on the bus, and the broker is uid 9" in line for line in found["bus", "problem"])


def test_a_store_that_cannot_write(own):
    uid = os.stat(own.place.state).st_uid
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=12m,mode=700,uid={uid},gid={uid}", "tmpfs", own.place.state], check=True)
    try:
        ready(own)
        with open(own.place.state / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            os.chown(filler.fileno(), uid, uid)
            os.chmod(filler.fileno(), 0o600)
            while filler.write(b"x" * 65536):
                pass
        with contextlib.closing(Client(own.broker.address)) as root:
            with raises("Unavailable"):
                for n in range(2000):
                    root.CreateSession("shop", f"u{n}", [], {"text": "x" * 15000}, {})
        found = own.findings()
        assert "the store cannot write: No space left on device" in found["store", "problem"][0] and ("health", "problem") in found
    finally:
        own.broker.stop()
        subprocess.run(["umount", "--lazy", own.place.state], check=True)


def test_helpers_that_do_not_come(own):
    own.helper.stop()
    own.broker.start()
    own.only("helpers", "problem", "no PAM helper is there")


def test_a_clock_that_is_set(own):
    offset = own.place.path / "offset"
    offset.write_text("7200")
    own.broker.environment |= {"LD_PRELOAD": preload(own.pretend), "PRETEND_CLOCK": offset}
    ready(own)
    offset.write_text("3600")
    own.only("clock", "warning", "the wall clock was set back by ")
    offset.write_text("7200")
    own.broker.stop()
    offset.write_text("0")
    ready(own)
    found = own.only("clock", "warning", "the wall clock stood ")
    assert "stood 2h before" in " ".join(found["clock", "warning"]) or "stood 1h 59min" in " ".join(found["clock", "warning"])


def test_a_store_that_is_nearly_full(own):
    own.place.settings("[Store]\nMaxSize=8M\nReserve=256K\n")
    own.place.policy("app", "[Service]\nUsers=app\nMaxSessions=0\n")        # whose sessions nothing else writes to
    ready(own)
    with contextlib.closing(Client(own.broker.address)) as root:
        # Some at a time: what is on its way is counted when it is there, and room is asked for ahead.
        while root.get("StoreUsedBytes") < root.get("StoreMaxBytes") * 0.82:
            for made in [root.begin("CreateSession", "app", "irc", [], {"text": "x" * 15000}, {}) for _ in range(8)]:
                made.result(30)
    found = own.findings()
    assert any("of MaxSize= is used" in line for line in found.get(("store", "warning"), []) + found.get(("store", "problem"), []))


def test_a_map_without_room(own):
    own.place.settings("[Map]\nMaxMemory=1M\n")
    own.place.policy("shop", "[Service]\nMaxSessions=0\n" + SHOP)
    ready(own)
    with contextlib.closing(Client(own.broker.address)) as root:
        for made in [root.begin("CreateSession", "shop", f"u{n}", [], {"text": "x" * 1500}, {}) for n in range(900)]:
            made.result(30)
    own.only("maps", "warning", 'the map of "shop" has no room')


def test_no_maps_at_all(own):
    own.broker.environment |= {"LD_PRELOAD": preload(own.pretend), "PRETEND_TID": "1"}
    ready(own)
    own.only("maps", "problem", "there are no maps")


def test_a_broker_as_root(own, monkeypatch):
    monkeypatch.setattr(world_module, "BROKER_UID", 0)
    own.broker.start()
    found = own.findings()
    assert "the broker runs as root" in found["process", "problem"][0]


def test_a_broker_whose_memory_is_open(own):
    own.broker.environment |= {"LD_PRELOAD": preload(own.pretend), "PRETEND_DUMPABLE": "1"}
    ready(own)
    own.only("secrets", "warning", "memory can be read by its own user")
