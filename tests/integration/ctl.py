# SPDX-License-Identifier: MIT
"""websessctl as the tests call it: by uid, with input, its output as it came.

    ctl = Ctl(broker)                           root, or whoever runs the tests
    token = ctl("create", "-q", "shop", "alice").line
    ctl("resolve", "shop", input=token, status=0).json
    Ctl(broker, "irc")("list", status=17)
"""
import json
import pwd
import re
import select
import subprocess
import time

TIMEOUT = 30

# Exit statuses: 10 + the number of the outcome.
NO_SESSION, FORBIDDEN, STEP_UP, AUTHENTICATION_FAILED, CONVERSATION, LIMIT, ACCESS_DENIED, NO_SERVICE, INVALID, CONFLICT, TOO_MANY, \
    UNAVAILABLE = range(11, 23)
USAGE = 2


class Result:
    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout.decode(), process.stderr.decode()

    @property
    def line(self):
        """The only line of output."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out
        return self.out[:-1]

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def fields(self):
        """`key: value` lines as a dictionary; a line without a key belongs to the one before."""
        fields, key = {}, None
        for line in self.out.splitlines():
            name, value = line.split(": ", 1)
            key = name.strip() or key
            fields[key] = fields[key] + "\n" + value if key in fields else value
        return fields

    @property
    def table(self):
        """The rows of a table with its heading as lists of dictionaries; two blanks or more part columns."""
        lines = self.out.split("\n\n")[0].splitlines()
        starts = [m.start() for m in re.finditer(r"(?:^|(?<=  ))\S", lines[0])]
        names = [lines[0][a:b].strip() for a, b in zip(starts, starts[1:] + [None])]
        return [dict(zip(names, (line[a:b].strip() for a, b in zip(starts, starts[1:] + [None])))) for line in lines[1:]]


class Ctl:
    def __init__(self, broker, who=None, socket=None):
        self.program = broker.place.bin / "websessctl"
        self.environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "WEBSESS_SOCKET": str(socket or broker.socket_path)}
        self.identity = {}
        if who is not None:
            uid = pwd.getpwnam(who).pw_uid
            self.identity = {"user": uid, "group": uid, "extra_groups": []}

    def __call__(self, *arguments, input=None, status=0, env=()):
        data = input.encode() if isinstance(input, str) else input
        process = subprocess.run([self.program, *arguments], capture_output=True, timeout=TIMEOUT, env=self.environment | dict(env),
                                 **({"stdin": subprocess.DEVNULL} if data is None else {"input": data}), **self.identity)
        result = Result(process)
        assert result.status == status, f"{arguments}: {result.status} instead of {status}\n{result.out}{result.err}"
        return result

    def start(self, *arguments, command=None, **options):
        """A process to talk to, or another command in its place; the caller ends it. Unbuffered, for read_line()."""
        return subprocess.Popen(command or [self.program, *arguments], bufsize=0,
                                **{"stdout": subprocess.PIPE, "env": self.environment} | self.identity | options)


def is_id(text):
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def cmdline(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def read_line(process):
    """The next line of a started process, or what there was of it when it ended. Fails rather than wait for ever."""
    end, line = time.monotonic() + TIMEOUT, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        assert ready, f"no line within {TIMEOUT} s after {line!r}"
        character = process.stdout.read(1)
        if not character:
            break
        line += character
    return line.decode()
