# SPDX-License-Identifier: MIT
"""What the long runs are told (make check-crash CYCLES=2000), and the figures they leave behind: build/crash.json and the like."""
import json
import os

from world import BUILD


def wanted(name, usual):
    """How much of it: $WEBSESS_CYCLES for "CYCLES", unless it is the usual, short run."""
    return int(os.environ.get(f"WEBSESS_{name}", usual))


def leave(name, **figures):
    (BUILD / f"{name}.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")


def add(name, part, **figures):
    """The figures of one part of many."""
    path = BUILD / f"{name}.json"
    leave(name, **(json.loads(path.read_text()) if path.exists() else {}) | {part: figures})
