# SPDX-License-Identifier: MIT
"""Every site once: a subject (a program with something to do) is run without a fault to learn from where it allocates and calls the system, and
then once for each of these places, with that one call failing.

A subject has faults, ready(), which is called before each run, run(), which returns what was wrong, a list of texts, and close(); in
facts it keeps what it learns without a fault.
"""
import concurrent.futures
import multiprocessing
import random

from faults import FAIL

# glibc's loader ends the process when it has no memory for thread-local data: nobody's fault but its own.
NOT_OURS = ("ld-linux",)
# What stays allocated for good belongs to the loader and to what loads modules on demand: not always from the same site.
KEEPERS = ("ld-linux", "libc.so", "libcrypto", "libpam", "pam_")


def learn(subject):
    """The sites of a run in which nothing fails, and what it leaves allocated at most."""
    sites, live = {}, {}
    for _ in range(2):
        subject.ready()
        subject.faults.count(track=True)
        problems = subject.run()
        assert not problems, ["without any fault", *problems]
        for site in subject.faults.sites():
            sites[site.key] = site
            live[site.key] = max(live.get(site.key, 0), site.live)
    return [site for site in sites.values() if site.own and not site.frames[0][0].startswith(NOT_OURS)], live


def learn_of(make):
    subject = make()
    try:
        return *learn(subject), subject.facts
    finally:
        subject.close()


def leaks(subject, live):
    return [f"{site.live - live.get(site.key, 0)} leaked: {site}" for site in subject.faults.sites()
            if site.own and site.live > live.get(site.key, 0) and not site.frames[0][0].startswith(KEEPERS)]


def try_one(subject, site, nth, live):
    """(whether the fault came to be, what was wrong)"""
    subject.ready()
    subject.faults.arm(FAIL, site, nth=nth, track=True)
    try:
        problems = subject.run()
    except Exception as error:
        problems = [f"{type(error).__name__}: {error}"]
    fired = subject.faults.fired
    if fired:
        problems += leaks(subject, live)
    return fired, [f"{site} (call {nth}): {problem}" for problem in problems]


def try_some(make, jobs, live, facts):
    """In a process of its own: callers of several uids take turns at being the process's."""
    subject = make()
    subject.facts = facts
    try:
        return [try_one(subject, site, nth, live) for site, nth in jobs]
    finally:
        subject.close()


def every_site(make, most, processes, apart_from=None):
    """most: so many sites, drawn by chance but always the same ones; 0: all, and those that are called often a second time in the middle.
    apart_from: makes a subject whose sites are not looked at again. Returns figures and problems."""
    sites, live, facts = learn_of(make)
    known = {site.key for site in learn_of(apart_from)[0]} if apart_from else ()
    sites = [site for site in sites if site.key not in known]
    sites.sort(key=lambda site: (site.name, site.frames))
    jobs = [(site, 1) for site in sites]
    jobs = random.Random(4).sample(jobs, min(most, len(jobs))) if most else \
        jobs + [(site, int(site.count) // 2 + 1) for site in sites if site.count > 3]
    with concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        done = [pool.submit(try_some, make, jobs[i::processes], live, facts) for i in range(processes)]
        results = [result for future in done for result in future.result()]
    return {"sites": len(sites), "runs": len(results), "fired": sum(fired for fired, _ in results)}, [p for _, problems in results for p in problems]
