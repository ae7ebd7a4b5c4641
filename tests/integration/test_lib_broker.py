# SPDX-License-Identifier: MIT
"""The library and a broker that is restarted, killed or not there; the watch; forking; which broker is meant."""
import ctypes
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from library import Library, Outcome, P, Session, check, fails, so
from world import BUILD, IS_ROOT, ROOT, SANITIZED

SHOP = """
    [Service]
    Users=app
    MaxSessions=1000
    [Roles]
    USER=
    [Access]
    Resolve=*
    Create=*
    Manage=*
    """

pytestmark = pytest.mark.policy(shop=SHOP)


class Load:
    """Threads that do something again and again; what failed is in .failures."""

    def __init__(self, *actions):
        self.failures, self.counts, self.over = [], [0] * len(actions), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i, action)) for i, action in enumerate(actions)]
        for thread in self.threads:
            thread.start()

    def _run(self, number, action):
        while not self.over.is_set() and not self.failures:
            try:
                action()
                self.counts[number] += 1
            except BaseException as error:
                self.failures.append(error)

    def wait_for_more(self, n=20):
        """Until every thread has done n more."""
        goal = [count + n for count in self.counts]
        end = time.monotonic() + 30
        while not self.failures and any(count < g for count, g in zip(self.counts, goal)):
            assert time.monotonic() < end, "the load does not move on"
            time.sleep(0.002)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("by_bus", [False, True])
def test_L05_no_request_fails_while_the_broker_is_restarted(broker, number, by_bus):
    with Library(broker, bus=by_bus, timeout=30) as lib:
        token = lib.create("1", roles=["USER"]).token
        begun, resolved = [], Session(lib)

        def resolve():
            check(so.websess_resolve(lib.pointer, token.encode(), len(token), None, resolved.pointer))

        def create():
            begun.append(lib.create("2", roles=["USER"], attributes={"n": len(begun)}))

        load = Load(resolve, create, create)
        for _ in range(3):
            load.wait_for_more()
            if number == signal.SIGKILL:
                broker.kill()
                broker.start()
            else:
                broker.restart()
        load.wait_for_more()
        load.end()
        # L01: what was acknowledged is there; and no call that was sent twice made two sessions.
        mine = {session.id for session in lib.list(user="2")[0]}
        assert {session.id for session in begun} == mine
        for session in begun:
            assert lib.resolve(session.token).id == session.id


def test_F7_sessions_survive_a_restart(broker):
    with Library(broker) as lib:
        session = lib.create("42", roles=["USER"], attributes={"a": [1 and "x"]})
        broker.restart()
        again = lib.resolve(session.token)
        assert (again.id, again.created, again.attributes) == (session.id, session.created, session.attributes)


def test_S11_a_stopped_broker_is_unavailable_and_never_no_session(broker):
    with Library(broker, timeout=0.3) as lib:
        token = lib.create("42", roles=["USER"]).token
        broker.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            with fails("Unavailable"):
                lib.resolve(token)
            assert 0.3 <= time.monotonic() - begin < 3
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert lib.resolve(token).user == "42"


def test_S11_a_peer_that_answers_rubbish_is_an_error(place, monkeypatch):
    path = place.run / "rubbish.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(b"\x00rubbish\r\n" * 100)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        lib = Library.__new__(Library)
        lib.pointer = P()
        check(so.websess_open_socket(ctypes.byref(lib.pointer), b"shop", str(path).encode(), 500_000))
        with lib, pytest.raises(Outcome) as caught:
            lib.resolve("x" * 64)
        assert caught.value.code < 0 or caught.value.name == "Unavailable"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("by_bus", [False, True])
def test_the_watch_tells_of_sessions_and_comes_back(broker, by_bus):
    seen = []
    with Library(broker, bus=by_bus) as lib:
        def wait_for(event):
            end = time.monotonic() + 20
            while event not in [s[:len(event)] for s in seen]:
                assert time.monotonic() < end, (event, seen)
                if select.select([lib.fd()], [], [], 1)[0]:
                    lib.dispatch()

        lib.watch(lambda *event: seen.append(event))
        session = lib.create("42", roles=["USER"])
        wait_for(("new", session.id, "shop", "42"))
        lib.revoke(session.id)
        wait_for(("removed", session.id, "shop", "42", "revoked"))
        broker.restart()
        wait_for(("lost",))
        wait_for(("back",))
        session = lib.create("43", roles=["USER"])
        wait_for(("new", session.id, "shop", "43"))
        lib.logout(session.token)
        wait_for(("removed", session.id, "shop", "43", "logout"))
        assert not select.select([lib.fd()], [], [], 0.05)[0]


def test_a_forked_worker_goes_on_by_itself(broker):
    with Library(broker) as lib:
        token = lib.create("42", roles=["USER"]).token
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    ok = all(lib.resolve(token).user == "42" for _ in range(50))
                finally:
                    os._exit(0 if ok else 1)
            pids.append(pid)
        for _ in range(50):
            assert lib.resolve(token).user == "42"
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4


def test_where_the_broker_is(broker, place, monkeypatch):
    """WEBSESS_SOCKET goes before DBUS_SYSTEM_BUS_ADDRESS; a path too long is named."""
    handle = P()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    monkeypatch.setenv("WEBSESS_SOCKET", str(broker.socket_path))
    for address, works in (("unix:path=/nonexistent", True), (broker.bus.address, True)):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        check(so.websess_open(ctypes.byref(handle), b"shop", 0))
        assert so.websess_reload(handle) in (0, 7)
        so.websess_close(handle)
    monkeypatch.delenv("WEBSESS_SOCKET")
    check(so.websess_open(ctypes.byref(handle), b"shop", 0))
    assert so.websess_reload(handle) in (0, 7)
    so.websess_close(handle)
    monkeypatch.setenv("WEBSESS_SOCKET", "/" + "x" * 107)
    with pytest.raises(Outcome) as caught:
        check(so.websess_open(ctypes.byref(handle), b"shop", 0))
    assert caught.value.name == "errno -36" and "107" in caught.value.text


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow memory is as large as the address space")
def test_S01_no_token_and_no_password_stays_in_memory(broker, place, tmp_path):
    """After the calls, and with the objects freed, a core of the process holds neither. S19."""
    program = tmp_path / "program"
    source = tmp_path / "program.c"
    source.write_text(r"""
        #include <stdio.h>
        #include <string.h>
        #include <unistd.h>
        #include "websess.h"
        static char line[300];
        static int ask(void *userdata, websess_conversation *c) {
                return websess_conversation_answer(c, 0, line, strlen(line));
        }
        int main(int argc, char **argv) {
                char token[300];
                websess *w;
                websess_session *s;
                if (websess_open(&w, "default", 20000000) != 0 || websess_session_new(&s) != 0)
                        return 1;
                if (!fgets(line, sizeof(line), stdin))
                        return 2;
                line[strcspn(line, "\n")] = 0;
                if (websess_login(w, "alice", line, strlen(line), NULL, s) != 0)
                        return fprintf(stderr, "%s\n", websess_last_error_text()), 3;
                strcpy(token, websess_session_token(s));
                if (websess_resolve(w, token, strlen(token), NULL, s) != 0 ||
                    websess_rotate(w, token, strlen(token), NULL, s) != 0)
                        return 4;
                if (websess_login_ask(w, "alice", NULL, ask, NULL, s) != 0)
                        return 6;
                strcpy(token, websess_session_token(s));
                (void) !write(1, token, strlen(token));
                (void) !write(1, "\n", 1);
                if (websess_logout(w, token, strlen(token)) != 0)
                        return 5;
                websess_session_free(s);
                websess_close(w);
                explicit_bzero(token, sizeof(token));
                explicit_bzero(line, sizeof(line));
                pause();
                return 0;
        }
        """)
    subprocess.run(["gcc", "-D_GNU_SOURCE", f"-I{ROOT}/include", "-o", program, source, f"-L{BUILD}", "-lwebsess",
                    f"-Wl,-rpath,{BUILD}"], check=True)
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={"WEBSESS_SOCKET": str(broker.socket_path)})
    try:
        process.stdin.write(b"correct horse\n")
        process.stdin.flush()
        token = process.stdout.readline().strip()
        assert len(token) == 64
        wait_until_paused(process.pid)
        memory = read_memory(process.pid)
        # With the line's end it is what the program itself has read.
        assert memory.count(b"correct horse") == memory.count(b"correct horse\n")
        assert memory.count(token[22:]) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def wait_until_paused(pid):
    end = time.monotonic() + 10
    while open(f"/proc/{pid}/syscall").read().split()[0] not in ("34", "73"):
        assert time.monotonic() < end
        time.sleep(0.01)


def read_memory(pid):
    found = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in area.split("-"))
            memory.seek(start)
            found += memory.read(end - start)
    return found
