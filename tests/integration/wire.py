# SPDX-License-Identifier: MIT
"""D-Bus by hand, for what no library would send (bad UTF-8, messages half sent or too large) and for many calls at once.

    wire = Wire(address, uid=9)
    wire.call("Resolve", "ssa{sv}", "shop", token, {"NoTouch": ("b", True)})    # the reply's values; BusError for an error
    serials = [wire.send("Logout", "ss", "shop", t) for t in tokens]; wire.take(serials[0])

Values of variants are (signature, value). The contract is tested with a real client (client.py); this is the tool for the rest.
"""
import os
import socket
import struct

from client import MANAGER, NAME, BusError

INTERFACE = "org.websess1.Manager"
BASIC = {"y": ("B", 1), "b": ("I", 4), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4), "x": ("q", 8), "t": ("Q", 8),
         "d": ("d", 8), "h": ("I", 4)}


def alignment(kind):
    return BASIC[kind][1] if kind in BASIC else {"(": 8, "{": 8, "a": 4, "s": 4, "o": 4}.get(kind, 1)


def split(signature):
    """The first complete type and what is behind it."""
    if signature[0] == "a":
        inner, rest = split(signature[1:])
        return "a" + inner, rest
    if signature[0] in "({":
        depth = 0
        for i, c in enumerate(signature):
            depth += (c in "({") - (c in ")}")
            if depth == 0:
                return signature[:i + 1], signature[i + 1:]
    return signature[0], signature[1:]


def types(signature):
    while signature:
        one, signature = split(signature)
        yield one


def pad(out, size):
    out.extend(bytes(-len(out) % size))


def put(out, kind, value):
    pad(out, alignment(kind[0]))
    if kind[0] in BASIC:
        out += struct.pack("<" + BASIC[kind[0]][0], value)
    elif kind in "so":
        data = value if isinstance(value, bytes) else value.encode()
        out += struct.pack("<I", len(data)) + data + b"\0"
    elif kind == "g":
        out += bytes([len(value)]) + value.encode() + b"\0"
    elif kind == "v":
        put(out, "g", value[0])
        put(out, *value)
    elif kind[0] == "a":
        put_array(out, kind[1:], value)
    else:
        for one, item in zip(types(kind[1:-1]), value):
            put(out, one, item)


def put_array(out, kind, value):
    at = len(out)
    out += bytes(4)
    pad(out, alignment(kind[0]))
    start = len(out)
    for item in (value.items() if isinstance(value, dict) else value):
        put(out, kind, item)
    out[at:at + 4] = struct.pack("<I", len(out) - start)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def get(self, kind):
        self.at += -self.at % alignment(kind[0])
        if kind[0] in BASIC:
            form, size = BASIC[kind[0]]
            self.at += size
            value, = struct.unpack_from("<" + form, self.data, self.at - size)
            return bool(value) if kind == "b" else value
        if kind in "sog":
            size = self.get("y" if kind == "g" else "u")
            self.at += size + 1
            return self.data[self.at - size - 1:self.at - 1].decode()
        if kind == "v":
            return self.get(self.get("g"))
        if kind[0] == "a":
            end = self.get("u")
            self.at += -self.at % alignment(kind[1])
            end += self.at
            items = []
            while self.at < end:
                items.append(self.get(kind[1:]))
            return dict(items) if kind[1] == "{" else items
        return tuple(self.get(one) for one in types(kind[1:-1]))


def message(serial, member, signature="", values=(), path=MANAGER, interface=INTERFACE, destination=NAME, fds=0, flags=0):
    body = bytearray()
    for one, value in zip(types(signature), values):
        put(body, one, value)
    fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member)), (6, ("s", destination))]
    if signature:
        fields.append((8, ("g", signature)))
    if fds:
        fields.append((9, ("u", fds)))
    out = bytearray(struct.pack("<BBBBII", ord("l"), 1, flags, 1, len(body), serial))
    put(out, "a(yv)", fields)
    pad(out, 8)
    return bytes(out + body)


class Wire:
    """One connection. uid: connect as somebody else, which takes root."""

    def __init__(self, address, uid=None, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.serial, self.replies, self.buffer = 0, {}, bytearray()
        me = os.geteuid()
        try:
            if uid is not None and uid != me:
                os.seteuid(uid)
            self.socket.connect(address.removeprefix("unix:path="))
        finally:
            os.seteuid(me)
        self.say(b"\0AUTH EXTERNAL " + str(me if uid is None else uid).encode().hex().encode(), b"OK ")
        self.say(b"NEGOTIATE_UNIX_FD", b"AGREE_UNIX_FD")
        self.socket.sendall(b"BEGIN\r\n")
        self.name, = self.call("Hello", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus", destination="org.freedesktop.DBus")

    def say(self, line, expected):
        self.socket.sendall(line + b"\r\n")
        while b"\r\n" not in self.buffer:
            self.fill()
        answer, _, self.buffer = self.buffer.partition(b"\r\n")
        assert answer.startswith(expected), answer

    def fill(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError("the connection is closed")
        self.buffer += data

    def send(self, member, signature="", *values, fds=(), **where):
        self.serial += 1
        data = message(self.serial, member, signature, values, fds=len(fds), **where)
        if fds:
            socket.send_fds(self.socket, [data], fds)
        else:
            self.socket.sendall(data)
        return self.serial

    def next(self):
        """The next message: (type, fields of its head, body)."""
        while len(self.buffer) < 16:
            self.fill()
        body, fields = struct.unpack_from("<I", self.buffer, 4)[0], struct.unpack_from("<I", self.buffer, 12)[0]
        start = 16 + fields + -fields % 8
        while len(self.buffer) < start + body:
            self.fill()
        reader = Reader(bytes(self.buffer[:start]))
        reader.at = 12
        kind, head, content = self.buffer[1], dict(reader.get("a(yv)")), bytes(self.buffer[start:start + body])
        del self.buffer[:start + body]
        return kind, head, content

    def receive(self):
        """The next message: (type, reply serial, error name, values)."""
        kind, head, body = self.next()
        reader = Reader(body)
        return kind, head.get(5), head.get(4), [reader.get(one) for one in types(head.get(8, ""))]

    def body(self, serial):
        """The body of the next reply, which must be the one of this call and no error: for many of them."""
        kind, head, body = self.next()
        assert (kind, head.get(5)) == (2, serial), head
        return body

    def take(self, serial):
        """Wait for the reply of a call that was sent."""
        while serial not in self.replies:
            kind, reply, error, values = self.receive()
            if kind in (2, 3):
                self.replies[reply] = (error, values)
        error, values = self.replies.pop(serial)
        if error:
            raise BusError(error, *(values or [""])[:1])
        return values

    def call(self, member, signature="", *values, **where):
        return self.take(self.send(member, signature, *values, **where))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
