# SPDX-License-Identifier: MIT
"""A client that goes on and on, as one of many: python3 soak.py SOCKET SECONDS CONNECTIONS <tokens

It keeps the number of its sessions, and by and by what they weigh: what it creates, it ends another for, and their attributes are of all sizes from the beginning. Each connection has one call under way. At the end it
writes one line: how many calls it has made.
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from wire import Wire  # noqa: E402

CREATE = ("CreateSession", "ssasa{sv}a{sv}", "many")


def another(chance, token):
    """A call, and whether it answers with a token that takes the old one's place."""
    dice, seen = chance.random(), ("s", "x" * chance.randrange(200))
    if dice < 0.5:
        return ("Resolve", "ssa{sv}", "many", token, {}), False
    if dice < 0.6:
        return ("SetAttributes", "ssa{sv}ast", "many", token, {"seen": seen}, [], 0), False
    if dice < 0.7:
        return ("Rotate", "ssa{sv}", "many", token, {}), True
    # As a login: the old session ends in the same commit, wherever it lies in the file
    return ("CreateSession", "ssasa{sv}a{sv}", "many", f"u{chance.randrange(10 ** 6)}", [], {"company": ("x", 42), "seen": seen},
            {"ReplaceToken": ("s", token), "RemoteHost": ("s", "192.0.2.7")}), True


def main(path, seconds, connections):
    tokens, chance, n = sys.stdin.read().split(), random.Random(os.getpid()), 0
    wires, end = [Wire(path) for _ in range(connections)], time.monotonic() + seconds
    while time.monotonic() < end:
        asked = []
        for wire, at in zip(wires, chance.sample(range(len(tokens)), connections)):
            call, replaces = another(chance, tokens[at])
            asked.append((wire, wire.send(*call), at, replaces))
        for wire, serial, at, replaces in asked:
            values = wire.take(serial)
            if replaces:
                tokens[at] = values[0]
        n += len(asked)
    print(n)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
