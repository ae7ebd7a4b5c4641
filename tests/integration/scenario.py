# SPDX-License-Identifier: MIT
"""One day in a broker's life, with a fault somewhere in it: everything that callers may ask, and some that they may not.

Whatever fails: the broker does not crash, loses no reply and no descriptor, serves again when the fault is over, and lets nobody in whom it
should not. What it acknowledged is there, and what it acknowledged as ended is not, in front of a sound broker afterwards.
"""
import contextlib
import os
import pwd
import shutil
import signal
import tempfile
import time

from client import BusError
from faults import Faults, glibc_gave_up
from ledger import POLICY
from wire import Wire
from world import Broker, Bus, Helper, IS_ROOT, Place

ANSWER = 20             # s: within the time limits set below, an answer that has not come by then never will
STRANGER = pwd.getpwnam("irc").pw_uid
CONVERSATION = "org.websess1.Conversation"
SETTINGS = "[PAM]\nFailureDelaySec=10ms\nLoginTimeoutSec=4s\nQueueTimeoutSec=4s\nIdleHelpers=1\n"
LOGIN = "[Service]\nMaxSessions=0\n[Roles]\nADMIN=root\nSTAFF=@games\nUSER=*\n[Access]\nLogin=root\nResolve=root\n"


class Day:
    """A place with a broker, from the same state every time."""

    def __init__(self, on_bus=False):
        self.place = Place()
        self.place.settings(SETTINGS)
        self.place.policy("shop", POLICY)
        self.place.policy("other", POLICY)
        self.place.policy("default", LOGIN)
        self.place.user("games", "play")
        self.helper, self.faults = Helper(self.place), Faults(self.place.path)
        self.bus = Bus(self.place) if on_bus else None
        self.broker = Broker(self.place, self.bus)
        self.address = self.bus.address if on_bus else self.broker.address
        self.facts = {}
        self.make_template()

    def close(self):
        self.broker.kill()
        self.broker.listener.close()
        self.broker.notify.close()
        self.helper.stop()
        if self.bus:
            self.bus.stop()
        self.place.remove()

    # ---- the state to begin with ----

    def make_template(self):
        self.broker.start()
        with Wire(self.broker.address) as wire:
            def create(service, user):
                return wire.call("CreateSession", "ssasa{sv}a{sv}", service, user, ["USER"], {"a": ("s", "x")}, {})
            self.old, self.old_session = create("shop", "old")
            self.ended, _ = create("shop", "ended")
            wire.call("Logout", "ss", "shop", self.ended)
            self.others = [create("other", f"o{i}")[0] for i in range(3)]
        assert self.broker.stop() == 0
        self.template = self.place.path / "template"
        shutil.copytree(self.place.state, self.template)

    def ready(self):
        self.broker.kill()
        for file in self.place.state.iterdir():
            file.unlink()
        for file in self.template.iterdir():
            shutil.copy(file, self.place.state)
            if IS_ROOT:
                os.chown(self.place.state / file.name, self.template.parent.joinpath("state").stat().st_uid, -1)
        self.broker.log_path.write_text("")

    # ---- asking ----

    def wire(self, uid=None):
        return Wire(self.address, uid, timeout=ANSWER)

    def ask(self, member, signature="", *values, who="root", fds=(), **where):
        """The reply's values, or None. What went wrong is remembered; no answer at all is a fault of the broker's."""
        if not self.alive():
            return None
        try:
            if who not in self.wires:
                self.wires[who] = self.wire(STRANGER if who == "stranger" else None)
            wire = self.wires[who]
            return wire.take(wire.send(member, signature, *values, fds=fds, **where))
        except BusError as error:
            self.said[error.name] = error.text
        except TimeoutError:
            if self.alive():            # else it is the listener's queue that we waited in
                self.problems.append(f"{member}: no answer within {ANSWER} s")
            self.drop(who)
        except (EOFError, OSError):
            self.drop(who)
        return None

    def drop(self, who):
        if who in self.wires:
            self.wires.pop(who).close()

    def alive(self):
        return self.broker.process.poll() is None

    def must_not(self, what, *arguments, **where):
        answer = self.ask(*arguments, **where)
        if answer is not None:
            self.problems.append(f"granted: {what}: {answer}")

    # ---- the day ----

    def run(self):
        self.problems, self.said, self.wires = [], {}, {}
        self.live, self.dead, self.unknown = {self.old, *self.others}, {self.ended}, set()
        self.broker.environment = self.faults.environment
        self.broker.start(wait=False)
        self.wait_until_ready()
        for part in (self.begin, self.change, self.look, self.log_in, self.be_refused, self.operate, self.end):
            if self.alive():
                part()
        self.settle()
        self.hold_against_a_sound_broker()
        return self.problems

    def wait_until_ready(self):
        with contextlib.suppress(AssertionError):       # it ended; or the message is what failed
            self.broker.wait_for("READY=1", timeout=3)

    def create(self, user, service="shop"):
        answer = self.ask("CreateSession", "ssasa{sv}a{sv}", service, user, ["USER"], {"n": ("x", 1)}, {"RequestId": ("s", user)})
        if answer:
            self.live.add(answer[0])
        return answer or [None, None]

    def ends(self, tokens, *arguments):
        """The call, which ends these sessions when it is acknowledged. When it is not, nobody knows."""
        self.live -= set(tokens)
        (self.dead if self.ask(*arguments) is not None else self.unknown).update(tokens)

    def begin(self):
        self.ask("Get", "ss", "org.websess1.Manager", "Healthy", interface="org.freedesktop.DBus.Properties")
        self.ask("Subscribe")
        self.token, self.session = self.create("u1")
        self.second, self.session_2 = self.create("u2")
        self.third, _ = self.create("u3")

    def change(self):
        if not self.token:
            return
        self.ask("SetAttributes", "ssa{sv}ast", "shop", self.token, {"b": ("s", "y")}, ["n"], 0)
        self.ask("Touch", "sas", "shop", [self.session["Id"]])
        self.ask("Touch", "sas", "shop", ["0" * 32] * 100)             # takes more than a turn
        self.ask("SetRoles", "sas", self.session["Id"], ["EDITOR"])
        self.ask("SetUserRoles", "ssas", "shop", "u1", ["OWNER"])
        self.live.discard(self.token)
        answer = self.ask("Rotate", "ssa{sv}", "shop", self.token, {"RequestId": ("s", "r")})
        (self.dead if answer else self.unknown).add(self.token)
        if answer:
            self.live.add(answer[0])
            self.must_not("a token that was rotated", "Resolve", "ssa{sv}", "shop", self.token, {})

    def look(self):
        self.ask("Resolve", "ssa{sv}", "shop", self.old, {})
        self.ask("Resolve", "ssa{sv}", "shop", self.old, {"Roles": ("as", ["USER"]), "Level": ("u", 1), "NoTouch": ("b", True)})
        self.ask("ListSessions", "a{sv}", {"Service": ("s", "shop"), "Limit": ("u", 2)})
        self.ask("GetSession", "s", self.old_session["Id"])
        path = f"/org/websess1/session/{self.old_session['Id']}"
        self.ask("GetAll", "s", "org.websess1.Session", interface="org.freedesktop.DBus.Properties", path=path)
        self.ask("Introspect", interface="org.freedesktop.DBus.Introspectable", path="/org/websess1/session")
        if not self.bus:
            self.ask("OpenMap", "s", "shop")

    def log_in(self):
        for user, password in (("alice", "correct horse"), ("games", "play")):
            answer = self.ask("Login", "sssa{sv}", "default", user, password, {})
            if answer and "ADMIN" in answer[1]["Roles"]:
                self.problems.append(f"granted: {user} is ADMIN")
            self.logged_in = answer and answer[0]
        begun = self.ask("BeginLogin", "ssa{sv}", "default", "alice", {})
        if begun:
            self.ask("Continue", "as", [], path=begun[0], interface=CONVERSATION)
            self.ask("Continue", "as", ["correct horse"], path=begun[0], interface=CONVERSATION)
        if begun := self.ask("BeginLogin", "ssa{sv}", "default", "alice", {}):
            self.ask("Cancel", path=begun[0], interface=CONVERSATION)

    def be_refused(self):
        self.must_not("a wrong password", "Login", "sssa{sv}", "default", "alice", "wrong", {})
        begun = self.ask("BeginLogin", "ssa{sv}", "default", "alice", {})
        if begun and self.ask("Continue", "as", [], path=begun[0], interface=CONVERSATION):
            answer = self.ask("Continue", "as", ["wrong"], path=begun[0], interface=CONVERSATION)
            if answer and answer[0] == "done":
                self.problems.append("granted: a wrong password in a conversation")
        self.must_not("a token that was ended", "Resolve", "ssa{sv}", "shop", self.ended, {})
        self.must_not("another service's token", "Resolve", "ssa{sv}", "other", self.old, {})
        self.must_not("a role that is not there", "Resolve", "ssa{sv}", "shop", self.old, {"Roles": ("as", ["OWNER"])})
        self.must_not("a level that is not there", "Resolve", "ssa{sv}", "shop", self.old, {"Level": ("u", 9)})
        if not IS_ROOT:
            return
        own = {"who": "stranger"}
        self.must_not("a stranger resolves", "Resolve", "ssa{sv}", "shop", self.old, {}, **own)
        self.must_not("a stranger creates", "CreateSession", "ssasa{sv}a{sv}", "shop", "x", [], {}, {}, **own)
        self.must_not("a stranger logs in", "Login", "sssa{sv}", "default", "alice", "correct horse", {}, **own)
        self.must_not("a stranger revokes", "RevokeSession", "s", self.old_session["Id"], **own)
        self.must_not("a stranger gets", "GetSession", "s", self.old_session["Id"], **own)
        self.must_not("a stranger reloads", "Reload", **own)
        listed = self.ask("ListSessions", "a{sv}", {}, **own)
        if listed and listed[0]:
            self.problems.append(f"granted: a stranger sees {listed[0]}")

    def operate(self):
        self.ask("Reload")
        self.broker.process.send_signal(signal.SIGHUP)
        with tempfile.TemporaryFile() as file:
            if not self.bus:
                self.ask("Backup", "h", 0, fds=[file.fileno()])
        # Somebody who sends half a message and goes.
        if half := self.wires.get("stranger"):
            with contextlib.suppress(OSError):
                half.socket.sendall(b"l\1\0\1")
            self.drop("stranger")

    def end(self):
        if self.second:
            self.ends([self.second], "RevokeSession", "s", self.session_2["Id"])
        if self.third:
            self.ends([self.third], "RevokeUser", "ssa{sv}", "shop", "u3", {})
        self.ends(self.others, "RevokeAll", "s", "other")
        if self.logged_in:
            self.ask("Logout", "ss", "default", self.logged_in)
        for token in self.dead:
            self.must_not("a session that was ended", "Resolve", "ssa{sv}", "shop" if token not in self.others else "other", token, {})
        self.ask("Unsubscribe")

    # ---- what must be true then ----

    def settle(self):
        self.faults.region.action = 0
        if self.alive():
            self.serve_again()
            for who in list(self.wires):
                self.drop(who)
            self.count_descriptors()
            status = self.broker.stop(timeout=15)
            if status != 0:
                self.problems.append(f"ended with {status}: {self.broker.log[-500:]}")
            return
        for who in list(self.wires):
            self.drop(who)
        status, last = self.broker.process.returncode, (self.broker.log.strip().splitlines() or [""])[-1]
        was_ready = " serves " in self.broker.log
        # What a broker ends for: a disk of which it does not know what is on it, and an event loop that cannot go on.
        fence = "starting anew" in self.broker.log or "The event loop failed" in last
        if glibc_gave_up(last):
            return
        if status < 0 or status == 0 or not last or (was_ready and not fence):
            self.problems.append(f"ended by itself with {status}: {self.broker.log[-700:]}")

    def serve_again(self):
        """The fault is over: within a moment everything works, without a restart."""
        end = time.monotonic() + 5
        while True:
            self.said = {}
            token, _ = self.create(f"again{time.monotonic()}")
            again = token and self.ask("Resolve", "ssa{sv}", "shop", token, {}) and self.ask("Login", "sssa{sv}", "default", "alice", "correct horse", {})
            if again or self.problems or not self.alive():
                return
            if time.monotonic() > end:
                self.problems.append(f"does not serve again: {self.said}")
                return
            time.sleep(0.1)

    def count_descriptors(self):
        """As many as without a fault, once the callers are gone and a helper is ready."""
        def count():
            return len(os.listdir(f"/proc/{self.broker.pid}/fd"))
        if not IS_ROOT:
            return
        if not self.faults.fired:
            time.sleep(0.5)
            self.facts["descriptors"] = max(count(), self.facts.get("descriptors", 0))
        end = time.monotonic() + 3
        while count() > self.facts["descriptors"]:
            if time.monotonic() > end:
                self.problems.append(f"{count() - self.facts['descriptors']} descriptors too many")
                return
            time.sleep(0.02)

    def hold_against_a_sound_broker(self):
        self.faults.off()
        self.broker.environment = {}
        self.broker.start()
        with Wire(self.broker.address) as wire:
            def lives(token):
                for service in ("shop", "other", "default"):
                    try:
                        return wire.call("Resolve", "ssa{sv}", service, token, {})
                    except BusError:
                        continue
                return None
            for token in self.live:
                if not lives(token):
                    self.problems.append("an acknowledged session is lost")
            for token in self.dead:
                if lives(token):
                    self.problems.append("an ended session is back")
        self.broker.stop()
