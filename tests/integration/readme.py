# SPDX-License-Identifier: MIT
"""README.md in pieces: fenced blocks with their language and the headings they stand under, and tables."""
import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S)        # without the fenced blocks


class Block(NamedTuple):
    section: str
    language: str
    code: str


def blocks(language, section=None):
    """The blocks in a language, those under one heading or all of them, in order."""
    found, heading = [], ""
    for match in re.finditer(r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$", TEXT, re.M | re.S):
        heading = match["heading"] or heading
        if match["code"] and match["language"] == language and section in (None, heading):
            found.append(Block(heading, language, match["code"]))
    return found


def block(language, section, containing=""):
    """The only such block."""
    found = [b.code for b in blocks(language, section) if containing in b.code]
    assert len(found) == 1, f"README.md has {len(found)} blocks of {language} with {containing!r} under {section}"
    return found[0]


def section(heading):
    """The text from a heading to the next one, without fenced blocks."""
    return re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", PROSE, re.M | re.S)[1]


def rows(text):
    """The cells of the tables in a text, without headings."""
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    rules = [n for n, row in enumerate(table) if set(row[0]) == {"-"}]
    return [row for n, row in enumerate(table) if n not in rules and n + 1 not in rules]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)
