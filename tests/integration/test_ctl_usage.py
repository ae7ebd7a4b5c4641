# SPDX-License-Identifier: MIT
"""websessctl without a broker: usage, secrets on the command line, help, manual and completion."""
import re
import subprocess

import pytest

from ctl import USAGE, Ctl
from world import ROOT

TOKEN = "AaIA4PvwAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkq"
MANUAL = ROOT / "man/websessctl.1"
COMPLETION = ROOT / "broker/ctl/websessctl.bash"


class Nowhere:
    """As much of a broker as Ctl wants to know."""

    def __init__(self, place):
        self.place, self.socket_path = place, place.run / "nobody.sock"


@pytest.fixture
def ctl(place):
    return Ctl(Nowhere(place))


@pytest.fixture
def verbs(ctl):
    """verb → the names of its options, out of --help."""
    names = re.findall(r"^  ([a-z-]+)(?: .*)?\n        ", ctl("--help").out, re.M)
    common = options_of(ctl("--help").out.split("Options for all verbs:")[1].split("\n\n")[0])
    return {name: set(options_of(ctl(name, "--help").out)) - set(common) for name in names} | {"": set(common)}


def options_of(text):
    return [option for letter, name in re.findall(r"^  (?:-(\w)|  ) --([a-z-]+)", text, re.M) for option in (letter, name) if option]


def test_every_verb_has_help(verbs):
    assert len(verbs) >= 18
    assert verbs["list"] == {"s", "service", "u", "user", "user-prefix", "r", "role", "n", "limit", "after"}


def test_manual_names_every_verb_and_option(verbs):
    manual = MANUAL.read_text()
    documented = {}
    for section in re.split(r"^\.It Ic ", manual, flags=re.M)[1:]:
        name = section.split()[0]
        documented[name] = set(options_in(re.split(r"^\.(?:Sh|Ss) ", section, flags=re.M)[0]))
    for verb, options in verbs.items():
        if not verb:
            assert options <= set(options_in(manual.split(".Sh OPTIONS")[1].split(".Sh ")[0]))
            continue
        assert verb in documented, f"websessctl(1) says nothing of {verb}"
        missing = options - documented[verb]
        assert not missing, f"websessctl(1) says nothing of {verb} {missing}"
        surplus = documented[verb] - options
        assert not surplus, f"websessctl(1) invents {verb} {surplus}"
    assert set(documented) == set(verbs) - {""}


def options_in(text):
    """Options that have an item of their own in a list: `.It Fl n , Fl -limit Ns = Ns Ar N`."""
    return [word.lstrip("-") for line in re.findall(r"^\.It (Fl .*)$", text, re.M) for word in re.findall(r"Fl (-?[a-z-]+)", line)]


def test_manual_lists_exit_statuses():
    manual = MANUAL.read_text().split(".Sh EXIT STATUS")[1].split(".Sh ")[0]
    header = (ROOT / "include/websess.h").read_text()
    for number in re.findall(r"WEBSESS_E_[A-Z_]+ = (\d+)", header):
        assert f".It {10 + int(number)}\n" in manual


def test_completion_names_every_verb_and_option(verbs):
    text = COMPLETION.read_text()
    for verb, options in verbs.items():
        assert re.search(rf"(?<![\w-]){re.escape(verb)}(?![\w-])", text)
        for option in options:
            if len(option) > 1:
                assert f"--{option}" in text, f"completion lacks --{option}"


def complete(words, before=""):
    script = f'{before}source {COMPLETION}; COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; ' \
             f'COMP_LINE="{" ".join(words)}"; COMP_POINT=${{#COMP_LINE}}; _websessctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_completion_works():
    assert {"revoke", "revoke-user", "revoke-all"} <= complete(["websessctl", "rev"])
    assert complete(["websessctl", "revoke-u"]) == {"revoke-user"}
    assert "--user-prefix" in complete(["websessctl", "list", "--u"])
    assert "--user-prefix" not in complete(["websessctl", "revoke-all", "--u"])
    assert {"short", "pretty", "off"} <= complete(["websessctl", "--json", ""])
    assert {"short", "pretty", "off"} <= complete(["websessctl", "--json", "="])
    assert complete(["websessctl", "--json", "=", "p"]) == {"pretty"}


def test_completion_asks_the_broker():
    """For services and for ids, each where it belongs."""
    broker = 'websessctl() { case $1 in services) printf "default\nshop\n" ;; list) printf "0abc shop alice\n1def shop bob\n" ;; esac; }; '
    for words in (["resolve"], ["login"], ["revoke-user"], ["set-roles", "--user"], ["set-roles", "-u"], ["--json", "=", "short", "rotate"],
                  ["list", "--service"], ["list", "--service", "="]):
        assert complete(["websessctl", *words, ""], broker) == {"default", "shop"}, words
        assert complete(["websessctl", *words, "sh"], broker) == {"shop"}, words
    for words in (["show"], ["show", "0abc"], ["revoke"], ["set-roles"], ["touch", "shop"], ["revoke-user", "--except"]):
        assert complete(["websessctl", *words, ""], broker) == {"0abc", "1def"}, words
    for words in (["resolve", "shop"], ["list", "--user"], ["create", "shop"], ["set-roles", "--user", "shop"]):
        assert complete(["websessctl", *words, ""], broker) == set(), words


def test_version_and_help(ctl):
    assert re.fullmatch(r"websessctl [0-9.]+", ctl("--version").line)
    assert "Verbs:" in ctl("-h").out
    assert "backup FILE" in ctl("backup", "--help").out


@pytest.mark.parametrize("arguments", [
    [], ["dance"], ["list", "--bogus"], ["show"], ["login", "shop"], ["status", "now"], ["list", "-n", "x"], ["--json=xml", "status"],
    ["create", "shop", "alice", "--attr", "nothing"], ["create", "shop", "alice", "--level=4294967296"], ["set-roles", "id"],
])
def test_wrong_usage(ctl, arguments):
    result = ctl(*arguments, status=USAGE)
    assert result.out == "" and result.err.startswith("websessctl: ") and result.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    ["resolve", "shop", TOKEN], ["logout", "shop", "APP:" + TOKEN], ["resolve", "shop", f"--token={TOKEN}"],
    ["set-attr", "shop", f"copy={TOKEN}"], [TOKEN], ["resolve", "shop", "--cookie", f"SESSION={TOKEN}; a=b"],
])
def test_S22_a_token_on_the_command_line_is_refused(ctl, arguments):
    result = ctl(*arguments, status=USAGE)
    assert "looks like a token" in result.err and "standard input" in result.err
    assert TOKEN not in result.err and result.out == ""


def test_no_secret_no_call(ctl):
    for arguments in (["login", "shop", "alice"], ["resolve", "shop"], ["logout", "shop"], ["rotate", "shop"], ["set-attr", "shop", "a=b"]):
        assert "nothing came from standard input" in ctl(*arguments, status=USAGE).err
    assert "longer than" in ctl("login", "shop", "alice", input="x" * 20000, status=USAGE).err
