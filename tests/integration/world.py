# SPDX-License-Identifier: MIT
"""The whole of websess in a temporary folder: a private bus, PAM helpers, the broker, and a policy to change.

As root the broker runs as a uid of its own and the callers as others, so that its decisions are real ones. They are those of accounts
that every Debian has and hardly any uses (news, games, uucp, irc, list): a bus daemon turns uids away that no account has, though on the
private socket any number will do. As an ordinary user everything has that user's uid, and the tests that need another are skipped.
"""
import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
IS_ROOT = os.geteuid() == 0
# By which sanitizers the programs were built; what builds them notes it.
SANITIZED = "-fsanitize=" in (BUILD / "flags").read_text() if (BUILD / "flags").exists() else False
# Can a process have mounts of its own? Not without root, and not in a chroot, whose "/" is no mount.
OWN_MOUNTS = IS_ROOT and subprocess.run(["unshare", "--mount", "--propagation=private", "true"], capture_output=True).returncode == 0
BROKER_UID = pwd.getpwnam("news").pw_uid if IS_ROOT else os.getuid()
TIMEOUT = 30


def preload(library):
    """What LD_PRELOAD is for a program that gets this library: a sanitizer's own, where there is one, stays before all others."""
    return f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()


class Place:
    """The folders: etc/ (policy), state/, run/ (sockets), pam.d/ and bin/ (copies that any uid can execute)."""

    def __init__(self):
        # Short, since a socket's path has 107 bytes at most, and open, since callers are other uids.
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="websess-"))
        self.path.chmod(0o755)
        for name in ("etc/services.d", "state", "run", "pam.d", "bin"):
            (self.path / name).mkdir(parents=True)
        self.etc, self.state, self.run = self.path / "etc", self.path / "state", self.path / "run"
        self.pam, self.bin = self.path / "pam.d", self.path / "bin"
        if IS_ROOT:
            for folder in (self.state, self.run):
                os.chown(folder, BROKER_UID, BROKER_UID)
        for file in BUILD.iterdir():
            if file.is_file() and (file.name.startswith("websess") or ".so" in file.name):
                shutil.copy(file, self.bin / file.name, follow_symlinks=True)
        self.users = {}
        self.pam_service("websess", f"""
            auth required pam_pwdfile.so nodelay pwdfile={self.path}/passwords
            account required pam_permit.so
            """)
        self.user("alice", "correct horse")
        # Everything is open in it, so that tests say only what they are about.
        self.policy("default", """
            [Roles]
            ADMIN=root
            USER=*
            [Access]
            Login=*
            Resolve=*
            """)

    def policy(self, name, text):
        """Write services.d/NAME.conf. It is in force after a start or a reload of the broker."""
        file = self.etc / "services.d" / f"{name}.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip())
        if not IS_ROOT:
            # Whoever runs the tests may do what root may, apart from what only root may.
            rights = "".join(f"{right}={os.getuid()}\n" for right in ("Login", "Resolve", "Create", "Manage"))
            (file.parent / f"{name}.conf.d").mkdir(exist_ok=True)
            (file.parent / f"{name}.conf.d/zz-runner.conf").write_text(f"[Access]\n{rights}")
        return file

    def settings(self, text):
        """Write websess.conf."""
        (self.etc / "websess.conf").write_text(textwrap.dedent(text).lstrip())

    def pam_service(self, name, text):
        """Write a PAM stack into the folder that the helpers here read instead of /etc/pam.d."""
        (self.pam / name).write_text(textwrap.dedent(text).lstrip())

    def program(self, name):
        """A program of tests/integration, where any uid can execute it: the tree may be root's alone."""
        copy = self.bin / name
        return copy if copy.exists() else shutil.copy(BUILD / "tests/integration" / name, copy)

    def user(self, name, password):
        """A user whom the stack "websess" lets in with this password. As root the name may be an account's, which brings uid and groups."""
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
        crypt.restype = ctypes.c_char_p
        self.users[name] = crypt(password.encode(), b"$6$rounds=1000$websess$").decode()
        (self.path / "passwords").write_text("".join(f"{user}:{hashed}\n" for user, hashed in self.users.items()))

    def remove(self):
        shutil.rmtree(self.path)


class Process:
    """A process with its output in a file. It is ended by its own id and nothing else."""

    def __init__(self, place, name):
        self.place, self.name, self.process = place, name, None
        self.log_path = place.path / f"{name}.log"

    def spawn(self, arguments, environment, **options):
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=path | {k: str(v) for k, v in environment.items()},
                                            preexec_fn=end_with_parent, **options)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, number=signal.SIGTERM, timeout=TIMEOUT):
        """Signal it, wait for its end and return its exit status (negative: the signal that ended it)."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within {timeout} s:\n{self.log}") from None

    def kill(self):
        return self.stop(signal.SIGKILL)


class Bus(Process):
    """A private dbus-daemon in the system bus's place; everybody may do everything."""

    def __init__(self, place):
        super().__init__(place, "bus")
        config = place.path / "bus.conf"
        self.socket = place.path / "bus.sock"
        config.write_text(textwrap.dedent(f"""\
            <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
             "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig>
              <type>system</type>
              <listen>unix:path={self.socket}</listen>
              <auth>EXTERNAL</auth>
              <policy context="default">
                <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/>
                <allow send_type="method_call"/><allow send_requested_reply="true"/>
              </policy>
              <limit name="max_completed_connections">4096</limit>
              <limit name="max_connections_per_user">4096</limit>
              <limit name="max_replies_per_connection">4096</limit>
            </busconfig>
            """))
        self.config = config
        self.address = f"unix:path={self.socket}"
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        read, write = os.pipe()
        try:
            self.spawn(["dbus-daemon", f"--config-file={self.config}", "--nofork", "--nopidfile", f"--print-address={write}"],
                       {}, pass_fds=[write])
        finally:
            os.close(write)
        with open(read, "rb") as pipe:
            assert pipe.readline(), f"the private bus did not start:\n{self.log}"


class Helper(Process):
    """Starts websess-pam for each connection to run/pam.sock, as websess-pam.socket does on a machine."""

    def __init__(self, place, program=None):
        super().__init__(place, "helper")
        self.program = [program] if program else [place.bin / "websess-pam", f"--config={place.etc}", f"--pam-confdir={place.pam}",
                                                  f"--peer-uid={BROKER_UID}"]
        self.socket = place.run / "pam.sock"
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        before = self.log.count("Listening on")         # of the process that was here before
        self.spawn(["systemd-socket-activate", "--seqpacket", "--accept", f"--listen={self.socket}", *self.program], {})
        wait_until(lambda: not self.alive or self.log.count("Listening on") > before)
        assert self.alive, f"systemd-socket-activate did not start:\n{self.log}"
        if IS_ROOT:
            os.chown(self.socket, BROKER_UID, BROKER_UID)
        self.socket.chmod(0o600)

    def children(self):
        """The helper processes: those that wait and those at work."""
        return [int(pid) for pid in pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


class Broker(Process):
    """websessd. Its private socket is held here, as systemd does: it stays open when the broker ends."""

    def __init__(self, place, bus=None, environment=()):
        super().__init__(place, "broker")
        self.bus, self.environment = bus, dict(environment)
        self.socket_path = place.run / "websess.sock"
        self.address = f"unix:path={self.socket_path}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.socket_path))
        self.socket_path.chmod(0o666)
        self.listener.listen(4096)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(place.path / "notify"))
        (place.path / "notify").chmod(0o777)
        self.messages = []

    def start(self, wait=True):
        environment = {
            "CONFIGURATION_DIRECTORY": self.place.etc,
            "STATE_DIRECTORY": self.place.state,
            "RUNTIME_DIRECTORY": self.place.run,
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address if self.bus else "unix:path=/nonexistent",
            "NOTIFY_SOCKET": self.place.path / "notify",
            "LISTEN_FDS": 1,
        } | self.environment
        self.drain()
        # LISTEN_PID is only known in the process itself; the socket becomes descriptor 3.
        identity = {"user": BROKER_UID, "group": BROKER_UID, "extra_groups": []} if IS_ROOT else {}
        fd = self.listener.fileno()
        self.spawn(["/bin/bash", "-c", f'exec 3<&{fd}; export LISTEN_PID=$$; exec "$@"', "sh", self.place.bin / "websessd"],
                   environment, pass_fds=[fd], **identity)
        if wait:
            self.wait_for("READY=1")
        return self

    def wait_for(self, line, timeout=TIMEOUT):
        """Wait until the broker has sent this line by sd_notify since its last start; all its messages are in .messages."""
        end = time.monotonic() + timeout
        while not any(line in message for message in self.messages):
            self.notify.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                self.messages.append(self.notify.recv(65536).decode().splitlines())
                continue
            assert self.alive, f"websessd ended with {self.process.returncode} before {line}:\n{self.log}"
            assert time.monotonic() < end, f"no {line} from websessd within {timeout} s:\n{self.log}"

    def drain(self):
        self.messages = []
        self.notify.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.notify.recv(65536)

    def reload(self):
        """SIGHUP, and wait until the policy has been read again."""
        self.drain()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("READY=1")

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        return self.start()

    def close(self):
        status = self.stop() if self.alive else 0
        self.listener.close()
        self.notify.close()
        assert status == 0, f"websessd ended with {status}:\n{self.log}"
        assert "Sanitizer" not in self.log and "runtime error" not in self.log, self.log


# Found before a fork: in the child of a process with threads the loader must not be called.
prctl = ctypes.CDLL(None).prctl


def end_with_parent():
    """Not even a killed test run leaves anything behind."""
    prctl(1, signal.SIGKILL)


def wait_until(condition, timeout=TIMEOUT, what="the condition"):
    """For the few things that have no event to wait for."""
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {timeout} s"
        time.sleep(0.005)
    return result
