# SPDX-License-Identifier: MIT
"""What README.md says about installing is done, line by line, on the machine."""
import json
import os
import re
import sys

import pytest
from conftest import PASSWORDS, SHOP
from machine import ROOT, SOURCE, Failed

sys.path.insert(0, str(ROOT / "tests/integration"))
sys.dont_write_bytecode = True

from readme import block, blocks  # noqa: E402

BUILD_OPTION = f"BUILD={os.path.relpath(os.environ.get('BUILD', 'build'), ROOT)}"


def shell(machine, code, **options):
    return machine.run("/bin/sh", "-ec", f"cd {SOURCE}\n{code}", **options)


def test_installs_as_written(machine):
    code = block("sh", "Install", "make install").replace("make\n", f"make {BUILD_OPTION}\n").replace("make install", f"make {BUILD_OPTION} install")
    done = shell(machine, code, timeout=600)
    assert "Healthy" in done.stdout


def test_first_login_as_written(machine):
    done = shell(machine, block("sh", "Install", "usermod"), input=PASSWORDS["alice"])
    assert "User: alice" in done.stdout and "1 session ended" in done.stdout
    done = shell(machine, block("sh", "Install", "busctl call"))
    assert "/org/websess1/session/" in done.stdout and PASSWORDS["alice"] in block("sh", "Install", "busctl call")
    assert "Session " in machine.journal("-u", "websessd", "-x", "-n", "50")


def test_program_is_built_against_what_is_installed(machine):
    machine.write("/tmp/door/door.c", block("c", "C"))
    shell(machine, "cd /tmp/door && gcc -o door door.c -lwebsess")
    machine.write("/etc/websess/services.d/shop.conf.d/door.conf", "[Access]\nLogin=www-data\nResolve=www-data\n[Cookie]\nName=__Host-SHOP\n")
    machine.run("websessctl", "reload")
    try:
        said = machine.out("/tmp/door/door", user="www-data", input=f"login alice {PASSWORDS['alice']}\nlogin alice wrong\n").splitlines()
    finally:
        machine.run("rm", "-r", "/etc/websess/services.d/shop.conf.d")
        machine.run("websessctl", "reload")
    assert said[0] == "200" and said[1].startswith("Set-Cookie: __Host-SHOP=") and said[2] == "401"


def test_check_policy_is_where_it_says(machine):
    machine.run("/usr/lib/websess/websessd", "--check-policy")
    machine.write("/etc/websess/services.d/bad.conf", "[Access]\nLogin=nobody-of-that-name\n")
    try:
        with pytest.raises(Failed, match="bad.conf:2: .*nobody-of-that-name"):
            machine.run("/usr/lib/websess/websessd", "--check-policy")
    finally:
        machine.run("rm", "/etc/websess/services.d/bad.conf")


def test_uninstall_leaves_what_is_the_administrators(machine):
    """Of an image: the machine itself is used by other tests."""
    assert blocks("sh", "Install")
    shell(machine, f"make {BUILD_OPTION} install DESTDIR=/tmp/left prefix=/usr/local >/dev/null && "
                   f"make {BUILD_OPTION} uninstall DESTDIR=/tmp/left prefix=/usr/local")
    left = machine.out("find", "/tmp/left", "!", "-type", "d").splitlines()
    assert sorted(left) == ["/tmp/left/etc/pam.d/websess", "/tmp/left/etc/websess/services.d/default.conf", "/tmp/left/etc/websess/websess.conf"]


def examples(page):
    """The literal blocks under EXAMPLES of a manual page."""
    text = (ROOT / "man" / page).read_text().split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    return [code.replace("\\e", "\\") for code in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)]


def test_examples_of_the_interface_run_as_written(machine, ctl):
    machine.write("/etc/websess/services.d/shop.conf", SHOP)
    ctl("create", "shop", "bob", "--role=USER")
    session = json.loads(ctl("--json=short", "list", "--service=shop", "--user=bob"))[0]["Id"]
    for code in examples("org.websess1.5"):
        shell(machine, re.sub("01[0-9a-f]{30}", session, code))
    assert json.loads(ctl("--json=short", "list", "--service=shop")) == []


def test_L10_restoring_a_backup_as_written(machine, ctl, token):
    ctl("backup", "/var/backups/websess.mdb")
    ctl("revoke-all", "shop")
    policy, restore, denials, _ = examples("websessd.8")
    assert "are ended" in shell(machine, policy + restore + denials).stdout
    with pytest.raises(Failed):
        ctl("resolve", "shop", input=token, user="shopd")
    shell(machine, restore.replace("--restore", "--keep --restore"))
    assert "alice" in ctl("resolve", "shop", input=token, user="shopd")
    assert "A backup of the session database was restored" in machine.journal("-x", "-t", "websessd")
