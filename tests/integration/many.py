# SPDX-License-Identifier: MIT
"""Many sessions, and a search for many things at once: what tests/integration/tokens.c does."""
import concurrent.futures
import subprocess

from world import BUILD

TOOL = BUILD / "tests/integration/tokens"


def make(path, service, many, at_once=10):
    """The tokens of that many new sessions. By several processes, so that many share a commit."""
    makers = [subprocess.Popen([TOOL, "make", path, service, str(many // at_once)], stdout=subprocess.PIPE, text=True) for _ in range(at_once)]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        outputs = list(pool.map(lambda maker: maker.communicate()[0], makers))
    assert [maker.returncode for maker in makers] == [0] * at_once
    return "".join(outputs).split()


def find(folder, needles, files, fds):
    """How many of the needles (8 bytes each) are in each file, wherever they stand. A process's memory is a file too."""
    (folder / "needles").write_bytes(b"".join(needles))
    done = subprocess.run([TOOL, "find", folder / "needles", *files.values()], check=True, stdout=subprocess.PIPE, text=True, pass_fds=fds)
    (folder / "needles").unlink()
    results = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    assert all(size > 0 for _, size in results)
    return dict(zip(files, (n for n, _ in results), strict=True))
