# SPDX-License-Identifier: MIT
"""L04: every allocation and every system call of the broker, the helper, the library and the module fails once. Here some of them do, always the
same; `make check-faults` takes all."""
import functools
import re

import pytest

from figures import add, wanted
from scenario import Day
from sites import every_site
from subjects import HelperTalk, LibraryCalls, ModuleCall
from world import BUILD, SANITIZED

JOBS = wanted("JOBS", 2)
pytestmark = pytest.mark.skipif(SANITIZED, reason="sanitizers have an allocator and calls of their own: no faults are put before them")


def run(name, make, usual, **options):
    """usual: how many sites it takes by itself. WEBSESS_SITES=0 takes all."""
    figures, problems = every_site(make, wanted("SITES", usual), JOBS, **options)
    add("faults", name, **figures)
    (BUILD / f"faults-{re.sub('[^a-z]+', '-', name)}.txt").write_text("".join(f"{problem}\n" for problem in problems))
    assert not problems, "\n".join([f"{len(problems)} problems", *problems])
    assert figures["fired"] > figures["runs"] / 2, figures


def test_L04_every_site_of_the_broker_fails_once():
    run("broker", Day, 16)


def test_L04_every_site_of_the_broker_on_the_bus_fails_once():
    run("broker on the bus", functools.partial(Day, on_bus=True), 6, apart_from=Day)


@pytest.mark.parametrize("question", ["right", "wrong", "right in rounds", "wrong in rounds", "accounts"])
def test_L04_every_site_of_the_helper_fails_once(question):
    run(f"helper, {question}", functools.partial(HelperTalk, question), 12)


def test_L04_every_site_of_the_library_fails_once():
    run("library", LibraryCalls, 16)


# Roles are asked for by two of them; the others have nobody to refuse.
MODULE = [(entry, True) for entry in ("authenticate", "acct_mgmt", "open_session", "close_session", "chauthtok")] + \
    [(entry, False) for entry in ("authenticate", "acct_mgmt")]


@pytest.mark.parametrize("entry, may", MODULE, ids=[f"{entry}-{'may' if may else 'may_not'}" for entry, may in MODULE])
def test_L04_S11_every_site_of_the_module_fails_once(entry, may):
    run(f"module, {entry}, {'who may' if may else 'who may not'}", functools.partial(ModuleCall, entry, may), 6)
