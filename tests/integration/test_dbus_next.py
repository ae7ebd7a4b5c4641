# SPDX-License-Identifier: MIT
"""dbus-next, a client library in which every byte of D-Bus is Python's, as Debian ships it: over the bus and over the private socket.

(dasbus, on top of GLib, is what all other tests call by: client.py. busctl, on top of sd-bus: test_api_objects.py.)
"""
import asyncio
import os

import pytest
from client import MANAGER, SESSION
from dbus_next import DBusError, Message, MessageType, Variant
from dbus_next.aio import MessageBus

POLICY = {"shop": "[Roles]\nADMIN=\nUSER=\n[Access]\nCreate=games\n"}
NAME = "org.websess1"
PROPERTIES = "org.freedesktop.DBus.Properties"


@pytest.fixture(params=["private", "bus"])
def address(request, world):
    return world.address(request.param == "bus")


def over(address, function):
    """Run a coroutine function with a connection. Nothing here takes longer than that."""
    async def run():
        bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()
        try:
            return await asyncio.wait_for(function(bus), 30)
        finally:
            bus.disconnect()

    return asyncio.run(run())


async def proxy(bus, path):
    return bus.get_proxy_object(NAME, path, await bus.introspect(NAME, path))


async def manager_of(bus):
    return (await proxy(bus, MANAGER)).get_interface("org.websess1.Manager")


async def create(manager, user, roles=("USER",)):
    return await manager.call_create_session("shop", user, list(roles), {"cart": Variant("u", 7), "blob": Variant("ay", b"\0\xff")},
                                             {"RemoteHost": Variant("s", "192.0.2.9")})


def test_dbus_next_calls(address):
    async def test(bus):
        manager = await manager_of(bus)
        token, session = await create(manager, "next")
        assert session["User"].value == "next" and session["RemoteHost"].value == "192.0.2.9"
        assert session["Attributes"].value == {"cart": Variant("x", 7), "blob": Variant("ay", b"\0\xff")}
        found = await manager.call_resolve("shop", token, {"Roles": Variant("as", ["ADMIN", "USER"])})
        assert found["Id"] == session["Id"]
        assert await manager.call_set_attributes("shop", token, {"theme": Variant("s", "dark")}, ["blob"], 0) == session["Version"].value + 1
        second, rotated = await manager.call_rotate("shop", token, {})
        assert second != token and rotated["Id"] == session["Id"] and set(rotated["Attributes"].value) == {"cart", "theme"}
        listed, cursor = await manager.call_list_sessions({"User": Variant("s", "next")})
        assert [s["Id"] for s in listed] == [session["Id"]] and cursor == ""
        await manager.call_logout("shop", second)

    over(address, test)


def test_dbus_next_errors(address):
    async def refused(call):
        with pytest.raises(DBusError) as caught:
            await call
        return caught.value.type.removeprefix(NAME + ".Error."), caught.value.text

    async def test(bus):
        manager = await manager_of(bus)
        token, session = await create(manager, "errors")
        assert (await refused(manager.call_resolve("shop", "rubbish", {})))[0] == "NoSession"
        assert (await refused(manager.call_resolve("shop", token, {"Roles": Variant("as", ["ADMIN"])})))[0] == "Forbidden"
        assert (await refused(manager.call_resolve("shop", token, {"Level": Variant("u", 9)})))[0] == "StepUpRequired"
        name, text = await refused(manager.call_resolve("shop", token, {"Roles": Variant("as", ["USRE"])}))
        assert name == "InvalidArgument" and "USRE" in text and "shop.conf" in text
        assert (await refused(manager.call_create_session("nosuch", "x", [], {}, {})))[0] == "NoService"
        assert (await refused(manager.call_set_attributes("shop", token, {}, ["cart"], 99)))[0] == "Conflict"
        # What no introspection leads to
        for member, path in (("Explode", MANAGER), ("Revoke", "/org/websess1/nowhere")):
            reply = await bus.call(Message(NAME, path, "org.websess1.Manager", member))
            assert reply.message_type == MessageType.ERROR and reply.error_name.startswith("org.freedesktop.DBus.Error.Unknown")
        await manager.call_revoke_session(session["Id"].value)

    over(address, test)


def test_dbus_next_signals(address):
    async def test(bus):
        manager, seen = await manager_of(bus), asyncio.Queue()
        manager.on_session_new(lambda session, service, user: seen.put_nowait(("new", session, service, user)))
        manager.on_session_removed(lambda session, service, user, reason: seen.put_nowait(("removed", session, service, user, reason)))
        await manager.call_subscribe()
        token, session = await create(manager, "signals")
        session_id = session["Id"].value
        assert await seen.get() == ("new", session_id, "shop", "signals")
        await manager.call_logout("shop", token)
        assert await seen.get() == ("removed", session_id, "shop", "signals", "logout")
        # Another connection's
        other = await MessageBus(bus_address=address).connect()
        _, session = await create(await manager_of(other), "signals")
        assert await seen.get() == ("new", session["Id"].value, "shop", "signals")
        await manager.call_unsubscribe()
        await manager.call_revoke_user("shop", "signals", {})
        assert (await manager.get_session_count()) >= 0 and seen.empty()
        other.disconnect()

    over(address, test)


def test_dbus_next_properties_and_introspection(address):
    async def test(bus):
        node = await bus.introspect(NAME, MANAGER)
        by_name = {interface.name: interface for interface in node.interfaces}
        assert {"org.websess1.Manager", PROPERTIES, "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer"} <= set(by_name)
        assert {"SessionNew", "SessionRemoved"} <= {signal.name for signal in by_name["org.websess1.Manager"].signals}
        manager = await manager_of(bus)
        assert await manager.get_healthy() is True and await manager.get_version()
        assert set(await manager.get_services()) >= {"shop"} or os.geteuid() != 0
        properties = (await proxy(bus, MANAGER)).get_interface(PROPERTIES)
        assert {"Version", "Services", "SessionCount", "Store", "Healthy"} <= set(await properties.call_get_all("org.websess1.Manager"))
        with pytest.raises(DBusError) as caught:
            await properties.call_set("org.websess1.Manager", "Version", Variant("s", "2"))
        assert caught.value.type == "org.freedesktop.DBus.Error.PropertyReadOnly"
        _, session = await create(manager, "paths")
        assert session["Id"].value in [child.name.rpartition("/")[2] for child in (await bus.introspect(NAME, SESSION.rstrip("/"))).nodes]

    over(address, test)


def test_dbus_next_revokes_by_path(address):
    async def test(bus):
        manager = await manager_of(bus)
        token, session = await create(manager, "revoked")
        session_object = (await proxy(bus, SESSION + session["Id"].value)).get_interface("org.websess1.Session")
        assert await session_object.get_user() == "revoked" and await session_object.get_roles() == ["USER"]
        await session_object.call_revoke()
        with pytest.raises(DBusError) as caught:
            await manager.call_resolve("shop", token, {})
        assert caught.value.type == "org.websess1.Error.NoSession"

    over(address, test)


def test_dbus_next_passes_a_descriptor(address, tmp_path):
    """Both ways: one to a backup, one of a map."""
    async def test(bus):
        manager = await manager_of(bus)
        await create(manager, "backup")
        with open(tmp_path / "backup", "wb") as file:
            reply = await bus.call(Message(NAME, MANAGER, "org.websess1.Manager", "Backup", signature="h", body=[0], unix_fds=[file.fileno()]))
        assert reply.message_type == MessageType.METHOD_RETURN, reply.body
        reply = await bus.call(Message(NAME, MANAGER, "org.websess1.Manager", "OpenMap", signature="s", body=["shop"]))
        assert reply.message_type == MessageType.METHOD_RETURN, reply.body
        for fd in reply.unix_fds:
            assert os.fstat(fd).st_size > 0
            os.close(fd)

    if os.geteuid() != 0:
        pytest.skip("needs root: Backup is for root alone")
    over(address, test)
    assert (tmp_path / "backup").stat().st_size > 0
