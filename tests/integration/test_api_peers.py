# SPDX-License-Identifier: MIT
"""Connections to the private socket that go no further, or for which there is no room: they cost themselves, and others go on."""
import contextlib
import os
import socket
import time

import pytest
from client import BusError
from wire import Wire
from world import Broker, wait_until

RESOLVE = ("Resolve", "ssa{sv}", "default", "x", {})
NOT_AUTHENTICATED, NOT_ACCEPTED = "it did not authenticate in time", "cannot accept connections for the moment: Too many open files"


def half_open(address, said):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(address.removeprefix("unix:path="))
    connection.sendall(said)
    return connection


def closed_at(connection):
    """When the other side closed it: what it answered before is read and left."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass
    return time.monotonic()


def serves(wire):
    with pytest.raises(BusError) as refused:
        wire.call(*RESOLVE)
    return refused.value.name == "NoSession"


def test_S23_half_open_peers_have_five_seconds(broker):
    """Whatever part of the handshake they have sent. Who is through with it may be silent for ever."""
    with Wire(broker.address) as idle:
        start = time.monotonic()
        parts = (b"", b"\0", b"\0AUTH EXT", b"\0AUTH EXTERNAL\r\n", b"\0AUTH EXTERNAL\r\nDATA\r\n", b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n")
        connections = [half_open(broker.address, part) for part in parts * 10]
        after = [closed_at(connection) - start for connection in connections]
        assert 4.5 < min(after) and max(after) < 15, "a busy machine is late, never early"
        assert NOT_AUTHENTICATED in broker.log
        assert serves(idle)
    for connection in connections:
        connection.close()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def tight(place, bus, helper):
    """A broker that may have 160 descriptors."""
    (place.bin / "websessd").rename(place.bin / "websessd-itself")
    (place.bin / "websessd").write_text(f'#!/bin/sh\nulimit -n 160\nexec {place.bin}/websessd-itself "$@"\n')
    (place.bin / "websessd").chmod(0o755)
    place.policy("default", "[Service]\nUsers=app\n[Access]\nLogin=*\nResolve=*\nCreate=*\n")
    broker = Broker(place, bus)
    try:
        yield broker.start()
    finally:
        broker.close()


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_S17_descriptors_that_run_out_are_waited_for(tight):
    """Only root and the broker's own user can get that far, whose connections are not counted. New ones wait in the socket's queue meanwhile,
    those that are there are served, and nothing spins."""
    with Wire(tight.address) as present:
        assert serves(present)
        before = descriptors(tight.pid)
        many = [half_open(tight.address, b"") for _ in range(200)]
        wait_until(lambda: NOT_ACCEPTED in tight.log)
        used = cpu(tight.pid)
        for _ in range(50):
            assert serves(present)
            time.sleep(0.01)
        assert cpu(tight.pid) - used < 0.4, "seconds of processor time: it should wait, not try"
        for connection in many:
            connection.close()
        with Wire(tight.address) as new:
            assert serves(new)
        wait_until(lambda: descriptors(tight.pid) == before)


@pytest.mark.needs_root
def test_S17_few_descriptors_are_few_connections(tight):
    """The broker keeps enough for itself: the database and the bus are not what runs out."""
    peers = []
    try:
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(100):
                peers.append(Wire(tight.address, uid=5))
        assert 20 <= len(peers) < 60 and descriptors(tight.pid) < 160
        assert "connection refused: too many connections" in tight.log
        for peer in peers:
            assert peer.call("CreateSession", "ssasa{sv}a{sv}", "default", "x", [], {}, {})
        peers.pop().close()
        wait_until(lambda: reached(tight, peers))
    finally:
        for peer in peers:
            peer.close()
    assert NOT_ACCEPTED not in tight.log


def reached(broker, peers):
    with contextlib.suppress(EOFError, ConnectionError):
        peers.append(Wire(broker.address, uid=5))
        return True
    return False
