# SPDX-License-Identifier: MIT
"""Faults in a program: the test's side of build/tests/faults.so, which tests/faults/faults.h describes.

    faults = Faults(folder)
    Broker(place, environment=faults.environment)       # preloads it
    faults.count(); …; faults.sites()                   # what is called, and from where
    faults.arm(FAIL, site); …; faults.fired             # the first call from there fails
    faults.arm(STOP, "fdatasync", nth=3)                # the process stops in front of the third call of a function
    faults.region.wall = 86400                          # its wall clock is a day ahead
"""
import ctypes
import mmap
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from world import BUILD, IS_ROOT, BROKER_UID, SANITIZED

NONE, FAIL, KILL, KILL_AFTER, STOP, STOP_AFTER, LIE, FAIL_ALWAYS = range(8)
N_SITES, N_MODULES, N_FRAMES, NAME_SIZE = 32768, 64, 6, 32


class Frame(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint32), ("module", ctypes.c_uint32)]


class Site(ctypes.Structure):
    _fields_ = [("key", ctypes.c_uint64), ("name", ctypes.c_char * NAME_SIZE), ("count", ctypes.c_uint64), ("live", ctypes.c_uint64),
                ("frames", Frame * N_FRAMES)]


class Region(ctypes.Structure):
    _fields_ = [("on", ctypes.c_uint32), ("action", ctypes.c_uint32), ("key", ctypes.c_uint64), ("name", ctypes.c_char * NAME_SIZE),
                ("countdown", ctypes.c_uint32), ("error", ctypes.c_uint32), ("fired", ctypes.c_uint32), ("track", ctypes.c_uint32), ("wall", ctypes.c_int64),
                ("modules", (ctypes.c_char * NAME_SIZE) * N_MODULES), ("sites", Site * N_SITES)]


def glibc_gave_up(said):
    """It ends a process that has no memory for what belongs to a thread, whoever asks for it."""
    return re.search("failed to register TLS destructor|memory for thread-local data", said) is not None


class Where:
    """A site, as it was found: it is the same one in another run."""

    def __init__(self, site, modules):
        self.key, self.name, self.count, self.live = site.key, site.name.decode(), site.count, site.live
        self.frames = [(modules[f.module - 1].value.decode(), f.offset) for f in site.frames if f.module]

    @property
    def own(self):
        """Comes from websess, not from the start of a library by itself."""
        return any("websess" in module for module, _ in self.frames)

    def __str__(self):
        return f"{self.name}() from " + " < ".join(symbol(*frame) for frame in self.frames)


def symbol(module, offset):
    """function file:line, as far as the program tells."""
    file = next((f for f in (BUILD / module, BUILD / "tests/integration" / module) if f.exists()), None)
    if not file:
        return f"{module}+{offset:#x}"
    said = subprocess.run(["addr2line", "-s", "-f", "-e", file, hex(offset - 1)], stdout=subprocess.PIPE, text=True, check=False).stdout.split("\n")
    return f"{said[0]} {said[1]}" if len(said) > 1 else f"{module}+{offset:#x}"


class Faults:
    def __init__(self, folder):
        if SANITIZED:
            pytest.skip("sanitizers have an allocator and calls of their own: no faults are put before them")
        self.path = pathlib.Path(folder) / "faults"
        with open(self.path, "w+b") as file:
            file.truncate(ctypes.sizeof(Region))
            self.memory = mmap.mmap(file.fileno(), ctypes.sizeof(Region))
        if IS_ROOT:
            os.chown(self.path, BROKER_UID, BROKER_UID)
        self.region = Region.from_buffer(self.memory)
        # Where any uid can read it: what cannot be preloaded is left out without a word that anybody would see.
        library = shutil.copy(BUILD / "tests/faults.so", folder)
        self.environment = {"LD_PRELOAD": library, "WEBSESS_FAULTS": self.path}

    def clear(self):
        ctypes.memset(ctypes.addressof(self.region), 0, ctypes.sizeof(Region))

    def count(self, track=False):
        """Nothing fails; what is called is noted."""
        self.clear()
        self.region.track, self.region.on = track, 1

    def arm(self, action, what, nth=1, error=0, track=False):
        """At the nth call from a site (a Where), or of a function (its name)."""
        self.clear()
        r = self.region
        r.key, r.name = (0, what.encode()) if isinstance(what, str) else (what.key, what.name.encode())
        r.countdown, r.error, r.action, r.track, r.on = nth, error, action, track, 1

    def off(self):
        self.region.on = 0

    fired = property(lambda self: bool(self.region.fired))

    def sites(self):
        return [Where(site, self.region.modules) for site in self.region.sites if site.key and site.name]
