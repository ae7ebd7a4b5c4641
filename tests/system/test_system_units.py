# SPDX-License-Identifier: MIT
"""What the units, the installation and the bus policy promise, on a machine that has booted."""
import json
import base64
import re
import threading

import pytest
from conftest import PASSWORDS, SHOP, message_ids
from machine import SOURCE, Failed, wait_until

SOCKET = "unix:path=/run/websess/websess.sock"
MANAGER = ("org.websess1", "/org/websess1", "org.websess1.Manager")


def stat(machine, path):
    return machine.out("stat", "--format=%U:%G %a", path)


def test_folders_and_sockets_belong_to_whom_they_should(machine):
    assert stat(machine, "/run/websess") == "root:root 755"
    assert stat(machine, "/run/websess/websess.sock") == "root:root 666"
    assert stat(machine, "/run/websess/pam.sock") == "websess:websess 600"
    assert stat(machine, "/var/lib/websess") == "websess:websess 700"
    assert machine.show("websessd.service", "User") == "websess"


def test_install_keeps_what_the_administrator_wrote_and_says_how_to_go_on(machine):
    assert "systemctl enable --now websessd.socket websess-pam.socket" in machine.installed
    machine.run("sh", "-c", "echo '# mine' >> /etc/websess/services.d/default.conf")
    again = machine.out("make", "-C", SOURCE, "install")
    assert "systemctl restart websessd.service" in again
    assert machine.out("tail", "-n1", "/etc/websess/services.d/default.conf") == "# mine"


def test_uninstall_removes_what_install_put_there(machine):
    machine.run("make", "-C", SOURCE, "install", "DESTDIR=/tmp/image", "prefix=/usr/local")
    files = machine.out("find", "/tmp/image", "-type", "f").splitlines()
    assert "/tmp/image/usr/local/lib/websess/websessd" in files
    assert "ExecStart=/usr/local/lib/websess/websessd" in machine.out("cat", "/tmp/image/usr/lib/systemd/system/websessd.service")
    text = machine.out("cat", next(file for file in files if file.endswith("/pkgconfig/libwebsess.pc")))
    folders = {name: path.replace("${prefix}", "/usr/local") for name, path in re.findall(r"^(\w+)=(.*)$", text, re.M)}
    version = re.search(r"^Version: (\S+)$", text, re.M)[1]
    assert f"/tmp/image{folders['includedir']}/websess.h" in files and f"/tmp/image{folders['libdir']}/libwebsess.so.{version}" in files
    assert "Libs: -L${libdir} -lwebsess\n" in text and "Cflags: -I${includedir}" in text
    machine.run("make", "-C", SOURCE, "uninstall", "DESTDIR=/tmp/image", "prefix=/usr/local")
    left = machine.out("find", "/tmp/image", "!", "-type", "d").splitlines()
    assert all("/image/etc/" in file for file in left), left


def test_uninstall_leaves_nothing_to_run_and_an_installation_finds_all_again(machine, ctl, token):
    machine.run("make", "-C", SOURCE, "install", "DESTDIR=/tmp/whole")
    files = [file.removeprefix("/tmp/whole") for file in machine.out("find", "/tmp/whole", "!", "-type", "d").splitlines()]
    yours = {"/etc/websess/websess.conf", "/etc/websess/services.d/default.conf", "/etc/pam.d/websess"}
    machine.run("env", "DEBIAN_FRONTEND=noninteractive", "pam-auth-update", "--enable", "websess")
    assert "pam_websess" in machine.out("cat", "/etc/pam.d/common-session")
    try:
        assert "are yours and still there" in machine.out("make", "-C", SOURCE, "uninstall")
        left = machine.run("ls", "-d", *files, "/run/websess", check=False).stdout.split()
        assert len(files) > 100 and set(left) == yours
        assert "pam_websess" not in machine.out("sh", "-c", "cat /etc/pam.d/common-*")
        assert {"not-found"} == {machine.show(unit, "LoadState") for unit in ("websessd.service", "websessd.socket", "websess-pam.socket")}
        with pytest.raises(Failed, match="not provided|not activatable"):
            machine.run("busctl", "get-property", *MANAGER, "Healthy")
    finally:
        machine.run("make", "-C", SOURCE, "install")
        machine.run("systemctl", "enable", "--now", "websessd.socket", "websess-pam.socket")
    assert "alice" in ctl("resolve", "shop", input=token, user="shopd")
    assert "alice" in ctl("login", "shop", "alice", input=PASSWORDS["alice"], user="shopd")


def test_units_verify(machine):
    done = machine.run("systemd-analyze", "verify", "--man=no", "websessd.service", "websessd.socket", "websess-pam.socket", "websess-pam@x.service")
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("unit, most", [("websessd.service", 0.7), ("websess-pam@x.service", 2.5)])
def test_S24_exposure(machine, unit, most):
    said = machine.out("systemd-analyze", "security", "--no-pager", unit)
    assert float(re.search(r"exposure level.*: ([\d.]+)", said)[1]) <= most, said


@pytest.mark.parametrize("how", ["socket", "bus"])
def test_broker_is_started_by_who_asks(machine, how):
    machine.run("systemctl", "stop", "websessd.service")
    assert machine.show("websessd.service", "ActiveState") == "inactive"
    transport = [f"--address={SOCKET}"] if how == "socket" else []
    assert machine.out("busctl", *transport, "get-property", *MANAGER, "Healthy") == "b true"
    assert machine.show("websessd.service", "ActiveState") == "active"


def test_busctl_works_unaided(machine, token):
    assert "org.websess1.Manager" in machine.out("busctl", "introspect", "org.websess1", "/org/websess1")
    tree = machine.out("busctl", "tree", "--list", "org.websess1")
    path = "/org/websess1/session/" + base64.urlsafe_b64decode(token)[:16].hex()
    assert path in tree.splitlines()
    assert machine.out("busctl", "get-property", "org.websess1", path, "org.websess1.Session", "User") == 's "alice"'
    machine.run("busctl", "call", "org.websess1", path, "org.websess1.Session", "Revoke")
    with pytest.raises(Failed, match="ended|session"):
        machine.run("busctl", "call", *MANAGER, "Resolve", "ssa{sv}", "shop", token, "0", user="shopd")


OWN_NAME = """
import sys
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
try:
    print(bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                        GLib.Variant("(su)", ("org.websess1", 7)), None, 0, -1).unpack())
except GLib.Error as error:
    print(Gio.DBusError.get_remote_error(error))
"""


@pytest.mark.parametrize("user", [None, "nobody", "mallory", "websess"])
def test_S20_only_websess_may_own_the_name(machine, user):
    machine.run("systemctl", "stop", "websessd.service")
    said = machine.out("/usr/bin/python3", "-c", OWN_NAME, user=user)
    assert said == ("(1,)" if user == "websess" else "org.freedesktop.DBus.Error.AccessDenied")


# Listens to all that the broker says, and prints it until somebody says "end".
LISTEN = """
import sys
from gi.repository import Gio, GLib
bus, loop = Gio.bus_get_sync(Gio.BusType.SYSTEM), GLib.MainLoop()
def heard(bus, sender, path, interface, member, arguments):
    print(interface, member, *arguments.unpack(), flush=True)
    if member == "End":
        loop.quit()
bus.signal_subscribe("org.websess1", None, None, None, None, 0, heard)
bus.signal_subscribe(None, "org.websess1.Test", None, None, None, 0, heard)
try:
    bus.call_sync("org.websess1", "/org/websess1", "org.websess1.Manager", "Subscribe", None, None, 0, -1)
except GLib.Error as error:
    print(error)
print("ready", bus.get_unique_name(), flush=True)
loop.run()
"""


def test_S20_signals_reach_only_those_allowed(machine, ctl):
    listeners = {user: machine.start("/usr/bin/python3", "-c", LISTEN, user=user, stdout=-1) for user in ("opal", "nobody", "mallory")}
    names = {}
    for user, process in listeners.items():
        line = process.stdout.readline().split()
        assert line[0] == "ready", line
        names[user] = line[1]
    ctl("create", "shop", "alice", "--role=USER")
    allowed = listeners["opal"].stdout.readline()
    assert "SessionNew" in allowed and "alice" in allowed
    # Nothing more comes now: what the others have heard is in their pipes before this.
    for user, name in names.items():
        machine.run("busctl", "emit", f"--destination={name}", "/", "org.websess1.Test", "End")
        heard, _ = listeners[user].communicate(timeout=30)
        assert heard.split() == ["org.websess1.Test", "End"]


def test_S22_every_kind_of_line_has_its_id_and_its_explanation(machine, ctl):
    ids = message_ids()
    since = machine.out("date", "+%s.%N")
    secret = ctl("--quiet", "login", "shop", "alice", input=PASSWORDS["alice"], user="shopd")
    with pytest.raises(Failed):
        ctl("login", "shop", "alice", input="wrong", user="shopd")
    with pytest.raises(Failed):
        ctl("login", "shop", "alice", input=PASSWORDS["alice"], user="mallory")
    ctl("reload")
    ctl("logout", "shop", input=secret, user="shopd")
    for event, user in [("LOGIN", "alice"), ("LOGIN_FAILED", "alice"), ("DENIED", None), ("POLICY_LOADED", None), ("ENDED", "alice")]:
        lines = machine.journal(f"--since=@{since}", "--output=json", f"MESSAGE_ID={ids[event]}").splitlines()
        assert lines, event
        fields = json.loads(lines[-1])
        assert fields["_SYSTEMD_UNIT"] == "websessd.service"
        assert user is None or fields["WEBSESS_USER"] == user
    ended = json.loads(machine.journal(f"--since=@{since}", "--output=json", f"MESSAGE_ID={ids['ENDED']}").splitlines()[-1])
    assert ended["WEBSESS_REASON"] == "logout" and ended["WEBSESS_SERVICE"] == "shop"
    everything = machine.journal(f"--since=@{since}", "--output=json")
    assert secret not in everything and secret[22:] not in everything
    assert PASSWORDS["alice"] not in everything
    for event, number in ids.items():
        assert "websess" in machine.out("journalctl", "--dump-catalog", number), event


def test_F7_sessions_survive_a_restart_and_a_crash(machine, ctl, token):
    inode = machine.out("stat", "--format=%i", "/run/websess/websess.sock")
    machine.run("systemctl", "restart", "websessd.service")
    ctl("resolve", "shop", input=token, user="shopd")
    before = machine.show("websessd.service", "MainPID")
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", "websessd.service")
    ctl("resolve", "shop", input=token, user="shopd")
    assert machine.show("websessd.service", "MainPID") != before
    assert machine.out("stat", "--format=%i", "/run/websess/websess.sock") == inode


def test_L05_restart_under_load_fails_no_request(machine, token):
    """Several daemons resolve and create while the broker is restarted again and again: everybody waits, nobody fails."""
    failures, done, counts = [], threading.Event(), [0] * 4

    def load(number):
        while not done.is_set():
            if number == 0:
                result = machine.run("websessctl", "--quiet", "create", "shop", "bob", "--role=USER", check=False)
            else:
                result = machine.run("websessctl", "resolve", "shop", input=token, user="shopd", check=False)
            counts[number] += 1
            if result.returncode != 0:
                failures.append(result.stderr)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        start = list(counts)
        machine.run("systemctl", "restart", "websessd.service")
        wait_until(lambda: all(now > was for now, was in zip(counts, start)), what="a request of everybody")
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    assert machine.show("websessd.service", "NRestarts") == "0"


def test_reload_takes_a_good_policy_and_refuses_a_bad_one(machine, ctl):
    machine.write("/etc/websess/services.d/mail.conf", SHOP)
    machine.run("systemctl", "reload", "websessd.service")
    assert "mail" in ctl("services")
    machine.run("rm", "/etc/websess/services.d/mail.conf")
    machine.run("systemctl", "kill", "--signal=HUP", "--kill-who=main", "websessd.service")
    wait_until(lambda: "mail" not in ctl("services"), what="the policy without it")
    machine.write("/etc/websess/services.d/mail.conf", SHOP)
    ctl("reload")
    machine.write("/etc/websess/services.d/mail.conf", "[Service]\nIdleSec=soon\n")
    try:
        with pytest.raises(Failed, match=r"mail\.conf:2.*IdleSec") as caught:
            ctl("reload")
        assert caught.value.status != 0
        assert machine.run("systemctl", "reload", "websessd.service", check=False).returncode != 0
        assert "mail" in ctl("services")
        refused = machine.journal("--output=cat", f"MESSAGE_ID={message_ids()['POLICY_REFUSED']}")
        assert "mail.conf:2" in refused
    finally:
        machine.run("rm", "/etc/websess/services.d/mail.conf")
    ctl("reload")
    assert "mail" not in ctl("services")


def test_bad_policy_at_start_is_said_once_and_not_tried_again(machine):
    machine.write("/etc/websess/services.d/bad.conf", "[Service]\nNoSuchKey=1\n")
    try:
        machine.run("systemctl", "restart", "websessd.service", check=False)
        assert machine.show("websessd.service", "ExecMainStatus") == "78"
        assert machine.show("websessd.service", "ActiveState") == "failed"
        assert "bad.conf:2" in machine.journal("--unit=websessd.service", "-n", "30", "--output=cat")
    finally:
        machine.run("rm", "/etc/websess/services.d/bad.conf")
        machine.run("systemctl", "reset-failed")


def test_status_shows_in_systemctl(machine):
    assert machine.show("websessd.service", "StatusText")
    assert int(machine.show("websessd.service", "WatchdogUSec").rstrip("s")) == 10
