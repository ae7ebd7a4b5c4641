# SPDX-License-Identifier: MIT
"""libwebsess by ctypes: what a Python program would write to use it, small.

    with Library(broker) as lib:                    # over the private socket; Library(broker, bus=True) over the bus
        session = lib.login("alice", "correct horse")
        session = lib.resolve(session.token, roles=["USER"])
        session.user, session.roles, session["company"]

Outcomes are raised as Outcome, whose .name is "NoSession", "Forbidden", … or "errno -2".
"""
import contextlib
import ctypes
import os

import pytest
from world import BUILD, SANITIZED, wait_until

P, S, Z = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
U32, U64, I64, I = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64, ctypes.c_int
PP, PS, PZ, PU32, PU64 = (ctypes.POINTER(t) for t in (P, S, Z, U32, U64))
WATCH = ctypes.CFUNCTYPE(None, P, I, S, S, S, S)
ASK = ctypes.CFUNCTYPE(I, P, P)

try:
    so = ctypes.CDLL(str(BUILD / "libwebsess.so"))
except OSError:
    if not SANITIZED:
        raise
    pytest.skip("a library with a sanitizer needs a Python that was started with it", allow_module_level=True)

# Those that do not take and return plain int or pointers by themselves.
PROTOTYPES = {
    "websess_strerror": (S, [I]), "websess_code_name": (S, [I]), "websess_last_error_text": (S, []),
    "websess_open": (I, [PP, S, U64]), "websess_open_socket": (I, [PP, S, S, U64]), "websess_close": (P, [P]),
    "websess_session_new": (I, [PP]), "websess_session_free": (P, [P]),
    "websess_need_new": (I, [PP]), "websess_need_free": (P, [P]), "websess_need_role": (I, [P, S]),
    "websess_need_level": (I, [P, U32]), "websess_need_max_auth_age_usec": (I, [P, U64]),
    "websess_need_flags": (I, [P, U32]),
    "websess_set_default_need": (I, [P, P]), "websess_set_save_mode": (I, [P, I, I]),
    "websess_set_cookie_name": (I, [P, S]),
    "websess_resolve": (I, [P, S, Z, P, P]), "websess_resolve_cookie": (I, [P, S, Z, P, P]),
    "websess_require": (I, [P, P]),
    "websess_session_user_id": (I, [P, ctypes.POINTER(I64)]), "websess_session_role_at": (S, [P, Z]),
    "websess_session_role_count": (Z, [P]), "websess_session_attributes": (P, [P]),
    "websess_session_auth_method_at": (S, [P, Z]), "websess_session_auth_method_count": (Z, [P]),
    "websess_session_uid": (U32, [P]), "websess_session_level": (U32, [P]), "websess_session_creator_uid": (U32, [P]),
    "websess_values_new": (I, [PP]), "websess_values_free": (P, [P]), "websess_values_count": (Z, [P]),
    "websess_values_key_at": (S, [P, Z]), "websess_values_type": (I, [P, S]),
    "websess_values_get_bool": (I, [P, S, ctypes.POINTER(I)]),
    "websess_values_get_int64": (I, [P, S, ctypes.POINTER(I64)]),
    "websess_values_get_double": (I, [P, S, ctypes.POINTER(ctypes.c_double)]),
    "websess_values_get_string": (I, [P, S, PS, PZ]), "websess_values_get_bytes": (I, [P, S, PP, PZ]),
    "websess_values_get_strings": (I, [P, S, ctypes.POINTER(PS), PZ]),
    "websess_session_set_bool": (I, [P, P, S, I]), "websess_session_set_int64": (I, [P, P, S, I64]),
    "websess_session_set_double": (I, [P, P, S, ctypes.c_double]), "websess_session_set_string": (I, [P, P, S, S, Z]),
    "websess_session_set_bytes": (I, [P, P, S, S, Z]), "websess_session_set_strings": (I, [P, P, S, PS, Z]),
    "websess_session_get_int64": (I, [P, S, ctypes.POINTER(I64)]),
    "websess_session_unset": (I, [P, P, S]), "websess_session_save": (I, [P, P]),
    "websess_set_attributes": (I, [P, S, Z, P, PS, Z, U64, PU64]),
    "websess_options_new": (I, [PP]), "websess_options_free": (P, [P]), "websess_options_attributes": (P, [P]),
    "websess_options_replace_token": (I, [P, S, Z]), "websess_options_level": (I, [P, U32]),
    "websess_options_remember": (I, [P, I]),
    "websess_login": (I, [P, S, S, Z, P, P]), "websess_create": (I, [P, S, P, P]),
    "websess_rotate": (I, [P, S, Z, P, P]),
    "websess_logout": (I, [P, S, Z]), "websess_get": (I, [P, S, P]), "websess_explain": (I, [P, S, S, Z, P, P, P]), "websess_revoke": (I, [P, S]),
    "websess_revoke_user": (I, [P, S, S, S, U32, PU32]), "websess_revoke_all": (I, [P, S, PU32]),
    "websess_set_roles": (I, [P, S, PS, Z, PU64]), "websess_set_user_roles": (I, [P, S, S, PS, Z, PU32]),
    "websess_touch": (I, [P, PS, Z]), "websess_status": (I, [P, P]), "websess_inspect": (I, [P, P]), "websess_reload": (I, [P]),
    "websess_reset_throttle": (I, [P, S, S, S, PU32]),
    "websess_backup": (I, [P, I]),
    "websess_list_new": (I, [PP]), "websess_list_free": (P, [P]), "websess_list_next": (I, [P, P, P]),
    "websess_list_cursor": (S, [P]), "websess_list_limit": (I, [P, U64]),
    "websess_conversation_begin": (I, [PP, P, S, P]), "websess_conversation_free": (P, [P]), "websess_conversation_state": (I, [P]),
    "websess_conversation_message_count": (Z, [P]), "websess_conversation_message": (S, [P, Z, PU32]),
    "websess_conversation_answer": (I, [P, Z, S, Z]), "websess_conversation_continue": (I, [P]),
    "websess_conversation_fd": (I, [P]), "websess_conversation_events": (I, [P]),
    "websess_conversation_process": (I, [P, P]), "websess_conversation_wait": (I, [P, P]),
    "websess_login_ask": (I, [P, S, P, ASK, P, P]), "websess_options_token": (I, [P, S, Z]),
    "websess_watch": (I, [P, WATCH, P]), "websess_fd": (I, [P]), "websess_dispatch": (I, [P]),
}
for _name in ("id", "service", "user", "role", "remote_host", "user_agent", "creator_unit", "token", "set_cookie"):
    PROTOTYPES[f"websess_session_{_name}"] = (S, [P])
for _name in ("created", "last_seen", "expires", "idle_usec", "lifetime_end", "auth_time", "version"):
    PROTOTYPES[f"websess_session_{_name}"] = (U64, [P])
for _name in ("remote_host", "user_agent", "host", "language", "keep_attribute", "request_id", "role", "auth_method"):
    PROTOTYPES[f"websess_options_{_name}"] = (I, [P, S])
for _name in ("idle_usec", "lifetime_usec", "auth_time", "timeout_usec"):
    PROTOTYPES[f"websess_options_{_name}"] = (I, [P, U64])
for _name in ("service", "user", "user_prefix", "role", "after"):
    PROTOTYPES[f"websess_list_{_name}"] = (I, [P, S])
for _kind, _type in (("bool", [I]), ("int64", [I64]), ("double", [ctypes.c_double]), ("string", [S, Z]),
                     ("bytes", [S, Z]), ("strings", [PS, Z])):
    PROTOTYPES[f"websess_values_set_{_kind}"] = (I, [P, S, *_type])
for _name, (_result, _arguments) in PROTOTYPES.items():
    _function = getattr(so, _name)
    _function.restype, _function.argtypes = _result, _arguments

IMMEDIATE, ON_SAVE = 0, 1
ON_SET, ON_GET, ALWAYS = 0, 1, 2
NO_TOUCH, ALLOW_ANONYMOUS = 1, 2
EVENTS = {1: "new", 2: "removed", 3: "lost", 4: "back"}


class Outcome(Exception):
    def __init__(self, code):
        name = so.websess_code_name(code)
        self.code, self.name = code, name.decode() if name else f"errno {code}"
        self.text = so.websess_last_error_text().decode()
        super().__init__(f"{self.name}: {self.text}")


def check(code):
    if code:
        raise Outcome(code)


@contextlib.contextmanager
def fails(name):
    """The block must fail with this outcome, which is in .value afterwards."""
    class Caught:
        value = None
    caught = Caught()
    try:
        yield caught
    except Outcome as outcome:
        assert outcome.name == name, f"expected {name}, got {outcome}"
        caught.value = outcome
    else:
        raise AssertionError(f"expected {name}, but the call succeeded")


def data(value):
    return None if value is None else value.encode() if isinstance(value, str) else value


def strings(values):
    return (S * len(values))(*map(data, values))


def setter(prefix, value):
    """(function, arguments) that store a Python value."""
    if isinstance(value, bool):
        return f"{prefix}_bool", (value,)
    if isinstance(value, int):
        return f"{prefix}_int64", (value,)
    if isinstance(value, float):
        return f"{prefix}_double", (value,)
    if isinstance(value, list):
        return f"{prefix}_strings", (strings(value), len(value))
    return f"{prefix}_{'bytes' if isinstance(value, bytes) else 'string'}", (data(value), len(data(value)))


def read_values(values):
    """A websess_values as a dict."""
    result = {}
    for index in range(so.websess_values_count(values)):
        key = so.websess_values_key_at(values, index)
        size, kind = Z(), chr(so.websess_values_type(values, key))
        if kind in "bxd":
            out = {"b": I, "x": I64, "d": ctypes.c_double}[kind]()
            get = {"b": "bool", "x": "int64", "d": "double"}[kind]
            check(getattr(so, f"websess_values_get_{get}")(values, key, ctypes.byref(out)))
            result[key.decode()] = bool(out.value) if kind == "b" else out.value
        elif kind == "a":
            out = PS()
            check(so.websess_values_get_strings(values, key, ctypes.byref(out), ctypes.byref(size)))
            result[key.decode()] = [out[i].decode() for i in range(size.value)]
        else:
            out = P()
            check(so.websess_values_get_bytes(values, key, ctypes.byref(out), ctypes.byref(size)) if kind == "y" else
                  so.websess_values_get_string(values, key, ctypes.cast(ctypes.byref(out), PS), ctypes.byref(size)))
            raw = ctypes.string_at(out, size.value)
            result[key.decode()] = raw if kind == "y" else raw.decode()
    return result


class Session:
    """A websess_session. Attribute names are those of the accessors."""

    def __init__(self, lib):
        self.lib, self.pointer = lib, P()
        check(so.websess_session_new(ctypes.byref(self.pointer)))

    def __del__(self):
        so.websess_session_free(self.pointer)

    def __getattr__(self, name):
        value = getattr(so, f"websess_session_{name}")(self.pointer)
        return value.decode() if isinstance(value, bytes) else value

    @property
    def user_id(self):
        out = I64()
        check(so.websess_session_user_id(self.pointer, ctypes.byref(out)))
        return out.value

    @property
    def roles(self):
        count = so.websess_session_role_count(self.pointer)
        return [so.websess_session_role_at(self.pointer, i).decode() for i in range(count)]

    @property
    def auth_methods(self):
        count = so.websess_session_auth_method_count(self.pointer)
        return [so.websess_session_auth_method_at(self.pointer, i).decode() for i in range(count)]

    @property
    def attributes(self):
        return read_values(so.websess_session_attributes(self.pointer))

    def __getitem__(self, key):
        return self.attributes[key]

    def __setitem__(self, key, value):
        function, arguments = setter("websess_session_set", value)
        check(getattr(so, function)(self.lib.pointer, self.pointer, data(key), *arguments))

    def __delitem__(self, key):
        check(so.websess_session_unset(self.lib.pointer, self.pointer, data(key)))

    def read_int64(self, key):
        """By the getter that ON_GET counts as reading."""
        out = I64()
        check(so.websess_session_get_int64(self.pointer, data(key), ctypes.byref(out)))
        return out.value

    def save(self):
        check(so.websess_session_save(self.lib.pointer, self.pointer))

    def require(self, **need):
        with new_need(**need) as n:
            check(so.websess_require(self.pointer, n))


@contextlib.contextmanager
def new_need(roles=(), level=0, max_auth_age_usec=0, flags=0):
    need = P()
    check(so.websess_need_new(ctypes.byref(need)))
    try:
        for role in roles:
            check(so.websess_need_role(need, data(role)))
        check(so.websess_need_level(need, level))
        check(so.websess_need_max_auth_age_usec(need, max_auth_age_usec))
        check(so.websess_need_flags(need, flags))
        yield need
    finally:
        so.websess_need_free(need)


@contextlib.contextmanager
def new_options(roles=(), attributes=(), keep_attributes=(), auth_methods=(), replace_token=None, **options):
    pointer = P()
    check(so.websess_options_new(ctypes.byref(pointer)))
    try:
        for name, values in (("role", roles), ("keep_attribute", keep_attributes), ("auth_method", auth_methods)):
            for value in values:
                check(getattr(so, f"websess_options_{name}")(pointer, data(value)))
        if replace_token is not None:
            check(so.websess_options_replace_token(pointer, data(replace_token), len(data(replace_token))))
        for key, value in dict(attributes).items():
            function, arguments = setter("websess_values_set", value)
            check(getattr(so, function)(so.websess_options_attributes(pointer), data(key), *arguments))
        for name, value in options.items():
            check(getattr(so, f"websess_options_{name}")(pointer, data(value) if isinstance(value, str) else value))
        yield pointer
    finally:
        so.websess_options_free(pointer)


class Library:
    """A websess handle. One is for all threads, but each thread makes its own Session values, as the calls here do."""

    def __init__(self, broker, service="shop", timeout=20.0, bus=False):
        self.pointer = P()
        saved = {name: os.environ.pop(name, None) for name in ("WEBSESS_SOCKET", "DBUS_SYSTEM_BUS_ADDRESS")}
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = broker.bus.address if bus else "unix:path=/nonexistent"
        if not bus:
            os.environ["WEBSESS_SOCKET"] = str(broker.socket_path)
        try:
            check(so.websess_open(ctypes.byref(self.pointer), data(service), int(timeout * 1e6)))
        finally:
            for name, value in saved.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        # The broker is ready before its name is on the bus, and for one that was never there the library does not wait.
        if bus and broker.alive:
            wait_until(lambda: self.answers(), what="the broker's name on the bus")

    def answers(self):
        try:
            return bool(self.status())
        except Outcome as outcome:
            if outcome.name != "Unavailable":
                raise
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        so.websess_close(self.pointer)

    def _fill(self, function, *arguments):
        session = Session(self)
        check(function(self.pointer, *arguments, session.pointer))
        return session

    def login(self, user, secret, **options):
        with new_options(**options) as o:
            return self._fill(so.websess_login, data(user), data(secret), len(data(secret)), o)

    def create(self, user, **options):
        with new_options(**options) as o:
            return self._fill(so.websess_create, data(user), o)

    def rotate(self, token, **options):
        with new_options(**options) as o:
            return self._fill(so.websess_rotate, data(token), len(data(token)), o)

    def resolve(self, token, **need):
        with new_need(**need) as n:
            return self._fill(so.websess_resolve, data(token), len(data(token)), n)

    def resolve_cookie(self, header, **need):
        with new_need(**need) as n:
            return self._fill(so.websess_resolve_cookie, data(header), len(data(header)), n)

    def default_need(self, **need):
        with new_need(**need) as n:
            check(so.websess_set_default_need(self.pointer, n))

    def save_mode(self, save, write):
        check(so.websess_set_save_mode(self.pointer, save, write))

    def logout(self, token):
        check(so.websess_logout(self.pointer, data(token), len(data(token))))

    def get(self, session_id):
        return self._fill(so.websess_get, data(session_id))

    def list(self, limit=0, **filters):
        """(sessions, cursor)"""
        walk, sessions = P(), []
        check(so.websess_list_new(ctypes.byref(walk)))
        try:
            for name, value in filters.items():
                check(getattr(so, f"websess_list_{name}")(walk, data(value)))
            check(so.websess_list_limit(walk, limit))
            while True:
                session = Session(self)
                code = so.websess_list_next(self.pointer, walk, session.pointer)
                if code == 1:
                    return sessions, so.websess_list_cursor(walk).decode()
                check(code)
                sessions.append(session)
        finally:
            so.websess_list_free(walk)

    def revoke(self, session_id):
        check(so.websess_revoke(self.pointer, data(session_id)))

    def revoke_user(self, user, service=None, except_id=None, prefix=False):
        out = U32()
        check(so.websess_revoke_user(self.pointer, data(service), data(user), data(except_id), int(prefix),
                                     ctypes.byref(out)))
        return out.value

    def revoke_all(self, service=None):
        out = U32()
        check(so.websess_revoke_all(self.pointer, data(service), ctypes.byref(out)))
        return out.value

    def set_roles(self, session_id, roles):
        out = U64()
        check(so.websess_set_roles(self.pointer, data(session_id), strings(roles), len(roles), ctypes.byref(out)))
        return out.value

    def set_user_roles(self, user, roles, service=None):
        out = U32()
        check(so.websess_set_user_roles(self.pointer, data(service), data(user), strings(roles), len(roles),
                                        ctypes.byref(out)))
        return out.value

    def set_attributes(self, token, values, unset=(), if_version=0):
        dictionary, out = P(), U64()
        check(so.websess_values_new(ctypes.byref(dictionary)))
        try:
            for key, value in values.items():
                function, arguments = setter("websess_values_set", value)
                check(getattr(so, function)(dictionary, data(key), *arguments))
            check(so.websess_set_attributes(self.pointer, data(token), len(data(token)), dictionary, strings(unset),
                                            len(unset), if_version, ctypes.byref(out)))
            return out.value
        finally:
            so.websess_values_free(dictionary)

    def touch(self, *ids):
        check(so.websess_touch(self.pointer, strings(ids), len(ids)))

    def status(self):
        values = P()
        check(so.websess_values_new(ctypes.byref(values)))
        try:
            check(so.websess_status(self.pointer, values))
            return read_values(values)
        finally:
            so.websess_values_free(values)

    def reload(self):
        check(so.websess_reload(self.pointer))

    def backup(self, fd):
        check(so.websess_backup(self.pointer, fd))

    def watch(self, function):
        self._callback = WATCH(lambda _, event, *texts: function(EVENTS[event],
                                                                 *(t.decode() if t else None for t in texts)))
        check(so.websess_watch(self.pointer, self._callback, None))

    def fd(self):
        return so.websess_fd(self.pointer)

    def dispatch(self):
        check(so.websess_dispatch(self.pointer))


def read_messages(conversation):
    result, style = [], U32()
    for i in range(so.websess_conversation_message_count(conversation)):
        text = so.websess_conversation_message(conversation, i, ctypes.byref(style))
        result.append((style.value, text.decode()))
    return result


class Conversation:
    """A websess_conversation, step by step."""

    def __init__(self, lib, user):
        self.session, self.pointer = Session(lib), P()
        check(so.websess_conversation_begin(ctypes.byref(self.pointer), lib.pointer, user.encode(), None))

    state = property(lambda self: so.websess_conversation_state(self.pointer))
    fd = property(lambda self: so.websess_conversation_fd(self.pointer))
    events = property(lambda self: so.websess_conversation_events(self.pointer))
    messages = property(lambda self: read_messages(self.pointer))

    def process(self):
        check(so.websess_conversation_process(self.pointer, self.session.pointer))
        return self.state

    def answer(self, i, text):
        check(so.websess_conversation_answer(self.pointer, i, text, len(text)))

    def go(self, *answers):
        for i, text in enumerate(answers):
            self.answer(i, text.encode())
        check(so.websess_conversation_continue(self.pointer))

    def free(self):
        self.pointer = so.websess_conversation_free(self.pointer)


def login_ask(lib, user, ask, token=None, **more):
    """ask(messages) gives the answers, one for each message, or None to give up."""
    session = Session(lib)

    def asked(_, conversation):
        messages = read_messages(conversation)
        answers = ask(messages)
        if answers is None:
            return -125
        for i, (style, _) in enumerate(messages):
            if style <= 2:
                check(so.websess_conversation_answer(conversation, i, answers[i].encode(), len(answers[i].encode())))
        return 0

    with new_options(**more) as options:
        if token:
            check(so.websess_options_token(options, token.encode(), len(token)))
        check(so.websess_login_ask(lib.pointer, user.encode(), options, ASK(asked), None, session.pointer))
    return session


Library.login_ask = login_ask
