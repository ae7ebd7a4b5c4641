# SPDX-License-Identifier: MIT
"""What the shared object exports and needs is what the header and the manual promise."""
import re
import shutil
import subprocess

import pytest

from library import PROTOTYPES
from world import BUILD, ROOT, SANITIZED

HEADER = ROOT / "include" / "websess.h"


def declared():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return {name for name in re.findall(r"\b(websess_\w+)\(", text)}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_exactly_what_the_header_declares_is_exported():
    lines = output("nm", "-D", "--defined-only", BUILD / "libwebsess.so").splitlines()
    exported = {line.split()[2] for line in lines if " T " in line}
    assert exported == {f"{name}@@LIBWEBSESS_1" for name in declared()}


def test_it_needs_libsystemd_libcrypto_and_libc_alone():
    dynamic = output("readelf", "-d", BUILD / "libwebsess.so")
    needed = set(re.findall(r"NEEDED.*\[(\S+?)\.so", dynamic))
    beside = {"ld-linux-x86-64", "ld-linux-aarch64"} | ({"libasan", "libubsan", "libtsan"} if SANITIZED else set())
    assert needed - beside == {"libsystemd", "libcrypto", "libc"}
    assert "libwebsess.so.1]" in dynamic


@pytest.mark.parametrize("compiler, language", [("gcc", "c99"), ("gcc", "c17"), ("g++", "c++17")])
def test_the_header_stands_alone(compiler, language):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    subprocess.run([compiler, f"-std={language}", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                    "-x", "c++" if compiler == "g++" else "c", HEADER], check=True)


def test_no_type_of_another_library_is_in_the_header():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    assert set(re.findall(r"#include <(.*?)>", text)) == {"stddef.h", "stdint.h"}
    assert "sd_bus" not in text and "MDB_" not in text


def test_the_manual_lists_every_function():
    manual = (ROOT / "man" / "libwebsess.3").read_text()
    assert declared() == set(re.findall(r"^\.F[no] (websess_\w+)", manual, flags=re.M)) & declared()
    assert not declared() - set(re.findall(r"^\.F[no] (websess_\w+)", manual, flags=re.M))


def test_the_prototypes_that_tests_use_exist():
    assert set(PROTOTYPES) <= declared()
