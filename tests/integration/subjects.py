# SPDX-License-Identifier: MIT
"""What else there is to let things fail in, besides the broker (scenario.py): the PAM helper, the library and the module. See sites.py."""
import os
import socket
import struct
import subprocess

from faults import Faults, glibc_gave_up
from helper_peer import HELPER, RESULT, begin, decode, message
from ledger import POLICY
from wire import Wire
from world import BUILD, Broker, Helper, Place

TIMEOUT = 15
CONVERSE, PROMPT, ANSWER, LOOK, ACCOUNT = 16, 17, 18, 20, 21
PAM_IGNORE = 25


def texts(tag, *values):
    return [(tag, value.encode()) for value in values]


class HelperTalk:
    """One helper process and one question: "right" and "wrong" passwords, at once and "in rounds", and a look at "accounts"."""

    def __init__(self, question):
        self.question, self.place, self.facts = question, Place(), {}
        self.faults = Faults(self.place.path)
        self.place.user("games", "play")
        self.place.policy("default", "[Roles]\nUSER=*\n")

    def ready(self):
        pass

    def close(self):
        self.place.remove()

    def run(self):
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [HELPER, "--inetd", f"--config={self.place.etc}", f"--pam-confdir={self.place.pam}"]
        with ours, subprocess.Popen(command, stdin=its, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, close_fds=True,
                                    env={k: str(v) for k, v in self.faults.environment.items()}) as process:
            its.close()
            ours.settimeout(TIMEOUT)
            try:
                problems = self.talk(ours)
                ours.close()            # who looks at accounts waits for another question
                status = process.wait(TIMEOUT)
            except (TimeoutError, subprocess.TimeoutExpired):
                process.kill()
                return ["no answer"]
            said = process.stderr.read().decode(errors="replace").strip()
        if glibc_gave_up(said):
            return problems
        if status < 0 or (status > 0 and not said):
            problems.append(f"ended with {status}: {said}")
        return problems

    def talk(self, ours):
        try:
            ours.recv(65536)
            if self.question == "accounts":
                return self.look(ours)
            password = "play" if "right" in self.question else "wrong"
            if "rounds" not in self.question:
                ours.send(begin("default", "games", password))
                answer = ours.recv(65536)
            else:
                ours.send(message(CONVERSE, *texts(1, "default"), *texts(2, "games"), (15, bytes(4))))
                answer = ours.recv(65536)
                while answer and decode(answer)[0] == PROMPT:
                    ours.send(message(ANSWER, *texts(14, password)))
                    answer = ours.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return []
        return self.judge(answer)

    def judge(self, answer):
        """No answer, or one that lets in only who gave the password, and as who he is."""
        if not answer:
            return [] if self.faults.region.action else ["no answer"]
        operation, fields = decode(answer)
        if operation != RESULT:
            return [f"operation {operation}"]
        if fields["outcome"] != 0:
            return [] if self.faults.region.action or "wrong" in self.question else [f"refused: {fields}"]
        if "wrong" in self.question:
            return [f"granted: {fields}"]
        return [] if fields["user"] == "games" and fields["uid"] in (5, 0xFFFFFFFF) else [f"who is that: {fields}"]

    def look(self, ours):
        """Nobody is said to be gone who is there: his sessions would end."""
        ours.send(message(LOOK, (17, os.urandom(32)), *texts(18, "games", "root", "nobody-of-this-name")))
        problems = []
        for user in ("games", "root", "nobody-of-this-name"):
            answer = ours.recv(65536)
            if not answer:
                return problems if self.faults.region.action else ["no answer"]
            account = struct.unpack_from("<I", answer, answer.index(b"\x13\0\4\0") + 4)[0]
            if user != "nobody-of-this-name" and account == 0:
                problems.append(f"{user} is said not to be there")
        return problems


class LibraryCalls:
    """A program that calls every function of the library, before a sound broker."""

    def __init__(self):
        self.place, self.facts = Place(), {}
        self.place.policy("shop", POLICY)
        self.faults, self.broker = Faults(self.place.path), Broker(self.place).start()
        with Wire(self.broker.address) as wire:
            self.ended, _ = wire.call("CreateSession", "ssasa{sv}a{sv}", "shop", "ended", [], {}, {})
            wire.call("Logout", "ss", "shop", self.ended)

    def ready(self):
        self.faults.off()
        self.broker.drain()             # as systemd does: a broker waits until its states are read

    def close(self):
        self.broker.close()
        self.place.remove()

    def run(self):
        environment = {k: str(v) for k, v in self.faults.environment.items()} | {"WEBSESS_SOCKET": str(self.broker.socket_path)}
        try:
            done = subprocess.run([BUILD / "tests/integration/websess-calls", "shop", self.ended], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=environment, timeout=60, check=False)
        except subprocess.TimeoutExpired as error:
            return [f"hangs after {(error.stdout or b'').decode().splitlines()[-1:]}"]
        if glibc_gave_up(done.stderr):
            return []
        said = [line.split() for line in done.stdout.splitlines()]
        problems = [f"granted: {name}" for name, code in said if name.startswith("not-") and code == "0"]
        problems += [f"{name}: {code}" for name, code in said if name != "next-descriptor" and not -200 < int(code) <= 12]
        if done.returncode != 0:
            problems.append(f"ended with {done.returncode} after {said[-1:]}: {done.stderr}")
        elif said[-1] != ["next-descriptor", "3"]:
            problems.append(f"descriptors left open: {said[-1]}")
        if self.faults.region.action == 0:
            problems += [f"{name} failed: {code}" for name, code in said if not name.startswith(("not-", "next")) and code not in "01"]
        return problems


class ModuleCall:
    """One entry point of pam_websess.so for a user who may (with a session that does) or may not (it lacks the role)."""

    def __init__(self, entry, may):
        self.entry, self.may, self.place, self.facts = entry, may, Place(), {}
        self.place.policy("default", "[Service]\nMaxSessions=0\n[Roles]\nADMIN=\nUSER=*\n")
        self.place.user("games", "play")
        self.faults, self.helper, self.broker = Faults(self.place.path), Helper(self.place), Broker(self.place).start()
        line = f"required {self.place.bin}/pam_websess.so socket={self.broker.socket_path} timeout=5s {'' if may else 'roles=ADMIN'}"
        (self.place.path / "stacks").mkdir()
        (self.place.path / "stacks/app").write_text("".join(f"{kind} {line}\n" for kind in ("auth", "account", "session", "password")))

    def ready(self):
        self.faults.off()
        with Wire(self.broker.address) as wire:
            self.token, session = wire.call("Login", "sssa{sv}", "default", "games", "play", {})
            self.variables = [f"WEBSESS_ID={session['Id']}", f"WEBSESS_TOKEN={self.token}"]

    def close(self):
        self.broker.kill()
        self.broker.listener.close()
        self.broker.notify.close()
        self.helper.stop()
        self.place.remove()

    def run(self):
        variables = {"acct_mgmt": self.variables, "close_session": self.variables[:1]}.get(self.entry, [])
        command = [BUILD / "tests/integration/pam-call", self.place.path / "stacks", "app", "games", self.token, self.entry, *variables]
        try:
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env={k: str(v) for k, v in self.faults.environment.items()}, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return ["hangs"]
        if glibc_gave_up(done.stderr):
            return []
        if done.returncode != 0:
            return [f"ended with {done.returncode}: {done.stderr}"]
        result = int(done.stdout)
        if result == PAM_IGNORE or (result == 0 and not self.may):
            return [f"granted: {result}"]
        return [f"refused: {result}"] if self.may and result != 0 and self.faults.region.action == 0 else []
