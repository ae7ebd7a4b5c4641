# SPDX-License-Identifier: MIT
"""The broker's side of the talk with websess-pam, in Python: an encoder and a decoder of their own, so that the tests do not believe the
C ones. See broker/login/auth-protocol.h for the layout."""

import os
import signal
import socket
import struct
import subprocess
import tempfile
import time

BUILD = os.environ.get("BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
HELPER = os.path.abspath(os.path.join(BUILD, "websess-pam"))

READY, BEGIN, RESULT = 1, 2, 3
OK, AUTHENTICATION_FAILED, CONVERSATION_REQUIRED, UNAVAILABLE = 0, 4, 5, 12
NO_UID = 0xFFFFFFFF

STRINGS = {1: "service", 2: "user", 3: "secret", 4: "remote_host", 9: "text"}
NUMBERS = {5: "outcome", 6: "pam_result", 7: "delay_usec", 8: "uid"}
LISTS = {11: "groups", 12: "methods"}


def message(operation, *fields, version=1, size=None):
    body = b"".join(struct.pack("<BBH", tag, 0, len(value)) + value for tag, value in fields)
    return struct.pack("<BBHI", version, operation, 0, 8 + len(body) if size is None else size) + body


def begin(service, user, secret, remote_host=""):
    fields = [(1, service.encode()), (2, user.encode()), (3, secret if isinstance(secret, bytes) else secret.encode())]
    if remote_host:
        fields.append((4, remote_host.encode()))
    return message(BEGIN, *fields)


def decode(packet):
    """(operation, fields by name)."""
    version, operation, zero, size = struct.unpack_from("<BBHI", packet)
    assert (version, zero, size) == (1, 0, len(packet))
    result, at = {name: [] for name in LISTS.values()}, 8
    while at < size:
        tag, zero, length = struct.unpack_from("<BBH", packet, at)
        value = packet[at + 4:at + 4 + length]
        assert zero == 0 and len(value) == length
        if tag in STRINGS:
            result[STRINGS[tag]] = value.decode()
        elif tag in NUMBERS:
            result[NUMBERS[tag]] = int.from_bytes(value, "little")
        elif tag in LISTS:
            result[LISTS[tag]].append(value.decode())
        at += 4 + length
    return operation, result


class Helpers:
    """websess-pam behind a socket, started for each connection as its unit does, with a policy and PAM services of its own."""

    def __init__(self, options=(), environment=(), config=True):
        self.folder = tempfile.TemporaryDirectory(prefix="websess-helper-")
        self.path = os.path.join(self.folder.name, "pam.sock")
        self.confdir = self.make_folder("pam.d")
        self.policy = self.make_folder("etc")
        self.make_folder("etc", "services.d")
        self.stack("websess", "auth required pam_permit.so", "account required pam_permit.so")
        command = ["systemd-socket-activate", "--seqpacket", "-a", "-l", self.path]
        command += [argument for name in environment for argument in ("-E", name)]
        command += [HELPER, "--pam-confdir=" + self.confdir, *(["--config=" + self.policy] if config else []), *options]
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=self.log, start_new_session=True)
        self.wait_for(lambda: "Listening on" in self.log_text())

    def make_folder(self, *names):
        path = os.path.join(self.folder.name, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def stack(self, name, *lines):
        self.write("pam.d/" + name, "".join(line + "\n" for line in lines))

    def service(self, name, text):
        self.write("etc/services.d/%s.conf" % name, text)

    @staticmethod
    def wait_for(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.01)

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(20)
        s.connect(self.path)
        return s

    def ready(self):
        """A connection to a helper that has said READY."""
        s = self.connect()
        assert decode(s.recv(65536)) [0] == READY
        return s

    def ask(self, user, secret, service="default", remote_host=""):
        with self.ready() as s:
            s.send(begin(service, user, secret, remote_host))
            operation, fields = decode(s.recv(65536))
            assert operation == RESULT
            assert s.recv(65536) == b"", "the helper goes on after its result"
            return fields

    def log_text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)     # a session of its own: socket-activate and its helpers
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        self.folder.cleanup()
