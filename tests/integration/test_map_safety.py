# SPDX-License-Identifier: MIT
"""What a reader can do to a map (nothing), and whether what several processes did and saw fits together, with kill -9 of the broker in the middle."""
import base64
import ctypes
import errno
import fcntl
import mmap
import multiprocessing
import os
import pwd
import random
import socket
import time

import pytest

from library import Library, Outcome
from wire import Wire
from world import IS_ROOT

SHOP = """
    [Service]
    Users=app
    MaxSessions=0
    OnRoleChange=update
    [Roles]
    USER=
    """ + "".join(f"R{n}=\n    " for n in range(60)) + """
    [Access]
    Resolve=*
    Create=*
    Manage=*
    """

pytestmark = pytest.mark.policy(shop=SHOP)

F_GET_SEALS, SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE = 1034, 1, 2, 4, 8, 16
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
FAILED = ctypes.c_void_p(-1).value


def open_map(broker, uid, service="shop"):
    wire = Wire(broker.address, uid)
    wire.send("OpenMap", "s", service)
    data, fds, _, _ = socket.recv_fds(wire.socket, 65536, 4)
    assert len(fds) == 1, data
    return fds[0]


def attacks(fd):
    """All the ways there are to write to it, by name."""
    size = os.fstat(fd).st_size

    def by_mmap(descriptor):
        address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0)
        if address == FAILED:
            raise OSError(ctypes.get_errno(), "mmap")

    def by_mprotect():
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
        assert address != FAILED
        if libc.mprotect(address, size, mmap.PROT_READ | mmap.PROT_WRITE) < 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def reopened(flags):
        return lambda: by_mmap(os.open(f"/proc/self/fd/{fd}", flags))

    yield "write", lambda: os.pwrite(fd, b"x", 0)
    yield "ftruncate", lambda: os.ftruncate(fd, 0)
    yield "grow", lambda: os.ftruncate(fd, 2 * size)
    yield "fallocate", lambda: os.posix_fallocate(fd, 0, 2 * size)
    yield "chmod", lambda: os.fchmod(fd, 0o666)
    yield "seals", lambda: fcntl.fcntl(fd, 1033, WRITE)
    yield "mmap", lambda: by_mmap(fd)
    yield "mprotect", by_mprotect
    yield "open again to write", reopened(os.O_RDWR)
    yield "open again to truncate", reopened(os.O_RDWR | os.O_TRUNC)


def as_uid(uid, function):
    """What function() returns, a short string, in a process of that uid."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid != os.getuid():
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.write(into, function().encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.parametrize("who", ["nobody", "news"])
def test_S21_a_map_cannot_be_written_by_a_reader(broker, who):
    """news is the broker's own uid: there the mode of the file keeps nobody away, but a seal does."""
    if not IS_ROOT:
        who = None
    uid = pwd.getpwnam(who).pw_uid if who else os.getuid()
    with Library(broker) as lib:
        lib.create("42", roles=["USER"])
    # nobody's uid is never a caller's, but what somebody else was given may have come to him
    fd = open_map(broker, uid if who == "news" else pwd.getpwnam("games").pw_uid if IS_ROOT else None)
    seals = fcntl.fcntl(fd, F_GET_SEALS)
    assert seals & (SEAL | SHRINK | GROW) == SEAL | SHRINK | GROW
    before = os.pread(fd, os.fstat(fd).st_size, 0)

    def attack():
        successes = []
        for name, function in attacks(fd):
            try:
                function()
                successes.append(name)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EACCES, errno.EBADF, errno.EINVAL):
                    successes.append(f"{name}: {error}")
        return ", ".join(successes) or "none"

    # The owner may change the mode back and forth: the seals do not go by it.
    assert as_uid(uid, attack) == ("none" if who == "nobody" else "chmod")
    assert os.pread(fd, len(before), 0) == before
    with Library(broker) as lib:
        assert lib.resolve(lib.create("43", roles=["USER"]).token).user == "43"
    os.close(fd)


def test_S01_no_secret_is_in_a_map(broker):
    with Library(broker) as lib:
        token = lib.create("42", roles=["USER"]).token
    fd = open_map(broker, None)
    content = os.pread(fd, os.fstat(fd).st_size, 0)
    os.close(fd)
    raw = base64.urlsafe_b64decode(token[-64:])
    assert raw[:16] in content, "this is not the map"
    assert raw[16:] not in content and raw[16:32] not in content and token[-43:].encode() not in content


# ---- histories ----

GONE = 1 << 30
TOKEN_SIZE = 64


class Tokens:
    """What the readers may look for: tokens that processes add, seen by all of them from then on."""

    def __init__(self, context, tokens, room=400):
        self.room, self.n, self.lock = room, context.Value("i", 0, lock=False), context.Lock()
        self.memory = context.RawArray("c", room * TOKEN_SIZE)
        for token in tokens:
            self.add(token)

    def add(self, token):
        with self.lock:
            at = self.n.value
            if at < self.room:
                self.memory[at * TOKEN_SIZE:(at + 1) * TOKEN_SIZE] = token.encode()
                self.n.value = at + 1

    def choose(self, chance):
        at = chance.randrange(self.n.value) * TOKEN_SIZE
        return self.memory[at:at + TOKEN_SIZE].decode()


class Registers:
    """One process's log: (what, value, begin, end) of writes and reads. Each register has one writer and values that grow."""

    def __init__(self):
        self.writes, self.reads = [], []

    def write(self, what, value, function):
        begin = time.monotonic_ns()
        function()
        self.writes.append((what, value, begin, time.monotonic_ns()))


def unless_gone(function):
    """What it returns; None when there is no session: a second attempt after a crash finds what the first one did."""
    try:
        return function()
    except Outcome as outcome:
        if outcome.name != "NoSession":
            raise
    return None


def both(log, token, values, begin, end):
    log.writes += [((token, what), value, begin, end) for what, value in zip(("n", "role"), values)]


def create(lib, log, tokens, sessions, state):
    user, begin = f"p{os.getpid()}-{len(state)}", time.monotonic_ns()
    made = lib.create(user, roles=["R0"], attributes={"n": 0})
    both(log, made.token, (0, 0), begin, time.monotonic_ns())
    state[made.token] = [0, 0]
    sessions.append((made.token, made.id, user))
    tokens.add(made.token)


def rotate(lib, log, tokens, session, state):
    """The old token is dead, the new one says what the old one said. Returns the session as it is then."""
    token, session_id, user = session
    begin = time.monotonic_ns()
    fresh = unless_gone(lambda: lib.rotate(token))
    end = time.monotonic_ns()
    both(log, token, (GONE, GONE), begin, end)
    if fresh is None:
        return None
    assert fresh.id == session_id
    both(log, fresh.token, state[token], begin, end)
    state[fresh.token] = state[token]
    tokens.add(fresh.token)
    return fresh.token, session_id, user


def change(broker, sessions, tokens, seconds, results):
    log, chance = Registers(), random.Random(os.getpid())
    state = {token: [0, 0] for token, _, _ in sessions}
    end = time.monotonic() + seconds
    with Library(broker, timeout=60) as lib:
        while time.monotonic() < end and sessions:
            n = chance.randrange(len(sessions))
            token, session_id, user = sessions[n]
            now = state[token]
            dice = chance.random()
            if dice < 0.05:
                create(lib, log, tokens, sessions, state)
            elif dice < 0.1:
                session = rotate(lib, log, tokens, sessions[n], state)
                sessions[n:n + 1] = [session] if session else []
            elif dice < 0.6:
                now[0] += 1
                log.write((token, "n"), now[0], lambda: lib.set_attributes(token, {"n": now[0], "pad": "x" * chance.randrange(600)}))
            elif dice < 0.9 and now[1] < 59:
                now[1] += 1
                log.write((token, "role"), now[1], lambda: lib.set_user_roles(user, [f"R{now[1]}"]))
            elif dice > 0.97:
                kill = chance.choice([lambda: lib.revoke(session_id), lambda: lib.logout(token), lambda: lib.revoke_user(user)])
                begin = time.monotonic_ns()
                unless_gone(kill)
                both(log, token, (GONE, GONE), begin, time.monotonic_ns())
                sessions.pop(n)
    results.put(log)


def look(broker, tokens, seconds, results):
    log, chance = Registers(), random.Random(os.getpid())
    end = time.monotonic() + seconds
    with Library(broker, timeout=60) as lib:
        while time.monotonic() < end:
            token = tokens.choose(chance)
            begin = time.monotonic_ns()
            try:
                session = lib.resolve(token)
                n, role = session["n"], int(session.role[1:])
            except Outcome as outcome:
                if outcome.name != "NoSession":
                    raise
                n = role = GONE
            finished = time.monotonic_ns()
            log.reads.append(((token, "n"), n, begin, finished))
            log.reads.append(((token, "role"), role, begin, finished))
    results.put(log)


def violations(writes, reads):
    """Registers with one writer and growing values are linearizable when no read returns what was overwritten before it began, nor what was not yet
    being written when it ended, nor less than a read that had ended before it began."""
    by_register, bad = {}, []
    for what, value, begin, end in writes:
        by_register.setdefault(what, ([], []))[0].append((value, begin, end))
    for what, value, begin, end in reads:
        by_register.setdefault(what, ([], []))[1].append((begin, end, value))
    for what, (written, read) in by_register.items():
        written.sort()
        begun = {value: begin for value, begin, _ in written}
        events = [(end, 0, value) for value, _, end in written] + [(end, 0, value) for begin, end, value in read]
        events += [(begin, 1, value) for begin, _, value in read]
        floor = 0
        for at, is_begin, value in sorted(events):
            if is_begin and value < floor:
                bad.append(f"{what[1]}: {value} was read at {at}, though {floor} was there before")
            if not is_begin:
                floor = max(floor, value)
        bad += [f"{what[1]}: {value} was read before it was written" for begin, end, value in read if value > 0 and begun.get(value, 1 << 80) > end]
    return bad


def test_the_checker_finds_what_is_wrong():
    a = ("t", "n")
    writes = [(a, 1, 10, 20), (a, 2, 30, 40), (a, GONE, 50, 60)]
    assert not violations(writes, [(a, 0, 1, 5), (a, 0, 5, 15), (a, 1, 12, 14), (a, 2, 32, 36), (a, 1, 33, 34), (a, GONE, 61, 62)][:4])
    assert violations(writes, [(a, 0, 21, 22)])                         # stale
    assert violations(writes, [(a, 2, 61, 62)])                         # alive after its end
    assert violations(writes, [(a, 2, 11, 29)])                         # from the future
    assert violations(writes, [(a, 2, 31, 32), (a, 1, 33, 34)])         # back in time


def with_a_stale_read(writes, reads):
    """The same history, but for one read that returns what had been overwritten before it began."""
    for what, value, begin, end in writes:
        for i, (read, seen, read_begin, read_end) in enumerate(reads):
            if read == what and 0 < value <= seen and read_begin > end:
                return reads[:i] + [(read, value - 1, read_begin, read_end)] + reads[i + 1:]
    raise AssertionError("nothing was read that had been written")


def test_S04_L01_L07_R12_Z2_histories_of_several_processes_are_linearizable(broker):
    seconds, kills = int(os.environ.get("WEBSESS_HISTORY_SECONDS", 6)), 4
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with Library(broker, timeout=60) as lib:
        created = [(lib.create(f"u{n}", roles=["R0"], attributes={"n": 0}), f"u{n}") for n in range(60)]
    sessions = [(session.token, session.id, user) for session, user in created]
    tokens = Tokens(context, [token for token, _, _ in sessions])
    workers = [context.Process(target=change, args=(broker, sessions[n::2], tokens, seconds, results)) for n in range(2)]
    workers += [context.Process(target=look, args=(broker, tokens, seconds, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(kills):
        time.sleep(seconds / (kills + 1) * random.uniform(0.7, 1.1))
        broker.kill()
        broker.start()
    logs = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    writes, reads = [w for log in logs for w in log.writes], [r for log in logs for r in log.reads]
    assert len(writes) > 100 and len(reads) > 1000
    assert any(value == GONE for _, value, _, _ in reads) and any(0 < value < GONE for _, value, _, _ in reads)
    assert tokens.n.value > len(sessions)          # made and rotated in the middle of it
    assert not violations(writes, reads)
    assert violations(writes, with_a_stale_read(writes, reads))
