# SPDX-License-Identifier: MIT
"""README.md tells the truth: its programs compile and run against the broker, its policy is good, and what it names is there."""
import functools
import os
import pathlib
import re
import subprocess

import pytest
from readme import PROSE, ROOT, block, blocks, quoted, rows, section
from world import BUILD, SANITIZED

without_sanitizers = pytest.mark.skipif(SANITIZED, reason="a library with a sanitizer needs a program with one")

LIBRARY = {"PATH": f"{BUILD}:/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": str(BUILD), "LANG": "C.UTF-8"}
PASSWORD = "correct horse"


@pytest.fixture
def shop(place, bus, helper, broker):
    """The broker with the README's policy; whoever runs the tests may use it. A function that runs a program there."""
    place.policy("shop", block("ini", "Use it from a program"))
    drop_in = place.etc / "services.d/shop.conf.d"
    drop_in.mkdir(exist_ok=True)
    (drop_in / "test.conf").write_text(f"[Access]\nLogin={os.getuid()}\nResolve={os.getuid()}\n")
    broker.reload()
    environment = LIBRARY | {"WEBSESS_SOCKET": str(broker.socket_path), "DBUS_SYSTEM_BUS_ADDRESS": bus.address}

    def run(*arguments, input=""):
        done = subprocess.run(list(map(str, arguments)), input=input, env=environment, cwd=place.path, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout
    run.environment = environment
    return run


# ---- the examples ----

@without_sanitizers
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("number", range(len(blocks("c"))))
def test_c_programs_compile_without_a_warning(tmp_path, compiler, number):
    if subprocess.run(["which", compiler], capture_output=True).returncode:
        pytest.skip(f"{compiler} is missing")
    (tmp_path / "program.c").write_text(blocks("c")[number].code)
    done = subprocess.run([compiler, "-Wall", "-Wextra", f"-I{ROOT}/include", "-o", "program", "program.c", f"-L{BUILD}", "-lwebsess"],
                          cwd=tmp_path, text=True, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@without_sanitizers
def test_c_program_logs_in_and_resolves(shop, tmp_path):
    (tmp_path / "door.c").write_text(block("c", "C"))
    subprocess.run(["gcc", f"-I{ROOT}/include", "-o", tmp_path / "door", tmp_path / "door.c", f"-L{BUILD}", "-lwebsess"], check=True)
    said = shop(tmp_path / "door", input=f"login alice {PASSWORD}\nlogin alice wrong\n\n__Host-SHOP=rubbish\n").splitlines()
    assert said[0] == "200" and said[2:] == ["401", "401", "401"]
    cookie = said[1].removeprefix("Set-Cookie: ")
    assert cookie.startswith("__Host-SHOP=") and "; Secure" in cookie
    assert shop(tmp_path / "door", input=f"a=b; {cookie.split(';')[0]}\n").splitlines() == ["200", "Hello alice, USER"]


def test_python_over_the_bus(shop):
    code = block("python", "Python", "dasbus") + """
token, cookie = sign_in("alice", "correct horse", "192.0.2.7")
assert cookie.startswith("__Host-SHOP=" + token)
print(current_user(token), current_user(token, "USER"), current_user(token, "ADMIN"))
sign_out(token)
print(current_user(token))
"""
    assert shop("/usr/bin/python3", "-c", code) == "alice alice None\nNone\n"


def test_python_over_the_private_socket(shop, broker):
    code = block("python", "Python", "dasbus").replace("SystemMessageBus()", f'AddressedMessageBus("{broker.address}")')
    code = code.replace("import SystemMessageBus", "import AddressedMessageBus")
    assert "AddressedMessageBus(" in section("Python")
    assert shop("/usr/bin/python3", "-c", code + "print(current_user('rubbish'))") == "None\n"


@without_sanitizers
def test_python_by_ctypes(shop):
    token = shop("websessctl", "--quiet", "login", "shop", "alice", input=PASSWORD).strip()
    code = block("python", "Python", "ctypes") + f"print(current_user(b'{token}'), current_user(b'rubbish'))"
    assert shop("/usr/bin/python3", "-c", code) == "alice None\n"


def test_shell(shop, place):
    (place.path / "password-file").write_text(PASSWORD + "\n")
    said = shop("/bin/sh", "-euxc", block("sh", "Shell, and nginx", "logout"))
    assert re.search(r'"User": *"alice"', said)


def test_script_for_nginx_answers_as_cgi(shop, tmp_path):
    script = tmp_path / "websess-auth"
    script.write_text(block("sh", "Shell, and nginx", "--cgi"))
    token = shop("websessctl", "--quiet", "login", "shop", "alice", input=PASSWORD).strip()
    assert "Status: 401" in shop("/bin/sh", script)
    shop.environment["HTTP_COOKIE"] = f"__Host-SHOP={token}"
    said = shop("/bin/sh", script)
    assert "Status: 204" in said and "X-Websess-User: alice" in said
    assert script.name in block("nginx", "Shell, and nginx")


def test_policy_is_good(place):
    place.policy("shop", block("ini", "Use it from a program"))
    subprocess.run([BUILD / "websessd", "--check-policy"], env={"CONFIGURATION_DIRECTORY": str(place.etc)}, check=True)


# ---- what is named is there ----

def test_dependencies_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    wanted = {p for line in re.findall(r"^\w*DEPS :?\+?= ([^#\n]*)", makefile, re.M) for p in line.split()}
    named = {name for row in rows(section("Dependencies")) for name in quoted(row[0])}
    assert named == wanted


def test_make_targets_exist():
    commands = quoted(PROSE) + re.findall(r"^ {4}(make .*)$", PROSE, re.M) + [line for b in blocks("sh") for line in b.code.splitlines()]
    targets = {match[1] for command in commands if (match := re.match(r"make ([a-z][a-z-]*)\b(?!=)", command))}
    assert {"demo", "test", "deps", "install", "uninstall"} <= targets
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert targets | {"deps-demo", "deps-test", "deps-bench"} <= set(phony)


def paths():
    """What is quoted and looks like a file or folder of the tree. Tests are named from tests/ on."""
    return sorted({q for q in quoted(PROSE) if re.match(r"(include|lib|broker|pam|systemd|selinux|man|tests|unit|integration|system|confined)/", q)})


@pytest.mark.parametrize("name", paths())
def test_named_files_exist(name):
    base = ROOT / "tests" if name.split("/")[0] in ("unit", "integration", "system", "confined") else ROOT
    assert list(base.glob(name.rstrip("/"))), f"README.md names {name}"


def test_files_of_the_map_exist():
    for row in rows(section("The tree")):
        folder = pathlib.PurePath(quoted(row[0])[0])
        folder = folder if str(quoted(row[0])[0]).endswith("/") else folder.parent
        for name in quoted(row[0])[1:] + quoted(row[1]):
            if re.search(r"\.[ch]$", name) and "/" not in name:
                assert list((ROOT / folder).glob(name)), f"README.md names {name} in {folder}"


def test_every_folder_is_on_the_map():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    folders = {str(pathlib.PurePath(f).parent) for f in files if "/" in f and not f.startswith((".", "tests/fuzz/"))} - {"tests"}
    named = {name.rstrip("/") for row in rows(section("The tree")) for name in quoted(row[0])}
    if not files:
        pytest.skip("not a git work tree")
    assert folders - named == set()


@functools.cache
def test_names(file):
    return re.findall(r"\btest_\w+", (ROOT / "tests" / file).read_text())


def codes(cell):
    """`R1–R3, S04` as R1 R2 R3 S04."""
    for first, last in re.findall(r"([A-Z]\d+)(?:–([A-Z]\d+))?", cell):
        width = len(first) - 1
        for number in range(int(first[1:]), int((last or first)[1:]) + 1):
            yield f"{first[0]}{number:0{width}}" if width > 1 and first[1] == "0" else f"{first[0]}{number}"


def promises():
    for row in rows(section("What it promises, and how that is tested")):
        yield row[0], list(codes(row[0])), quoted(row[2])


test_names.__test__ = False


@pytest.mark.parametrize("cell, wanted, files", [pytest.param(*p, id=p[0]) for p in promises()])
def test_promises_have_their_tests(cell, wanted, files):
    proven = {code for file in files for name in test_names(file) for code in wanted if re.match(rf"test_(?:\w+_)?{code}(?:_|$)", name)}
    assert proven == set(wanted)
    for file in files:
        assert any(re.match(rf"test_(?:\w+_)?{code}(?:_|$)", name) for name in test_names(file) for code in wanted), f"{file} proves nothing of {cell}"


def test_every_requirement_is_promised():
    promised = {code for _, wanted, _ in promises() for code in wanted}
    assert {f"S{n:02}" for n in range(1, 27)} | {f"L{n:02}" for n in range(1, 11)} <= promised


def test_the_threat_model_rests_on_what_is_tested():
    claimed = set(re.findall(r"\b[SL]\d\d\b", (ROOT / "man/websess-security.7").read_text()))
    assert claimed and claimed <= {code for _, wanted, _ in promises() for code in wanted}
