# SPDX-License-Identifier: MIT
"""A caller of the broker: a process of its own that speaks D-Bus by dasbus, as any uid and with any groups.

    shop = Client(address, uid=61001, gids=[60])
    token, session = shop.Login("default", "alice", "secret", {"RemoteHost": "192.0.2.1"})
    with raises("NoSession"):
        shop.Resolve("default", "rubbish", {})
    future = shop.begin("Login", "default", "bob", "wrong", {})     # do not wait
    shop.get("SessionCount"); shop.subscribe(); shop.next_signal()

Values come back as plain Python. Values of a{sv} are wrapped by guess() below; V("u", 3) says a type outright.
"""
import concurrent.futures
import contextlib
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from typing import NamedTuple

NAME, MANAGER, SESSION = "org.websess1", "/org/websess1", "/org/websess1/session/"
TIMEOUT = 30


class V(NamedTuple):
    """A value with its D-Bus type."""
    type: str
    value: object


class BusError(Exception):
    """An error reply. name is the short one ("NoSession") for errors of ours, else the full D-Bus name."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name.removeprefix("org.websess1.Error.")
        self.full_name, self.text = name, text


@contextlib.contextmanager
def raises(name):
    """The block must fail with this error; the BusError is in .value afterwards."""
    class Caught:
        value = None
    caught = Caught()
    try:
        yield caught
    except BusError as error:
        assert error.name == name, f"expected {name}, got {error}"
        caught.value = error
    else:
        raise AssertionError(f"expected {name}, but the call succeeded")


class Client:
    def __init__(self, address, uid=None, gids=None):
        arguments = [address, "" if uid is None else str(uid), ",".join(map(str, gids or []))]
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock, self._calls, self._number = threading.Lock(), {}, 0
        self.signals = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._request("hello").result(TIMEOUT)
        except BaseException:
            self.close()
            raise

    def __getattr__(self, member):
        if not member[0].isupper():
            raise AttributeError(member)
        return lambda *arguments: self.call(member, *arguments)

    def begin(self, member, *arguments, path=MANAGER):
        return self._request("call", path, member, arguments)

    def call(self, member, *arguments, path=MANAGER, timeout=TIMEOUT):
        return self.begin(member, *arguments, path=path).result(timeout)

    def get(self, name, path=MANAGER):
        return self._request("get", path, name).result(TIMEOUT)

    def session(self, session_id):
        """Every property of a session object."""
        return self._request("all", SESSION + session_id).result(TIMEOUT)

    def introspect(self, path=MANAGER):
        return self._request("xml", path).result(TIMEOUT)

    def subscribe(self):
        self._request("watch").result(TIMEOUT)
        self.call("Subscribe")

    def next_signal(self, timeout=TIMEOUT):
        """(name, arguments) of the next one; None when none comes in time."""
        try:
            return self.signals.get(timeout=timeout)
        except queue.Empty:
            return None

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()

    def _request(self, *message):
        future = concurrent.futures.Future()
        with self._lock:
            self._number += 1
            self._calls[self._number] = future
            send(self.process.stdin, (self._number, *message))
        return future

    def _read(self):
        while (message := receive(self.process.stdout)) is not None:
            number, ok, *rest = message
            if number == 0:
                self.signals.put((rest[0], rest[1]))
            elif ok:
                self._calls.pop(number).set_result(rest[0])
            else:
                self._calls.pop(number).set_exception(BusError(*rest))
        for future in self._calls.values():
            future.set_exception(EOFError("the client process is gone"))


def send(pipe, message):
    data = pickle.dumps(message)
    pipe.write(struct.pack("=I", len(data)) + data)
    pipe.flush()


def receive(pipe):
    head = pipe.read(4)
    if len(head) < 4:
        return None
    return pickle.loads(pipe.read(struct.unpack("=I", head)[0]))


# What options and filters are on the wire, where a Python value alone does not tell.
OPTION_TYPES = {"Level": "u", "Limit": "u", "MaxAuthAgeUSec": "t", "IdleUSec": "t", "LifetimeUSec": "t", "AuthTime": "t"}


def guess(value, key=None):
    """(type, value) for something that goes into a variant."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return value
    if isinstance(value, dict):
        return "a{sv}", {k: guess(v) for k, v in value.items()}
    if isinstance(value, bool):
        return "b", value
    if isinstance(value, int):
        return OPTION_TYPES.get(key, "x"), value
    if isinstance(value, float):
        return "d", value
    if isinstance(value, bytes):
        return "ay", list(value)
    return ("as" if isinstance(value, list) else "s"), value


def main(address, uid, gids):
    """The process behind a Client. Everything is imported and read before it becomes somebody else."""
    from dasbus.connection import AddressedMessageBus
    from dasbus.error import DBusError
    from dasbus.typing import get_native, get_variant
    from gi.repository import GLib
    loop = GLib.MainLoop()
    if uid:
        os.setgroups([int(g) for g in gids.split(",") if g])
        os.setresgid(*[int(uid)] * 3)
        os.setresuid(*[int(uid)] * 3)
    bus = AddressedMessageBus(address)
    output = sys.stdout.buffer
    proxies = {}

    def proxy(path):
        if path not in proxies:
            proxies[path] = bus.get_proxy(NAME, path)
        return proxies[path]

    def wrap(value, key=None, top=False):
        if isinstance(value, dict) and top:
            return {k: wrap(v, k) for k, v in value.items()}
        if top:
            return value
        kind, inner = guess(value, key)
        return get_variant(kind, {k: wrap(v) for k, v in inner.items()} if isinstance(inner, dict) else inner)

    def finish(number, action):
        try:
            send(output, (number, True, get_native(action())))
        except DBusError as error:
            send(output, (number, False, error.dbus_name, str(error)))
        except Exception as error:      # a broken connection, a time-out: the test wants to see it too
            send(output, (number, False, type(error).__name__, str(error)))

    def start(number, kind, *rest):
        if kind == "hello":
            finish(number, lambda: bus.connection.get_unique_name())
        elif kind == "get":
            finish(number, lambda: getattr(proxy(rest[0]), rest[1]))
        elif kind == "all":
            finish(number, lambda: bus.get_proxy(NAME, rest[0], "org.freedesktop.DBus.Properties").GetAll("org.websess1.Session"))
        elif kind == "xml":
            finish(number, lambda: bus.get_proxy(NAME, rest[0], "org.freedesktop.DBus.Introspectable").Introspect())
        elif kind == "watch":
            for name in ("SessionNew", "SessionRemoved"):
                getattr(proxy(MANAGER), name).connect(lambda *a, name=name: send(output, (0, True, name, a)))
            finish(number, lambda: None)
        else:
            path, member, arguments = rest
            try:
                arguments = [wrap(a, top=True) for a in arguments]
                getattr(proxy(path), member)(*arguments, timeout=TIMEOUT * 1000,
                                             callback=lambda result: finish(number, result))
            except Exception:
                finish(number, lambda error=sys.exc_info()[1]: (_ for _ in ()).throw(error))

    def read():
        while (message := receive(sys.stdin.buffer)) is not None:
            GLib.idle_add(start, *message, priority=GLib.PRIORITY_DEFAULT)
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    # The parent's pickles name the classes of the module, not of the program.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main(*sys.argv[1:])
