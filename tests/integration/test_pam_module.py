# SPDX-License-Identifier: MIT
"""pam_websess.so in real stacks against the real broker: by pamtester, and by libpam itself where a test looks between the steps. Needs root, as
programs that open PAM sessions do."""

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time

import pytest

from client import raises
from pam_client import ENTRY_POINTS, PamClient, in_child, see_another_passwd
from world import BROKER_UID, BUILD, SANITIZED

WRAPPER = "libpam_wrapper.so"
CONTROLS = ("required", "requisite", "sufficient", "optional")

pytestmark = [pytest.mark.needs_root, pytest.mark.skipif(SANITIZED, reason="a module with a sanitizer needs a program with one")]


class Stacks:
    """PAM services that use the module: one for each name, with the module in every stack and nothing else."""

    def __init__(self, place):
        self.place, self.folder = place, place.path / "stacks"
        self.folder.mkdir()
        self.module = place.bin / "pam_websess.so"
        self.socket = place.run / "websess.sock"

    def write(self, name, arguments="", kinds=("auth", "account", "session", "password"), control="required", socket=None):
        line = f"{control} {self.module} socket={socket or self.socket} {arguments}"
        others = [kind for kind in ("auth", "account", "session", "password") if kind not in kinds]
        text = "".join(f"{kind} {line}\n" for kind in kinds) + "".join(f"{kind} required pam_permit.so\n" for kind in others)
        (self.folder / name).write_text(text)

    def client(self, user="alice", answers=(), name="app", **kwargs):
        return PamClient(self.folder, name, user, answers, **kwargs)

    def tester(self, user, *operations, password=None, name="app"):
        """Run pamtester: (did it succeed, what it said)."""
        environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": WRAPPER, "PAM_WRAPPER": "1", "PAM_WRAPPER_SERVICE_DIR": str(self.folder)}
        result = subprocess.run(["pamtester", name, user, *operations], env=environment, input=(password or "") + "\n", text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return result.returncode == 0, result.stdout


@pytest.fixture
def stacks(place):
    return Stacks(place)


@pytest.fixture
def login(place, helper, broker, private):
    """login("games") → (token, session): real users of the machine, since the module takes no others."""
    def do(user="games", service="default", options=None):
        place.user(user, "correct horse")
        return private.Login(service, user, "correct horse", options or {})
    return do


# ---- session ----

def test_session_opens_and_closes_by_pamtester(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    before = private.get("SessionCount")
    ok, said = stacks.tester("games", "open_session", "close_session")
    assert ok and "successfully opened a session" in said and "session has successfully been closed" in said
    ok, said = stacks.tester("games", "open_session")
    assert ok and private.get("SessionCount") == before + 1


def test_open_session_leaves_the_id_and_close_ends_it(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    with stacks.client("games", rhost="192.0.2.7") as pam:
        assert pam.open_session() == "SUCCESS"
        environment = pam.environment()
        assert set(environment) == {"WEBSESS_ID"}
        session = private.GetSession(environment["WEBSESS_ID"])
        assert (session["User"], session["Uid"], session["Service"]) == ("games", pwd.getpwnam("games").pw_uid, "default")
        assert (session["Level"], session["RemoteHost"], session["UserAgent"]) == (1, "192.0.2.7", "PAM app")
        assert pam.close_session() == "SUCCESS"
        with raises("NoSession"):
            private.GetSession(environment["WEBSESS_ID"])


def test_export_token_puts_a_token_that_resolves(stacks, broker, private):
    stacks.write("app", "export_token", kinds=("session",))
    with stacks.client("games") as pam:
        assert pam.open_session() == "SUCCESS"
        environment = pam.environment()
        assert set(environment) == {"WEBSESS_ID", "WEBSESS_TOKEN"}
        assert private.Resolve("default", environment["WEBSESS_TOKEN"], {})["Id"] == environment["WEBSESS_ID"]
        assert pam.close_session() == "SUCCESS"
        with raises("NoSession"):
            private.Resolve("default", environment["WEBSESS_TOKEN"], {})


def test_close_in_another_process_goes_by_the_id(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    with stacks.client("games") as pam:
        assert pam.open_session() == "SUCCESS"
        session = pam.environment()["WEBSESS_ID"]
    with stacks.client("games", environment={"WEBSESS_ID": session}) as pam:
        assert pam.close_session() == "SUCCESS"
        with raises("NoSession"):
            private.GetSession(session)
        assert pam.close_session() == "SUCCESS", "a session that has ended is closed"
    with stacks.client("games") as pam:
        assert pam.close_session() == "SESSION_ERR", "nothing is known to close"


def test_close_by_id_never_ends_another_users_session(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    with stacks.client("games") as victim, stacks.client("list") as pam:
        assert victim.open_session() == "SUCCESS"
        session = victim.environment()["WEBSESS_ID"]
        pam.put("WEBSESS_ID", session)
        assert pam.close_session() == "SESSION_ERR"
        assert private.GetSession(session)["User"] == "games"


def test_opening_again_replaces_and_two_services_do_not(stacks, broker, private, place):
    place.policy("shop", "[Service]\nMaxSessions=0\n")
    broker.reload()
    stacks.write("app", kinds=("session",))
    with stacks.client("games") as pam:
        assert pam.open_session() == pam.open_session() == "SUCCESS"
        assert private.get("SessionCount") == 1
    stacks.write("both", kinds=("session",))
    with open(stacks.folder / "both", "a") as f:
        f.write(f"session required {stacks.module} socket={stacks.socket} service=shop\n")
    with stacks.client("list", name="both") as pam:
        assert pam.open_session() == "SUCCESS"
        assert private.get("SessionCount") == 3
        assert pam.close_session() == "SUCCESS"
        assert private.get("SessionCount") == 1


def test_S26_no_session_for_users_nss_does_not_know(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    with stacks.client("no-such-user") as pam:
        assert pam.open_session() == "USER_UNKNOWN"
    assert private.get("SessionCount") == 0


# ---- auth and account ----

def test_token_as_password_by_pamtester(stacks, login):
    token, _ = login()
    stacks.write("app", kinds=("auth", "account"))
    ok, said = stacks.tester("games", "authenticate", "setcred", "acct_mgmt", password=token)
    assert ok and "successfully authenticated" in said
    for user, password in (("list", token), ("games", token[:-1] + ("A" if token[-1] != "A" else "B")), ("games", "correct horse"), ("games", "")):
        assert not stacks.tester(user, "authenticate", password=password)[0], (user, password)


def test_token_that_has_ended_is_refused(stacks, login, private):
    token, _ = login()
    stacks.write("app", kinds=("auth", "account"))
    with stacks.client("games", [token]) as pam:
        assert pam.authenticate() == "SUCCESS"
        private.Logout("default", token)
        assert pam.acct_mgmt() == "PERM_DENIED"
    with stacks.client("games", [token]) as pam:
        assert pam.authenticate() == "AUTH_ERR"


@pytest.mark.policy(default="[Roles]\nADMIN=\nUSER=*\nOTHER=\n[Access]\nLogin=*\nResolve=*\n")
def test_roles_are_asked_for_in_auth_and_account(stacks, login, private):
    token, session = login()
    for roles, auth, account in (("USER", "SUCCESS", "SUCCESS"), ("OTHER,USER", "SUCCESS", "SUCCESS"), ("OTHER", "PERM_DENIED", "PERM_DENIED"),
                                 ("USRE", "SERVICE_ERR", "SERVICE_ERR")):
        stacks.write("app", f"roles={roles}", kinds=("auth", "account"))
        with stacks.client("games", [token]) as pam:
            assert pam.authenticate() == auth
        with stacks.client("games", environment={"WEBSESS_TOKEN": token}) as pam:
            assert pam.acct_mgmt() == account
    private.SetRoles(session["Id"], ["OTHER"])
    stacks.write("app", "roles=OTHER", kinds=("auth", "account"))
    with stacks.client("games", environment={"WEBSESS_ID": session["Id"]}) as pam:
        assert pam.acct_mgmt() == "SUCCESS"
    with stacks.client("list", environment={"WEBSESS_ID": session["Id"]}) as pam:
        assert pam.acct_mgmt() == "PERM_DENIED"
    with stacks.client("games") as pam:
        assert pam.acct_mgmt() == "PERM_DENIED", "no session at all"


def test_first_pass_is_understood(stacks, login):
    token, _ = login()
    for option, asked in (("use_first_pass", "AUTH_ERR"), ("try_first_pass", "SUCCESS"), ("", "SUCCESS")):
        stacks.write("app", option, kinds=("auth",))
        with stacks.client("games", [token]) as pam:
            assert pam.authenticate() == asked
    (stacks.folder / "two").write_text(f"auth optional pam_unix.so\nauth required {stacks.module} socket={stacks.socket} use_first_pass\n")
    with stacks.client("games", [token], name="two") as pam:
        assert pam.authenticate() == "SUCCESS"
        assert pam.asked == 1


def test_setcred_only_after_own_success(stacks, login):
    token, _ = login()
    stacks.write("app", kinds=("auth",))
    with stacks.client("games", [token]) as pam:
        assert pam.setcred() == "CRED_UNAVAIL"
        assert pam.authenticate() == "SUCCESS"
        assert pam.setcred() == "SUCCESS"


@pytest.mark.policy(app="[Service]\nUsers=app\n", shop="[Service]\nMaxSessions=5\n")
def test_S26_forged_logins_are_refused(stacks, login, private):
    """What a daemon with the right to create sessions could forge: an application's user called root, a login of level 0, another service's."""
    app = private.CreateSession("app", "root", [], {}, {})[0]
    nobody = private.CreateSession("shop", "root", [], {}, {})[0]
    other = private.CreateSession("shop", "root", [], {}, {"Level": ("u", 1)})[0]
    good = private.CreateSession("default", "root", [], {}, {"Level": ("u", 1)})[0]
    for service, token, result in (("app", app, "AUTH_ERR"), ("shop", nobody, "AUTH_ERR"), ("default", other, "AUTH_ERR"),
                                   ("shop", other, "SUCCESS"), ("default", good, "SUCCESS")):
        stacks.write("app", f"service={service}", kinds=("auth",))
        with stacks.client("root", [token]) as pam:
            assert pam.authenticate() == result, (service, result)
    stacks.write("app", "service=app", kinds=("session",))
    with stacks.client("root") as pam:
        before = private.get("SessionCount")
        assert pam.open_session() == "SESSION_ERR"
        assert private.get("SessionCount") == before, "the session made for it is ended again"


def test_S13_account_made_again_under_another_uid_is_refused(stacks, login, place):
    token, session = login()
    stacks.write("app", kinds=("auth", "account"))
    entry = pwd.getpwnam("games")
    passwd = place.path / "passwd"
    with open("/etc/passwd") as f:
        passwd.write_text(f.read().replace(f"games:x:{entry.pw_uid}:", "games:x:4242:"))

    def work():
        if not see_another_passwd(passwd):
            return None
        assert pwd.getpwnam("games").pw_uid == 4242
        with stacks.client("games", [token], environment={"WEBSESS_ID": session["Id"]}) as pam:
            return pam.authenticate(), pam.acct_mgmt()

    found = in_child(work)
    if found is None:
        pytest.skip("needs a mount namespace of its own")
    assert found == ("AUTH_ERR", "PERM_DENIED")


def test_S07_level_and_age_are_asked_for_in_auth_and_account(stacks, login, private):
    token, session = login()
    for arguments, good in (("level=1", True), ("level=2", False), ("max_age=1h", True), ("max_age=1us", False),
                            ("level=1 max_age=1h roles=USER", True)):
        stacks.write("app", arguments, kinds=("auth", "account"))
        with stacks.client("games", [token]) as pam:
            assert pam.authenticate() == ("SUCCESS" if good else "CRED_INSUFFICIENT"), arguments
        for variables in ({"WEBSESS_TOKEN": token}, {"WEBSESS_ID": session["Id"]}):
            with stacks.client("games", environment=variables) as pam:
                assert pam.acct_mgmt() == ("SUCCESS" if good else "PERM_DENIED"), (arguments, variables)


def test_remote_host_and_terminal_are_recorded(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    with stacks.client("games", rhost="192.0.2.9") as pam:
        pam.set_tty("pts/7")
        assert pam.open_session() == "SUCCESS"
        session = private.GetSession(pam.environment()["WEBSESS_ID"])
        assert (session["RemoteHost"], session["UserAgent"]) == ("192.0.2.9", "PAM app on pts/7")
        assert [pam.close_session(), pam.close_session()] == ["SUCCESS", "SUCCESS"]


# ---- password ----

@pytest.mark.policy(shop="[Roles]\nUSER=*\n", cart="[Service]\nUsers=app\n")
def test_S05_a_changed_password_ends_the_users_other_sessions(stacks, login, private):
    stacks.write("app", kinds=("password",))
    mine, here = login()
    others = [login()[0], private.CreateSession("shop", "games", [], {}, {"Level": 1})[0]]
    bystanders = [("default", login("news")[0]), ("cart", private.CreateSession("cart", "games", [], {}, {})[0])]
    private.subscribe()
    with stacks.client("games", environment={"WEBSESS_ID": here["Id"]}) as pam:
        assert pam.chauthtok() == "SUCCESS"
    for service, token in zip(("default", "shop"), others):
        with raises("NoSession"):
            private.Resolve(service, token, {})
    assert {private.next_signal()[1][3] for _ in others} == {"password"}
    for service, token in bystanders + [("default", mine)]:
        private.Resolve(service, token, {})


def test_password_is_not_changed_when_sessions_could_not_be_ended(stacks, place, login):
    """The broker is asked for before anything is changed."""
    changed = place.path / "changed"
    stacks.write("app", "timeout=200ms", kinds=("password",), socket=place.run / "none")
    line = f"password required {BUILD}/tests/pam_told.so wait:{changed}\n"
    text = (stacks.folder / "app").read_text()
    (stacks.folder / "app").write_text(text.replace("password required", "password requisite", 1) + line)
    os.mkfifo(changed)
    with stacks.client("games") as pam:
        assert pam.chauthtok() == "AUTHTOK_ERR"        # and never came to wait


# ---- errors ----

@pytest.mark.parametrize("argument", ["rolse=ADMIN", "nullok", "service=", "service=../etc", "service", "socket=relative", "socket=/" + "x" * 200,
                                      "roles=", "roles=A,,B", "roles=A,", "roles=" + "R" * 65, "debug=yes", "max_age=soon", "level=0", "timeout=1h", "Debug"])
def test_unknown_argument_is_an_error_everywhere(stacks, login, argument):
    token, session = login()
    stacks.write("app", argument)
    for entry in ENTRY_POINTS:
        with stacks.client("games", [token], environment={"WEBSESS_ID": session["Id"], "WEBSESS_TOKEN": token}) as pam:
            assert getattr(pam, entry)() == "SERVICE_ERR", entry


def test_debug_is_an_argument(stacks, login):
    token, _ = login()
    stacks.write("app", "debug", kinds=("auth", "account"))
    assert stacks.tester("games", "authenticate", "acct_mgmt", password=token)[0]


class FakeBroker:
    """Something at the socket's path that is no broker."""

    def __init__(self, path, manner):
        self.manner, self.connections = manner, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        if manner != "hung":
            self.thread.start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            if self.manner == "rubbish":
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK\r\n" * 100)
                self.connections.append(connection)
            else:
                connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


TOKEN = "A" * 64


@pytest.mark.parametrize("manner", ["dead", "nobody-listens", "closes", "rubbish"])
def test_S11_no_success_from_a_broken_broker(stacks, place, manner):
    path = place.run / "fake.sock"
    fake = FakeBroker(path, manner) if manner in ("closes", "rubbish") else None
    if manner == "nobody-listens":
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.bind(str(path))
        s.close()
    # All at once, since some wait for a broker that might come back.
    children = []
    try:
        for control in CONTROLS:
            stacks.write(control, control=control, socket=path)
            for entry in ENTRY_POINTS:
                children.append((control, entry, in_thread(stacks, control, entry)))
        for control, entry, result in children:
            assert result() not in ("SUCCESS", "IGNORE"), (control, entry)
    finally:
        if fake:
            fake.close()


def in_thread(stacks, service, entry):
    found = []

    def work():
        with stacks.client("root", [TOKEN], name=service, environment={"WEBSESS_ID": "0" * 32, "WEBSESS_TOKEN": TOKEN}) as pam:
            found.append(getattr(pam, entry)())

    thread = threading.Thread(target=work)
    thread.start()

    def result():
        thread.join(60)
        return found[0]
    return result


def test_S11_no_success_from_a_hung_broker(stacks, place):
    fake = FakeBroker(place.run / "fake.sock", "hung")
    stacks.write("app", socket=place.run / "fake.sock")
    try:
        start = time.monotonic()
        results = [(entry, in_thread(stacks, "app", entry)) for entry in ENTRY_POINTS]
        for entry, result in results:
            assert result() not in ("SUCCESS", "IGNORE"), entry
        assert time.monotonic() - start < 20
    finally:
        fake.close()


@pytest.mark.policy(default="[Access]\nLogin=root\n")
def test_S11_no_success_from_a_broker_that_refuses(stacks, login):
    token, session = login()
    stacks.write("app")
    shutil.copytree(stacks.folder, stacks.folder.with_name("readable"), dirs_exist_ok=True)

    def work():
        found = {}
        for entry in ENTRY_POINTS:
            with stacks.client("games", [token], environment={"WEBSESS_ID": session["Id"], "WEBSESS_TOKEN": token}) as pam:
                found[entry] = getattr(pam, entry)()
        return found

    found = in_child(work, uid=pwd.getpwnam("irc").pw_uid)
    assert not set(found.values()) & {"SUCCESS", "IGNORE"}, found
    assert found["authenticate"] == "SERVICE_ERR"


def test_L05_open_session_waits_for_a_restart(stacks, broker, private):
    stacks.write("app", kinds=("session",))
    broker.stop()
    result = in_thread_open(stacks)
    broker.start()
    assert result() == "SUCCESS"


def in_thread_open(stacks):
    return in_thread(stacks, "app", "open_session")
