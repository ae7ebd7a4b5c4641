# SPDX-License-Identifier: MIT
"""websess-pam with real stacks of real modules, asked as the broker asks it. Needs no root: the stacks lie in a folder of the test's own."""

import contextlib
import crypt
import os
import re
import signal
import struct
import subprocess
import time

import pytest

from helper_peer import (AUTHENTICATION_FAILED, BEGIN, CONVERSATION_REQUIRED, HELPER, NO_UID, OK, READY, RESULT, UNAVAILABLE, Helpers, begin,
                         decode, message)

MATRIX = "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so"
PERMIT = "account required pam_permit.so"


@pytest.fixture
def helpers():
    h = Helpers()
    yield h
    h.close()


def script(helpers, name, text):
    path = helpers.write(name, "#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def passwords(helpers, **users):
    hashed = {user: crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000)) for user, password in users.items()}
    helpers.write("passwords", "".join("%s:%s\n" % item for item in hashed.items()))
    return "auth required pam_pwdfile.so pwdfile=%s/passwords" % helpers.folder.name


def matrix(helpers, database, options=""):
    """The stack of libpam-wrapper's test module: plain lines of user:password:service."""
    with open(os.path.join(helpers.folder.name, "matrix"), "wb") as f:
        f.write(database)
    helpers.stack("websess", *("%s required %s passdb=%s/matrix %s" % (kind, MATRIX, helpers.folder.name, options) for kind in ("auth", "account")))


def read(helpers, name, mode="r"):
    with open(os.path.join(helpers.folder.name, name), mode) as f:
        return f.read()


def exists(helpers, name):
    return os.path.exists(os.path.join(helpers.folder.name, name))


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]


# ---- who may log in ----

def test_password_right_wrong_and_unknown_user(helpers):
    helpers.stack("websess", passwords(helpers, root="geheim", ghost="boo"), PERMIT)
    answer = helpers.ask("root", "geheim")
    assert (answer["outcome"], answer["user"], answer["uid"], answer["methods"]) == (OK, "root", 0, ["pwd"])
    assert "root" in answer["groups"]
    for user, secret in (("root", "falsch"), ("root", "geheim "), ("nobody-there", "geheim")):
        answer = helpers.ask(user, secret)
        assert (answer["outcome"], answer["uid"], answer["groups"], answer["methods"]) == (AUTHENTICATION_FAILED, NO_UID, [], [])
        assert "user" not in answer


def test_user_whom_nss_does_not_know_has_no_uid_and_no_groups(helpers):
    helpers.stack("websess", passwords(helpers, ghost="boo"), PERMIT)
    answer = helpers.ask("ghost", "boo")
    assert (answer["outcome"], answer["user"], answer["uid"], answer["groups"]) == (OK, "ghost", NO_UID, [])


@pytest.mark.parametrize("secret", [
    b"x", b" ", b" spaces around ", b"tab\tand\nnewline", "pässwörd".encode(), "🔑🔑🔑".encode(), "e\u0301 é".encode(), b"%s%n$(reboot)'\"\\",
    b"y" * 511,
], ids=["one-byte", "space", "spaces", "controls", "umlauts", "emoji", "not-normalised", "shell", "511"])
def test_S10_passwords_pass_as_received(helpers, secret):
    save = script(helpers, "save", "cat > '%s/secret'\n" % helpers.folder.name)
    helpers.stack("websess", "auth required pam_exec.so quiet expose_authtok " + save, PERMIT)
    assert helpers.ask("root", secret)["outcome"] == OK
    assert read(helpers, "secret", "rb").rstrip(b"\0") == secret


@pytest.mark.skipif(not os.path.exists(MATRIX), reason="needs libpam-wrapper")
@pytest.mark.parametrize("secret", [b"y" * 512, ("é" * 256).encode()], ids=["512", "512-of-utf8"])
def test_S10_longest_password_passes_as_received(helpers, secret):
    """pam_exec hands on 511 bytes only; this module compares all of them."""
    matrix(helpers, b"bob:" + secret + b":websess\n")
    assert helpers.ask("bob", secret)["outcome"] == OK
    assert helpers.ask("bob", secret[:-2] + b"xx")["outcome"] == AUTHENTICATION_FAILED
    assert helpers.ask("bob", secret[:-2])["outcome"] == AUTHENTICATION_FAILED


@pytest.mark.parametrize("secret", [b"", b"y" * 513, b"\xff\xfe", b"a\0b"], ids=["empty", "513", "not-utf8", "nul"])
def test_S10_passwords_that_cannot_be_end_the_conversation(helpers, secret):
    with helpers.ready() as s:
        s.send(begin("default", "root", secret))
        assert s.recv(65536) == b""


def test_S12_account_management_always_runs(helpers):
    ran = script(helpers, "ran", "touch '%s/account-ran'\n" % helpers.folder.name)
    helpers.stack("websess", "auth required pam_permit.so", "account required pam_exec.so quiet " + ran)
    assert helpers.ask("root", "x")["outcome"] == OK
    assert exists(helpers, "account-ran")


def test_S12_account_that_is_refused_is_no_login(helpers):
    helpers.stack("websess", passwords(helpers, root="geheim"), "account required pam_deny.so")
    answer = helpers.ask("root", "geheim")
    assert answer["outcome"] == AUTHENTICATION_FAILED
    assert answer["text"].startswith("pam_acct_mgmt: ")
    helpers.stack("websess", passwords(helpers, root="geheim"))
    assert helpers.ask("root", "geheim")["outcome"] != OK, "a stack without account modules lets nobody in"


@pytest.mark.skipif(not os.path.exists(MATRIX), reason="needs libpam-wrapper")
def test_S12_account_of_another_service_is_refused(helpers):
    matrix(helpers, b"bob:secret:websess\neve:secret:sshd\n")
    assert helpers.ask("bob", "secret")["outcome"] == OK
    assert helpers.ask("eve", "secret")["outcome"] == AUTHENTICATION_FAILED


@pytest.mark.parametrize("kind,result,outcome", [
    ("auth", "auth_err", AUTHENTICATION_FAILED), ("auth", "user_unknown", AUTHENTICATION_FAILED), ("auth", "maxtries", AUTHENTICATION_FAILED),
    ("auth", "perm_denied", AUTHENTICATION_FAILED), ("auth", "acct_expired", AUTHENTICATION_FAILED),
    ("auth", "cred_insufficient", AUTHENTICATION_FAILED), ("auth", "authtok_err", AUTHENTICATION_FAILED),
    ("auth", "system_err", UNAVAILABLE), ("auth", "service_err", UNAVAILABLE), ("auth", "authinfo_unavail", UNAVAILABLE),
    ("auth", "buf_err", UNAVAILABLE), ("auth", "open_err", UNAVAILABLE), ("auth", "conv_err", UNAVAILABLE),
    ("acct", "acct_expired", AUTHENTICATION_FAILED), ("acct", "perm_denied", AUTHENTICATION_FAILED),
    ("acct", "user_unknown", AUTHENTICATION_FAILED), ("acct", "auth_err", AUTHENTICATION_FAILED),
    ("acct", "new_authtok_reqd", CONVERSATION_REQUIRED), ("acct", "authinfo_unavail", UNAVAILABLE), ("acct", "system_err", UNAVAILABLE),
])
def test_outcome_of_each_pam_result(helpers, kind, result, outcome):
    other = {"auth": "acct", "acct": "auth"}[kind]
    helpers.stack("websess", *("%s required pam_debug.so %s=%s %s=success" % (line, kind, result, other) for line in ("auth", "account")))
    answer = helpers.ask("root", "x")
    assert answer["outcome"] == outcome
    assert answer["pam_result"] != 0
    assert "user" not in answer and answer["uid"] == NO_UID


def test_stack_that_cannot_work_is_unavailable_by_name(helpers):
    helpers.service("shop", "[Service]\nPAMService=websess-shop\n")
    for lines in ((), ("auth required pam_no_such_module.so", PERMIT)):
        if lines:
            helpers.stack("websess-shop", *lines)
        answer = helpers.ask("root", "x", service="shop")
        assert answer["outcome"] in (UNAVAILABLE, AUTHENTICATION_FAILED)
    helpers.stack("websess-shop", "auth required pam_debug.so auth=system_err", PERMIT)
    assert '"websess-shop"' in helpers.ask("root", "x", service="shop")["text"]


# ---- single-shot ----

@pytest.mark.skipif(not os.path.exists(MATRIX), reason="needs libpam-wrapper")
def test_second_question_asks_for_a_conversation(helpers):
    matrix(helpers, b"root:geheim:websess\n")
    line = passwords(helpers, root="geheim")
    module = "auth required %s passdb=%s/matrix" % (MATRIX, helpers.folder.name)        # asks whatever was asked before
    helpers.stack("websess", line, module, PERMIT)
    assert helpers.ask("root", "geheim")["outcome"] == CONVERSATION_REQUIRED
    helpers.stack("websess", line, line, PERMIT)        # asks only what has not been asked yet
    assert helpers.ask("root", "geheim")["outcome"] == OK


@pytest.mark.skipif(not os.path.exists(MATRIX), reason="needs libpam-wrapper")
def test_visible_question_asks_for_a_conversation_and_messages_do_not(helpers):
    matrix(helpers, b"bob:secret:websess\n", "echo")
    assert helpers.ask("bob", "secret")["outcome"] == CONVERSATION_REQUIRED
    matrix(helpers, b"bob:secret:websess\n", "verbose")
    assert helpers.ask("bob", "secret")["outcome"] == OK
    assert helpers.ask("bob", "other")["outcome"] == AUTHENTICATION_FAILED


def test_S09_delay_is_reported_and_not_slept(helpers):
    helpers.stack("websess", "auth optional pam_faildelay.so delay=8000000", "auth required pam_deny.so", PERMIT)
    start = time.monotonic()
    answer = helpers.ask("root", "x")
    assert time.monotonic() - start < 4
    assert answer["outcome"] == AUTHENTICATION_FAILED
    assert 4000000 <= answer["delay_usec"] <= 12000000        # libpam varies what modules ask for
    helpers.stack("websess", "auth optional pam_faildelay.so delay=8000000", "auth required pam_permit.so", PERMIT)
    assert helpers.ask("root", "x")["delay_usec"] == 0


# ---- what PAM gets to see ----

def test_S14_environment_of_the_stack_is_pams_own(helpers):
    helpers.stack("websess", "auth required pam_exec.so quiet log=%s/environment /usr/bin/env" % helpers.folder.name, PERMIT)
    assert helpers.ask("root", "x", remote_host="192.0.2.7")["outcome"] == OK
    lines = read(helpers, "environment").splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert found == {"PAM_SERVICE": "websess", "PAM_USER": "root", "PAM_RHOST": "192.0.2.7", "PAM_TTY": "websess", "PAM_TYPE": "auth"}


@pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory: needs root")
def test_S14_helpers_environment_is_empty(monkeypatch):
    monkeypatch.setenv("WEBSESS_CANARY", "tweet")
    helpers = Helpers(environment=["WEBSESS_CANARY", "LD_BIND_NOW=1"])
    try:
        with helpers.ready():
            pid, = children_of(helpers.process.pid)
            assert environ_pointer(pid) == 0
    finally:
        helpers.close()


def environ_pointer(pid):
    """libc's `environ` in another process: NULL when its environment was cleared. What /proc/PID/environ shows is the stack as it was at the
    start, which nothing reads any more."""
    with open("/proc/%d/maps" % pid) as f:
        libc = next(line.split() for line in f if re.search(r"/libc(-.*)?\.so", line))
    base, path = int(libc[0].split("-")[0], 16), libc[-1]
    symbols = subprocess.run(["readelf", "--dyn-syms", "--wide", path], check=True, capture_output=True, text=True).stdout
    offset = next(int(line.split()[1], 16) for line in symbols.splitlines() if re.search(r" (__)?environ@", line))
    with open("/proc/%d/mem" % pid, "rb") as memory:
        memory.seek(base + offset)
        return struct.unpack("<Q", memory.read(8))[0]


def test_S19_idle_helper_writes_no_core_and_private_files(helpers):
    with helpers.ready():
        pid, = children_of(helpers.process.pid)
        with open("/proc/%d/limits" % pid) as f:
            assert re.search(r"^Max core file size +0 +0 ", f.read(), re.M)
        with open("/proc/%d/status" % pid) as f:
            assert "Umask:\t0077\n" in f.read()


# ---- which PAM service ----

def test_policy_on_disk_decides_the_pam_service(helpers):
    helpers.stack("websess", "auth required pam_deny.so", PERMIT)
    helpers.stack("lax", "auth required pam_permit.so", PERMIT)
    helpers.service("shop", "[Service]\nPAMService=lax\n")
    assert helpers.ask("root", "x", service="shop")["outcome"] == OK
    assert helpers.ask("root", "x")["outcome"] == AUTHENTICATION_FAILED


def test_policy_is_read_when_it_is_asked_and_not_before(helpers):
    helpers.stack("lax", "auth required pam_permit.so", PERMIT)
    helpers.stack("websess", "auth required pam_deny.so", PERMIT)
    with helpers.ready() as s:
        helpers.service("shop", "[Service]\nPAMService=lax\n")
        s.send(begin("shop", "root", "x"))
        assert decode(s.recv(65536))[1]["outcome"] == OK


def test_unknown_service_is_unavailable(helpers):
    answer = helpers.ask("root", "x", service="nope")
    assert answer["outcome"] == UNAVAILABLE and "/services.d/nope.conf" in answer["text"]


def test_S26_app_service_is_never_asked_of_pam(helpers):
    helpers.service("app", "[Service]\nUsers=app\n")
    answer = helpers.ask("root", "x", service="app")
    assert answer["outcome"] == UNAVAILABLE and "Users=app" in answer["text"]


def test_bad_policy_is_unavailable_with_file_and_line(helpers):
    helpers.service("shop", "[Service]\nIdelSec=2h\n")
    answer = helpers.ask("root", "x", service="shop")
    assert answer["outcome"] == UNAVAILABLE
    assert "shop.conf:2" in answer["text"]
    assert helpers.ask("root", "x")["outcome"] == OK, "another service is not concerned"


def test_configuration_directory_is_taken_from_the_environment():
    helpers = Helpers(config=False, environment=["CONFIGURATION_DIRECTORY=/nonexistent/by-environment"])
    try:
        assert "/nonexistent/by-environment" in helpers.ask("root", "x", service="nope")["text"]
    finally:
        helpers.close()


# ---- who may ask, and what ----

def as_other_user(uid, helpers):
    """What a connection of uid gets: the first operation, or None when it is hung up on."""
    os.chmod(helpers.folder.name, 0o755)
    os.chmod(helpers.path, 0o666)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresuid(uid, uid, uid)
            with helpers.connect() as s:
                packet = s.recv(65536)
            os._exit(decode(packet)[0] if packet else 99)
        finally:
            os._exit(100)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if code == 99 else code


@pytest.mark.skipif(os.geteuid() != 0, reason="needs callers of other uids")
def test_S26_only_the_broker_may_ask(helpers):
    assert as_other_user(65534, helpers) is None
    Helpers.wait_for(lambda: "may not ask" in helpers.log_text())
    assert as_other_user(0, helpers) == READY


@pytest.mark.skipif(os.geteuid() != 0, reason="needs callers of other uids")
def test_peer_uid_lets_one_more_ask():
    helpers = Helpers(options=["--peer-uid=12345"])
    try:
        assert as_other_user(12345, helpers) == READY
        assert as_other_user(65534, helpers) is None
    finally:
        helpers.close()


GOOD = begin("default", "root", "x")


@pytest.mark.parametrize("packet", [
    b"\0", b"GET / HTTP/1.0\r\n\r\n", GOOD[:-1], GOOD + b"\0", message(BEGIN), message(READY), message(RESULT), message(77),
    message(BEGIN, (1, b"default"), (2, b"root"), (3, b"x"), (3, b"x")), message(BEGIN, (1, b"default"), (2, b"root"), (3, b"x"), (99, b"x")),
    message(BEGIN, (1, b"../etc"), (2, b"root"), (3, b"x")), message(BEGIN, (1, b"default"), (2, b"a\nb"), (3, b"x")),
    message(BEGIN, (1, b"default"), (2, b"u" * 257), (3, b"x")), message(BEGIN, version=2), b"\1\2\0\0" + b"x" * 100000,
], ids=["byte", "http", "cut", "longer", "no-fields", "ready", "result", "operation", "twice", "tag", "service", "user", "long-user", "version",
        "oversize"])
def test_S23_rubbish_ends_the_conversation(helpers, packet):
    with helpers.ready() as s:
        s.send(packet)
        assert s.recv(65536) == b""
    assert helpers.ask("root", "x")["outcome"] == OK


def test_one_question_and_no_more(helpers):
    with helpers.ready() as s:
        s.send(GOOD)
        received = []
        with contextlib.suppress(BrokenPipeError):      # it may be done with the first already
            s.send(GOOD)
        try:
            while packet := s.recv(65536):
                received.append(decode(packet)[0])
        except ConnectionResetError:
            pass        # hung up on with the second question unread, which may overtake the result
        assert received in ([], [RESULT])


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):      # the latter when it goes between open and read
        return False


def test_S15_client_that_vanishes_ends_the_helper(helpers):
    hang = script(helpers, "hang", "echo $PPID $$ > '%s/pids.new'; mv '%s/pids.new' '%s/pids'; exec sleep 60\n" % ((helpers.folder.name,) * 3))
    helpers.stack("websess", "auth required pam_exec.so quiet " + hang, PERMIT)
    with helpers.ready() as s:
        s.send(GOOD)
        Helpers.wait_for(lambda: exists(helpers, "pids"))
        helper, module = (int(pid) for pid in read(helpers, "pids").split())
        assert alive(helper)
    try:
        Helpers.wait_for(lambda: not alive(helper))
    finally:
        os.kill(module, signal.SIGTERM)


def test_idle_helper_ends_when_the_broker_hangs_up(helpers):
    with helpers.ready():
        pid, = children_of(helpers.process.pid)
    Helpers.wait_for(lambda: not alive(pid))


# ---- command line ----

def run(*arguments, **kwargs):
    return subprocess.run([HELPER, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, **kwargs)


def test_command_line_says_what_is_wrong():
    assert run("--help").returncode == 0
    assert run("--version").stdout.startswith("websess-pam ")
    for arguments, words in ((("--nonsense",), "nonsense"), (("file",), "file"), (("--peer-uid=root",), "root"), (("--peer-uid=-1",), "-1"),
                             (("--peer-uid=4294967295",), "4294967295"), ((), "no connection"), (("--inetd",), "no connection")):
        result = run(*arguments)
        assert result.returncode == 1 and words in result.stderr
